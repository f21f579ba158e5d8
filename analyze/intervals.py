"""Confidence intervals: how far a measured number may be from the one that infinitely many images would give.

Each returns (lo, hi) at a two-sided confidence level. What is random is seeded, and gives the same answer every time.
Knows arrays only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from .binning import bin_sums, equal_width_edges
from .checks import bin_count, confidence_and_correct, finite_vector, open_fraction
from .metrics.detection import Rule, auroc, exact_rank, floor_rank, fpr_at_tpr, nearest_rank

Interval = tuple[float, float]
Whole = int | np.integer[Any]
# Index arrays handed to a resampled statistic; leaves it room for temporaries of its own within 64 MB.
BLOCK_BYTES = 8 << 20


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


def bootstrap_interval(
    statistic: Callable[[NDArray[np.intp]], NDArray[np.float64]],
    n: int,
    level: float = 0.95,
    *,
    draws: int = 1000,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap over n rows: quantiles of a statistic of rows drawn with replacement.

    Rows of paired arrays stay together, since the statistic gets row numbers: to compare two models on the same images
    it indexes both. Row numbers come in blocks, so memory does not grow with draws.

    Parameters
    ----------
    statistic : callable
        Row numbers (b, n) -> values (b,), one a resample.
    n : int
        Number of rows, at least 1.
    level : float
    draws : int
        Number of resamples.
    seed : int

    Raises
    ------
    ValueError
        No rows or draws, a statistic of a wrong shape or not finite, level outside (0, 1).

    Notes
    -----
    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.

    Examples
    --------
    >>> values = np.array([1.0, 1.0, 1.0])
    >>> bootstrap_interval(lambda rows: values[rows].mean(axis=1), len(values))
    (1.0, 1.0)
    """
    open_fraction(level, "level")
    if n < 1 or draws < 1:
        raise ValueError(f"n, draws: expected at least 1 of each, got {n} and {draws}")
    rng = np.random.default_rng(seed)
    size = max(1, BLOCK_BYTES // (8 * n))
    results = np.empty(draws)
    for start in range(0, draws, size):
        count = min(size, draws - start)
        block = np.asarray(statistic(rng.integers(0, n, size=(count, n), dtype=np.intp)), dtype=np.float64)
        if block.shape != (count,) or not np.isfinite(block).all():
            raise ValueError(f"statistic: expected {count} finite values of shape ({count},), got shape {block.shape}")
        results[start : start + count] = block
    return _percentiles(results, level)


def auroc_interval(id_scores: ArrayLike, ood_scores: ArrayLike, level: float = 0.95) -> Interval:
    """Score-type interval of the AUROC; it stays open at perfect separation, like Wilson's for a rate.

    The ends are the roots theta of |theta_hat - theta| = z sqrt(V(theta)), the variance taken at theta instead of the
    estimate: V = theta (1 - theta) [1 + q ((1 - theta) / (2 - theta) + theta / (1 + theta))] / (n m), with q = (n + m)
    / 2 - 1. An estimate of 0 or 1 gives an interval that ends there and starts short of it, never one of no width.

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
    in Medicine 25, 2006, method 5.

    Examples
    --------
    One image a side, in order: q = 0, so 1 - theta = z^2 theta, and lo = 1 / (1 + z^2).

    >>> lo, hi = auroc_interval([1.0], [0.0])
    >>> round(lo, 6), round(1 / (1 + 1.959964**2), 6), hi
    (0.206549, 0.206549, 1.0)
    """
    z = float(special.ndtri(0.5 + open_fraction(level, "level") / 2.0))
    estimate = auroc(id_scores, ood_scores)
    n, m = np.size(id_scores), np.size(ood_scores)

    def excess(theta: float) -> float:
        spread = (1 - theta) / (2 - theta) + theta / (1 + theta)
        variance = theta * (1 - theta) * (1 + ((n + m) / 2 - 1) * spread) / (n * m)
        return (estimate - theta) ** 2 - z * z * variance

    return _root(excess, 0.0, estimate), _root(excess, 1.0, estimate)


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
    held, counted = np.sort(finite_vector(id_scores, "id_scores")), np.sort(finite_vector(ood_scores, "ood_scores"))
    if rule == "openood":
        held, counted = -counted[::-1], -held[::-1]
    n, m = len(held), len(counted)
    rng = np.random.default_rng(seed)
    if rule == "ninco":
        thresholds, side = _quantile_draws(held, round(1.0 - tpr, 12), draws, rng), "left"
    elif rule == "hendrycks" and (passing := nearest_rank(held, counted, tpr)) < n:
        thresholds, side = held[_rank_draws(n, passing + 1, draws, rng)], "right"
    else:
        rank = {"vim": floor_rank(n, tpr), "hendrycks": n}.get(rule, exact_rank(n, tpr))
        thresholds, side = held[_rank_draws(n, rank, draws, rng)], "left"
    rates = 1.0 - np.searchsorted(counted, thresholds, side=side) / m  # type: ignore[call-overload]
    lo, hi = _percentiles(rng.binomial(m, rates) / m, level)
    given_lo, given_hi = clopper_pearson(round(point * m), m, level)
    return min(lo, given_lo), max(hi, given_hi)


def ece_interval(
    confidence: ArrayLike,
    correct: ArrayLike,
    bins: int = 15,
    level: float = 0.95,
    *,
    draws: int = 1000,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap over images of the expected calibration error, widened to hold the measured value.

    Resampled ECEs are biased upwards, as the ECE itself is: noise in a bin can only add to an absolute gap, and a
    resample has the noise of the data and its own. For a nearly calibrated model the interval therefore lies high, up
    to wholly above the measured value before it is widened, and does not cover an ECE of 0.

    No row is resampled one by one. Images that share a bin and an outcome form a cell; a resample has Multinomial cell
    counts, and given its count a cell's sum of confidences is drawn from the normal with the right mean and variance.
    Only the shape of the confidences within a bin is idealised; time and memory do not grow with n times draws.

    Parameters
    ----------
    confidence, correct, bins
        As in `metrics.calibration.expected_calibration_error`.
    level : float
    draws : int
        Number of resamples.
    seed : int

    Returns
    -------
    (lo, hi) in [0, 1], around the ECE.

    Raises
    ------
    ValueError
        As `expected_calibration_error`; no draws; level outside (0, 1).

    Notes
    -----
    Bias of the binned error: Kumar, Liang and Ma, Verified Uncertainty Calibration, NeurIPS 2019, section 5.

    Examples
    --------
    Always right at confidence 0.75: every resample has the same gap.

    >>> ece_interval([0.75] * 8, [1] * 8)
    (0.25, 0.25)
    """
    open_fraction(level, "level")
    if draws < 1:
        raise ValueError(f"draws: expected at least 1, got {draws}")
    conf, hits = confidence_and_correct(confidence, correct)
    sums = bin_sums(conf, hits, equal_width_edges(bin_count(bins)))
    n = len(conf)
    point = float(np.abs(sums.correct - sums.confidence).sum() / n)
    cells, cell = np.unique(2 * sums.index + hits.astype(np.intp), return_inverse=True)
    size = np.bincount(cell)
    mean = np.bincount(cell, weights=conf) / size
    spread = np.sqrt(np.bincount(cell, weights=(conf - mean[cell]) ** 2) / size)
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(n, size / n, size=draws)
    gaps = counts * (mean - cells % 2) + np.sqrt(counts) * spread * rng.standard_normal(counts.shape)
    first_of_bin = np.flatnonzero(np.diff(cells // 2, prepend=-1))
    errors = np.abs(np.add.reduceat(gaps, first_of_bin, axis=1)).sum(axis=1) / n
    lo, hi = _percentiles(errors, level)
    return max(0.0, min(lo, point)), min(1.0, max(hi, point))


def _percentiles(values: NDArray[np.float64], level: float) -> Interval:
    lo, hi = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(lo), float(hi)


def _rank_draws(n: int, rank: int, draws: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Positions, in n sorted rows, of the rank-th largest of n rows drawn with replacement."""
    return np.minimum((n * rng.beta(n - rank + 1, rank, draws)).astype(np.intp), n - 1)


def _quantile_draws(
    ordered: NDArray[np.float64], q: float, draws: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Linearly interpolated q-quantiles of rows drawn with replacement, from two neighbouring order statistics."""
    n = len(ordered)
    below = int(q * (n - 1))
    weight = q * (n - 1) - below
    u = rng.beta(below + 1, n - below, draws)
    # Of the n - below - 1 rows above u, uniform on (u, 1), the least is the next order statistic.
    v = u + (1 - u) * rng.beta(1, n - below - 1, draws) if below + 1 < n else u
    lower, upper = (ordered[np.minimum((n * w).astype(np.intp), n - 1)] for w in (u, v))
    return np.asarray(lower + weight * (upper - lower))


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
