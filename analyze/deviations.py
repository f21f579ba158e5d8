"""How far models and groups stand from the line of a reference group, with intervals and tests.

Takes places on axes, a fitted reference line and names of families; knows no accuracy table and no file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from .checks import open_fraction
from .cluster_bootstrap import family_codes
from .line_fits import FittedLine, LineInterval
from .scales import Transform, back, back_slope

Floats: TypeAlias = NDArray[np.float64]

FEWEST_FAMILIES = 5
TOO_FEW_FAMILIES = "too few families"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDeviations:
    """Deviations of n models from a reference line, signed: above it is positive.

    expected : height of the line at x, on the axis.
    axis : y - expected on the axis (probit units by default).
    rate : rate of y minus rate of expected: the points of accuracy above the line, as a fraction.
    lo, hi : interval of `axis`; lo_rate, hi_rate of `rate`. NaN where the line has no interval.
    extrapolated : x outside the reference models' own range.
    """

    expected: Floats
    axis: Floats
    rate: Floats
    lo: Floats
    hi: Floats
    lo_rate: Floats
    hi_rate: Floats
    extrapolated: NDArray[np.bool_]


def model_deviations(
    x: Floats,
    y: Floats,
    line: FittedLine,
    interval: LineInterval,
    reference_x: Floats,
    x_error: Floats,
    y_error: Floats,
    transform: Transform = "probit",
    level: float = 0.95,
) -> ModelDeviations:
    """Deviations of models, with intervals over the images of both axes and over the families behind the line.

    variance = error_y^2 + slope^2 error_x^2 + variance of the line at x; Student's t with Satterthwaite's degrees of
    freedom. What other images and another set of reference models would change; not what another model of the same
    kind would, which is the group's interval.

    Parameters
    ----------
    x, y, x_error, y_error : float (n,)
        Places and their standard errors; an error of NaN counts as none.
    line, interval
        Of the reference group.
    reference_x : float (m,)
        Its places, for what is extrapolated.

    Notes
    -----
    Effective robustness: Taori et al., Measuring Robustness to Natural Distribution Shifts in Image Classification,
    NeurIPS 2020, in accuracy after inverting; Tu et al., A Closer Look at the Robustness of CLIP, NeurIPS 2023.

    Examples
    --------
    The line y = x, a model at (0, 0.5) in probits: 0.5 above, Phi(0.5) - Phi(0) = 0.1915 in accuracy.

    >>> x = np.array([-1.0, 0, 1])
    >>> line = FittedLine(kind="ols", slope=1.0, intercept=0.0, scale=0.1, n=3, weights=np.ones(3), flag="")
    >>> interval = LineInterval(lo=x[:2], hi=x[:2], shift=np.zeros((3, 2)), n_families=3, flag="")
    >>> none = np.zeros(1)
    >>> found = model_deviations(np.array([0.0]), np.array([0.5]), line, interval, x, none, none)
    >>> found.axis.tolist(), found.rate.round(4).tolist()
    ([0.5], [0.1915])
    """
    expected = line.at(x)
    axis = y - expected
    images = np.nan_to_num(y_error) ** 2 + line.slope**2 * np.nan_to_num(x_error) ** 2
    of_line = interval.variance(np.stack([np.ones_like(x), x], axis=-1))
    half = _half_width(images, np.inf, of_line, interval.freedom, level)
    height = back(y, transform)
    return ModelDeviations(
        expected=expected,
        axis=axis,
        rate=height - back(expected, transform),
        lo=axis - half,
        hi=axis + half,
        lo_rate=height - back(expected + half, transform),
        hi_rate=height - back(expected - half, transform),
        extrapolated=(x < reference_x.min()) | (x > reference_x.max()),
    )


def _half_width(first: Floats, first_df: float, second: Floats, second_df: float, level: float) -> Floats:
    """Half an interval for two independent variances, after Welch and Satterthwaite."""
    total = first + second
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = total**2 / (first**2 / first_df + second**2 / second_df)
        t = special.stdtrit(np.where(np.isfinite(freedom), freedom, 1e12), 0.5 + open_fraction(level, "level") / 2)
    return np.asarray(t * np.sqrt(total))


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDeviation:
    """Deviation of a group of models: mean over families of the mean over each family's models.

    lo, hi, p : interval and two-sided test of 0; NaN where `flag` says why.
    n, n_families : models and families.
    """

    value: float
    lo: float
    hi: float
    p: float
    n: int
    n_families: int
    flag: str


def group_deviation(
    deviations: ArrayLike,
    families: ArrayLike,
    direction: Floats | None = None,
    interval: LineInterval | None = None,
    level: float = 0.95,
) -> GroupDeviation:
    """Mean deviation of a group, with Student's t on family means and the uncertainty of the line.

    variance = s^2 / F over the F family means + the line's variance at the mean place of the families; degrees of
    freedom after Satterthwaite, from F - 1 and the line's. Families count alike, however many models they have. Noise
    of images is in the scatter of the models as far as each has its own; as far as they share it, it moves group and
    line together.

    Parameters
    ----------
    deviations : float (n,)
    families : str (n,)
    direction : float (n, 2), optional
        Derivative of each expected value by (intercept, slope): (1, x) on the axis. Without it the line is known.
    interval : LineInterval, optional
        Of the reference line.
    level : float

    Raises
    ------
    ValueError
        No models, unequal lengths, NaN.

    Notes
    -----
    Student's t on cluster means: Donald and Lang, Inference with Difference-in-Differences and Other Panel Data, 2007.

    Examples
    --------
    Five families at 1, 2, 3, 4, 5, one twice: mean 3, s = 1.58, t(0.975, 4) = 2.776, half-width 1.963.

    >>> found = group_deviation([1, 1, 2, 3, 4, 5], list("aabcde"))
    >>> found.value, round(found.lo, 3), round(found.hi, 3), found.n_families
    (3.0, 1.037, 4.963, 5)
    >>> group_deviation([1.0, 2.0], ["a", "b"]).flag
    'too few families: 2 of 5'
    """
    values, code = np.asarray(deviations, dtype=np.float64), family_codes(families)
    if values.ndim != 1 or values.shape != code.shape or not len(values) or not np.isfinite(values).all():
        raise ValueError(f"deviations, families: expected finite (n,) and (n,), got {values.shape} and {code.shape}")
    size = np.bincount(code)
    means = np.bincount(code, weights=values) / size
    value, count = float(means.mean()), len(means)
    nothing = GroupDeviation(value=value, lo=np.nan, hi=np.nan, p=np.nan, n=len(values), n_families=count, flag="")
    if count < FEWEST_FAMILIES:
        flag = f"{TOO_FEW_FAMILIES}: {count} of {FEWEST_FAMILIES}"
    elif interval is not None and interval.flag:
        flag = f"reference line: {interval.flag}"
    else:
        flag = ""
    if flag:
        return _replaced(nothing, flag=flag)
    own = means.var(ddof=1) / count
    of_line, freedom = 0.0, 1.0
    if direction is not None and interval is not None:
        mean_direction = np.stack([np.bincount(code, weights=part) / size for part in direction.T], axis=-1).mean(
            axis=0
        )
        of_line, freedom = float(interval.variance(mean_direction)), float(interval.freedom)
    total = own + of_line
    if total == 0:
        return _replaced(nothing, lo=value, hi=value, p=float(value == 0))
    df = total**2 / (own**2 / (count - 1) + of_line**2 / freedom)
    half = float(special.stdtrit(df, 0.5 + open_fraction(level, "level") / 2) * np.sqrt(total))
    p = float(2 * special.stdtr(df, -abs(value) / np.sqrt(total)))
    return _replaced(nothing, lo=value - half, hi=value + half, p=p)


def _replaced(
    found: GroupDeviation, *, lo: float = np.nan, hi: float = np.nan, p: float = np.nan, flag: str = ""
) -> GroupDeviation:
    return GroupDeviation(
        value=found.value, lo=lo, hi=hi, p=p, n=found.n, n_families=found.n_families, flag=flag
    )  # fmt: skip


def line_direction(x: Floats, expected: Floats, transform: Transform, *, rate: bool) -> Floats:
    """Derivative (n, 2) of expected values by (intercept, slope): (1, x), times the slope of the way back for rates."""
    ones = back_slope(expected, transform) if rate else np.ones_like(x)
    return np.stack([ones, ones * x], axis=-1)


def holm(p: ArrayLike) -> Floats:
    """p values adjusted by Holm's step-down rule: no false finding in the family at the adjusted level; NaN stays.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    return _adjusted(p, step_up=False)


def benjamini_hochberg(p: ArrayLike) -> Floats:
    """p values adjusted by Benjamini and Hochberg's rule: share of false findings among all findings; NaN stays.

    Examples
    --------
    >>> benjamini_hochberg([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.04, 0.04]
    """
    return _adjusted(p, step_up=True)


def _adjusted(p: ArrayLike, *, step_up: bool) -> Floats:
    values = np.asarray(p, dtype=np.float64)
    there = np.flatnonzero(~np.isnan(values))
    if ((values[there] < 0) | (values[there] > 1)).any():
        raise ValueError("p: expected numbers in [0, 1]")
    order = there[np.argsort(values[there], kind="stable")]
    m, rank = len(order), np.arange(1, len(order) + 1)
    found = np.full(values.shape, np.nan)
    if step_up:
        raised = np.minimum.accumulate((values[order] * m / rank)[::-1])[::-1]
    else:
        raised = np.maximum.accumulate(values[order] * (m - rank + 1))
    found[order] = np.minimum(raised, 1.0)
    return found
