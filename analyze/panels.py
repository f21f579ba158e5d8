"""From results to the marks of trend panels: places of models, their groups' lines, and what stands outside.

Takes rows that stand for their models (`headline`), with facts (`trend_rows.with_facts`); draws nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .axes import Axis, parse_axis, points
from .deviation_rows import Fit, Fitting
from .figures.scales import Scale
from .figures.trend_marks import COLUMNS, Panel
from .scales import place
from .trend_rows import FACTS, choose_cluster, equal_models_once
from .trend_table import cloud_of, fit_cloud

LINE_PLACES = 7
"""Places at which a line with its band is drawn: straight on the axes, its band bends."""

FEWEST = 3
"""Models of a line at least: through two there is always one."""

CORE = (0.01, 0.99)
"""Quantiles of a group's x between which its line is drawn as fitted; beyond it is extrapolated."""

_TYPES: Mapping[str, pl.DataType] = {
    **dict.fromkeys(("panel", "n"), pl.Int64()),
    **dict.fromkeys(("mark", "model", "group", "source", "part", "series", "label"), pl.String()),
    **dict.fromkeys(("parameters_m", "x", "y", "zx", "zy", "lo", "hi", "band_lo", "band_hi"), pl.Float64()),
    "clipped": pl.Boolean(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What a panel shows: two axes of the results table, and how they run.

    Attributes
    ----------
    title, x_title, y_title
        Words of the panel and of its axes.
    x, y
        Axes as on the command line: dataset[:slice[:metric[:protocol]]].
    x_scale, y_scale
        Lines are fitted where both are probits.
    ideal
        Whether y = x means something.
    groups
        Groups that are shown; empty for all.
    joined
        Whether the points of one model are joined: it was read in several ways.
    """

    title: str
    x: str
    y: str
    x_title: str = "ImageNet top-1"
    y_title: str = "top-1"
    x_scale: Scale = "probit"
    y_scale: Scale = "probit"
    ideal: bool = False
    groups: tuple[str, ...] = ()
    joined: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A panel without models: its title, why it has none, and the dataset that would give it some."""

    title: str
    why: str
    dataset: str


@dataclass(frozen=True, slots=True)
class Panels:
    """Marks for `figures.trend_panels`, their panels, and what could not be shown."""

    table: pl.DataFrame
    panels: tuple[Panel, ...]
    missing: tuple[Missing, ...] = field(default=())


def make_panels(
    rows: pl.DataFrame, specs: Sequence[Spec], fitting: Fitting | None = None, fitted: pl.DataFrame | None = None
) -> Panels:
    """Return the marks of every panel.

    Models that are copies of others are drawn and enter no fit. A panel without models is kept, and said.

    Parameters
    ----------
    rows
        Results, one row a model on each axis, with `trend_rows.FACTS` and ``parameters_m``. With a column ``series``,
        one row a model and series: how it was read or made. With a column ``label``, words beside the points.
    fitting
        How lines are fitted; the defaults are the papers'.
    fitted
        Rows that lines are fitted to, one line a group and ``series``; else the rows that are drawn.

    Raises
    ------
    UsageError
        When several rows of a model fit an axis.
    """
    how = fitting or Fitting()
    marks: list[dict[str, Any]] = []
    missing: list[Missing] = []
    panels: list[Panel] = []
    for index, spec in enumerate(specs):
        found = _points(rows, spec)
        cloud = None if isinstance(found, Missing) else found
        if isinstance(found, Missing):
            missing.append(found)
        images = 0 if cloud is None else int(cloud["y_n"].max() or 0)  # type: ignore[arg-type]
        panels.append(
            Panel(
                title=spec.title,
                images=images,
                x_title=spec.x_title,
                y_title=spec.y_title,
                x_scale=spec.x_scale,
                y_scale=spec.y_scale,
                ideal=spec.ideal,
                joined=spec.joined,
            )
        )
        if cloud is not None:
            marks += _models(index, spec, cloud)
            through = cloud if fitted is None else _points(fitted, spec)
            if not isinstance(through, Missing):
                marks += _lines(index, spec, through, how)
    return Panels(pl.DataFrame(marks, schema=_TYPES).select(COLUMNS), tuple(panels), tuple(missing))


def _points(rows: pl.DataFrame, spec: Spec) -> pl.DataFrame | Missing:
    x, y = parse_axis(spec.x), parse_axis(spec.y)
    here = rows.filter(pl.col("group").is_in(spec.groups)) if spec.groups else rows
    for axis in (x, y):
        of_axis = pl.col("dataset") == axis.dataset, pl.col("slice") == axis.slice, pl.col("metric") == axis.metric
        if not here.filter(*of_axis).height:
            why = f"no {axis.metric} of {axis.dataset}" + (f" ({axis.slice})" if axis.slice != "all" else "")
            return Missing(title=spec.title, why=why, dataset=axis.dataset)
    more = [name for name in ("series", "label") if name in here.columns]
    parts = here.partition_by("series") if "series" in more else [here]
    found = [_one_series(part, x, y, more) for part in parts]
    models = [part for part in found if part is not None]
    if not models:
        return Missing(title=spec.title, why=f"no model has both {x} and {y}", dataset=y.dataset)
    blank = [pl.lit("").alias(name) for name in ("series", "label") if name not in more]
    return choose_cluster(pl.concat(models).with_columns(blank), "encoder_family")


def _one_series(rows: pl.DataFrame, x: Axis, y: Axis, more: Sequence[str]) -> pl.DataFrame | None:
    """Models on both axes; None where there are none, so that only ambiguous rows are an error."""
    both = [
        set(rows.filter(dataset=axis.dataset, slice=axis.slice, metric=axis.metric)["model"].to_list())
        for axis in (x, y)
    ]
    if not both[0] & both[1]:
        return None
    return points(rows, x, y, facts=(*FACTS, "parameters_m", "lo", "hi", *more))


def _placed(values: pl.Series, images: pl.Series, scale: Scale) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    numbers = values.to_numpy().astype(np.float64)
    if scale != "probit":
        return numbers, np.zeros(len(numbers), bool)
    found = place(numbers, images.cast(pl.Float64).fill_null(np.nan).to_numpy())
    return found.z, found.clipped


def _models(index: int, spec: Spec, cloud: pl.DataFrame) -> list[dict[str, Any]]:
    zx, x_clipped = _placed(cloud["x"], cloud["x_n"], spec.x_scale)
    zy, y_clipped = _placed(cloud["y"], cloud["y_n"], spec.y_scale)
    return [
        {
            "panel": index,
            "mark": "model",
            "model": row["model"],
            "group": row["group"],
            "source": row["training_source"],
            "parameters_m": row["parameters_m"],
            "x": row["x"],
            "y": row["y"],
            "zx": across,
            "zy": up,
            "lo": row["lo"],
            "hi": row["hi"],
            "n": row["y_n"],
            "clipped": bool(moved),
            "part": "",
            "series": row["series"],
            "label": row["label"],
        }
        for row, across, up, moved in zip(
            cloud.iter_rows(named=True), zx.tolist(), zy.tolist(), x_clipped | y_clipped, strict=True
        )
    ]


def _lines(index: int, spec: Spec, cloud: pl.DataFrame, fitting: Fitting) -> list[dict[str, Any]]:
    if (spec.x_scale, spec.y_scale) != ("probit", "probit"):
        return []
    x, y = parse_axis(spec.x), parse_axis(spec.y)
    ends = _placed(cloud["x"], cloud["x_n"], spec.x_scale)[0]
    rows: list[dict[str, Any]] = []
    for group, series in sorted(set(cloud.select("group", "series").rows())):
        distinct, _ = equal_models_once(cloud.filter(pl.col("group") == group, pl.col("series") == series))
        fit = fit_cloud(cloud_of(distinct, x, y, fitting), fitting)
        if not np.isfinite(fit.line.slope) or fit.line.n < FEWEST:
            continue
        low, high = np.quantile(fit.cloud.x, CORE)
        own = _line(index, group, fit, "fit", low, high)
        for place_ in own:
            place_["series"] = series
        if own:
            own[-1]["label"] = series
        rows += own
        if group == fitting.reference:
            # The line that others are measured from is wanted wherever there are others.
            rows += _line(index, group, fit, "below", min(float(ends.min()), low), low)
            rows += _line(index, group, fit, "above", high, max(float(ends.max()), high))
    return rows


def _line(index: int, group: str, fit: Fit, part: str, low: float, high: float) -> list[dict[str, Any]]:
    if not high > low:
        return []
    across = np.linspace(low, high, LINE_PLACES)
    up = fit.line.at(across)
    variance = fit.interval.variance(np.stack([np.ones_like(across), across], axis=1))
    half = 1.96 * np.sqrt(variance)
    return [
        {
            "panel": index,
            "mark": "line",
            "model": "",
            "group": group,
            "source": "",
            "x": None,
            "y": None,
            "zx": float(place_),
            "zy": float(height),
            "band_lo": float(height - spread) if np.isfinite(spread) else None,
            "band_hi": float(height + spread) if np.isfinite(spread) else None,
            "clipped": False,
            "part": part,
            "series": "",
            "label": "",
        }
        for place_, height, spread in zip(across, up, half, strict=True)
    ]
