"""Per-image numbers of one cell, in one pass over its segments.

Reads blocks of logits and keeps a few numbers an image; memory is bounded by one segment, whatever the dataset.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cache.commits import RowFailure
from cache.reader import Block, Reader
from cache.texts import ClassList
from cache.zero_shot import Head, cosines

from .cells import Cell
from .metrics.ood_scores import mcm
from .metrics.softmax import LogitSummary, summarize


@dataclass(frozen=True, slots=True)
class Measured:
    """What every image of a cell has, in the order of the view.

    ok
        `(n,)` whether the image has numbers; the other arrays hold NaN (or -1) where it is False.
    labels
        `(n,)` column of the true class, -1 where there is none.
    top5_index, top5_logit
        `(n, 5)` best columns, the first index among ties; -1 and NaN beyond the number of classes.
    nll, brier
        NaN where there is no label.
    mcm
        Maximum concept matching; None for models without a text head.
    """

    ok: NDArray[np.bool_]
    failures: Mapping[int, RowFailure]
    labels: NDArray[np.int64]
    confidence: NDArray[np.float64]
    top5_index: NDArray[np.int64]
    top5_logit: NDArray[np.float64]
    log_sum_exp: NDArray[np.float64]
    max_logit: NDArray[np.float64]
    nll: NDArray[np.float64]
    brier: NDArray[np.float64]
    mcm: NDArray[np.float64] | None

    @property
    def prediction(self) -> NDArray[np.int64]:
        """`(n,)` the best column."""
        return self.top5_index[:, 0]


def logit_blocks(reader: Reader, cell: Cell) -> Iterator[tuple[Block, NDArray[Any], NDArray[np.float64] | None]]:
    """Yield blocks of a cell with their logits, and cosine scores where a head makes them.

    Zero-shot logits are computed for whole segments in float32, so that a subset gives the same numbers as the set.
    """
    space = reader.store.space(cell.binding.label)
    head: Head | None = reader.head(space, cell.head) if cell.head else None
    for block in reader.blocks(cell.kind, space, cell.view):
        if head is None:
            yield block, block.values, None
        else:
            similarity = cosines(block.values, head)
            usable = np.isfinite(similarity).all(axis=1)
            concept = np.full(len(similarity), np.nan)
            concept[usable] = mcm(similarity[usable])
            yield block, np.float32(head.scale) * similarity + np.float32(head.bias), concept


def measure(reader: Reader, cell: Cell, columns: NDArray[np.int64]) -> Measured:
    """Measure a cell.

    Parameters
    ----------
    columns
        `(n,)` the logit column of each sample's class, -1 where it has none.
    """
    n = cell.view.table.height
    width = 5
    arrays = {name: np.full(n, np.nan) for name in ("confidence", "log_sum_exp", "max_logit", "nll", "brier")}
    index = np.full((n, width), -1, np.int64)
    logit = np.full((n, width), np.nan)
    concept = np.full(n, np.nan) if cell.head else None
    failures: dict[int, RowFailure] = {}
    ok = np.zeros(n, bool)
    for block, logits, scores in logit_blocks(reader, cell):
        failures.update(block.failures)
        good = np.array([int(at) not in block.failures for at in block.index], bool)
        at = block.index[good]
        ok[at] = True
        for labelled in (True, False):
            chosen = good & ((columns[block.index] >= 0) == labelled)
            if chosen.any():
                rows = block.index[chosen]
                summary = summarize(logits[chosen], columns[rows] if labelled else None)
                _store(arrays, index, logit, rows, summary)
        if concept is not None and scores is not None:
            concept[at] = scores[good]
    return Measured(ok=ok, failures=failures, labels=columns, top5_index=index, top5_logit=logit, mcm=concept, **arrays)


def _store(
    arrays: Mapping[str, NDArray[np.float64]],
    index: NDArray[np.int64],
    logit: NDArray[np.float64],
    rows: NDArray[np.int64],
    summary: LogitSummary,
) -> None:
    arrays["confidence"][rows] = summary.confidence
    arrays["log_sum_exp"][rows] = summary.log_sum_exp
    arrays["max_logit"][rows] = summary.max_logit
    width = summary.top5_index.shape[1]
    index[rows, :width] = summary.top5_index
    logit[rows, :width] = summary.top5_logit
    if summary.nll is not None and summary.brier is not None:
        arrays["nll"][rows] = summary.nll
        arrays["brier"][rows] = summary.brier


def label_columns(view: ClassList, model: ClassList) -> NDArray[np.int64] | None:
    """Return the logit column of each class of a dataset, or None when the model lacks one of them.

    Classes meet by key (a wnid, say), never by position.

    Examples
    --------
    >>> label_columns(ClassList(("b",), ("B",)), ClassList(("a", "b"), ("A", "B")))
    array([1])
    """
    if view == model:
        return np.arange(len(model.keys))
    column = {key: at for at, key in enumerate(model.keys)}
    if any(key not in column for key in view.keys):
        return None
    return np.array([column[key] for key in view.keys], np.int64)
