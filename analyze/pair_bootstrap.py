"""Intervals of a recall over pairs of images: pairs are drawn, since matches of one pair stand or fall together.

Arrays only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .resampling import BLOCK_BYTES, Interval, percentiles

DRAWS = 1000


def micro_draws(
    hits: ArrayLike, counts: ArrayLike, rng: np.random.Generator, draws: int = DRAWS
) -> NDArray[np.float64]:
    """Return sum(hits) / sum(counts) of pairs drawn with replacement, (draws,).

    Parameters
    ----------
    hits, counts : float (n,)
        Of each pair; with hits as shares and counts of 1 it is the mean over pairs.

    Raises
    ------
    ValueError
        Wrong shapes, no pairs, or a count that is not positive.

    Examples
    --------
    >>> micro_draws([1, 2], [2, 4], np.random.default_rng(0), draws=3).tolist()
    [0.5, 0.5, 0.5]
    """
    won, of = np.asarray(hits, np.float64), np.asarray(counts, np.float64)
    if won.ndim != 1 or won.shape != of.shape or not len(won) or not (of > 0).all():
        raise ValueError(f"hits, counts: expected shape (n,) both, counts above 0; got {won.shape} and {of.shape}")
    found = np.empty(draws)
    size = max(1, BLOCK_BYTES // (8 * len(won)))
    for start in range(0, draws, size):
        rows = rng.integers(0, len(won), size=(min(size, draws - start), len(won)))
        found[start : start + len(rows)] = won[rows].sum(axis=1) / of[rows].sum(axis=1)
    return found


def recall_interval(hits: ArrayLike, counts: ArrayLike, seed: int = 0, level: float = 0.95) -> Interval:
    """Percentile bootstrap over pairs of sum(hits) / sum(counts), widened to hold the value.

    Examples
    --------
    >>> recall_interval([1, 2], [2, 4])
    (0.5, 0.5)
    """
    value = float(np.sum(hits) / np.sum(counts))
    return around(percentiles(micro_draws(hits, counts, np.random.default_rng(seed)), level), value)


def class_mean_interval(
    hits: Sequence[NDArray[np.float64]], counts: Sequence[NDArray[np.float64]], seed: int = 0, level: float = 0.95
) -> Interval:
    """Percentile bootstrap of the mean over classes of sum(hits) / sum(counts), pairs drawn within each class.

    Examples
    --------
    >>> class_mean_interval([np.ones(3), np.zeros(2)], [np.ones(3), np.ones(2)])
    (0.5, 0.5)
    """
    rng = np.random.default_rng(seed)
    drawn = [micro_draws(one, of, rng) for one, of in zip(hits, counts, strict=True)]
    value = float(np.mean([one.sum() / of.sum() for one, of in zip(hits, counts, strict=True)]))
    return around(percentiles(np.mean(drawn, axis=0), level), value)


def around(interval: Interval, value: float) -> Interval:
    """Widen an interval to hold a value.

    Examples
    --------
    >>> around((0.2, 0.3), 0.35)
    (0.2, 0.35)
    """
    return min(interval[0], value), max(interval[1], value)
