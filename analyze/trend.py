"""Huber's robust line through points that stand for models: the trend from which groups deviate.

The same line as statsmodels `RLM(y, [1, x], M=HuberT())` with its defaults, for one cloud of points or for many at
once (a bootstrap). Takes transformed values; knows nothing of probits, models or deviations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .checks import finite_vector

TUNING = 1.345
# 75 % quantile of the normal, which makes the median of |r| estimate a standard deviation.
NORMAL_QUARTILE = 0.6744897501960817
TOLERANCE = 1e-8
MAX_FITS = 50
# Residuals below this share of the largest |y| are rounding errors of points on a line.
ROUNDING = 1e-13

FINE, TOO_FEW, EQUAL_X, NO_SCALE, NOT_CONVERGED = range(5)
FLAGS = (
    "",
    "fewer than 3 points",
    "all x equal: no slope",
    "median residual 0: most points lie on one line",
    f"not converged within {MAX_FITS} fits",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HuberLine:
    """A robust line y = intercept + slope x.

    slope, intercept : NaN where no line exists (equal x, one point).
    scale : median |residual| / 0.6745, the robust standard deviation around the line; 0 for points on a line.
    n : number of points.
    weights : (n,) in (0, 1]; below 1 for points further than 1.345 scales from the line of the fit before.
    converged : the iteration met its tolerance; False wherever `flag` is set.
    flag : empty if all is well, else what is wrong with the line, one of `FLAGS`.
    """

    slope: float
    intercept: float
    scale: float
    n: int
    weights: NDArray[np.float64]
    converged: bool
    flag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HuberLines:
    """Robust lines through b clouds of n points: arrays (b,), weights (b, n), `flag` an index into `FLAGS`."""

    slope: NDArray[np.float64]
    intercept: NDArray[np.float64]
    scale: NDArray[np.float64]
    weights: NDArray[np.float64]
    flag: NDArray[np.int8]


def huber_line(x: ArrayLike, y: ArrayLike) -> HuberLine:
    """Robust line through n points by Huber's M-estimator with iteratively reweighted least squares.

    Starts at ordinary least squares; each step sets the scale s = median |r| / 0.6745, weights min(1, 1.345 s / |r|),
    and fits again, until the sum of Huber's rho(r / s) changes by less than 1e-8, at most 50 fits. Outliers in y lose
    weight, outliers in x do not.

    Parameters
    ----------
    x, y : float (n,)
        Transformed values (probits of accuracies).

    Returns
    -------
    HuberLine
        Degenerate clouds are flagged: under 3 points (2 give the line through them), equal x (no line), a median
        residual of 0, at the start or on the way (the line of that step, which most points lie on).

    Raises
    ------
    ValueError
        No points, unequal lengths, NaN or infinity.

    Notes
    -----
    Huber, Robust Estimation of a Location Parameter, Annals of Mathematical Statistics 35, 1964; defaults of
    statsmodels `RLM(y, add_constant(x), M=HuberT())`.

    Examples
    --------
    Residuals (.1, -.1, .1, -.1) stay within 1.345 scales of 0.1483: ordinary least squares, slope -0.4 / 20 + 1.

    >>> line = huber_line([-3, -1, 1, 3], [-2.9, -1.1, 1.1, 2.9])
    >>> round(line.slope, 9), line.weights.tolist(), line.converged
    (0.98, [1.0, 1.0, 1.0, 1.0], True)
    """
    across, up = finite_vector(x, "x"), finite_vector(y, "y")
    if across.shape != up.shape:
        raise ValueError(f"x, y: expected equal lengths, got {len(across)} and {len(up)}")
    lines = huber_lines(across[None], up[None])
    flag = int(lines.flag[0])
    return HuberLine(
        slope=float(lines.slope[0]),
        intercept=float(lines.intercept[0]),
        scale=float(lines.scale[0]),
        n=len(up),
        weights=lines.weights[0],
        converged=flag == FINE,
        flag=FLAGS[flag],
    )


def huber_lines(x: NDArray[np.float64], y: NDArray[np.float64]) -> HuberLines:
    """`huber_line` for each row of x and y at once, each row stopping when it has converged by itself.

    Parameters
    ----------
    x, y : float64 (b, n)
        Finite; one cloud a row, such as one bootstrap resample of the models.

    Returns
    -------
    HuberLines

    Raises
    ------
    ValueError
        No points or unequal shapes.

    Examples
    --------
    >>> lines = huber_lines(np.array([[0.0, 1.0, 2.0], [5.0, 5.0, 5.0]]), np.array([[1.0, 3.0, 5.0], [1.0, 2.0, 3.0]]))
    >>> lines.slope.round(9).tolist(), [FLAGS[f] for f in lines.flag]
    ([2.0, nan], ['median residual 0: most points lie on one line', 'all x equal: no slope'])
    """
    if x.ndim != 2 or x.shape != y.shape or x.size == 0:
        raise ValueError(f"x, y: expected one shape (b, n) without an empty axis, got {x.shape} and {y.shape}")
    b, n = x.shape
    lines = HuberLines(
        slope=np.full(b, np.nan),
        intercept=np.full(b, np.nan),
        scale=np.full(b, np.nan),
        weights=np.ones((b, n)),
        flag=np.full(b, FINE, np.int8),
    )
    flat = np.ptp(x, axis=1) <= ROUNDING * np.abs(x).max(axis=1)
    lines.flag[flat] = EQUAL_X
    steep = np.flatnonzero(~flat)
    lines.slope[steep], lines.intercept[steep] = _weighted_line(x[steep], y[steep], lines.weights[steep])
    if n < 3:
        lines.scale[steep] = 0.0
        lines.flag[:] = TOO_FEW
    elif len(steep):
        _reweight(x, y, lines, steep)
    return lines


def _weighted_line(
    x: NDArray[np.float64], y: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    total = weights.sum(axis=1)
    x_mean, y_mean = np.vecdot(weights, x) / total, np.vecdot(weights, y) / total
    x_gap = x - x_mean[:, None]
    weighted = weights * x_gap
    slope = np.vecdot(weighted, y - y_mean[:, None]) / np.vecdot(weighted, x_gap)
    return slope, y_mean - slope * x_mean


def _scale(residual: NDArray[np.float64]) -> NDArray[np.float64]:
    # A fifth of the cost of numpy.median: one partition, and for even n the largest value left of it.
    half = residual.shape[1] // 2
    ordered = np.partition(np.abs(residual), half, axis=1)
    upper = ordered[:, half]
    lower = upper if residual.shape[1] % 2 else ordered[:, :half].max(axis=1)
    return np.asarray((lower + upper) / 2 / NORMAL_QUARTILE)


def _deviance(size: NDArray[np.float64]) -> NDArray[np.float64]:
    inner = np.minimum(size, TUNING)
    return np.asarray((inner * (size - 0.5 * inner)).sum(axis=1))


def _reweight(x: NDArray[np.float64], y: NDArray[np.float64], lines: HuberLines, live: NDArray[np.intp]) -> None:
    """Iterate the rows `live` of `lines`, which hold least squares, each until its deviance stands still."""
    px, py = x[live], y[live]
    slope, intercept = lines.slope[live], lines.intercept[live]
    residual = py - intercept[:, None] - slope[:, None] * px
    scale, deviance = _scale(residual), np.full(len(live), np.inf)
    lines.flag[live] = NOT_CONVERGED
    weights = np.ones_like(px)
    for fits in range(1, MAX_FITS + 1):
        collapsed = scale <= ROUNDING * np.abs(py).max(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            size = np.abs(residual) / scale[:, None]
            now = _deviance(size)
            still = ~collapsed & (np.abs(now - deviance) <= TOLERANCE)
        done = still | collapsed | (fits == MAX_FITS)
        ended = live[done]
        lines.flag[live[still]], lines.flag[live[collapsed]] = FINE, NO_SCALE
        lines.slope[ended], lines.intercept[ended] = slope[done], intercept[done]
        lines.scale[ended], lines.weights[ended] = np.where(collapsed, 0.0, scale)[done], weights[done]
        go = ~done
        if not go.any():
            return
        deviance = now
        if not go.all():
            live, px, py, deviance, size = live[go], px[go], py[go], now[go], size[go]
        weights = TUNING / np.maximum(size, TUNING)
        slope, intercept = _weighted_line(px, py, weights)
        residual = py - intercept[:, None] - slope[:, None] * px
        scale = _scale(residual)
