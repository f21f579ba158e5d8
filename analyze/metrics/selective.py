"""Selective prediction: is a model more confident where it is right, and how wrong is it where it dares to answer?

Knows confidences and right or wrong answers as arrays. Equal confidences are never split by the order of the rows:
the images of a tie count with the tie's mean risk, which is the expectation over all orders.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analyze.checks import confidence_and_correct

from .detection import auroc, exact_rank


def misclassification_auroc(confidence: ArrayLike, correct: ArrayLike) -> float:
    """AUROC of confidence for telling right from wrong answers: P(right > wrong) + P(equal) / 2.

    Parameters
    ----------
    confidence : float (n,)
        In [0, 1].
    correct : bool (n,)

    Returns
    -------
    float in [0, 1]; 1/2 is chance, and a constant confidence.

    Raises
    ------
    ValueError
        Wrong shapes or values; answers that are all right or all wrong, which nothing can tell apart.

    Notes
    -----
    Hendrycks and Gimpel, A Baseline for Detecting Misclassified and Out-of-Distribution Examples in Neural Networks,
    ICLR 2017.

    Examples
    --------
    Of two pairs (right, wrong), one is in order and one is tied.

    >>> misclassification_auroc([0.9, 0.5, 0.5], [1, 1, 0])
    0.75
    """
    conf, hits = confidence_and_correct(confidence, correct)
    right = hits == 1
    if right.all() or not right.any():
        which = "right" if right.all() else "wrong"
        raise ValueError(f"correct: expected right and wrong answers, got {len(hits)} that are all {which}")
    return auroc(conf[right], conf[~right])


def risk_coverage(confidence: ArrayLike, correct: ArrayLike) -> NDArray[np.float64]:
    """Risk among the k most confident images, for every k: the curve over coverages 1/n, 2/n, ..., 1.

    risk_k = (1 / k) sum over the k most confident of the error rate among images of equal confidence: within a tie
    errors are spread evenly, as in expectation over its orders.

    Parameters
    ----------
    confidence : float (n,)
        In [0, 1].
    correct : bool (n,)

    Returns
    -------
    float64 (n,) in [0, 1].

    Raises
    ------
    ValueError
        Empty or unequal shapes, NaN, confidences outside [0, 1], other outcomes.

    Notes
    -----
    El-Yaniv and Wiener, On the Foundations of Noise-free Selective Classification, JMLR 11, 2010; Geifman and
    El-Yaniv, Selective Classification for Deep Neural Networks, NeurIPS 2017.

    Examples
    --------
    The second and third image tie, one of them wrong: half an error each.

    >>> risk_coverage([0.9, 0.5, 0.5], [1, 0, 1]).tolist()
    [0.0, 0.25, 0.3333333333333333]
    """
    conf, hits = confidence_and_correct(confidence, correct)
    _, level, size = np.unique(-conf, return_inverse=True, return_counts=True)
    wrong = np.bincount(level, weights=1 - hits)
    before = np.cumsum(wrong) - wrong
    first = np.cumsum(size) - size
    rank = np.arange(1, len(conf) + 1)
    tie = np.repeat(np.arange(len(size)), size)
    return np.asarray((before[tie] + (rank - first[tie]) * (wrong / size)[tie]) / rank)


def aurc(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Area under the risk-coverage curve: the mean of `risk_coverage` over the n coverages.

    Parameters and errors as in `risk_coverage`.

    Returns
    -------
    float in [0, 1]; smaller is better. 0 if every answer is right, 1 if every answer is wrong, the error rate if all
    confidences are equal.

    Notes
    -----
    Geifman, Uziel and El-Yaniv, Bias-Reduced Uncertainty Estimation for Deep Neural Classifiers, ICLR 2019, section 2.
    Differs from code that sorts with an unstable or arbitrary order of ties only at ties.

    Examples
    --------
    >>> round(aurc([0.9, 0.5, 0.5], [1, 0, 1]), 12)  # (0 + 1/4 + 1/3) / 3
    0.194444444444
    """
    return float(risk_coverage(confidence, correct).mean())


def risk_at_coverage(confidence: ArrayLike, correct: ArrayLike, coverage: float) -> float:
    """Error rate among the share `coverage` of images with the highest confidence (ceil(coverage n) of them).

    Parameters
    ----------
    confidence, correct
        As in `risk_coverage`.
    coverage : float
        In (0, 1].

    Returns
    -------
    float in [0, 1].

    Raises
    ------
    ValueError
        As `risk_coverage`; coverage outside (0, 1].

    Examples
    --------
    >>> risk_at_coverage([0.9, 0.8, 0.7, 0.6], [1, 0, 1, 0], 0.5)
    0.5
    """
    if not 0 < coverage <= 1:
        raise ValueError(f"coverage: expected a fraction in (0, 1], got {coverage!r}")
    risks = risk_coverage(confidence, correct)
    return float(risks[exact_rank(len(risks), coverage) - 1])
