"""KL matching: how far an image's probabilities are from the typical ones of every class. Knows arrays only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from analyze.checks import logit_matrix

from .softmax import block_rows, softmax_blocks

# Where a mean probability underflows, its logarithm stands for "never": exp(-700).
LEAST = 1e-304


class ClassMeans:
    """Mean softmax of the images that a classifier takes for each class, gathered over blocks of rows.

    Examples
    --------
    >>> means = ClassMeans(2)
    >>> means.add(np.log([[3.0, 1.0], [7.0, 1.0]]))
    >>> means.templates().tolist()  # nothing was taken for class 1
    [[0.8125, 0.1875]]
    """

    def __init__(self, c: int) -> None:
        self._sums = np.zeros((c, c))
        self._n = np.zeros(c, np.intp)

    def add(self, logits: ArrayLike) -> None:
        """Take logits `(m, c)` of some images.

        Raises
        ------
        ValueError
            A wrong shape, NaN or infinity.
        """
        matrix = logit_matrix(logits)
        if matrix.shape[1] != len(self._n):
            raise ValueError(f"logits: expected {len(self._n)} columns, got {matrix.shape[1]}")
        for part in softmax_blocks(matrix):
            taken = part.top_index[:, 0]
            order = np.argsort(taken, kind="stable")
            classes, starts = np.unique(taken[order], return_index=True)
            self._sums[classes] += np.add.reduceat(part.probabilities()[order], starts, axis=0)
            self._n += np.bincount(taken, minlength=len(self._n))

    def templates(self) -> NDArray[np.float64]:
        """Return the mean probabilities `(k, c)` of the k classes that some image was taken for.

        Raises
        ------
        ValueError
            When there were no images.
        """
        seen = self._n > 0
        if not seen.any():
            raise ValueError("templates: expected at least 1 image, got none")
        return self._sums[seen] / self._n[seen, None]


def kl_matching(logits: ArrayLike, templates: ArrayLike) -> NDArray[np.float64]:
    """-min_k KL(softmax(z) || q_k), at most 0 but for rounding: larger is more in-distribution.

    Parameters
    ----------
    logits : float (n, c)
    templates : float (k, c)
        Mean probabilities of classes, of images that are not scored; see `ClassMeans`.

    Returns
    -------
    float64 (n,)

    Raises
    ------
    ValueError
        Wrong shapes, NaN or infinity, templates that are no probabilities.

    Notes
    -----
    Hendrycks et al., Scaling Out-of-Distribution Detection for Real-World Settings, ICML 2022, section 4.2. Templates
    are the means of the images predicted as a class, as there; classes that no image was predicted as have none.

    Examples
    --------
    log(1/2 / 3/4) / 2 + log(1/2 / 1/4) / 2 = log(4/3) / 2.

    >>> kl_matching([[0.0, 0.0]], [[0.75, 0.25]]).round(6).tolist(), (np.log(4 / 3) / 2).round(6).item()
    ([-0.143841], 0.143841)
    """
    matrix = logit_matrix(logits)
    typical = logit_matrix(templates).astype(np.float64)
    if typical.shape[1] != matrix.shape[1] or not ((typical >= 0) & (typical <= 1 + 1e-6)).all():
        raise ValueError(f"templates: expected probabilities of {matrix.shape[1]} classes, got shape {typical.shape}")
    # A product of matrices in the type of the logits: its rounding, 1e-6 or so, does not decide between sets.
    dtype: DTypeLike = np.float64 if matrix.dtype.itemsize >= 8 else np.float32
    logs: NDArray[Any] = np.log(np.maximum(typical, LEAST)).T.astype(dtype)
    score = np.empty(len(matrix))
    for part in softmax_blocks(matrix, block=block_rows(matrix.shape[1], 1024)):
        negative_entropy = -part.entropy()
        cross: NDArray[Any] = part.probabilities().astype(dtype) @ logs
        score[part.rows] = cross.max(axis=1) - negative_entropy
    return score
