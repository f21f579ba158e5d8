"""Intervals of calibration errors by one bootstrap of bin contents, single and paired. Knows arrays only.

Images that share a bin (of each of two forecasts, for a pair) and an outcome form a cell. A resample has Multinomial
cell counts; given its count, a cell's sum of confidences is normal with the right mean and variance. Bin edges stay
those of the data. Time and memory do not grow with images times draws. Every interval is widened to hold the measured
value, which resampling may leave behind: errors of resamples carry the noise of the data and their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .binning import bin_index, equal_mass_edges, equal_width_edges
from .checks import confidence_and_correct
from .metrics.brier_parts import brier_parts
from .metrics.calibration import (
    debiased_calibration_error,
    equal_mass_ece,
    expected_calibration_error,
    ks_calibration_error,
    maximum_calibration_error,
    rms_calibration_error,
)
from .resampling import Interval, percentiles

BINS = 15
STEPS = 64
"""Bins of equal mass at whose ends the Kolmogorov-Smirnov error of a resample is looked up."""


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Bin contents of each resample, `(draws, b)`: images, sum of confidences, number right."""

    n: NDArray[np.float64]
    confidence: NDArray[np.float64]
    correct: NDArray[np.float64]

    @property
    def gap(self) -> NDArray[np.float64]:
        return self.confidence - self.correct

    @property
    def images(self) -> float:
        return float(self.n[0].sum())


def calibration_family(
    confidence: ArrayLike, correct: ArrayLike, *, draws: int = 1000, seed: int = 0
) -> Mapping[str, tuple[float, Interval]]:
    """Value and 95 % interval of every calibration error beyond `ece_15` and `ece_25`, by the name of its metric.

    Parameters
    ----------
    confidence : float (n,)
        In [0, 1].
    correct : bool (n,)
    draws : int
        Number of resamples.
    seed : int

    Returns
    -------
    mapping
        ece_equal_mass_15, ece_debiased, ks, mce, rms_calibration, brier_reliability, brier_resolution,
        brier_uncertainty.

    Raises
    ------
    ValueError
        Empty or unequal shapes, NaN, confidences outside [0, 1], no draws.

    Examples
    --------
    Always right at confidence 0.75: every resample has the same gap.

    >>> found = calibration_family([0.75] * 8, [1] * 8)
    >>> found["mce"], found["brier_uncertainty"]
    ((0.25, (0.25, 0.25)), (0.0, (0.0, 0.0)))
    """
    if draws < 1:
        raise ValueError(f"draws: expected at least 1, got {draws}")
    conf, hits = confidence_and_correct(confidence, correct)
    parts = brier_parts(conf, hits, BINS)
    rng = np.random.default_rng(seed)
    wide = _draw(conf, hits, bin_index(conf, equal_width_edges(BINS)), draws, rng)
    even = _draw(conf, hits, bin_index(conf, equal_mass_edges(conf, BINS)), draws, rng)
    fine = _draw(conf, hits, bin_index(conf, equal_mass_edges(conf, STEPS)), draws, rng)
    drawn = {
        "ece_equal_mass_15": (equal_mass_ece(conf, hits, BINS), np.abs(even.gap).sum(axis=1) / even.images),
        "ece_debiased": (debiased_calibration_error(conf, hits, BINS), _debiased(even)),
        "ks": (ks_calibration_error(conf, hits), np.abs(np.cumsum(fine.gap, axis=1)).max(axis=1) / fine.images),
        "mce": (maximum_calibration_error(conf, hits, BINS), np.abs(_mean(wide.gap, wide.n)).max(axis=1)),
        "rms_calibration": (rms_calibration_error(conf, hits, BINS), _root(_square(even))),
        "brier_reliability": (parts.reliability, _square(wide)),
        "brier_resolution": (parts.resolution, _resolution(wide)),
        "brier_uncertainty": (parts.uncertainty, _uncertainty(wide)),
    }
    return {name: (value, _hull(percentiles(errors, 0.95), value)) for name, (value, errors) in drawn.items()}


