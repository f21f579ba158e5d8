"""`assay-extract run` of records: questions to language models with eyes, alone or as blocks of a study."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cache.console import Options, log, print_data, print_json
from manifests.errors import UsageError

from .model_options import ModelOptions
from .opening import create_store, open_catalogue
from .selection import Selection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cache.store import Store
    from extract.vlm.ask import AskReport
    from manifests.catalogue import Catalogue

FACTS = ("group", "training_source", "encoder_family", "fine_tuning", "resolution", "derived_from")
_MOST_LINES = 200


@dataclass(frozen=True, slots=True)
class Asked:
    """A language model that is to be asked.

    name
        What tables call it.
    folder
        Its files, as transformers saves a model.
    said
        Where they came from, for the provenance.
    """

    name: str
    folder: Path
    said: str


def run_records(
    selection: Selection, built: ModelOptions, questions: Path | None, device: str, options: Options
) -> int:
    """Ask the questions of a file that were not asked yet; see `run` for the options.

    Raises
    ------
    UsageError
        When there are no questions, or the model, dataset or kinds are not of that sort.
    """
    from manifests.selection import split_patterns

    kinds = split_patterns(selection.kinds) if selection.kinds else ("records",)
    if kinds != ("records",):
        raise UsageError("records are asked for alone: --kinds records --model hf:DIR --questions FILE.")
    if questions is None:
        raise UsageError(
            "--kinds records needs --questions FILE; `assay-analyze questions --dataset imagenet-d --out FILE` writes "
            "it from the logits of a selection model."
        )
    if selection.study:
        store, catalogue = create_store(options), open_catalogue(options)
        done = study_records(store, catalogue, selection, built, questions, device)
    else:
        models, datasets = tuple(selection.model or ()), split_patterns(selection.dataset or ["imagenet-d"])
        if len(models) != 1:
            raise UsageError(_sort(models))
        if len(datasets) != 1:
            raise UsageError(f"a file of questions is about one dataset; got {', '.join(datasets)}.")
        catalogue = open_catalogue(options)
        asked = _asked(catalogue, models[0], built)
        done = [_ask(create_store(options), catalogue, asked, datasets[0], questions, built, device)]
    failures = [failure for one in done for failure in one.failures]
    if options.json:
        shown = [one.to_json() for one in done]
        print_json(shown if selection.study else shown[0])
    else:
        print_data(said_of(done))
    return 5 if failures else 0


def study_records(
    store: Store,
    catalogue: Catalogue,
    selection: Selection,
    built: ModelOptions,
    questions: Path | None,
    device: str,
) -> list[AskReport]:
    """Ask the language models of a study, each of which has a folder in `--weights DIR`.

    Without questions, a line says how they come about; of models that nobody brought nothing is said, as in `run`.

    Raises
    ------
    UsageError
        When the questions are about no dataset of those blocks, or a model that they are for is not brought.
    """
    from extract.weights_folder import weights_folder

    asking = [block for block in catalogue.studies[selection.study].blocks if "records" in block.kinds]
    if not asking:
        if questions is not None:
            raise UsageError(f"--questions: study {selection.study} has no block of kind records.")
        return []
    folder = weights_folder(built.weights or "")
    if folder is None:
        if questions is not None:
            raise UsageError(
                "--study with --questions needs --weights DIR, which holds <model id>/ for each language model."
            )
        return []
    if questions is None:
        if any(folder.entry(model) for block in asking for model in block.models) and not selection.model:
            about = dict.fromkeys(name.partition(":")[0] for block in asking for name in block.datasets)
            log.warning("study %s also asks questions: `assay-analyze questions --dataset %s --out FILE` writes them, "
                        "--questions FILE asks them", selection.study, " or ".join(about))  # fmt: skip
        return []
    blocks = selection.study_blocks(store, catalogue, built.weights, ("records",), limits=False)
    pairs = dict.fromkeys((model, dataset) for models, datasets, _, _ in blocks for model in models
                          for dataset in datasets)  # fmt: skip
    return [
        _ask(store, catalogue, _asked(catalogue, model, built), dataset, questions, built, device)
        for model, dataset in pairs
    ]


def said_of(done: Sequence[AskReport]) -> str:
    """Return what became of questions, in a line."""
    units, asked = (sum(getattr(one, name) for one in done) for name in ("units", "asked"))
    return f"{units} units, {asked} questions, {sum(len(one.failures) for one in done)} without an answer"


def _asked(catalogue: Catalogue, model: str, built: ModelOptions) -> Asked:
    """Return a model by `hf:...`, or by its id where `--weights` says where its folder is."""
    from extract.vlm.saved import SCHEME, folder_of
    from extract.weights_folder import weights_folder

    if model.startswith(SCHEME):
        folder = folder_of(model, offline=built.offline)
        # A folder's path says nothing on another machine.
        said = f"{SCHEME}{folder.name}" if Path(model.removeprefix(SCHEME)).is_dir() else model
        return Asked(built.name or said, folder, said)
    several = weights_folder(built.weights or "")
    where = (built.weights or "") if several is None else several.entry(model)
    if model not in catalogue.models or not Path(where).is_dir() or not where:
        raise UsageError(_sort((model,)))
    folder = folder_of(f"{SCHEME}{where}", offline=True)
    return Asked(built.name or model, folder, f"{SCHEME}{folder.name}")


def _sort(models: Sequence[str]) -> str:
    return (
        "--kinds records takes one model of transformers, --model hf:DIR or hf:ORG/NAME, or an id of the manifests "
        f"with --weights DIR; got {', '.join(models) or 'none'}. Answers made elsewhere: `assay-cache ingest --kind "
        "records`."
    )


def _ask(
    store: Store, catalogue: Catalogue, asked: Asked, dataset: str, questions: Path, built: ModelOptions, device: str
) -> AskReport:
    from cache.errors import IncompleteError
    from extract.preflight import choose_device
    from extract.sources import Memo
    from extract.vlm.ask import ask
    from extract.vlm.language_model import LanguageModel
    from extract.vlm.questions import packs_of, read_questions

    if dataset not in store.datasets():
        raise IncompleteError(f"not indexed yet: `assay-extract index {dataset} --root DIR` brings it.")
    view = store.version(dataset)
    packs = packs_of(read_questions(questions), view)
    known = catalogue.models.get(asked.name)
    facts = {"group": "vlm"} if known is None else {fact: getattr(known, fact) for fact in FACTS}
    facts = {fact: value for fact, value in facts.items() if value not in (None, "")}
    model = LanguageModel(asked.folder, dtype=built.dtype, memo=Memo(store))
    done = ask(store, model, asked.name, facts, view, packs, choose_device(device), asked.said)
    for failure in done.failures[:_MOST_LINES]:
        log.warning("question %s: %s (%s)", failure.item[:16], failure.status, failure.detail)
    return done
