"""`assay-cache`: look into a store, verify it, mend it, clean it; take numbers that were made elsewhere."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from . import console
from .console import Options, log, make_app, print_data, print_json, print_rows, run_app
from .errors import UsageError

if TYPE_CHECKING:
    from .store import Store

app = make_app("assay-cache", "Look into a store, verify it, mend it, clean it.")

Many = Annotated[list[str] | None, Parameter(negative="", consume_multiple=False)]
Flag = Annotated[bool, Parameter(negative="")]
DEFAULT_OPTIONS = Options()


def _open(options: Options) -> Store:
    from .store import Store, store_path

    options.start_logging()
    return Store(store_path(options.store))


@app.command
def ls(
    *,
    model: Many = None,
    dataset: Many = None,
    kinds: Many = None,
    overlaps: Flag = False,
    options: Options = DEFAULT_OPTIONS,
) -> None:
    """Show what is in the store.

    Parameters
    ----------
    model
        Only these models; ids, commas, globs.
    dataset
        Only these datasets.
    kinds
        Only these kinds: logits, embeddings, patches, text, heads...
    overlaps
        List the pairs of datasets that share images, by content: what leaks from one into another.
    """
    if overlaps:
        from .overlaps import overlaps as shared

        if model or kinds:
            raise UsageError("--overlaps compares datasets; --model and --kinds cannot limit it, --dataset can.")
        facts = ("first", "second", "shared", "of_first", "of_second", "labels_differ", "example")
        _list(shared(_open(options), dataset or ()), facts, "no two datasets share an image", options)
        return
    from .inventory import inventory

    found = inventory(_open(options), model or (), dataset or (), kinds or ())
    if options.json:
        print_json(found)
        return
    print_data(f"{found['store']}: {found['packs']} packs, {found['bytes']} bytes")
    for title, columns in (
        ("models", ("id", "group", "datasets", "spaces")),
        ("datasets", ("version", "samples", "images", "labelled", "packs")),
        ("spaces", ("label", "models", "kinds")),
    ):
        if found[title]:
            print_data(f"\n{title}")
            print_rows([{key: _plain(row[key]) for key in columns} for row in found[title]], columns, False)
    if found["kinds"]:
        print_data("\nkinds")
        rows = [{"kind": kind, **amount} for kind, amount in found["kinds"].items()]
        print_rows(rows, ("kind", "packs", "bytes"), False)


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return ", ".join(f"{kind} {amount['packs']} packs {amount['bytes']} bytes" for kind, amount in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else value


@app.command
def check(*, read_data: Flag = False, sample: float = 1.0, seed: int = 0, options: Options = DEFAULT_OPTIONS) -> int:
    """Verify every document and the size of every data file. Exits with 4 when something is damaged or lost.

    Parameters
    ----------
    read_data
        Hash and decode the data too.
    sample
        With --read-data: the share of the segments that is read, such as 0.1.
    seed
        Which share; another seed another share.
    """
    from .check import Sample, exit_code
    from .check import check as find

    if not 0 < sample <= 1:
        raise UsageError(f"--sample is a share above 0 and up to 1; got {sample}.")
    if sample < 1 and not read_data:
        raise UsageError("--sample chooses from what --read-data reads; give both.")
    found = find(_open(options), read_data, Sample(sample, seed))
    if options.json:
        print_json([finding.to_json() for finding in found])
    elif found:
        print_rows([finding.to_json() for finding in found], ("sort", "path", "what"), False)
    else:
        print_data("everything in the store is as it should be" + ("" if read_data else " (data measured, not read)"))
    return exit_code(found)


@app.command
def repair(*, options: Options = DEFAULT_OPTIONS) -> None:
    """Move what is damaged or lost to local/quarantine; nothing is deleted, and `assay-extract run` redoes it."""
    from .repair import open_for_repair
    from .repair import repair as mend
    from .store import store_path

    options.start_logging()
    store, moved = open_for_repair(store_path(options.store))
    moved += mend(store)
    _list([item.to_json() for item in moved], ("path", "to", "why"), "nothing is damaged or lost", options)
    if moved:
        log.info("%d moved to quarantine; repeat the commands that made them, then `assay-cache check`", len(moved))


@app.command
def gc(*, grace: float | None = None, options: Options = DEFAULT_OPTIONS) -> None:
    """Delete unfinished work of dead processes, and data that no record names.

    Parameters
    ----------
    grace
        Seconds without a write after which unfinished work counts as dead; a day unless given.
    """
    from .gc import GRACE_SECONDS
    from .gc import gc as clean

    if grace is not None and not grace >= 0:
        raise UsageError(f"--grace is a number of seconds, 0 or more; got {grace}.")
    removed = clean(_open(options), GRACE_SECONDS if grace is None else grace)
    _list([item.to_json() for item in removed], ("path", "bytes"), "nothing to remove", options)


@app.command
def drift(first: str, second: str, *, options: Options = DEFAULT_OPTIONS) -> None:
    """Compare two spaces, or two models, on the items that both hold.

    Parameters
    ----------
    first
        A space's id, label or slug, or a model that is bound to one space.
    second
        The other.
    """
    from .drift import drift as compare

    store = _open(options)
    found = compare(store, store.resolve_space(first), store.resolve_space(second))
    columns = ("kind", "items", "max_abs", "mean_cosine", "min_cosine", "top1_flips")
    print_rows([item.to_json() for item in found], columns, options.json)


@app.command
def retire(
    request: str | None = None, /, *, model: Many = None, dataset: Many = None, options: Options = DEFAULT_OPTIONS
) -> None:
    """Unbind a request, a model, or one of two current versions of a dataset. Data stay.

    Parameters
    ----------
    request
        The digest of a request, or its first digits. The whole digest of a lost one gives it up.
    model
        Every request of these models.
    dataset
        With --model: only on these datasets. Alone: NAME@ID, the version to retire.
    """
    from . import retire as unbind

    if sum((request is not None, bool(model), bool(dataset) and not model)) != 1:
        raise UsageError(
            "retire takes one of: REQUEST-DIGEST, --model M [--dataset D], --dataset NAME@ID. "
            "`assay-cache ls` shows what is bound."
        )
    store = _open(options)
    if request is None and not model:
        rows = [{"retired": one, "by": unbind.retire_version(store, one)} for one in dataset or ()]
        _list(rows, ("retired", "by"), "", options)
        return
    if request is not None and unbind.forget(store, request):
        _list([{"request": request, "state": "lost, given up"}], ("request", "state"), "", options)
        return
    found = [unbind.by_digest(store, request)] if request else unbind.by_name(store, model or (), dataset or ())
    unbind.retire(store, found)
    rows = [{"model": r.model, "dataset": r.dataset, "space": r.label, "request": r.digest} for r in found]
    _list(rows, ("model", "dataset", "space", "request"), "", options)


@app.command
def ingest(
    *files: Path,
    model: str,
    dataset: str,
    kind: Literal["logits", "embeddings", "predictions", "records"],
    format: Literal["imagenet-x", "model-vs-human", "testbed"] | None = None,
    group: str = "",
    classes: Path | None = None,
    label_space: str = "",
    order: Path | None = None,
    options: Options = DEFAULT_OPTIONS,
) -> None:
    """Take numbers that were made elsewhere for a dataset that is indexed or listed; all of them, or none.

    Rows meet samples by the column `sample`. Arrays without names are in the order of the dataset.

    Parameters
    ----------
    files
        .csv, .parquet, .npy, .npz or .h5 (records: .jsonl or .parquet); several files of one model are joined.
    model
        What tables will call it; any id. Trials of model-vs-human become one model a subject, `MODEL.SUBJECT`.
    dataset
        The dataset whose samples the rows are of.
    kind
        logits and embeddings: one row of numbers a sample; predictions: predicted_class, predicted_probability;
        records: lines of `assay-analyze questions` with `answer`.
    format
        Forms in which projects publish: ImageNet-X's predictions, trials of model-vs-human, pickles of the testbed.
    group
        The group of a model that the manifests do not know; `other` unless given.
    classes
        One class a line: what logit columns, or predicted classes, stand for.
    label_space
        The same, as the id of a label space: imagenet-1k, cue-16, ...
    order
        For --format testbed: a CSV whose column file_name says what the rows are of.
    """
    from manifests.catalogue import load, user_folders

    from .ingesting.asked import IngestRequest
    from .ingesting.ingest import ingest as take
    from .store import Store, store_path

    options.start_logging()
    catalogue = load(user_folders(options.manifests, os.environ))
    store, new = Store.create(store_path(options.store))
    if new:
        log.info("created a store at %s", store.layout.root.resolve())
    asked = IngestRequest(
        model=model,
        dataset=dataset,
        kind=kind,
        files=files,
        form=format or "",
        group=group,
        classes=classes,
        label_space=label_space,
        order=order,
    )
    done = take(store, catalogue, asked)
    for note in dict.fromkeys(note for report in done for note in report.notes):
        log.warning("%s", note)
    columns = ("model", "dataset", "kind", "rows", "extra", "packs", "space")
    print_rows([report.to_json() for report in done], columns, options.json)
    if not any(report.packs for report in done):
        log.info("all of it was in the store already")


def _list(rows: Sequence[Mapping[str, Any]], columns: tuple[str, ...], nothing: str, options: Options) -> None:
    if rows or options.json:
        print_rows(rows, columns, options.json)
    else:
        print_data(nothing)


def main() -> None:
    """Run the command line."""
    console.exit_with(lambda: run_app(app))
