"""Intervals of detection metrics that `intervals` does not have: average precision, and means over OOD classes.

Knows arrays only. Every interval holds the measured value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from .checks import open_fraction
from .intervals import auroc_interval, clopper_pearson
from .metrics.detection import auroc, exact_rank, fpr_at_tpr, sorted_scores
from .resampling import Interval, percentiles, rank_draws


def aupr_interval(value: float, positives: int, level: float = 0.95) -> Interval:
    """Interval of an average precision on the logit scale: logit(value) -+ z / sqrt(n value (1 - value)).

    Takes the precision as a rate among the n positives, and the negatives as given. At 1 it is the exact interval of n
    successes in n trials.

    Parameters
    ----------
    value : float
        Average precision, in (0, 1].
    positives : int
        Images of the class to be found, at least 1.
    level : float

    Raises
    ------
    ValueError
        Numbers out of range.

    Notes
    -----
    Boyd, Eng and Page, Area under the Precision-Recall Curve: Point Estimates and Confidence Intervals, ECML PKDD
    2013, section 3.2.

    Examples
    --------
    Of 100 positives, at 1/2: 0 -+ 1.96 / 5 on the logit scale.

    >>> lo, hi = aupr_interval(0.5, 100)
    >>> round(lo, 6), round(float(1 / (1 + np.exp(1.959964 / 5))), 6), round(lo + hi, 12)
    (0.403238, 0.403238, 1.0)
    """
    tail = 0.5 + open_fraction(level, "level") / 2
    if positives < 1 or not 0 < value <= 1:
        raise ValueError(f"expected a value in (0, 1] of at least 1 positive, got {value!r} of {positives}")
    if value == 1.0:
        return clopper_pearson(positives, positives, level)
    half = float(special.ndtri(tail)) / np.sqrt(positives * value * (1 - value))
    centre = special.logit(value)
    return float(special.expit(centre - half)), float(special.expit(centre + half))


def class_mean_auroc(
    id_scores: ArrayLike, by_class: Sequence[ArrayLike], level: float = 0.95
) -> tuple[float, Interval]:
    """Unweighted mean over OOD classes of the AUROC against the same ID images, with its interval.

    The mean is an average of placements over ID images, and over OOD images that weigh 1 / (classes x images of the
    class); each side's variance is measured as DeLong's, and the interval is taken on the logit scale. At 0 and 1,
    where that has no width, it is `auroc_interval` of all images together.

    Parameters
    ----------
    id_scores : float (n,)
    by_class : float (m_c,) a class
        Larger means more in-distribution.
    level : float

    Raises
    ------
    ValueError
        No classes, an empty one, NaN or infinity.

    Notes
    -----
    The class mean of Bitterwolf et al. (NINCO), ICML 2023. DeLong, DeLong and Clarke-Pearson, Biometrics 44, 1988.

    Examples
    --------
    One class is told apart, of the other every second pair is in order.

    >>> class_mean_auroc([1.0, 3.0], [[0.0], [2.0]])[0]
    0.75
    """
    z = float(special.ndtri(0.5 + open_fraction(level, "level") / 2))
    inside, classes = _sorted(id_scores, by_class)
    n = len(inside)
    id_side, ood_variance, values = np.zeros(n), 0.0, []
    for scores in classes:
        id_side += _below(scores, inside) / len(classes)
        placement = 1.0 - _below(inside, scores)
        values.append(auroc(inside, scores))
        if len(scores) > 1:
            ood_variance += placement.var(ddof=1) / len(scores) / len(classes) ** 2
        else:
            # One image says nothing of its class's spread: the largest that values in [0, 1] can have.
            ood_variance += 0.25 / len(classes) ** 2
    value = float(np.mean(values))
    if n < 2 or not 0 < value < 1:
        lo, hi = auroc_interval(inside, np.concatenate(classes), level)
        return value, (min(lo, value), max(hi, value))
    error = np.sqrt(id_side.var(ddof=1) / n + ood_variance)
    centre, half = special.logit(value), z * error / (value * (1 - value))
    return value, (float(special.expit(centre - half)), float(special.expit(centre + half)))


def class_mean_fpr(
    id_scores: ArrayLike,
    by_class: Sequence[ArrayLike],
    tpr: float = 0.95,
    level: float = 0.95,
    *,
    draws: int = 4000,
    seed: int = 0,
) -> tuple[float, Interval]:
    """Unweighted mean over OOD classes of the FPR at a TPR (rule exact), with a bootstrap interval.

    The threshold's rank is drawn as in `intervals.fpr_interval`, and given it the images of each class above it are
    Binomial; the interval is widened to hold the value, and to Clopper-Pearson of all images where the value is 0 or 1.

    Parameters, errors as in `class_mean_auroc`.

    Examples
    --------
    Both ID images have to pass; one class lies below them, the other above the lower.

    >>> class_mean_fpr([1.0, 3.0], [[0.0], [2.0]])[0]
    0.5
    """
    open_fraction(level, "level")
    inside, classes = _sorted(id_scores, by_class)
    value = float(np.mean([fpr_at_tpr(inside, scores, tpr) for scores in classes]))
    rng = np.random.default_rng(seed)
    thresholds = inside[rank_draws(len(inside), exact_rank(len(inside), tpr), draws, rng)]
    drawn = np.zeros(draws)
    for scores in classes:
        m = len(scores)
        rates = 1.0 - np.searchsorted(scores, thresholds, side="left") / m
        drawn += rng.binomial(m, np.clip(rates, 0.0, 1.0)) / m / len(classes)
    lo, hi = percentiles(drawn, level)
    if value in (0.0, 1.0):
        total = sum(len(scores) for scores in classes)
        given = clopper_pearson(int(value) * total, total, level)
        lo, hi = min(lo, given[0]), max(hi, given[1])
    return value, (min(lo, value), max(hi, value))


def _sorted(id_scores: ArrayLike, by_class: Sequence[ArrayLike]) -> tuple[NDArray[Any], list[NDArray[Any]]]:
    if not by_class:
        raise ValueError("by_class: expected the scores of at least 1 class, got none")
    return sorted_scores(id_scores, "id_scores"), [sorted_scores(scores, "by_class") for scores in by_class]


def _below(others: ArrayLike, scores: ArrayLike) -> NDArray[np.float64]:
    """Share of the sorted others below each score, ties counting half."""
    ordered = np.asarray(others)
    left, right = np.searchsorted(ordered, scores, side="left"), np.searchsorted(ordered, scores, side="right")
    return np.asarray((left + right) / (2 * len(ordered)))
