"""`assay-extract plan` and `run`: what is missing, and doing it."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from cache.console import Options, log, print_data, print_json, print_rows
from manifests.errors import UsageError

from .model_options import DEFAULT_MODEL_OPTIONS, ModelOptions
from .opening import at_least, create_store, open_catalogue, open_store
from .run_records import run_records, said_of, study_records
from .selection import DEFAULT_SELECTION, Selection

if TYPE_CHECKING:
    from cache.commits import RowFailure
    from cache.store import Store
    from extract.plan import Plan
    from extract.receipts import RunReport
    from extract.vlm.ask import AskReport
    from manifests.catalogue import Catalogue

DEFAULT_OPTIONS = Options()
_MOST_LINES = 200


def plan(
    *,
    selection: Selection = DEFAULT_SELECTION,
    built: ModelOptions = DEFAULT_MODEL_OPTIONS,
    options: Options = DEFAULT_OPTIONS,
) -> None:
    """Say what `run` would do: units, images needed and computed, bytes, time. Options are those of `run`."""
    from extract.blocks import plan_blocks
    from extract.price import price

    options.start_logging()
    store, catalogue = open_store(options), open_catalogue(options)
    blocks = selection.blocks(store, catalogue, built.weights)
    found = price(store, catalogue, blocks, built.choice(catalogue), plan_blocks)
    if options.json:
        print_json(found.to_json())
        return
    columns = ("model", "dataset", "kinds", "units", "images_needed", "images_computed", "megabytes", "minutes")
    print_rows(found.rows(), columns, False)
    for line in found.remarks:
        log.info("%s", line)


def run(
    *,
    root: Path | None = None,
    labels: Path | None = None,
    selection: Selection = DEFAULT_SELECTION,
    built: ModelOptions = DEFAULT_MODEL_OPTIONS,
    device: str = "auto",
    batch_size: int = 64,
    workers: int | None = None,
    compress: Literal["none", "zstd"] = "none",
    retry_failed: Annotated[bool, Parameter(negative="")] = False,
    accept_new_pixels: Annotated[bool, Parameter(negative="")] = False,
    questions: Path | None = None,
    options: Options = DEFAULT_OPTIONS,
) -> int:
    """Run models over datasets and commit what they say; what is there already is not computed again.

    Parameters
    ----------
    root
        A folder of images of your own, indexed first under its name.
    labels
        With --root: CSV of labels; else sub-folders are classes.
    device
        cpu, cuda, cuda:1, mps; auto takes the first that is there.
    batch_size
        Images of a forward pass; halved where memory does not hold it.
    workers
        Decoding threads; 0 decodes between batches.
    compress
        Codec of stored patches.
    retry_failed
        Do units again in which images failed because their files were missing or changed, and are back.
    accept_new_pixels
        Go on although the same preprocessing gives other pixels than before (a Pillow upgrade).
    questions
        A file of `assay-analyze questions` for a language model: with --kinds records, and --model hf:DIR or
        hf:ORG/NAME; or for those of a study, with --weights DIR.
    """
    from extract.blocks import plan_blocks
    from extract.failed_rows import failed_before, reopen
    from extract.preflight import check_pixels, choose_device
    from extract.run import run_plan
    from extract.unit import Settings

    options.start_logging()
    if (questions is not None and not selection.study) or "records" in ",".join(selection.kinds or ()).split(","):
        return run_records(selection, built, questions, device, options)
    at_least(1, batch_size=batch_size)
    at_least(0, workers=workers)
    store, catalogue = create_store(options), open_catalogue(options)
    refused = 0
    if root is not None:
        own, refused = _index_folder(store, catalogue, root, labels)
        selection = dataclasses.replace(selection, dataset=[*(selection.dataset or []), own])
    elif labels is not None:
        raise UsageError("--labels belongs to --root; `assay-extract index` takes it for other datasets.")
    blocks, choice = selection.blocks(store, catalogue, built.weights), built.choice(catalogue)
    todo = plan_blocks(store, catalogue, blocks, choice)
    if retry_failed and (reopened := reopen(store, todo)):
        log.info("%d records with failed rows are put away; their units are extracted again", reopened)
        todo = plan_blocks(store, catalogue, blocks, choice)
    check_pixels(store, todo, accept_new_pixels)
    before = failed_before(store, todo)
    threads = workers if workers is not None else max(1, (os.cpu_count() or 2) // 2)
    settings = Settings(batch_size=batch_size, workers=threads, device=choose_device(device))
    done = run_plan(store, todo, settings, compress)
    whole = selection.study and not selection.kinds
    asked = study_records(store, catalogue, selection, built, questions, device) if whole else []
    _show(todo, done, before, asked, options)
    return 5 if done.failures or before or refused or any(one.failures for one in asked) else 0


def _index_folder(store: Store, catalogue: Catalogue, root: Path, labels: Path | None) -> tuple[str, int]:
    """Index a folder under its own name; return that name and how many files were refused."""
    from extract.index import IndexRequest, index

    own = re.sub(r"[^A-Za-z0-9._-]+", "-", root.resolve().name).strip("-._")[:80].rstrip(".") or "folder"
    asked = IndexRequest(dataset=own, root=root, layout="", labels=labels, threads=os.cpu_count() or 1)
    report = index(store, catalogue, asked)
    log.info("indexed %s: %d images, %d labelled", own, report.images, report.labelled)
    return own, len(report.refused)


def _show(
    todo: Plan, done: RunReport, before: Sequence[RowFailure], asked: Sequence[AskReport], options: Options
) -> None:
    again = {failure.item for failure in done.failures}
    failures, earlier = _named(todo, done.failures), _named(todo, [f for f in before if f.item not in again])
    _warn(failures)
    if earlier:
        log.warning("%d images of units that were done before have no numbers:", len(earlier))
        _warn(earlier)
        log.warning("`assay-extract run --retry-failed` redoes those whose files were away and are back.")
    if options.json:
        more = {"records": [one.to_json() for one in asked]} if asked else {}
        print_json({**done.to_json(), "failures": failures, "failures_before": earlier, **more})
    else:
        images = sum(receipt.unit.images for receipt in done.receipts)
        words = f", {sum(text.sentences for text in done.texts)} sentences" if done.texts else ""
        print_data(f"{len(done.receipts)} units, {images} images{words}, {len(done.failures)} without numbers")
        if asked:
            print_data(said_of(asked))


def _warn(failures: Sequence[Mapping[str, str]]) -> None:
    for failure in failures[:_MOST_LINES]:
        log.warning("%s: %s (%s)", failure["sample"] or failure["item"], failure["status"], failure["detail"])
    if len(failures) > _MOST_LINES:
        log.warning("and %d more; --json lists all", len(failures) - _MOST_LINES)


def _named(todo: Plan, failures: Sequence[RowFailure]) -> list[dict[str, str]]:
    """Return every item without numbers once, under the names that the datasets give it."""
    samples: dict[str, dict[str, None]] = {failure.item: {} for failure in failures}
    for view in {work.view.id: work.view for work in todo.works}.values() if samples else ():
        table = view.table.filter(view.table["image_id"].is_in(list(samples)))
        for sample, image in zip(table["sample"], table["image_id"], strict=True):
            samples[image][sample] = None
    rows = (
        {"sample": ", ".join(samples[f.item]), "item": f.item, "status": f.status, "detail": f.detail} for f in failures
    )
    return list({tuple(row.values()): row for row in rows}.values())
