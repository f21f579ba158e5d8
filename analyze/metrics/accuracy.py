"""Top-k accuracy from logits and labels. Knows nothing of label spaces: the columns are the classes that count."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analyze.checks import label_vector, logit_matrix, require_finite

from .softmax import block_rows


def top_k_correct(logits: ArrayLike, labels: ArrayLike, k: int = 1) -> NDArray[np.bool_]:
    """Whether each label is among the k largest logits of its row, ties going to the lowest index.

    The rank of label y is #{j : z_j > z_y} + #{j < y : z_j = z_y}; the row counts if it is below k. A model that gives
    every class the same logit is thus right on class 0 only, not everywhere.

    Parameters
    ----------
    logits : float (n, c)
    labels : int (n,)
        Class indices in [0, c).
    k : int
        From 1 to c.

    Returns
    -------
    bool (n,)

    Raises
    ------
    ValueError
        Wrong shapes, k or labels out of range, NaN or infinity (with row numbers).

    Notes
    -----
    Top-1 and top-5 error: Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, IJCV 2015, section
    4.1.

    Examples
    --------
    >>> top_k_correct([[0.0, 2.0, 1.0], [3.0, 1.0, 1.0]], [2, 2], k=2).tolist()  # the second label lost a tie
    [True, False]
    """
    matrix = logit_matrix(logits)
    n, c = matrix.shape
    truth = label_vector(labels, n, c)
    if not 1 <= k <= c:
        raise ValueError(f"k: expected 1 to {c}, the number of classes, got {k}")
    correct = np.empty(n, np.bool_)
    class_index = np.arange(c)
    size = block_rows(c, 1024)
    for start in range(0, n, size):
        block = matrix[start : start + size]
        require_finite(block, "logits", start)
        label = truth[start : start + size, None]
        own = np.take_along_axis(block, label, axis=1)
        rank = np.count_nonzero(block > own, axis=1)
        if k > 1 or (rank == 0).any():
            rank += np.count_nonzero((block == own) & (class_index < label), axis=1)
        correct[start : start + size] = rank < k
    return correct


def accuracy(logits: ArrayLike, labels: ArrayLike, k: int = 1) -> float:
    """Share of rows whose label is among the k largest logits, in [0, 1].

    Parameters, errors and ties as in `top_k_correct`.

    Examples
    --------
    >>> accuracy([[0.0, 2.0], [1.0, 0.0], [5.0, 4.0], [0.0, 1.0]], [1, 0, 1, 1])
    0.75
    """
    return float(top_k_correct(logits, labels, k).mean())
