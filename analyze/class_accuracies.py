"""Accuracy of each class: what `export --by-class` writes. One row a class that has images; no figure, no page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cache.store import Store
from cache.texts import ClassList, read_classes

from .cell import Cell
from .intervals import clopper_pearson
from .judged import Judged
from .measure import Measured
from .results import as_they_stand
from .row_key import Key

CLASS_ACCURACIES: dict[str, type[pl.DataType]] = {
    **dict.fromkeys(("model", "group", "dataset", "prompt_set", "protocol", "class"), pl.String),
    **dict.fromkeys(("accuracy_top1", "lo", "hi", "accuracy_top5", "mean_confidence"), pl.Float64),
    **dict.fromkeys(("n", "n_failed"), pl.Int64),
}


def class_accuracy_rows(store: Store, cell: Cell, measured: Measured) -> pl.DataFrame:
    """Return one row for each protocol and class of a cell that has images with numbers, in the order of the classes.

    `lo` and `hi` are Clopper-Pearson's; `n_failed` counts images of the class without numbers, which are left out. A
    class is `name (key)`, since two classes may share a name. Protocols by which several classes may be right have
    none.
    """
    list_ = read_classes(store.disk, store.layout, cell.classes) if cell.classes else ClassList((), ())
    full = [f"{name} ({key})" if name != key else name for key, name in zip(list_.keys, list_.names, strict=True)]
    plain = as_they_stand(Key("", "", "", f"{len(full)}-way", "", "", 0), measured)
    parts = [pl.DataFrame(schema=CLASS_ACCURACIES)]
    for answers in (plain, *measured.judged):
        if answers.labels is not None:
            rows = list(_rows(answers, answers.labels, answers.classes or full))
            about = (cell.binding.model, cell.binding.group, cell.binding.dataset, cell.prompt_set, answers.protocol)
            parts.append(pl.DataFrame([(*about, *row) for row in rows], schema=CLASS_ACCURACIES, orient="row"))
    return pl.concat(parts)


def _rows(answers: Judged, label: NDArray[np.int64], names: Sequence[str]) -> Iterator[tuple[str | float | None, ...]]:
    counted = answers.counted & (label >= 0)
    used, failed = counted & answers.ok, counted & ~answers.ok
    n, lost = (np.bincount(label[which], minlength=len(names)) for which in (used, failed))

    def sums(values: NDArray[Any]) -> NDArray[Any]:
        return np.bincount(label[used], weights=values[used], minlength=len(names))

    right = sums(answers.top1)
    five = None if answers.top5 is None else sums(answers.top5)
    confidence = None if answers.confidence is None else sums(answers.confidence)
    for at in np.flatnonzero(n).tolist():
        k, size = int(right[at]), int(n[at])
        yield (
            names[at],
            k / size,
            *clopper_pearson(k, size),
            None if five is None else float(five[at]) / size,
            None if confidence is None else float(confidence[at]) / size,
            size,
            int(lost[at]),
        )
