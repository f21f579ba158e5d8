"""`score`: every metric that the asked-for cells allow.

Joins cells, labels and metrics; computes nothing itself. A cell is computed whole or not at all, unless a partial
answer was asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cache.errors import FailedItemsError, UsageError
from cache.reader import Reader
from cache.store import Store
from cache.texts import ClassList, read_classes
from manifests.canonical import digest
from manifests.catalogue import Catalogue

from .cells import Ask, Cell, Missing, find_cells
from .measure import Measured, label_columns, measure
from .results import Key, OnFailure, classification, detection
from .table import Result, to_table

log = logging.getLogger("assay")


@dataclass(frozen=True, slots=True)
class Scored:
    """The answer of `score`.

    measured
        Per-image numbers of each cell that was computed, for figures and exports.
    failed
        Cells left out because images could not be read and the policy is `error`.
    notes
        What a reader of the table should know: datasets whose classes a model does not have.
    """

    table: pl.DataFrame
    missing: tuple[Missing, ...]
    failed: tuple[str, ...]
    measured: tuple[tuple[Cell, Measured], ...]
    notes: tuple[str, ...] = field(default=())


def score(
    store: Store,
    catalogue: Catalogue,
    ask: Ask,
    *,
    id_dataset: str = "",
    ood_datasets: Sequence[str] = (),
    on_failure: OnFailure = "error",
) -> Scored:
    """Compute the results table.

    Parameters
    ----------
    id_dataset, ood_datasets
        Which set is in-distribution and which are not. Left empty, the manifests' roles decide, with imagenet-val
        inside.

    Raises
    ------
    UsageError, IncompleteError, IntegrityError
        As `find_cells` and the reader do.
    """
    reader = Reader(store)
    cells, missing = find_cells(store, reader, ask)
    inside, outside = _roles(catalogue, {cell.binding.dataset for cell in cells}, id_dataset, ood_datasets)
    results: list[Result] = []
    kept: list[tuple[Cell, Measured]] = []
    failed: list[str] = []
    notes: list[str] = []
    for cell in cells:
        columns, note = _columns(store, cell, is_outside=cell.binding.dataset in outside)
        if note:
            notes.append(note)
        measured = measure(reader, cell, columns)
        if measured.failures and on_failure == "error":
            failed.append(_say_failed(cell, measured))
            continue
        kept.append((cell, measured))
        if cell.view.table.height and cell.binding.dataset not in outside:
            results += classification(_key(store, cell), measured, on_failure)
    results += _detection(store, kept, inside, outside)
    return Scored(to_table(results), tuple(missing), tuple(failed), tuple(kept), tuple(dict.fromkeys(notes)))


def _key(store: Store, cell: Cell) -> Key:
    ways = len(read_classes(store.disk, store.layout, cell.classes).keys) if cell.classes else 0
    return Key(
        model=cell.binding.model,
        group=cell.binding.group,
        dataset=cell.binding.dataset,
        protocol=f"{ways}-way" if ways else "",
        prompt_set=cell.prompt_set,
        inputs=cell.inputs,
        n_total=cell.n_total,
    )


def _columns(store: Store, cell: Cell, is_outside: bool) -> tuple[NDArray[np.int64], str]:
    """Return the logit column of every sample's class, and what stood in the way."""
    table = cell.view.table
    none = np.full(table.height, -1, np.int64)
    if not cell.view.classes or not cell.classes or is_outside:
        # The folders of an out-of-distribution set name what it resembles, or nothing of the model's.
        return none, ""
    view: ClassList = read_classes(store.disk, store.layout, cell.view.classes)
    columns = label_columns(view, read_classes(store.disk, store.layout, cell.classes))
    if columns is None:
        return none, (
            f"{cell.binding.model} has no class for some labels of {cell.binding.dataset}, so it has no accuracy there. "
            "If the checkpoint was trained on this dataset's classes, extract it with --classes FILE; if the labels are "
            "ImageNet's, index the dataset with --label-space imagenet-1k."
        )
    labels = table["label"].fill_null(-1).to_numpy()
    return np.where(labels >= 0, columns[labels], -1), ""


def _say_failed(cell: Cell, measured: Measured) -> str:
    first = measured.failures[min(measured.failures)]
    sample = cell.view.table["sample"][min(measured.failures)]
    return (
        f"{cell.binding.model} on {cell.binding.dataset}: {len(measured.failures)} of {cell.view.table.height} images have "
        f"no numbers, the first is {sample!r} ({first.status}: {first.detail}). "
        "--on-failure exclude leaves them out, --on-failure count-wrong counts them as wrong."
    )


def _roles(catalogue: Catalogue, present: set[str], id_dataset: str, ood: Sequence[str]) -> tuple[str, frozenset[str]]:
    unknown = sorted({name for name in (id_dataset, *ood) if name} - present)
    if unknown:
        raise UsageError(
            f"--id-dataset/--ood-dataset: {', '.join(unknown)} is not among the scored datasets ({', '.join(sorted(present))})."
        )
    if ood and not id_dataset and "imagenet-val" not in present:
        raise UsageError("--ood-dataset needs --id-dataset NAME, the set that counts as in-distribution.")
    by_role = {name for name in present if name in catalogue.datasets and catalogue.datasets[name].role == "ood"}
    return id_dataset or "imagenet-val", frozenset(ood or by_role)


def _detection(
    store: Store, kept: Sequence[tuple[Cell, Measured]], inside: str, outside: frozenset[str]
) -> list[Result]:
    reference = {(c.binding.model, c.head): (c, m) for c, m in kept if c.binding.dataset == inside}
    results: list[Result] = []
    for cell, measured in kept:
        partner = reference.get((cell.binding.model, cell.head))
        if cell.binding.dataset in outside and partner is not None:
            inputs = digest("inputs", [partner[0].inputs, cell.inputs])
            results += detection(_key(store, cell), inside, partner[1], measured, inputs)
    return results


def raise_failed(scored: Scored) -> None:
    """Raise when images without numbers kept a cell out of the table.

    Raises
    ------
    FailedItemsError
        Naming every such cell.
    """
    if scored.failed:
        raise FailedItemsError("left out of the table:\n  " + "\n  ".join(scored.failed))
