"""Intervals of what a factor does to accuracy: gap, error ratio, worst factor, worst classes.

One bootstrap over images serves all factors. Images that share their factors and their outcome form a cell, and
resampling rows is drawing Multinomial cell counts: the same distribution, at a cost that does not grow with n. Knows
arrays only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .checks import open_fraction
from .intervals import clopper_pearson
from .metrics.factors import Flags, factor_accuracies, outcomes, outcomes_and_members, worst_class_counts
from .resampling import Interval, percentiles

Ends = NDArray[np.float64]
# Counts drawn at a time: 32 MB of 8-byte numbers.
_BLOCK = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorIntervals:
    """Intervals of k factors.

    gap
        `(k, 2)` of acc_f - acc.
    error_ratio
        `(k, 2)` of (1 - acc_f) / (1 - acc); None where every answer is right, which leaves it undefined.
    worst
        Of the lowest factor accuracy, `index` being the factor that has it.
    """

    gap: Ends
    error_ratio: Ends | None
    worst: Interval
    index: int


def factor_intervals(
    correct: ArrayLike, members: ArrayLike, level: float = 0.95, *, draws: int = 1000, seed: int = 0
) -> FactorIntervals:
    """Paired bootstrap over images of every factor against the whole set, hull with a closed interval.

    Factor and whole are measured on the same resampled images, so what they share cancels. A resample that holds no
    image of a factor says nothing of it and is left out for it (e^-40 of all at 40 images). Where a factor's answers
    are all right or all wrong, resamples cannot vary; so each interval is the hull with one that can:

    * gap = (1 - w)(p_f - p_r) with p_r the accuracy of the rest and w the share of images with the factor:
      Clopper-Pearson ends of p_f and p_r, combined by squaring and adding (Newcombe's method 10);
    * error ratio, which rises with e_f / e_r: ends combined by Donner and Zou's method for ratios;
    * worst factor: Clopper-Pearson of that factor. Resampled minima are biased downwards, as any minimum is.

    Parameters
    ----------
    correct, members
        As in `metrics.factors.factor_accuracies`.
    level : float
    draws : int
    seed : int

    Raises
    ------
    ValueError
        As `factor_accuracies`; no draws; level outside (0, 1).

    Notes
    -----
    Newcombe, Interval estimation for the difference between independent proportions, Statistics in Medicine 17, 1998.
    Donner and Zou, Closed-form confidence intervals for functions of the normal mean and standard deviation,
    Statistical Methods in Medical Research 21, 2012.

    Examples
    --------
    A factor that every image has cannot differ from the whole.

    >>> whole = factor_intervals([1, 0, 1, 1], np.ones((4, 1), bool))
    >>> whole.gap.tolist(), whole.error_ratio.tolist()
    ([[0.0, 0.0]], [[1.0, 1.0]])
    """
    open_fraction(level, "level")
    hits, flags = outcomes_and_members(correct, members)
    accuracies, overall = factor_accuracies(hits, flags), float(hits.mean())
    index = int(accuracies.argmin())
    drawn, whole = _drawn(hits, flags, draws, seed)
    n, size, right = len(hits), flags.sum(axis=0), (flags & hits[:, None]).sum(axis=0)
    worst = _worst(drawn, accuracies[index], clopper_pearson(int(right[index]), int(size[index]), level), level)
    gap, ratio = np.empty((flags.shape[1], 2)), np.empty((flags.shape[1], 2))
    for f, accuracy in enumerate(accuracies):
        p = _Pair.of(int(right[f]), int(size[f]), int(hits.sum()), n, level)
        here = np.isfinite(drawn[:, f])
        gap[f] = _hull(drawn[here, f] - whole[here], accuracy - overall, p.gap(), level)
        if overall < 1:
            here &= whole < 1
            values = (1 - drawn[here, f]) / (1 - whole[here])
            ratio[f] = _hull(values, (1 - accuracy) / (1 - overall), p.error_ratio(), level)
    return FactorIntervals(gap=gap, error_ratio=ratio if overall < 1 else None, worst=worst, index=index)


def worst_class_interval(
    correct: ArrayLike, labels: ArrayLike, k: int = 100, level: float = 0.95, *, draws: int = 1000, seed: int = 0
) -> Interval:
    """Bootstrap over images of `worst_class_accuracy`, the k classes chosen anew in each resample.

    Resampled values lie low, as the value itself does: the classes are chosen on the same images. Hull with the
    Clopper-Pearson interval of the images of the chosen classes. Parameters and errors as in
    `metrics.factors.worst_class_accuracy`.

    Examples
    --------
    Both classes count, so every resample has them both: three of four right.

    >>> lo, hi = worst_class_interval([1, 1, 1, 0], [0, 0, 1, 1], k=2)
    >>> round(lo, 4), round(hi, 4)  # Clopper-Pearson of 3 in 4; resamples reach 1.0
    (0.1941, 1.0)
    """
    open_fraction(level, "level")
    worst_right, worst_size = worst_class_counts(correct, labels, k)
    value = worst_right / worst_size
    hits = outcomes(correct)
    _, at = np.unique(np.asarray(labels), return_inverse=True)
    classes = int(at.max()) + 1
    cells = np.bincount(2 * at + hits, minlength=2 * classes)
    values = []
    for counts in _counts(cells, draws, seed):
        size = counts[:, 0::2] + counts[:, 1::2]
        rate = np.full(size.shape, np.inf)
        np.divide(counts[:, 1::2], size, out=rate, where=size > 0)
        worst = np.argpartition(rate, k - 1, axis=1)[:, :k]
        right, total = (np.take_along_axis(part, worst, axis=1).sum(axis=1) for part in (counts[:, 1::2], size))
        values.append(right / total)
    return _hull(np.concatenate(values), value, clopper_pearson(worst_right, worst_size, level), level)


@dataclass(frozen=True, slots=True)
class _Pair:
    """Accuracy where a factor holds and where it does not, with the ends of both, and the share that has it."""

    share: float
    own: tuple[float, float, float]
    rest: tuple[float, float, float]

    @classmethod
    def of(cls, right: int, size: int, all_right: int, n: int, level: float) -> _Pair:
        rest = n - size
        ends = (right / size, *clopper_pearson(right, size, level))
        if not rest:
            return cls(1.0, ends, ends)
        left = all_right - right
        return cls(size / n, ends, (left / rest, *clopper_pearson(left, rest, level)))

    def gap(self) -> Interval:
        (p, p_lo, p_hi), (q, q_lo, q_hi) = self.own, self.rest
        if self.share == 1:
            return 0.0, 0.0
        below, above = np.hypot(p - p_lo, q_hi - q), np.hypot(p_hi - p, q - q_lo)
        return (1 - self.share) * max(p - q - below, -1.0), (1 - self.share) * min(p - q + above, 1.0)

    def error_ratio(self) -> Interval:
        # Errors are the other share: the upper end of an accuracy is the lower end of its error.
        (e, e_lo, e_hi), (r, r_lo, r_hi) = ((1 - p, 1 - hi, 1 - lo) for p, lo, hi in (self.own, self.rest))
        if self.share == 1:
            return 1.0, 1.0
        product = e * r
        low = product**2 - e_lo * r_hi * (2 * e - e_lo) * (2 * r - r_hi)
        bottom = product + np.sqrt(max(low, 0.0))
        lo = e_lo * (2 * e - e_lo) / bottom if bottom > 0 else 0.0
        high = product**2 - e_hi * r_lo * (2 * e - e_hi) * (2 * r - r_lo)
        under = r_lo * (2 * r - r_lo)
        hi = (product + np.sqrt(max(high, 0.0))) / under if under > 0 else np.inf
        return self._of_whole(lo), self._of_whole(hi)

    def _of_whole(self, ratio: float) -> float:
        """e_f / e, from e_f / e_r."""
        return 1 / self.share if np.isinf(ratio) else float(ratio / (self.share * ratio + 1 - self.share))


def _drawn(hits: Flags, flags: Flags, draws: int, seed: int) -> tuple[Ends, Ends]:
    """Accuracies (draws, k) of each factor, NaN where a resample has none of it, and of all images (draws,)."""
    patterns, pattern = _patterns(flags)
    kinds = len(patterns)
    cells = np.bincount(pattern + kinds * hits, minlength=2 * kinds)
    has = patterns.astype(np.float64)
    factors, whole = [], []
    for counts in _counts(cells, draws, seed):
        right = counts[:, kinds:]
        size = (counts[:, :kinds] + right) @ has
        accuracy = np.full(size.shape, np.nan)
        np.divide(right @ has, size, out=accuracy, where=size > 0)
        factors.append(accuracy)
        whole.append(right.sum(axis=1) / len(hits))
    return np.concatenate(factors), np.concatenate(whole)


def _patterns(flags: Flags) -> tuple[Flags, NDArray[np.int64]]:
    """Distinct rows, and which of them each row is: `np.unique` over rows, but sorting 8 bytes a row."""
    packed = np.packbits(flags, axis=1)
    words = np.pad(packed, ((0, 0), (0, -packed.shape[1] % 8))).view(np.uint64)
    order = np.lexsort(words.T)
    first = np.append(True, (words[order[1:]] != words[order[:-1]]).any(axis=1))
    pattern = np.empty(len(flags), np.int64)
    pattern[order] = np.cumsum(first) - 1
    return flags[order[first]], pattern


def _counts(cells: NDArray[Any], draws: int, seed: int) -> list[NDArray[np.int64]]:
    if draws < 1:
        raise ValueError(f"draws: expected at least 1, got {draws}")
    rng, n = np.random.default_rng(seed), int(cells.sum())
    size = max(1, _BLOCK // len(cells))
    return [rng.multinomial(n, cells / n, min(size, draws - start)) for start in range(0, draws, size)]


def _worst(drawn: Ends, value: float, exact: Interval, level: float) -> Interval:
    lowest = np.nanmin(drawn[np.isfinite(drawn).any(axis=1)], axis=1)
    return _hull(lowest, value, exact, level)


def _hull(values: Ends, value: float, other: Interval, level: float) -> Interval:
    lo, hi = percentiles(values, level) if len(values) else other
    return float(min(lo, other[0], value)), float(max(hi, other[1], value))
