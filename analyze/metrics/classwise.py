"""Calibration of every class's probability, not only of the predicted one: classwise ECE, in row blocks.

Knows arrays only; the calibration of the predicted class is in `calibration`, which offers these names too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analyze.binning import bin_index, equal_width_edges
from analyze.checks import bin_count, float_array, label_vector, logit_matrix, probabilities

from .softmax import block_rows, softmax_blocks

# A row of probabilities stored in half precision may miss a sum of 1 by about this much.
ROW_SUM_SLACK = 2e-3


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
    gaps = _ClasswiseGaps(label_vector(labels, n, c), c, bin_count(bins))
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
        gaps.add(slice(start, start + size), block)
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
    gaps = _ClasswiseGaps(label_vector(labels, n, c), c, bin_count(bins))
    for part in softmax_blocks(matrix, temperature=temperature):
        part.exps[np.arange(len(part.rest)), part.top_index[:, 0]] = 1.0
        part.exps[...] /= (1.0 + part.rest)[:, None]
        gaps.add(part.rows, part.exps)
    return gaps.mean()


class _ClasswiseGaps:
    """Sums of p - [class is the label] over (class, bin), gathered over blocks of rows."""

    def __init__(self, labels: NDArray[np.intp], c: int, bins: int) -> None:
        self.labels = labels
        self.edges = equal_width_edges(bins)
        self.gap = np.zeros((c, bins))

    def add(self, rows: slice, block: NDArray[Any]) -> None:
        # Almost every probability of a many-class softmax lies in the first bin: only the others are looked up.
        high = block > self.edges[1]
        row, column = np.nonzero(high)
        value = block[row, column].astype(np.float64)
        np.add.at(self.gap, (column, bin_index(value, self.edges)), value)
        self.gap[:, 0] += np.where(high, 0.0, block).sum(axis=0)
        label = self.labels[rows]
        own = block[np.arange(len(label)), label].astype(np.float64)
        np.add.at(self.gap, (label, bin_index(own, self.edges)), -1.0)

    def mean(self) -> float:
        return float(np.abs(self.gap).sum() / len(self.labels) / len(self.gap))
