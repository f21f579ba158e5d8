"""The bootstrap: by resampling row numbers, or by drawing cell counts and order statistics where that is as good.

Seeded, in blocks of bounded memory. Knows arrays only.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .binning import bin_sums, equal_width_edges
from .checks import bin_count, confidence_and_correct, open_fraction

Interval = tuple[float, float]
# Row numbers handed to a statistic at a time; leaves it room for temporaries of its own within 64 MB.
BLOCK_BYTES = 8 << 20


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
    return percentiles(results, level)


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
    lo, hi = percentiles(errors, level)
    return max(0.0, min(lo, point)), min(1.0, max(hi, point))


def percentiles(values: NDArray[np.float64], level: float) -> Interval:
    """The central share `level` of drawn values."""
    lo, hi = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(lo), float(hi)


def rank_draws(n: int, rank: int, draws: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Positions, in n sorted rows, of the rank-th largest of n rows drawn with replacement."""
    return np.minimum((n * rng.beta(n - rank + 1, rank, draws)).astype(np.intp), n - 1)


def quantile_draws(ordered: NDArray[np.float64], q: float, draws: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Linearly interpolated q-quantiles of rows drawn with replacement, from two neighbouring order statistics."""
    n = len(ordered)
    below = int(q * (n - 1))
    weight = q * (n - 1) - below
    u = rng.beta(below + 1, n - below, draws)
    # Of the n - below - 1 rows above u, uniform on (u, 1), the least is the next order statistic.
    v = u + (1 - u) * rng.beta(1, n - below - 1, draws) if below + 1 < n else u
    lower, upper = (ordered[np.minimum((n * w).astype(np.intp), n - 1)] for w in (u, v))
    return np.asarray(lower + weight * (upper - lower))
