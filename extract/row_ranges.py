"""Rows as a model gives them, cut into ranges that are handed over as soon as they are whole.

Patches of a pack can be gigabytes; a range of them is a segment. Knows no model and no store.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Take = Callable[[int, NDArray[Any]], None]
"""Receives the first row of a range, and its rows."""


class RowRanges:
    """The rows of one kind, in order; those that never come are NaN.

    Parameters
    ----------
    rows
        Rows in all.
    step
        Bytes of a row -> rows of a range.
    take
        Receives every range once, in order.

    Examples
    --------
    >>> taken = []
    >>> ranges = RowRanges(5, lambda row_bytes: 2, lambda start, part: taken.append((start, part[:, 0].tolist())))
    >>> ranges.put([1, 4], np.array([[1.0], [4.0]], np.float32))
    >>> taken
    [(0, [nan, 1.0]), (2, [nan, nan])]
    >>> ranges.close()
    >>> taken[2:]
    [(4, [4.0])]
    """

    def __init__(self, rows: int, step: Callable[[int], int], take: Take) -> None:
        self._rows = rows
        self._step = step
        self._take = take
        self._start = 0
        self._part: NDArray[Any] | None = None

    @property
    def shaped(self) -> bool:
        """Whether the shape of a row is known."""
        return self._part is not None

    def shape(self, example: NDArray[Any]) -> None:
        """Learn shape and dtype from rows `(n, ...)` whose numbers do not matter."""
        if self._part is None:
            self._open(example.shape[1:], example.dtype)

    def put(self, rows: Sequence[int], values: NDArray[Any]) -> None:
        """Add rows.

        Parameters
        ----------
        rows
            Their numbers: increasing, and larger than any before.
        values
            `(len(rows), ...)`.
        """
        self.shape(values)
        at = 0
        while at < len(rows):
            part = self._held()
            stop = self._start + len(part)
            upto = at
            while upto < len(rows) and rows[upto] < stop:
                upto += 1
            part[[row - self._start for row in rows[at:upto]]] = values[at:upto]
            at = upto
            if at < len(rows):
                self._give()

    def close(self) -> None:
        """Hand over what is left.

        Raises
        ------
        ValueError
            When not one row came and no shape was given.
        """
        while self._start < self._rows:
            self._held()
            self._give()

    def _held(self) -> NDArray[Any]:
        if self._part is None:
            raise ValueError("expected rows, or a shape, before the end")
        return self._part

    def _open(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        row_bytes = int(np.prod(shape)) * dtype.itemsize
        count = min(self._step(row_bytes), self._rows - self._start)
        self._part = np.full((count, *shape), np.nan, dtype)

    def _give(self) -> None:
        part = self._held()
        self._take(self._start, part)
        self._start += len(part)
        # A new array, not the old one filled again: whoever took the range may keep it.
        self._open(part.shape[1:], part.dtype)
