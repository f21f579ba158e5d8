"""Lines by name, with what tells how well one describes its models, and how far it may be from the next sample's.

Huber's line is the papers'; least squares is the ImageNet testbed's; Theil and Sen's resists a third of outliers.
Takes places on axes and names of families; knows no accuracy and no table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import special

from .checks import finite_vector
from .cluster_bootstrap import DRAWS, FEWEST_FAMILIES, LineSpread, family_codes, line_spread, pseudo_residuals
from .trend import EQUAL_X, FINE, FLAGS, NORMAL_QUARTILE, ROUNDING, TOO_FEW, huber_line

LineKind: TypeAlias = Literal["huber", "ols", "theil-sen"]
LINE_KINDS: tuple[LineKind, ...] = get_args(LineKind)
Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedLine:
    """A line through models, y = intercept + slope x.

    kind : which fit.
    slope, intercept, scale : as in `trend.HuberLine`; `scale` is the robust standard deviation around any kind of line.
    n : number of models.
    weights : (n,) of the last fit, all 1 but for Huber's.
    flag : empty, or what is wrong with the line, one of `trend.FLAGS`.
    """

    kind: LineKind
    slope: float
    intercept: float
    scale: float
    n: int
    weights: Floats
    flag: str

    def at(self, x: Floats) -> Floats:
        """Height of the line."""
        return np.asarray(self.intercept + self.slope * x)


def fit_line(x: Floats, y: Floats, kind: LineKind = "huber") -> FittedLine:
    """Fit a line of a kind; see `trend.huber_line` for degenerate clouds.

    Parameters
    ----------
    x, y : float (n,)
        Places on transformed axes.
    kind : str
        ``huber``; ``ols``: least squares; ``theil-sen``: median slope of all pairs, and median of y - slope x.

    Raises
    ------
    ValueError
        No points, unequal lengths, NaN or infinity.

    Notes
    -----
    Theil 1950; Sen, Estimates of the Regression Coefficient Based on Kendall's Tau, 1968.

    Examples
    --------
    Slopes of the three pairs are 1, 5 and 9: the median is 5.

    >>> line = fit_line(np.array([0.0, 1, 2]), np.array([0.0, 1, 10]), "theil-sen")
    >>> line.slope, line.intercept
    (5.0, 0.0)
    """
    robust = huber_line(x, y)  # checks x and y, whatever the kind
    if kind == "huber" or robust.flag in (FLAGS[TOO_FEW], FLAGS[EQUAL_X]):
        slope, intercept, flag = robust.slope, robust.intercept, robust.flag
    elif kind == "ols":
        fit = np.polynomial.polynomial.polyfit(x - np.mean(x), y, 1)
        slope, intercept, flag = float(fit[1]), float(fit[0] - fit[1] * np.mean(x)), FLAGS[FINE]
    else:
        slope = _median_slope(np.asarray(x), np.asarray(y))
        intercept, flag = float(np.median(y - slope * np.asarray(x))), FLAGS[FINE]
    scale = robust.scale
    if kind != "huber" and robust.flag != FLAGS[TOO_FEW]:
        scale = float(np.median(np.abs(y - intercept - slope * np.asarray(x))) / NORMAL_QUARTILE)
    weights = robust.weights if kind == "huber" else np.ones(robust.n)
    return FittedLine(
        kind=kind, slope=slope, intercept=intercept, scale=scale, n=robust.n, weights=weights, flag=flag
    )  # fmt: skip


def _median_slope(x: Floats, y: Floats) -> float:
    first, second = np.triu_indices(len(x), 1)
    run = x[second] - x[first]
    apart = run != 0
    return float(np.median((y[second] - y[first])[apart] / run[apart]))


def _ranks(values: Floats) -> Floats:
    """Ranks from 0, equal values sharing the mean of theirs."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count + 1) / 2)[place])


@dataclass(frozen=True, slots=True, kw_only=True)
class LineQuality:
    """How well a line describes its models; NaN where nothing varies.

    r2 : 1 - sum r^2 / sum (y - mean y)^2. Of a robust line it is no share of variance: it may be below 0.
    r2_weighted : the same under the weights of the last fit, which points far from the line hardly enter.
    spearman, pearson : of x and y, whatever the line.
    """

    r2: float
    r2_weighted: float
    spearman: float
    pearson: float


def line_quality(line: FittedLine, x: Floats, y: Floats) -> LineQuality:
    """Describe a fit.

    Examples
    --------
    Least squares through (0, 0), (1, 0), (2, 3): slope 1.5, sum of squared residuals 1.5 of 6.

    >>> x, y = np.array([0.0, 1, 2]), np.array([0.0, 0, 3])
    >>> round(line_quality(fit_line(x, y, "ols"), x, y).r2, 9)
    0.75
    """
    residual = y - line.at(x)
    varies = min(np.ptp(x) - ROUNDING * np.abs(x).max(), np.ptp(y) - ROUNDING * np.abs(y).max()) > 0
    return LineQuality(
        r2=_r2(residual, y, np.ones(len(y))),
        r2_weighted=_r2(residual, y, line.weights),
        spearman=float(np.corrcoef(_ranks(x), _ranks(y))[0, 1]) if varies else np.nan,
        pearson=float(np.corrcoef(x, y)[0, 1]) if varies else np.nan,
    )


