"""The two tables of a trend: a line a group, and a deviation a model, from models that stand on two axes.

Puts places, lines, intervals and tests together. Knows columns; where the models come from is `trend_rows`' business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from manifests.errors import UsageError

from .axes import Axis
from .deviation_rows import DEVIATIONS, Cloud, Fit, Fitting, group_row, measure, model_rows
from .deviations import benjamini_hochberg, holm
from .line_fits import fit_line, line_interval, line_quality
from .scales import back, place, without_noise
from .trend_rows import equal_models_once

__all__ = ["DEVIATIONS", "LINES", "Fitting", "Trend", "fit_trends"]

LINES: dict[str, pl.DataType] = {
    **dict.fromkeys(("x", "y", "group"), pl.String()),
    **dict.fromkeys(("n", "n_families"), pl.Int64()),
    **dict.fromkeys(("slope", "intercept", "scale", "r2", "spearman", "pearson"), pl.Float64()),
    **dict.fromkeys(("slope_lo", "slope_hi", "intercept_lo", "intercept_hi"), pl.Float64()),
    "n_clipped": pl.Int64(),
    # What the contract does not ask for.
    **dict.fromkeys(("line", "transform", "flag", "interval_flag"), pl.String()),
    **dict.fromkeys(("r2_weighted", "median_residual", "x_min", "x_max"), pl.Float64()),
    **dict.fromkeys(("n_duplicates", "n_extrapolated"), pl.Int64()),
    **dict.fromkeys(("sources", "reference"), pl.String()),
    **dict.fromkeys(("deviation_probit", "deviation_lo", "deviation_hi"), pl.Float64()),
    **dict.fromkeys(("deviation_accuracy", "deviation_accuracy_lo", "deviation_accuracy_hi"), pl.Float64()),
    **dict.fromkeys(("p", "p_holm", "p_bh"), pl.Float64()),
    "deviation_flag": pl.String(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """Lines (columns of `LINES`), deviations (columns of `DEVIATIONS`), and what a reader has to be told."""

    lines: pl.DataFrame
    deviations: pl.DataFrame
    notes: tuple[str, ...]


def fit_trends(
    clouds: Sequence[tuple[Axis, Axis, pl.DataFrame]], fitting: Fitting, groups: Sequence[str] = ()
) -> Trend:
    """Fit a line to every group on every pair of axes, and measure every model from the reference group's.

    Parameters
    ----------
    clouds
        x, y and the models that stand on both: ``model, group, family, source, duplicate_of, x, x_n, y, y_n`` and
        ``placed``, true for models that are measured but enter no fit.
    fitting
    groups
        Groups to report; empty for all. The reference line is fitted in any case.

    Raises
    ------
    UsageError
        Rates outside [0, 1] on a probit or logit axis.
    """
    lines: list[dict[str, Any]] = []
    deviations = [pl.DataFrame(schema=DEVIATIONS)]
    notes: list[str] = []
    for x, y, points in clouds:
        found, per_model, said = _one_pair(x, y, points, fitting, groups)
        lines += found
        deviations.append(per_model)
        notes += said
    table = pl.DataFrame(lines, schema={name: LINES[name] for name in LINES if not name.startswith("p_")})
    p = table["p"].to_numpy().astype(np.float64)
    table = table.with_columns(p_holm=pl.Series(holm(p)), p_bh=pl.Series(benjamini_hochberg(p)))
    return Trend(
        lines=table.select(list(LINES)).with_columns(pl.col(pl.String).fill_null("")).fill_nan(None),
        deviations=pl.concat(deviations).fill_nan(None),
        notes=tuple(dict.fromkeys(notes)),
    )


def _one_pair(
    x: Axis, y: Axis, points: pl.DataFrame, fitting: Fitting, groups: Sequence[str]
) -> tuple[list[dict[str, Any]], pl.DataFrame, list[str]]:
    notes, fitted = [], points.filter(~pl.col("placed"))
    fits: dict[str, Fit] = {}
    duplicates: dict[str, int] = {}
    for group in sorted({*fitted["group"]}):
        if groups and group not in (*groups, fitting.reference):
            continue
        rows, duplicates[group] = equal_models_once(fitted.filter(pl.col("group") == group))
        fits[group] = fit_cloud(cloud_of(rows, x, y, fitting), fitting)
    reference = fits.get(fitting.reference)
    if reference is None:
        notes.append(
            f"{y}: no model of the reference group {fitting.reference!r} on both axes, so no deviations; "
            f"there are {', '.join(sorted(fits)) or 'none'} (--reference)."
        )
    elif np.isnan(reference.line.slope):
        notes.append(f"{y}: the reference group {fitting.reference!r} has no line: {reference.line.flag}.")
        reference = None
    lines = []
    per_model = [pl.DataFrame(schema=DEVIATIONS)]
    for group, fit in fits.items():
        if groups and group not in groups:
            continue
        row = {"x": str(x), "y": str(y), "group": group, "n_duplicates": duplicates[group], **_line_row(fit, fitting)}
        if reference is not None:
            found = measure(fit.cloud, reference, fitting)
            row |= group_row(group, fit.cloud, found, reference, fitting)
            per_model.append(model_rows(fit.cloud, found, reference, fitting, x, y))
        lines.append(row)
    placed = points.filter("placed")
    if placed.height and reference is not None:
        cloud = cloud_of(placed, x, y, fitting)
        per_model.append(model_rows(cloud, measure(cloud, reference, fitting), reference, fitting, x, y))
    return lines, pl.concat(per_model), notes


def cloud_of(rows: pl.DataFrame, x: Axis, y: Axis, fitting: Fitting) -> Cloud:
    placed = []
    for axis, value, n in ((x, "x", "x_n"), (y, "y", "y_n")):
        try:
            placed.append(
                place(rows[value].to_numpy(), rows[n].cast(pl.Float64).fill_null(np.nan).to_numpy(), fitting.transform)
            )
        except ValueError as error:
            wrong = rows.filter((pl.col(value) <= 0) | (pl.col(value) >= 1)).head(5)
            models = ", ".join(f"{model} ({number:g})" for model, number in wrong.select("model", value).iter_rows())
            raise UsageError(
                f"{axis}: cannot stand on a {fitting.transform} axis: {error}. Look at {models or 'n'}; "
                "numbers that are no rates go with --transform linear."
            ) from error
    across, up = placed
    return Cloud(
        rows=rows,
        x=across.z,
        y=up.z,
        x_error=across.error,
        y_error=up.error,
        clipped=across.clipped | up.clipped,
        families=rows["family"].to_numpy(),
    )


def fit_cloud(cloud: Cloud, fitting: Fitting) -> Fit:
    x = cloud.x
    if fitting.errors_in_x:
        try:
            x = without_noise(x, cloud.x_error)
        except ValueError as error:
            raise UsageError(f"--errors-in-x: {error}.") from error
    line = fit_line(x, cloud.y, fitting.line)
    interval = line_interval(
        line, x, cloud.y, cloud.families, cloud.x_error, cloud.y_error, fitting.level,
        draws=fitting.draws, seed=fitting.seed,
    )  # fmt: skip
    return Fit(cloud=cloud, line=line, interval=interval)


def _line_row(fit: Fit, fitting: Fitting) -> dict[str, Any]:
    line, cloud = fit.line, fit.cloud
    quality = line_quality(line, cloud.x, cloud.y)
    residual = back(cloud.y, fitting.transform) - back(line.at(cloud.x), fitting.transform)
    return {
        "n": line.n,
        "n_families": fit.interval.n_families,
        "slope": line.slope,
        "intercept": line.intercept,
        "scale": line.scale,
        "r2": quality.r2,
        "r2_weighted": quality.r2_weighted,
        "spearman": quality.spearman,
        "pearson": quality.pearson,
        "slope_lo": fit.interval.lo[1],
        "slope_hi": fit.interval.hi[1],
        "intercept_lo": fit.interval.lo[0],
        "intercept_hi": fit.interval.hi[0],
        "n_clipped": int(cloud.clipped.sum()),
        "line": line.kind,
        "transform": fitting.transform,
        "flag": line.flag,
        "interval_flag": fit.interval.flag,
        "median_residual": float(np.median(np.abs(residual))),
        "x_min": float(cloud.rows["x"].min()),  # type: ignore[arg-type]
        "x_max": float(cloud.rows["x"].max()),  # type: ignore[arg-type]
        "sources": ",".join(sorted(set(cloud.rows["source"]) - {""})),
        "reference": fitting.reference,
    }
