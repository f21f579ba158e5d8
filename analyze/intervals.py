"""Confidence intervals: how far a measured number may be from the one that infinitely many images would give.

Each returns (lo, hi) at a two-sided confidence level. What is random is seeded and gives the same answer every time.
Knows arrays only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from .checks import finite_vector, open_fraction
from .metrics.detection import Rule, exact_rank, floor_rank, fpr_at_tpr, nearest_rank, sorted_scores
from .resampling import Interval, bootstrap_interval, ece_interval, percentiles, quantile_draws, rank_draws

__all__ = [
    "Interval",
    "auroc_interval",
    "bootstrap_interval",
    "clopper_pearson",
    "ece_interval",
    "fpr_interval",
    "mean_interval",
]

Whole = int | np.integer[Any]


@overload
def clopper_pearson(k: Whole, n: Whole, level: float = 0.95) -> Interval: ...
@overload
def clopper_pearson(
    k: NDArray[Any] | Sequence[int], n: NDArray[Any] | Sequence[int] | Whole, level: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
def clopper_pearson(k: Any, n: Any, level: float = 0.95) -> Any:
    """Exact binomial interval of a rate of k successes in n trials.

    lo solves P(X >= k | lo) = (1 - level) / 2 and hi solves P(X <= k | hi) = (1 - level) / 2; lo is 0 at k = 0 and hi
    is 1 at k = n. Covers the truth with at least `level` probability for every n.

    Parameters
    ----------
    k, n : int, or arrays that broadcast
        0 <= k <= n, n >= 1.
    level : float
        Strictly between 0 and 1.

    Returns
    -------
    (lo, hi) : two floats for two numbers, else two float64 arrays, in [0, 1].

    Raises
    ------
    ValueError
        No trials, k outside [0, n], numbers that are not whole, level outside (0, 1).

    Notes
    -----
    Clopper and Pearson, The Use of Confidence or Fiducial Limits Illustrated in the Case of the Binomial, Biometrika
    26, 1934.

    Examples
    --------
    No success in 10: hi solves (1 - hi)^10 = 0.025.

    >>> lo, hi = clopper_pearson(0, 10)
    >>> lo, round(hi, 6), round(1 - 0.025**0.1, 6)
    (0.0, 0.308497, 0.308497)
    """
    tail = (1.0 - open_fraction(level, "level")) / 2.0
    hits, trials = np.broadcast_arrays(np.asarray(k, dtype=np.float64), np.asarray(n, dtype=np.float64))
    if not (np.isfinite(hits) & np.isfinite(trials) & (hits == np.floor(hits)) & (trials == np.floor(trials))).all():
        raise ValueError("k, n: expected whole numbers")
    if not ((trials >= 1) & (hits >= 0) & (hits <= trials)).all():
        raise ValueError("k, n: expected 0 <= k <= n and n >= 1; an empty set of images has no rate")
    none, all_ = hits == 0, hits == trials
    # The border cases have closed values and would be invalid beta parameters.
    lo = np.where(none, 0.0, special.betaincinv(np.where(none, 1.0, hits), trials - hits + 1.0, tail))
    hi = np.where(all_, 1.0, special.betaincinv(hits + 1.0, np.where(all_, 1.0, trials - hits), 1.0 - tail))
    return (float(lo), float(hi)) if lo.ndim == 0 else (lo, hi)


def mean_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """Student t interval of a mean: mean -+ t(level, n - 1) s / sqrt(n).

    Parameters
    ----------
    values : float (n,), n >= 2
        One value an image (a loss, say). For outcomes of 0 or 1 take `clopper_pearson`.
    level : float

    Raises
    ------
    ValueError
        Fewer than two values, NaN or infinity, level outside (0, 1).

    Notes
    -----
    Student, The Probable Error of a Mean, Biometrika 6, 1908.

    Examples
    --------
    Mean 2, s = sqrt 2, t(0.95, 1 degree of freedom) = 12.706: 2 -+ 12.706.

    >>> tuple(round(end, 3) for end in mean_interval([1.0, 3.0]))
    (-10.706, 14.706)
    """
    sample = finite_vector(values, "values")
    n = len(sample)
    if n < 2:
        raise ValueError(f"values: expected at least 2, got {n}; one value says nothing about its spread")
    t = special.stdtrit(n - 1, 0.5 + open_fraction(level, "level") / 2.0)
    half = float(t * sample.std(ddof=1) / np.sqrt(n))
    return float(sample.mean()) - half, float(sample.mean()) + half


def auroc_interval(id_scores: ArrayLike, ood_scores: ArrayLike, level: float = 0.95) -> Interval:
    """Interval of the AUROC: the hull of Newcombe's score-type interval and of DeLong's on the logit scale.

    Newcombe's ends are the roots theta of |A - theta| = z sqrt(V(theta)), A being the measured AUROC and the variance
    taken at theta: V = theta (1 - theta) [1 + q ((1 - theta) / (2 - theta) + theta / (1 + theta))] / (n m), q = (n +
    m) / 2 - 1. At A = 1, perfect separation, the interval is (lo, 1) with lo < 1, as Wilson's is for a rate; never one
    of no width.

    V assumes both classes to be alike in spread. An OOD set that is partly ID, next to many more ID images, spreads
    wider: with 1,000 ID and 100 OOD images, a tenth of these ID, Newcombe's interval alone holds the truth in 81 % of
    simulations. DeLong's variance is measured on the data, but is 0 at A = 1. The hull mends both.

    Parameters
    ----------
    id_scores : float (n,)
    ood_scores : float (m,)
        Larger means more in-distribution.
    level : float

    Returns
    -------
    (lo, hi) in [0, 1], around the AUROC.

    Raises
    ------
    ValueError
        As `metrics.detection.auroc`; level outside (0, 1).

    Notes
    -----
    Newcombe, Confidence intervals for an effect size measure based on the Mann-Whitney statistic, part 2, Statistics
    in Medicine 25, 2006, method 5. DeLong, DeLong and Clarke-Pearson, Comparing the Areas under Two or More Correlated
    Receiver Operating Characteristic Curves, Biometrics 44, 1988.

    Examples
    --------
    One image a side, in order: q = 0, so 1 - theta = z^2 theta, and lo = 1 / (1 + z^2).

    >>> lo, hi = auroc_interval([1.0], [0.0])
    >>> round(lo, 6), round(1 / (1 + 1.959964**2), 6), hi
    (0.206549, 0.206549, 1.0)
    """
    z = float(special.ndtri(0.5 + open_fraction(level, "level") / 2.0))
    inside, outside = sorted_scores(id_scores, "id_scores"), sorted_scores(ood_scores, "ood_scores")
    n, m = len(inside), len(outside)
    id_placement, ood_placement = _placements(inside, outside), 1.0 - _placements(outside, inside)
    estimate = float(np.clip(id_placement.mean(), 0.0, 1.0))

    def excess(theta: float) -> float:
        spread = (1 - theta) / (2 - theta) + theta / (1 + theta)
        variance = theta * (1 - theta) * (1 + ((n + m) / 2 - 1) * spread) / (n * m)
        return (estimate - theta) ** 2 - z * z * variance

    lo, hi = _root(excess, 0.0, estimate), _root(excess, 1.0, estimate)
    if 0 < estimate < 1 and min(n, m) > 1:
        error = np.sqrt(id_placement.var(ddof=1) / n + ood_placement.var(ddof=1) / m)
        logit, half = special.logit(estimate), z * error / (estimate * (1 - estimate))
        lo, hi = min(lo, float(special.expit(logit - half))), max(hi, float(special.expit(logit + half)))
    return lo, hi


def _placements(scores: NDArray[Any], others: NDArray[Any]) -> NDArray[np.float64]:
    """Share of the sorted others below each score, ties counting half."""
    below, not_above = np.searchsorted(others, scores, side="left"), np.searchsorted(others, scores, side="right")
    return np.asarray((below + not_above) / (2 * len(others)))


def fpr_interval(
    id_scores: ArrayLike,
    ood_scores: ArrayLike,
    tpr: float = 0.95,
    rule: Rule = "exact",
    level: float = 0.95,
    *,
    draws: int = 4000,
    seed: int = 0,
) -> Interval:
    """Interval of the false positive rate at a true positive rate, for the noise of the threshold and of the count.

    A Clopper-Pearson interval alone takes the threshold as given, though it is itself an order statistic of the ID
    scores. The bootstrap over both sets needs no resampling of rows: the k-th largest of n rows drawn with replacement
    is the row at quantile U ~ Beta(n - k + 1, k), and the OOD scores above it are Binomial. The result is the hull of
    that bootstrap's percentiles and of Clopper-Pearson at the observed threshold, so it never has no width. Under
    ``openood`` the classes swap. Under ``hendrycks`` the number of passing ID scores is held at the observed one.

    Parameters
    ----------
    id_scores, ood_scores, tpr, rule
        As in `metrics.detection.fpr_at_tpr`.
    level : float
    draws : int
        Number of bootstrap draws.
    seed : int

    Returns
    -------
    (lo, hi) in [0, 1], around the rate.

    Raises
    ------
    ValueError
        As `fpr_at_tpr`; no draws; level outside (0, 1).

    Notes
    -----
    Order statistics of uniform variables: David and Nagaraja, Order Statistics, 2003, section 2.3.

    Examples
    --------
    Fully apart: the threshold cannot matter, 0 of 10 remains.

    >>> lo, hi = fpr_interval(np.arange(100.0) + 50, np.arange(10.0))
    >>> lo, round(hi, 6)
    (0.0, 0.308497)
    """
    open_fraction(level, "level")
    if draws < 1:
        raise ValueError(f"draws: expected at least 1, got {draws}")
    point = fpr_at_tpr(id_scores, ood_scores, tpr, rule)
    held, counted = sorted_scores(id_scores, "id_scores"), sorted_scores(ood_scores, "ood_scores")
    if rule == "openood":
        held, counted = -counted[::-1], -held[::-1]
    n, m = len(held), len(counted)
    rng = np.random.default_rng(seed)
    if rule == "ninco":
        thresholds, side = quantile_draws(held, round(1.0 - tpr, 12), draws, rng), "left"
    elif rule == "hendrycks" and (passing := nearest_rank(held, counted, tpr)) < n:
        thresholds, side = held[rank_draws(n, passing + 1, draws, rng)], "right"
    else:
        rank = {"vim": floor_rank(n, tpr), "hendrycks": n}.get(rule, exact_rank(n, tpr))
        thresholds, side = held[rank_draws(n, rank, draws, rng)], "left"
    rates = 1.0 - np.searchsorted(counted, thresholds, side=side) / m  # type: ignore[call-overload]
    lo, hi = percentiles(rng.binomial(m, rates) / m, level)
    given_lo, given_hi = clopper_pearson(round(point * m), m, level)
    return min(lo, given_lo), max(hi, given_hi)


def _root(excess: Callable[[float], float], outside: float, inside: float) -> float:
    """Bisection between `outside`, where excess >= 0, and `inside`, where it is negative or both are the same point."""
    if excess(outside) <= 0:
        return outside
    for _ in range(100):
        middle = (outside + inside) / 2
        if excess(middle) > 0:
            outside = middle
        else:
            inside = middle
    return (outside + inside) / 2
