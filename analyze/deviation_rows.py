"""Rows of deviations: each model's, and each group's, from the line of the reference group.

Puts what `deviations` measures into columns, in probits whatever the axes. Fits no line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special

from .axes import Axis
from .cluster_bootstrap import DRAWS
from .deviations import GroupDeviation, ModelDeviations, group_deviation, line_direction, model_deviations
from .line_fits import FittedLine, LineInterval, LineKind
from .scales import Transform, back, back_slope

Floats: TypeAlias = NDArray[np.float64]

DEVIATIONS: dict[str, pl.DataType] = {
    **dict.fromkeys(("model", "group"), pl.String()),
    **dict.fromkeys(("x", "y", "expected", "deviation_probit", "deviation_accuracy", "lo", "hi"), pl.Float64()),
    **dict.fromkeys(("lo_accuracy", "hi_accuracy", "band_lo", "band_hi"), pl.Float64()),
    **dict.fromkeys(("x_axis", "y_axis", "reference", "family", "source"), pl.String()),
    **dict.fromkeys(("extrapolated", "clipped", "placed"), pl.Boolean()),
    **dict.fromkeys(("n_x", "n_y"), pl.Int64()),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitting:
    """How lines are made; the defaults are the papers', where they say.

    errors_in_x : take the noise of images out of x before a fit (`scales.without_noise`).
    """

    line: LineKind = "huber"
    transform: Transform = "probit"
    reference: str = "standard"
    errors_in_x: bool = False
    level: float = 0.95
    draws: int = DRAWS
    seed: int = 0

    def sentence(self, cluster: str) -> str:
        """Say how the intervals were made, for the file beside a table."""
        return (
            f"lines: {self.line} on {self.transform} axes, wild cluster bootstrap-t over {cluster}, "
            f"{self.draws} draws, seed {self.seed}, plus the noise of shared images in quadrature; "
            f"models: noise of images and of the line of {self.reference!r}; "
            f"groups: Student t on means of {cluster}, plus the line; p: two-sided, Holm and "
            "Benjamini-Hochberg over all tested rows of this table"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """The models of one group on two axes: their rows, and their places with standard errors, float64 (n,)."""

    rows: pl.DataFrame
    x: Floats
    y: Floats
    x_error: Floats
    y_error: Floats
    clipped: NDArray[np.bool_]
    families: NDArray[np.str_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A group with its line and the line's interval."""

    cloud: Cloud
    line: FittedLine
    interval: LineInterval


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Deviations of a group's models, on the axis and in probits.

    probit : (n,) deviation in probits whatever the axis; NaN where what stands there is no rate.
    to_probit : (n,) derivative of the expected probit by the expected place.
    """

    found: ModelDeviations
    probit: Floats
    to_probit: Floats


def measure(cloud: Cloud, reference: Fit, fitting: Fitting) -> Measured:
    """Measure the models of a group from the reference line."""
    found = model_deviations(
        cloud.x, cloud.y, reference.line, reference.interval, reference.cloud.x, cloud.x_error, cloud.y_error,
        fitting.transform, fitting.level,
    )  # fmt: skip
    if fitting.transform == "probit":
        return Measured(found=found, probit=found.axis, to_probit=np.ones_like(found.axis))
    expected = _probit(back(found.expected, fitting.transform))
    with np.errstate(invalid="ignore"):
        to_probit = back_slope(found.expected, fitting.transform) / back_slope(expected, "probit")
    return Measured(found=found, probit=_probit(back(cloud.y, fitting.transform)) - expected, to_probit=to_probit)


def _probit(rate: Floats) -> Floats:
    inside = (rate > 0) & (rate < 1)
    return np.asarray(special.ndtri(np.where(inside, rate, np.nan)))


def group_row(group: str, cloud: Cloud, measured: Measured, reference: Fit, fitting: Fitting) -> dict[str, Any]:
    """Return a group's own deviation, as far as it has enough families, in columns of the table of lines."""
    found = measured.found
    row: dict[str, Any] = {"n_extrapolated": int(found.extrapolated.sum())}
    if group == fitting.reference:
        return row | {"deviation_flag": "the reference itself"}
    rate = _deviation(
        cloud, found.rate, line_direction(cloud.x, found.expected, fitting.transform, rate=True), reference, fitting
    )
    row |= {
        "deviation_accuracy": rate.value,
        "deviation_accuracy_lo": rate.lo,
        "deviation_accuracy_hi": rate.hi,
        "deviation_flag": rate.flag,
        "p": rate.p,
    }
    if np.isnan(measured.probit).any():
        return row
    direction = line_direction(cloud.x, found.expected, fitting.transform, rate=False) * measured.to_probit[:, None]
    probit = _deviation(cloud, measured.probit, direction, reference, fitting)
    return row | {"deviation_probit": probit.value, "deviation_lo": probit.lo, "deviation_hi": probit.hi, "p": probit.p}


def _deviation(cloud: Cloud, values: Floats, direction: Floats, reference: Fit, fitting: Fitting) -> GroupDeviation:
    return group_deviation(values, cloud.families, direction, reference.interval, fitting.level)


def model_rows(cloud: Cloud, measured: Measured, reference: Fit, fitting: Fitting, x: Axis, y: Axis) -> pl.DataFrame:
    """Return each model's deviation with the columns of `DEVIATIONS`, sorted by group and model."""
    found, line = measured.found, reference.line
    # Where another model of the reference group would stand: its own spread, and the line's.
    band = special.stdtrit(max(line.n - 2, 1), 0.5 + fitting.level / 2) * np.sqrt(
        line.scale**2 + np.nan_to_num(reference.interval.variance(np.stack([np.ones_like(cloud.x), cloud.x], axis=-1)))
    )
    if fitting.transform == "probit":
        lo, hi = found.lo, found.hi
    else:
        height = _probit(back(cloud.y, fitting.transform))
        lo = height - _probit(back(cloud.y - found.lo, fitting.transform))
        hi = height - _probit(back(cloud.y - found.hi, fitting.transform))
    rows = cloud.rows
    return pl.DataFrame(
        {
            "model": rows["model"],
            "group": rows["group"],
            "x": rows["x"],
            "y": rows["y"],
            "expected": back(found.expected, fitting.transform),
            "deviation_probit": measured.probit,
            "deviation_accuracy": found.rate,
            "lo": lo,
            "hi": hi,
            "lo_accuracy": found.lo_rate,
            "hi_accuracy": found.hi_rate,
            "band_lo": back(found.expected - band, fitting.transform),
            "band_hi": back(found.expected + band, fitting.transform),
            "x_axis": str(x),
            "y_axis": str(y),
            "reference": fitting.reference,
            "family": rows["family"],
            "source": rows["source"],
            "extrapolated": found.extrapolated,
            "clipped": cloud.clipped,
            "placed": rows["placed"],
            "n_x": rows["x_n"],
            "n_y": rows["y_n"],
        },
        schema=DEVIATIONS,
    ).sort("group", "model")