def _r2(residual: Floats, y: Floats, weights: Floats) -> float:
    total = float(weights @ (y - np.average(y, weights=weights)) ** 2)
    return float(1 - weights @ residual**2 / total) if total > 0 else np.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class LineInterval:
    """Uncertainty of a fitted line; numbers are NaN and `flag` says why where there is none.

    lo, hi : (2,) intervals of (intercept, slope).
    shift : (families, 2), see `cluster_bootstrap.LineSpread`.
    n_families : how many.
    """

    lo: Floats
    hi: Floats
    shift: Floats
    n_families: int
    flag: str

    def variance(self, direction: Floats) -> Floats:
        """Variance (...) over families of direction @ (intercept, slope), direction (..., 2)."""
        return np.asarray(((direction @ self.shift.T) ** 2).sum(axis=-1))

    @property
    def freedom(self) -> int:
        """Degrees of freedom of that variance."""
        return max(self.n_families - 2, 1)


def line_interval(
    line: FittedLine,
    x: Floats,
    y: Floats,
    families: NDArray[np.str_],
    x_error: Floats | None = None,
    y_error: Floats | None = None,
    level: float = 0.95,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> LineInterval:
    """Interval of a line over families of models, and over images where their errors are given.

    Families: `cluster_bootstrap.line_spread`; for Theil and Sen's line, whose scores are not smooth, the jackknife over
    families with Student's t. Images: all models see the same ones, so that their noise does not average out over
    models. It is taken as wholly shared - every model of one axis is lucky by the same number of its own standard
    errors - which is the worst case, and added in quadrature, x and y apart (two sets of images).

    Parameters
    ----------
    line : as `fit_line` of x and y
    families : str (n,)
    x_error, y_error : float (n,), optional
        Standard errors of the places from the number of images; NaN counts as none.

    Examples
    --------
    >>> x = np.arange(8.0)
    >>> y = x + np.tile([0.1, -0.1], 4)
    >>> interval = line_interval(fit_line(x, y), x, y, np.array(list("aabbccdd")))
    >>> bool(interval.lo[1] < 1 < interval.hi[1]), interval.n_families
    (True, 4)
    """
    finite_vector(x, "x")
    code = family_codes(families)
    count = int(code.max()) + 1
    spread, flag = _spread(line, x, y, code, count, level, draws, seed)
    if spread is None:
        nothing = np.full(2, np.nan)
        return LineInterval(lo=nothing, hi=nothing, shift=np.full((count, 2), np.nan), n_families=count, flag=flag)
    middle = np.array([line.intercept, line.slope])
    half = spread.quantile[0] * spread.error[0]
    shared = _shared(line, x, x_error, line.slope) ** 2 + _shared(line, x, y_error, 1.0) ** 2
    half = np.sqrt(half**2 + special.ndtri(0.5 + level / 2) ** 2 * shared)
    return LineInterval(lo=middle - half, hi=middle + half, shift=spread.shift[0], n_families=count, flag=flag)


def _spread(
    line: FittedLine,
    x: Floats,
    y: Floats,
    code: NDArray[np.intp],
    count: int,
    level: float,
    draws: int,
    seed: int,
) -> tuple[LineSpread | None, str]:
    if count < FEWEST_FAMILIES:
        return None, f"too few families: {count} of {FEWEST_FAMILIES} for an interval of a line"
    if np.isnan(line.slope) or line.n < 3 or not line.scale > 0:
        return None, "no spread around the line"
    if line.kind == "theil-sen":
        return _leave_out(x, y, code, count, level)
    scale = line.scale if line.kind == "huber" else np.inf
    pseudo = pseudo_residuals(x[None], (y - line.at(x))[None], np.array([scale]))
    spread = line_spread(x[None], pseudo, code, level, draws=draws, seed=seed)
    if np.isnan(spread.error).any():
        return None, "one family alone gives the line its slope"
    return spread, ""


def _leave_out(x: Floats, y: Floats, code: NDArray[np.intp], count: int, level: float) -> tuple[LineSpread | None, str]:
    kept = [code != k for k in range(count)]
    if any(keep.sum() < 3 or np.ptp(x[keep]) == 0 for keep in kept):
        return None, "one family alone gives the line its slope"
    lines = [fit_line(x[keep], y[keep], "theil-sen") for keep in kept]
    ends = np.array([[line.intercept, line.slope] for line in lines])
    shift = np.sqrt((count - 1) / count) * (ends - ends.mean(axis=0))
    quantile = np.full((1, 2), float(special.stdtrit(count - 2, 0.5 + level / 2)), np.float64)
    return LineSpread(error=np.sqrt((shift**2).sum(axis=0))[None], quantile=quantile, shift=shift[None]), ""


def _shared(line: FittedLine, x: Floats, error: Floats | None, slope: float) -> Floats:
    """What (intercept, slope) move when every model is lucky by one of its own standard errors."""
    if error is None:
        return np.zeros(2)
    weights, shock = line.weights, slope * np.nan_to_num(error)
    x_gap = x - np.average(x, weights=weights)
    tilt = (weights * x_gap) @ shock / ((weights * x_gap) @ x_gap)
    return np.array([np.average(shock, weights=weights) - tilt * np.average(x, weights=weights), tilt])
