"""Proper scoring rules of a softmax: negative log-likelihood and Brier score, in float64 whatever the logits' type.

`softmax.summarize` gives the same numbers in its one pass (in float32 for float32 logits); these are the reference.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analyze.checks import label_vector, logit_matrix

from .softmax import softmax_blocks


def negative_log_likelihood_per_image(logits: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """-log softmax(z)[label] of each row, in nats, in [0, inf).

    Parameters
    ----------
    logits : float (n, c)
    labels : int (n,)
        Class indices in [0, c).

    Returns
    -------
    float64 (n,)

    Raises
    ------
    ValueError
        Wrong shapes, labels out of range, NaN or infinity (with row numbers).

    Notes
    -----
    The logarithmic score of Gneiting and Raftery, Strictly Proper Scoring Rules, Prediction, and Estimation, JASA 2007.

    Examples
    --------
    >>> negative_log_likelihood_per_image([[0.0, 0.0], [1000.0, 0.0]], [0, 0]).round(6).tolist()  # log 2, then 0
    [0.693147, 0.0]
    """
    matrix = logit_matrix(logits)
    truth = label_vector(labels, *matrix.shape)
    values = np.empty(len(matrix))
    for part in softmax_blocks(matrix):
        values[part.rows] = part.negative_log_likelihood(truth[part.rows])
    return values


def negative_log_likelihood(logits: ArrayLike, labels: ArrayLike) -> float:
    """Mean of -log softmax(z)[label], in nats, in [0, inf). Parameters and errors as in the per-image variant.

    Examples
    --------
    >>> round(negative_log_likelihood(np.log([[3.0, 1.0], [1.0, 1.0]]), [0, 1]), 6)  # (log 4/3 + log 2) / 2
    0.490415
    """
    return float(negative_log_likelihood_per_image(logits, labels).mean())


def brier_per_image(logits: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """Sum over classes of (p_k - [k = label])^2 of each row, in [0, 2]; p = softmax(z).

    The sum, not the mean over classes (scikit-learn with `scale_by_half=False` agrees), and all classes, not only the
    predicted one.

    Parameters, errors as in `negative_log_likelihood_per_image`.

    Returns
    -------
    float64 (n,)

    Notes
    -----
    Brier, Verification of Forecasts Expressed in Terms of Probability, Monthly Weather Review 78, 1950, equation 2.

    Examples
    --------
    >>> brier_per_image([[0.0, 0.0], [-1000.0, 0.0]], [0, 0]).tolist()  # (1/2)^2 twice; then wholly wrong
    [0.5, 2.0]
    """
    matrix = logit_matrix(logits)
    truth = label_vector(labels, *matrix.shape)
    values = np.empty(len(matrix))
    for part in softmax_blocks(matrix):
        values[part.rows] = part.brier(truth[part.rows])
    return values


def brier(logits: ArrayLike, labels: ArrayLike) -> float:
    """Mean over rows of the Brier score summed over classes, in [0, 2]. Parameters and errors as in `brier_per_image`.

    Examples
    --------
    >>> round(brier(np.log([[3.0, 1.0], [1.0, 1.0]]), [0, 1]), 12)  # (2/16 + 1/2) / 2
    0.3125
    """
    return float(brier_per_image(logits, labels).mean())
