"""What a page needs of per-image numbers, taken as `score` passes them by: nothing else is kept of an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cache.store import Store
from manifests.schema import Dataset

from .cell import Cell
from .figure_data import RELIABILITY, SHORT, first_predictions, reliability_rows
from .headline_answers import headline_answers
from .measure import Measured

MOST_PREDICTIONS = 60
"""More rows than this belong into `assay-analyze export`, not on a page."""


@dataclass(frozen=True, slots=True)
class Hits:
    """Which images of one version of a dataset a model answered, and which of them rightly, as bits."""

    model: str
    prompt_set: str
    dataset: str
    version: str
    protocol: str
    used: bytes
    right: bytes

    def counts(self, other: Hits) -> tuple[int, int, int, int]:
        """Images that both answered: both right, this alone, the other alone, neither.

        Examples
        --------
        >>> bits = lambda *flags: np.packbits(np.array(flags, bool)).tobytes()
        >>> here = Hits("a", "", "toys", "v", "", bits(1, 1, 1, 0), bits(1, 1, 0, 0))
        >>> there = Hits("b", "", "toys", "v", "", bits(1, 1, 1, 1), bits(1, 0, 0, 1))
        >>> here.counts(there)
        (1, 1, 0, 1)
        """
        used = _bits(self.used) & _bits(other.used)
        a, b = _bits(self.right) & used, _bits(other.right) & used
        both, first, second = a & b, a & ~b, b & ~a
        ones = [int(np.bitwise_count(part).sum()) for part in (both, first, second, used)]
        return ones[0], ones[1], ones[2], ones[3] - sum(ones[:3])


def _bits(packed: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(packed, np.uint8)


class Seen:
    """What a page needs of per-image numbers."""

    def __init__(self, store: Store, datasets: Mapping[str, Dataset] | None = None) -> None:
        self.store = store
        self.datasets = datasets or {}
        self.cells = 0
        self.images: dict[str, int] = {}
        self.hits: list[Hits] = []
        self._bins: list[pl.DataFrame] = []
        self._first: list[pl.DataFrame] = []

    def see(self, cell: Cell, measured: Measured) -> None:
        """Take the bins, the first predictions and the right answers of a cell."""
        name = cell.binding.dataset
        protocols = self.datasets[name].protocols if name in self.datasets else ()
        self.cells += 1
        self.images[name] = cell.n_total
        self._bins.append(reliability_rows(cell, measured, protocols=protocols))
        self._first.append(first_predictions(self.store, cell, measured, MOST_PREDICTIONS))
        answers = headline_answers(measured, protocols)
        if answers is not None:
            used = answers.ok & answers.counted
            self.hits.append(
                Hits(
                    model=cell.binding.model,
                    prompt_set=cell.prompt_set,
                    dataset=name,
                    version=cell.view.id,
                    protocol=answers.protocol,
                    used=np.packbits(used).tobytes(),
                    right=np.packbits(used & answers.top1).tobytes(),
                )
            )

    def bins(self) -> pl.DataFrame:
        """Return the bins of all reliability diagrams."""
        return pl.concat(self._bins) if self._bins else pl.DataFrame(schema=RELIABILITY)

    def predictions(self) -> tuple[pl.DataFrame, int]:
        """Return what all models say of the first images of each test set, and how many images that is at most."""
        if not self._first:
            return pl.DataFrame(schema=SHORT), 0
        each = max(1, MOST_PREDICTIONS // self.cells)
        table = pl.concat(self._first).filter(pl.col("row") < each).sort("dataset", "row", "model")
        return table.head(MOST_PREDICTIONS), each
