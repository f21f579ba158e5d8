"""`assay-analyze questions`: a file of questions with four options, for a language model elsewhere to answer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from cache.console import Options, log
from manifests.errors import UsageError

DEFAULT_OPTIONS = Options()


def questions(
    *,
    out: Path,
    dataset: str = "imagenet-d",
    option_lists: Annotated[list[str] | None, Parameter(negative="", consume_multiple=False)] = None,
    orders: int = 4,
    options: Options = DEFAULT_OPTIONS,
) -> int:
    """Write questions about the images of a dataset; `assay-cache ingest --kind records` takes them back answered.

    Add `answer` (the generated text), `letter_logits` (of A, B, C, D at the first step) and `finish_reason` to each
    line and leave the rest as it is.

    Parameters
    ----------
    out
        A .jsonl file, one question a line: request, sample, image_id, list, rotation, options, prompt.
    dataset
        ImageNet-D, or another set whose manifest has `options`, indexed.
    option_lists
        Models that select the options, by their logits in the store; else those of the manifest that are here: for
        ImageNet-D those of the journal's Table III.
    orders
        How many of the four orders of the options are asked about; 1 shows the right one first, as the journal does.
    """
    from analyze.option_lists import OptionLists
    from analyze.questions import ORDERS, questions_of
    from cache.errors import IncompleteError
    from cache.reader import Reader
    from cache.records import question_line
    from cache.store import Store, store_path
    from manifests.catalogue import load, user_folders
    from manifests.selection import split_patterns

    options.start_logging()
    if out.suffix != ".jsonl":
        raise UsageError(f"--out {out}: expected a name that ends in .jsonl.")
    if not 1 <= orders <= ORDERS:
        raise UsageError(f"--orders {orders}: expected 1 to {ORDERS}.")
    store, catalogue = Store(store_path(options.store)), load(user_folders(options.manifests, os.environ))
    if dataset not in store.datasets():
        raise IncompleteError(f"{dataset} is not indexed yet: `assay-extract index {dataset} --root DIR`.")
    manifest = catalogue.datasets.get(dataset)
    if manifest is None or manifest.options is None:
        raise UsageError(
            f"--dataset {dataset}: questions are asked about sets whose manifest has `options`: "
            f"{', '.join(name for name, one in catalogue.datasets.items() if one.options is not None)}."
        )
    named = split_patterns(option_lists) if option_lists else ()
    lists = OptionLists(store, Reader(store), catalogue, named)
    found = lists.of(dataset)
    for note in (*lists.missing, *lists.notes):
        log.warning("%s", note)
    if not found:
        raise IncompleteError(
            f"no model selects options on {dataset}: --option-lists names one that was run there, "
            f"`assay-extract run --model {manifest.options.lists[-1]} --dataset {dataset} "
            f"--prompts {manifest.options.prompts}` runs one."
        )
    space = catalogue.labels[manifest.label_space]
    lines = [question_line(one, sample) for sample, one in questions_of(store.version(dataset), space, found, orders)]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    except OSError as error:
        raise UsageError(f"--out {out} cannot be written ({error.strerror or error}).") from error
    log.info("wrote %d questions under the lists of %s to %s", len(lines), ", ".join(o.model for o in found), out)
    return 3 if lists.missing else 0
