"""Calibration of every class's probability, not only of the predicted one: classwise ECE, in row blocks.

Knows arrays only; the calibration of the predicted class is in `calibration`, which offers these names too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from analyze.binning import bin_index, equal_width_edges
from analyze.checks import Matrix, bin_count, float_array, label_vector, logit_matrix, open_fraction, probabilities

from .softmax import CACHED_ROWS, See, block_rows, softmax_blocks

# A row of probabilities stored in half precision may miss a sum of 1 by about this much.
ROW_SUM_SLACK = 2e-3
GRAIN = 2.0**40
GROUPS = 10


def classwise_ece(class_probabilities: ArrayLike, labels: ArrayLike, bins: int = 15) -> float:
    """Mean over classes of the ECE of that class's probability: over all images, frequency of the class against p.

    (1 / c) sum over classes k and equal-width bins b of n_kb / n |frequency_kb - mean p_kb|. With 1,000 classes nearly
    all probabilities fall into the first bin and the value is of the order of 1e-4; some report it times c.

    Parameters
    ----------
    class_probabilities : float (n, c)
        Rows in [0, 1] that sum to 1 (within 2e-3, for half-precision input).
    labels : int (n,)
    bins : int

    Returns
    -------
    float in [0, 1].

    Raises
    ------
    ValueError
        Wrong shapes, labels outside the classes, rows that are no probabilities (logits, say), NaN.

    Notes
    -----
    Kull et al., Beyond temperature scaling, NeurIPS 2019, section 2 (classwise-ECE).

    Examples
    --------
    Class 0: p 0.8, 0.8 and frequency 1/2, gap 0.3; class 1 mirrors it.

    >>> round(classwise_ece([[0.8, 0.2], [0.8, 0.2]], [0, 1], bins=10), 12)
    0.3
    """
    matrix = float_array(class_probabilities, "class_probabilities", 2)
    n, c = matrix.shape
    truth, gaps = label_vector(labels, n, c), ClasswiseSums(c, bins)
    every = np.arange(n)
    size = block_rows(c, 1024)
    for start in range(0, n, size):
        block = probabilities(matrix[start : start + size], "class_probabilities", start)
        total = block.sum(axis=1)
        wrong = np.flatnonzero(np.abs(total - 1) > ROW_SUM_SLACK)
        if len(wrong):
            row = int(wrong[0])
            raise ValueError(
                f"class_probabilities: expected rows that sum to 1, got {total[row]:g} in row {start + row}"
            )
        rows = slice(start, start + size)
        gaps.add(block, truth[rows], every[rows])
    return gaps.mean()


def classwise_ece_of_logits(logits: ArrayLike, labels: ArrayLike, bins: int = 15, *, temperature: float = 1.0) -> float:
    """`classwise_ece` of softmax(logits / temperature), without holding the probabilities of all rows at once.

    Parameters
    ----------
    logits : float (n, c)
    labels : int (n,)
    bins : int
    temperature : float

    Examples
    --------
    >>> round(classwise_ece_of_logits(np.log([[0.8, 0.2], [0.8, 0.2]]), [0, 1], bins=10), 12)
    0.3
    """
    matrix = logit_matrix(logits)
    n, c = matrix.shape
    truth, gaps = label_vector(labels, n, c), ClasswiseSums(c, bins)
    see = gaps.seer(truth, np.arange(n))
    for part in softmax_blocks(matrix, temperature=temperature):
        see(part.rows, part.probabilities())
    return gaps.mean()


class ClasswiseSums:
    """Sums of p - [class is the label] over (group of images, class, bin), gathered over blocks of rows.

    Probabilities are rounded to multiples of 2^-40, so that the sums of 100,000 images are exact, whatever the order
    in which the images come. The groups serve the jackknife, and take no part in the value.
    """

    def __init__(self, c: int, bins: int = 15) -> None:
        self._edges = equal_width_edges(bin_count(bins))
        self._gap = np.zeros((GROUPS, c, bins))
        self._first = np.zeros((GROUPS, c))
        self._n = np.zeros(GROUPS, np.intp)

    def seer(self, labels: NDArray[np.integer[Any]], places: NDArray[np.integer[Any]]) -> See:
        """Return what takes the probabilities of rows with these labels, which stand at these places of a dataset."""
        return lambda rows, block: self.add(block, labels[rows], places[rows])

    def add(self, block: Matrix, labels: NDArray[np.integer[Any]], places: NDArray[np.integer[Any]]) -> None:
        """Take the probabilities `(b, c)` of some images."""
        size = block_rows(block.shape[1], CACHED_ROWS)
        work = np.empty((min(size, len(block)), block.shape[1]))
        for start in range(0, len(block), size):
            rows = slice(start, start + size)
            self._add(block[rows], labels[rows], places[rows] % GROUPS, work[: len(block) - start])

    def _add(
        self,
        block: Matrix,
        label: NDArray[np.integer[Any]],
        group: NDArray[np.integer[Any]],
        values: NDArray[np.float64],
    ) -> None:
        every = np.arange(len(block))
        self._n += np.bincount(group, minlength=GROUPS)
        # A multiplication by a power of 2 loses nothing, whatever the type.
        np.multiply(block, block.dtype.type(GRAIN), out=values)
        np.rint(values, out=values)
        # Almost every probability of a many-class softmax lies in the first bin: only the others are looked up.
        at = np.flatnonzero(block > self._edges[1])
        row, column = at // block.shape[1], at % block.shape[1]
        place = bin_index(block[row, column].astype(np.float64), self._edges)
        np.add.at(self._gap, (group[row], column, place), values[row, column])
        values[row, column] = 0.0
        for one in np.unique(group):
            self._first[one] += values[group == one].sum(axis=0)
        own = block[every, label].astype(np.float64)
        np.add.at(self._gap, (group, label, bin_index(own, self._edges)), -GRAIN)

    @property
    def n(self) -> int:
        """Images so far."""
        return int(self._n.sum())

    def mean(self) -> float:
        """Return the classwise ECE."""
        return self._error(self._gaps().sum(axis=0), self.n)

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the interval by the jackknife that leaves out a tenth of the images at a time.

        The groups are the places in the dataset modulo 10. Student t with one degree of freedom less than there are
        groups; one image, or one group, says nothing: (0, 1).
        """
        open_fraction(level, "level")
        groups = np.flatnonzero(self._n)
        if len(groups) < 2:
            return 0.0, 1.0
        gaps = self._gaps()
        total = gaps.sum(axis=0)
        without = np.array([self._error(total - gaps[group], self.n - int(self._n[group])) for group in groups])
        g = len(groups)
        error = np.sqrt((g - 1) / g * ((without - without.mean()) ** 2).sum())
        half = float(special.stdtrit(g - 1, 0.5 + level / 2) * error)
        return max(0.0, self.mean() - half), min(1.0, self.mean() + half)

    def _gaps(self) -> NDArray[np.float64]:
        gaps = self._gap.copy()
        gaps[:, :, 0] += self._first
        return gaps

    def _error(self, gap: NDArray[np.float64], n: int) -> float:
        if n < 1:
            raise ValueError("classwise ECE: expected at least 1 image, got none")
        return float(np.abs(gap).sum() / GRAIN / n / gap.shape[0])
