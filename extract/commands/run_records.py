"""`assay-extract run --kinds records`: questions to a language model with eyes."""

from __future__ import annotations

from pathlib import Path

from cache.console import Options, log, print_data, print_json
from manifests.errors import UsageError

from .model_options import ModelOptions
from .opening import create_store, open_catalogue
from .selection import Selection

FACTS = ("group", "training_source", "encoder_family", "fine_tuning", "resolution", "derived_from")


def run_records(
    selection: Selection, built: ModelOptions, questions: Path | None, device: str, options: Options
) -> int:
    """Ask the questions of a file that were not asked yet; see `run` for the options.

    Raises
    ------
    UsageError
        When there are no questions, or the model, dataset or kinds are not of that sort.
    """
    from cache.errors import IncompleteError
    from extract.preflight import choose_device
    from extract.sources import Memo
    from manifests.selection import split_patterns

    kinds = split_patterns(selection.kinds) if selection.kinds else ("records",)
    models, datasets = tuple(selection.model or ()), split_patterns(selection.dataset or ["imagenet-d"])
    if kinds != ("records",) or selection.study:
        raise UsageError("records are asked for alone: --kinds records --model hf:DIR --questions FILE, no --study.")
    if questions is None:
        raise UsageError(
            "--kinds records needs --questions FILE; `assay-analyze questions --dataset imagenet-d --out FILE` writes "
            "it from the logits of a selection model."
        )
    if len(models) != 1 or not models[0].startswith("hf:"):
        raise UsageError(
            f"--kinds records takes one model of transformers, --model hf:DIR or hf:ORG/NAME; got "
            f"{', '.join(models) or 'none'}. Answers made elsewhere: `assay-cache ingest --kind records`."
        )
    if len(datasets) != 1:
        raise UsageError(f"a file of questions is about one dataset; got {', '.join(datasets)}.")
    from extract.vlm.ask import ask
    from extract.vlm.language_model import LanguageModel
    from extract.vlm.questions import packs_of, read_questions
    from extract.vlm.saved import folder_of

    store, catalogue = create_store(options), open_catalogue(options)
    if datasets[0] not in store.datasets():
        raise IncompleteError(f"not indexed yet: `assay-extract index {datasets[0]} --root DIR` brings it.")
    view = store.version(datasets[0])
    packs = packs_of(read_questions(questions), view)
    folder = folder_of(models[0], offline=built.offline)
    # A folder's path says nothing on another machine.
    said = f"hf:{folder.name}" if Path(models[0].removeprefix("hf:")).is_dir() else models[0]
    name = built.name or said
    known = catalogue.models.get(name)
    facts = {"group": "vlm"} if known is None else {fact: getattr(known, fact) for fact in FACTS}
    facts = {fact: value for fact, value in facts.items() if value not in (None, "")}
    model = LanguageModel(folder, dtype=built.dtype, memo=Memo(store))
    done = ask(store, model, name, facts, view, packs, choose_device(device), said)
    for failure in done.failures[:200]:
        log.warning("question %s: %s (%s)", failure.item[:16], failure.status, failure.detail)
    if options.json:
        print_json(done.to_json())
    else:
        print_data(f"{done.units} units, {done.asked} questions, {len(done.failures)} without an answer")
    return 5 if done.failures else 0
