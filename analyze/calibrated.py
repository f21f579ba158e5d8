"""Probabilities under a temperature: what is kept of each labelled image, gathered a few rows at a time.

Knows arrays only. A forecast is one reading of a model's logits: as they stand (`raw`), divided by the temperature of
all columns (`ts`), or by that of the columns that a protocol keeps (`ts-restricted`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .checks import Matrix
from .metrics.classwise import ClasswiseSums
from .metrics.softmax import softmax_blocks
from .protocols import any_of, set_losses

Calibration: TypeAlias = Literal["raw", "ts", "ts-restricted"]

TEST_HALF = "test-half"
"""Slice of the images that no temperature was fitted on."""


class Sink(Protocol):
    """Takes logits of some images of a dataset at a time, whatever it does with them."""

    def put(self, index: NDArray[np.int64], logits: Matrix) -> None:
        """Take the finite logits `(m, c)` of the images at these places of the view."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Probabilities of the images of a dataset, in the order of the view.

    used
        `(n,)` which images it is about; the other arrays hold NaN or False elsewhere.
    confidence, correct
        `(n,)` largest probability, and whether its class is right.
    nll, brier
        `(n,)`, or None where all that is known is the confidence.
    classwise
        Sums of every class's probability, or None where an image may have several right classes.
    """

    calibration: Calibration = "raw"
    slice: str = "all"
    used: NDArray[np.bool_]
    confidence: NDArray[np.float64]
    correct: NDArray[np.bool_]
    nll: NDArray[np.float64] | None = None
    brier: NDArray[np.float64] | None = None
    classwise: ClasswiseSums | None = None


@dataclass(frozen=True, slots=True)
class Scale:
    """A temperature to read the logits at, and which images are to be read so.

    only
        `(n,)` places of the view that take part; None for all.
    """

    calibration: Calibration = "raw"
    temperature: float = 1.0
    slice: str = "all"
    only: NDArray[np.bool_] | None = None


class Recorder:
    """Collects one forecast of n images among k classes.

    Examples
    --------
    >>> recorder = Recorder(2, 2, Scale("ts", 2.0))
    >>> recorder.put(np.array([1]), np.log([[9.0, 1.0]]), np.array([0]))  # odds of 9 become 3
    >>> recorder.forecast().confidence.round(12).tolist()
    [nan, 0.75]
    """

    def __init__(self, n: int, k: int, scale: Scale | None = None, counted: NDArray[np.bool_] | None = None) -> None:
        self.scale = scale or Scale()
        self._only = np.ones(n, bool) if self.scale.only is None else self.scale.only
        self._counted = self._only if counted is None else self._only & counted
        self._used = np.zeros(n, bool)
        self._confidence, self._nll, self._brier = (np.full(n, np.nan) for _ in range(3))
        self._correct = np.zeros(n, bool)
        self._sums: ClasswiseSums | None = ClasswiseSums(k)

    def put(self, at: NDArray[np.int64], logits: Matrix, labels: NDArray[np.int64]) -> None:
        """Take logits `(m, k)` of the images at these places and the one right class of each."""
        keep = self._only[at]
        if not keep.any():
            return
        if not keep.all():
            at, logits, labels = at[keep], logits[keep], labels[keep]
        self._used[at] = True
        for part in softmax_blocks(logits, dtype=_work_dtype(logits), temperature=self.scale.temperature):
            rows, label = at[part.rows], labels[part.rows]
            self._confidence[rows] = part.confidence()
            self._correct[rows] = part.top_index[:, 0] == label
            self._nll[rows] = part.negative_log_likelihood(label)
            self._brier[rows] = part.brier(label)
            counted = self._counted[rows]
            if self._sums is not None and counted.all():
                self._sums.add(part.probabilities(), label, rows)
            elif self._sums is not None and counted.any():
                self._sums.add(part.probabilities()[counted], label[counted], rows[counted])

    def put_sets(self, at: NDArray[np.int64], logits: Matrix, right: NDArray[np.bool_]) -> None:
        """Take logits of images of which several classes `right (m, k)` are right; they count as one class."""
        keep = self._only[at]
        if not keep.any():
            return
        at, scaled, right = at[keep], logits[keep] / self.scale.temperature, right[keep]
        self._used[at] = True
        self._sums = None
        for part in softmax_blocks(scaled, dtype=_work_dtype(logits)):
            rows = at[part.rows]
            self._confidence[rows] = part.confidence()
            self._correct[rows] = any_of(part.top_index[:, 0], right[part.rows])
        self._nll[at], self._brier[at] = set_losses(scaled, right)

    def forecast(self) -> Forecast:
        """Return what was collected."""
        return Forecast(
            calibration=self.scale.calibration,
            slice=self.scale.slice,
            used=self._used,
            confidence=self._confidence,
            correct=self._correct,
            nll=self._nll,
            brier=self._brier,
            classwise=self._sums,
        )


def _work_dtype(logits: Matrix) -> DTypeLike:
    return np.float64 if logits.dtype.itemsize >= 8 else np.float32


class Labelled:
    """Feeds recorders with the logits as they stand, of the images that have a class."""

    def __init__(self, columns: NDArray[np.int64], ways: int, scales: tuple[Scale, ...]) -> None:
        self._columns = columns
        self._recorders = [Recorder(len(columns), ways, scale) for scale in scales]

    def put(self, index: NDArray[np.int64], logits: Matrix) -> None:
        """Take the logits of some images."""
        labelled = self._columns[index] >= 0
        if labelled.any():
            at = index[labelled]
            picked = logits if labelled.all() else logits[labelled]
            for recorder in self._recorders:
                recorder.put(at, picked, self._columns[at])

    def forecasts(self) -> tuple[Forecast, ...]:
        """Return one forecast a scale."""
        return tuple(recorder.forecast() for recorder in self._recorders)
