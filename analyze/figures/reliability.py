"""Reliability diagrams: how often a model is right when it says how sure it is, one square for each model and test set.

Draws the bins that it is given; it computes no bin, no interval and no calibration error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import altair as alt
import polars as pl

from .layout import columns
from .legend import group_legend
from .rows import check_table, inline, refuse_null
from .theme import (
    GROUPS,
    PAPER_COLUMN_PT,
    PAPER_DOUBLE_COLUMN_PT,
    SURFACES,
    Medium,
    config,
    known_group,
    measures,
)

NAME: Final = "reliability"
COLUMNS: Final = (
    "model",
    "group",
    "dataset",
    "lower",
    "upper",
    "n",
    "mean_confidence",
    "accuracy",
    "accuracy_lo",
    "accuracy_hi",
    "ece",
)
FEW_IMAGES: Final = 10
"""Bins with fewer images are hollow: their accuracy says little."""

PERCENT: Final = "format(100*datum.value, '.3~g')"
SCREEN_PANEL: Final = 220
SCREEN_AXIS: Final = 44
PAPER_AXIS: Final = 26
DOMAIN: Final = [-0.06, 1.06]
"""A little wider than the rates: a circle that stuck out of its panel would push the title up, in that panel only."""
MAX_TITLE: Final = 30
MOST_TITLED: Final = 8
"""With more panels than this, axis titles inside them are noise: the caption says what the axes are."""


def chart(table: pl.DataFrame, medium: Medium = "screen") -> alt.ConcatChart:
    """Draw one square per (model, dataset).

    Each bin has a bar from the diagonal (``accuracy = confidence``) to its accuracy, a circle whose area is the
    number of its images, hollow under 10, and its interval. The dashed diagonal is perfect calibration.

    Parameters
    ----------
    table
        One row per non-empty bin: ``model, group, dataset, lower, upper, n, mean_confidence, accuracy, accuracy_lo,
        accuracy_hi, ece``; rates as fractions, ``ece`` repeated in each bin of a panel. Panels keep the order in
        which test sets, then models, first appear.
    medium
        ``screen`` and ``narrow`` are the same drawing; ``paper`` is laid out for a printed column.

    Raises
    ------
    ValueError
        For an empty table, missing columns, nulls or numbers that are not finite.
    UsageError
        For more than 5,000 rows.
    """
    bins = _bins(table)
    panels = bins.unique("panel", keep="first", maintain_order=True)
    row = panels.filter(pl.col("dataset") == panels["dataset"][0]).height
    across, side = _layout(panels.height, row, medium)
    look = _Drawing(
        groups=[group for group in GROUPS if group in set(bins["group"])],
        largest=bins.select(pl.col("n").max()).item(),
        side=side,
        title_lines=2 if any(len(model) > MAX_TITLE for model in panels["model"]) else 1,
        axis_titles=panels.height <= MOST_TITLED,
        medium=medium,
    )
    parts = [_panel(panel, look) for panel in bins.partition_by("panel", maintain_order=True)]
    figure: alt.ConcatChart = alt.concat(*parts, columns=across, data=inline(bins)).configure(**config(medium))
    figure.usermeta = {"panel": {"row": row, "min": 200, "max": 320, "axis": SCREEN_AXIS, "square": True}}
    return figure


def describe(table: pl.DataFrame) -> str:
    """The figure in words, with its numbers, for those who do not see it."""
    panels = (
        _bins(table)
        .group_by("panel", maintain_order=True)
        .agg(pl.col("model", "dataset", "ece").first(), pl.col("n").sum().alias("images"))
    )
    said = "; ".join(
        f"{panel['model']} on {panel['dataset']}: expected calibration error {_percent(panel['ece'])} % "
        f"over {panel['images']:,} images"
        for panel in panels.to_dicts()
    )
    return (
        "Reliability diagrams, accuracy in per cent against mean confidence in per cent, one panel for each of "
        f"{panels.height} pairs of model and test set. {said}."
    )


def _bins(table: pl.DataFrame) -> pl.DataFrame:
    """Checked bins with the number of their panel: test sets, then models, in order of appearance."""
    rates = ("lower", "upper", "mean_confidence", "accuracy", "accuracy_lo", "accuracy_hi", "ece")
    check_table(table, COLUMNS, ("n", *rates), NAME)
    refuse_null(table, [name for name in COLUMNS if name != "group"], NAME)
    for name in rates:
        outside = table.filter(~pl.col(name).is_between(0, 1))
        if outside.height:
            raise ValueError(f"{NAME}: column {name} must hold fractions in [0, 1]; got {outside[name][0]}")
    datasets = table.select("dataset").unique(maintain_order=True).with_row_index("dataset_order")
    models = table.select("model").unique(maintain_order=True).with_row_index("model_order")
    ordered = table.select(COLUMNS).join(datasets, on="dataset").join(models, on="model")
    order = ["dataset_order", "model_order"]
    panels = ordered.select(order).unique().sort(order).with_row_index("panel")
    return (
        ordered.join(panels, on=order)
        .sort("panel", "lower")
        .drop(order)
        .with_columns(
            pl.col("group").map_elements(known_group, return_dtype=pl.String, skip_nulls=False),
            few=pl.col("n") < FEW_IMAGES,
        )
    )


def _layout(count: int, row: int, medium: Medium) -> tuple[int, int]:
    """Columns, and the inner side of a square."""
    if medium != "paper":
        return columns(count, row, 4), SCREEN_PANEL
    width, most = (PAPER_COLUMN_PT, 2) if count <= 2 else (PAPER_DOUBLE_COLUMN_PT, 4)
    across = columns(count, row, most)
    return across, min(150, (width - 14 - across * (PAPER_AXIS + 10)) // across)


@dataclass(frozen=True, slots=True)
class _Drawing:
    """What all panels of one figure have in common."""

    groups: list[str]
    largest: int
    side: int
    title_lines: int
    axis_titles: bool
    medium: Medium


def _panel(bins: pl.DataFrame, look: _Drawing) -> alt.LayerChart:
    size = measures(look.medium)
    x = alt.X("mean_confidence:Q").scale(domain=DOMAIN, nice=False).axis(_axis(look, "confidence, %"))
    y = alt.Y("accuracy:Q").scale(domain=DOMAIN, nice=False).axis(_axis(look, "accuracy, %"))
    shades = alt.Scale(domain=look.groups, range=[GROUPS[group].shade.light for group in look.groups])
    legend = group_legend(look.groups, look.medium)
    area = [6, 55] if look.medium == "paper" else [12, 170]
    few = alt.when("datum.few")
    chart = alt.Chart()
    diagonal = (
        alt.Chart(alt.sequence(0, 1))
        .mark_rule(strokeDash=list(size.dash), strokeWidth=size.thin, color=SURFACES.muted.light)
        .encode(x=alt.datum(0), x2=alt.datum(1), y=alt.datum(0), y2=alt.datum(1))
    )
    gaps = chart.mark_rect(opacity=0.25).encode(
        x=alt.X("lower:Q").scale(domain=DOMAIN, nice=False),
        x2="upper:Q",
        y=alt.Y("mean_confidence:Q"),
        y2="accuracy:Q",
        fill=alt.Fill("group:N", scale=shades, legend=legend),
    )
    intervals = chart.mark_rule(strokeWidth=size.interval).encode(
        x=x, y=alt.Y("accuracy_lo:Q"), y2="accuracy_hi:Q", stroke=alt.Stroke("group:N", scale=shades, legend=None)
    )
    circles = chart.mark_point(strokeWidth=size.line * 0.7, opacity=1).encode(
        x=x,
        y=y,
        size=alt.Size("n:Q", scale=alt.Scale(type="linear", domain=[0, look.largest], range=area), legend=None),
        fill=few.then(alt.value(SURFACES.background.light)).otherwise("group:N", scale=shades, legend=None),
        stroke=alt.Stroke("group:N", scale=shades, legend=None),
        tooltip=_tooltip(),
    )
    first = bins.row(0, named=True)
    subtitle = f"ECE {_percent(first['ece'])} %, n = {int(bins['n'].sum()):,}"
    return alt.LayerChart(
        layer=[diagonal, gaps, intervals, circles],
        transform=[alt.FilterTransform(alt.FieldEqualPredicate(field="panel", equal=first["panel"]))],
        width=look.side,
        height=look.side,
        title=alt.TitleParams(
            _title(first["model"], look.title_lines),
            subtitle=[first["dataset"], subtitle],
            limit=look.side,
        ),
    )


def _axis(look: _Drawing, title: str) -> alt.Axis:
    values = [0, 0.5, 1] if look.side <= 150 else [0, 0.25, 0.5, 0.75, 1]
    # A fixed extent makes every panel equally large, so that the page knows the inner width beforehand.
    paper = look.medium == "paper"
    extent = (14 if paper else 24) if title.startswith("accuracy") else (9 if paper else 14)
    return alt.Axis(
        values=values,
        labelExpr=PERCENT,
        title=title if look.axis_titles else None,
        minExtent=extent,
        maxExtent=extent,
    )


def _tooltip() -> list[alt.Tooltip]:
    rate = ".1%"
    return [
        alt.Tooltip("model:N"),
        alt.Tooltip("dataset:N", title="test set"),
        alt.Tooltip("lower:Q", title="bin from", format=".3~f"),
        alt.Tooltip("upper:Q", title="bin to", format=".3~f"),
        alt.Tooltip("mean_confidence:Q", title="confidence", format=rate),
        alt.Tooltip("accuracy:Q", format=rate),
        alt.Tooltip("accuracy_lo:Q", title="95 % from", format=rate),
        alt.Tooltip("n:Q", title="images", format=","),
    ]


def _title(model: str, lines: int) -> list[str]:
    """The model's name on as many lines as every other panel of the figure."""
    if lines == 1:
        return [model]
    architecture, dot, tag = model.partition(".")
    return [architecture + dot, tag or " "]


def _percent(rate: float) -> str:
    return f"{100 * rate:.1f}"