def ece_delta(
    before: ArrayLike, after: ArrayLike, correct: ArrayLike, *, draws: int = 1000, seed: int = 0
) -> tuple[float, Interval]:
    """ECE of 15 bins of one forecast minus that of another on the same images, with a paired bootstrap interval.

    Parameters
    ----------
    before, after : float (n,)
        Confidences of the two forecasts, in [0, 1].
    correct : bool (n,)
        Whether the answer, the same for both, is right.
    draws, seed : int

    Returns
    -------
    value, (lo, hi) : after minus before, in [-1, 1]

    Examples
    --------
    Always right, at 0.75 and then at 0.875: the error falls by 1/8 in every resample.

    >>> ece_delta([0.75] * 8, [0.875] * 8, [1] * 8)
    (-0.125, (-0.125, -0.125))
    """
    if draws < 1:
        raise ValueError(f"draws: expected at least 1, got {draws}")
    first, hits = confidence_and_correct(before, correct)
    second, _ = confidence_and_correct(after, correct)
    value = expected_calibration_error(second, hits, BINS) - expected_calibration_error(first, hits, BINS)
    edges = equal_width_edges(BINS)
    bins = np.stack([bin_index(first, edges), bin_index(second, edges)])
    cells, cell = np.unique((bins[0] * BINS + bins[1]) * 2 + hits.astype(np.intp), return_inverse=True)
    size = np.bincount(cell)
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(len(hits), size / len(hits), size=draws)
    means = np.stack([np.bincount(cell, weights=conf) / size for conf in (first, second)])
    rest = np.stack([first, second]) - means[:, cell]
    spread, shared = _spread(rest, cell, size)
    noise = rng.standard_normal((2, *counts.shape))
    errors = []
    for at, own in ((0, noise[0]), (1, shared * noise[0] + np.sqrt(1 - shared**2) * noise[1])):
        gaps = counts * (means[at] - cells % 2) + np.sqrt(counts) * spread[at] * own
        place = (cells // 2) // BINS if at == 0 else (cells // 2) % BINS
        errors.append(np.abs(gaps @ np.eye(BINS)[place]).sum(axis=1) / len(hits))
    return value, _hull(percentiles(errors[1] - errors[0], 0.95), value)


def _spread(
    rest: NDArray[np.float64], cell: NDArray[np.intp], size: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Standard deviations `(2, cells)` of two forecasts within cells, and their correlation there."""
    spread = np.sqrt(np.stack([np.bincount(cell, weights=one**2) / size for one in rest]))
    product = spread[0] * spread[1]
    both = np.bincount(cell, weights=rest[0] * rest[1]) / size
    return spread, np.clip(np.divide(both, product, out=np.zeros_like(both), where=product > 0), -1.0, 1.0)


def _draw(
    conf: NDArray[np.float64],
    hits: NDArray[np.float64],
    index: NDArray[np.intp],
    draws: int,
    rng: np.random.Generator,
) -> _Drawn:
    cells, cell = np.unique(2 * index + hits.astype(np.intp), return_inverse=True)
    size = np.bincount(cell)
    mean = np.bincount(cell, weights=conf) / size
    spread = np.sqrt(np.bincount(cell, weights=(conf - mean[cell]) ** 2) / size)
    counts = rng.multinomial(len(conf), size / len(conf), size=draws)
    sums = counts * mean + np.sqrt(counts) * spread * rng.standard_normal(counts.shape)
    first = np.flatnonzero(np.diff(cells // 2, prepend=-1))
    n, confidence, correct = (np.add.reduceat(values, first, axis=1) for values in (counts, sums, counts * (cells % 2)))
    return _Drawn(n.astype(np.float64), confidence, correct.astype(np.float64))


def _mean(sums: NDArray[np.float64], n: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of bins; 0 for an empty one, which then adds nothing."""
    return np.divide(sums, n, out=np.zeros_like(sums), where=n > 0)


def _square(drawn: _Drawn) -> NDArray[np.float64]:
    return np.asarray((_mean(drawn.gap, drawn.n) * drawn.gap).sum(axis=1) / drawn.images)


def _root(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sqrt(np.maximum(values, 0.0))


def _debiased(drawn: _Drawn) -> NDArray[np.float64]:
    accuracy = _mean(drawn.correct, drawn.n)
    enough = drawn.n >= 2
    noise = np.divide(accuracy * (1 - accuracy), drawn.n - 1, out=np.zeros_like(accuracy), where=enough)
    square = np.where(enough, drawn.n * (_mean(drawn.gap, drawn.n) ** 2 - noise), 0.0)
    return _root(square.sum(axis=1) / drawn.images)


def _resolution(drawn: _Drawn) -> NDArray[np.float64]:
    overall = drawn.correct.sum(axis=1, keepdims=True) / drawn.images
    return np.asarray((drawn.n * (_mean(drawn.correct, drawn.n) - overall) ** 2).sum(axis=1) / drawn.images)


def _uncertainty(drawn: _Drawn) -> NDArray[np.float64]:
    overall = drawn.correct.sum(axis=1) / drawn.images
    return np.asarray(overall * (1.0 - overall))


def _hull(interval: Interval, value: float) -> Interval:
    return min(interval[0], value), max(interval[1], value)
