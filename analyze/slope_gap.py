"""How much steeper one group's line is than another's: both readings of the gap, with a bootstrap over models.

Arrays in, a value out. Knows no corruption and no table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .checks import finite_vector
from .trend import huber_line, huber_lines

FEWEST = 4
"""Models of a group below which nothing is known of a slope's spread."""

DRAWS = 1000
MOST_WITHOUT_SLOPE = 0.05
"""Share of draws whose models all stand at one x; with more than that there is no interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlopeGap:
    """Slopes of two lines and the gap between them; ends are NaN and `flag` says why where there is no interval.

    Attributes
    ----------
    first, second
        Slopes.
    difference, difference_lo, difference_hi
        first - second.
    tangent, tangent_lo, tangent_hi
        Tangent of the angle from the second line to the first, (m1 - m2) / (1 + m1 m2).
    n_first, n_second
        Models.
    """

    first: float
    second: float
    difference: float
    difference_lo: float
    difference_hi: float
    tangent: float
    tangent_lo: float
    tangent_hi: float
    n_first: int
    n_second: int
    flag: str = ""


def tangent(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """Tangent of the angle between lines of two slopes.

    Examples
    --------
    >>> float(tangent(1.0, 0.5))
    0.3333333333333333
    """
    m1, m2 = np.asarray(first, np.float64), np.asarray(second, np.float64)
    return np.asarray((m1 - m2) / (1.0 + m1 * m2))


def slope_gap(
    first: tuple[ArrayLike, ArrayLike],
    second: tuple[ArrayLike, ArrayLike],
    level: float = 0.95,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> SlopeGap:
    """Compare the Huber lines of two groups of models.

    Intervals: percentiles over resamples of the models within each group, joined with the value. Models that share
    much (one architecture, one source) are no independent evidence, so that these are optimistic.

    Parameters
    ----------
    first, second : (x, y), float (n,) each
        Places of the models of each group on the two axes.

    Raises
    ------
    ValueError
        No models, unequal lengths, NaN or infinity.

    Notes
    -----
    The journal's section VIII-B calls it "the gap between the slopes, represented by tan(delta S)" and gives no
    formula; both readings are here.

    Examples
    --------
    >>> x = np.arange(6.0)
    >>> gap = slope_gap((x, x), (x, 0.5 * x))
    >>> round(gap.difference, 9), round(gap.tangent, 9), gap.n_first
    (0.5, 0.333333333, 6)
    """
    clouds = [(finite_vector(x, "x"), finite_vector(y, "y")) for x, y in (first, second)]
    lines = [huber_line(x, y) for x, y in clouds]
    m1, m2 = lines[0].slope, lines[1].slope
    counts = [len(x) for x, _ in clouds]
    nothing = (np.nan, np.nan)
    ends, flag = (nothing, nothing), ""
    if min(counts) < FEWEST:
        flag = f"too few models: {min(counts)} of {FEWEST}"
    else:
        rng = np.random.default_rng(seed)
        slopes = []
        for x, y in clouds:
            picks = rng.integers(0, len(x), (draws, len(x)))
            slopes.append(huber_lines(x[picks], y[picks]).slope)
        there = np.isfinite(slopes[0]) & np.isfinite(slopes[1])
        if 1.0 - there.mean() > MOST_WITHOUT_SLOPE:
            flag = "too many resamples hold models of one x alone"
        else:
            a, b = slopes[0][there], slopes[1][there]
            ends = (_ends(a - b, m1 - m2, level), _ends(tangent(a, b), float(tangent(m1, m2)), level))
    return SlopeGap(
        first=m1,
        second=m2,
        difference=m1 - m2,
        difference_lo=ends[0][0],
        difference_hi=ends[0][1],
        tangent=float(tangent(m1, m2)),
        tangent_lo=ends[1][0],
        tangent_hi=ends[1][1],
        n_first=counts[0],
        n_second=counts[1],
        flag=flag,
    )


def _ends(draws: NDArray[np.float64], value: float, level: float) -> tuple[float, float]:
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return min(float(low), value), max(float(high), value)
