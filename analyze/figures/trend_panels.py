"""Models as points against an accuracy, with their groups' lines: one panel for each thing that is measured.

Draws the points, lines and bands that it is given; it fits no line and transforms no rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import altair as alt
import polars as pl

from .layout import columns
from .legend import group_legend, plain_legend
from .rows import check_table, inline, refuse_null
from .scales import PROBIT_LABEL, RATE_LABEL, Scale, domain, probit_ticks
from .theme import (
    GROUPS,
    PAPER_COLUMN_PT,
    PAPER_DOUBLE_COLUMN_PT,
    SHAPES,
    SURFACES,
    Measures,
    Medium,
    config,
    known_group,
    known_source,
    measures,
)

NAME: Final = "trend-panels"
COLUMNS: Final = (
    "panel",
    "mark",
    "model",
    "group",
    "source",
    "parameters_m",
    "x",
    "y",
    "zx",
    "zy",
    "lo",
    "hi",
    "n",
    "clipped",
    "part",
    "band_lo",
    "band_hi",
)
DRAW_ORDER: Final = ("standard", "other", "more-data", "contrastive", "mae", "clip-ft", "vlm", "zero-shot-clip")
UNKNOWN_SIZE: Final = 25.0
"""Millions of parameters that a model of unknown size is drawn with: a null would drop its point, silently."""
FEW_IMAGES: Final = 150
ASPECT: Final = 0.86
SMALL_MULTIPLES: Final = 6
"""From so many panels on, shapes would blur: all models are circles then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """What one panel is about.

    Attributes
    ----------
    title
        What is measured.
    images
        How many images it is measured on; 0 where that says nothing.
    x_title, y_title
        Words of the axes, without unit.
    x_scale, y_scale
        How the axes run.
    ideal
        Whether the line y = x means something: both axes are accuracies.
    """

    title: str
    images: int = 0
    x_title: str
    y_title: str
    x_scale: Scale = "probit"
    y_scale: Scale = "probit"
    ideal: bool = False


def chart(
    table: pl.DataFrame, panels: Sequence[Panel], medium: Medium = "screen", *, shared: bool = False
) -> alt.ConcatChart:
    """Draw one panel for each entry of `panels`.

    Parameters
    ----------
    table
        Rows of two kinds. ``mark = "model"``: one model in one panel; ``x, y`` as measured, ``zx, zy`` on the axes,
        ``lo, hi`` the interval of y, ``n`` its images, ``clipped`` where a rate of 0 or 1 was moved inward.
        ``mark = "line"``: a place on the line of ``group``, ``part`` one of fit, below, above (extrapolated),
        ``band_lo, band_hi`` on the axis of y, null without band.
    panels
        In the order of ``panel``, which counts from 0.
    medium
        ``screen`` and ``narrow`` are the same drawing; ``paper`` is laid out for a printed column.
    shared
        Whether all panels have the same axes, so that heights can be compared across them.

    Raises
    ------
    ValueError
        For an empty table, missing columns, numbers that are not finite, or a panel that is not described.
    UsageError
        For more than 5,000 rows.
    """
    marks = _marks(table, panels)
    across, width = _layout(len(panels), medium)
    look = _Drawing(
        groups=[group for group in GROUPS if group in set(marks["group"])],
        sources=[source for source in SHAPES if source in set(marks["source"])],
        small=len(panels) >= SMALL_MULTIPLES,
        width=width,
        every=marks if shared else None,
        medium=medium,
    )
    parts = [_panel(index, panel, marks.filter(pl.col("panel") == index), look) for index, panel in enumerate(panels)]
    figure: alt.ConcatChart = alt.concat(*parts, columns=across, data=inline(marks)).configure(**config(medium))
    # Values that the page sets: groups that are off, and models that a search found.
    figure.params = [alt.VariableParameter(name=name, value=[]) for name in ("off", "hits")]
    figure.usermeta = {
        "panel": {"row": len(panels), "min": 180 if look.small else 260, "max": 360, "aspect": ASPECT, "axis": 0}
    }
    return figure


def describe(table: pl.DataFrame, panels: Sequence[Panel]) -> str:
    """The figure in words, for those who do not see it: what each panel shows, and how many models of which groups."""
    marks = _marks(table, panels)
    said = []
    for index, panel in enumerate(panels):
        points = marks.filter(pl.col("panel") == index, pl.col("mark") == "model")
        counts = {str(group): count for group, count in points["group"].value_counts().sort("group").iter_rows()}
        words = ", ".join(f"{counts[group]} {GROUPS[group].label}" for group in GROUPS if group in counts)
        said.append(f"{panel.title}: {words or 'no model'}.")
    first = panels[0]
    return (
        f"Scatter plot of models, {first.y_title} against {first.x_title}, with a line for each group; "
        f"{len(panels)} panels. {' '.join(said)}"
    )


def _marks(table: pl.DataFrame, panels: Sequence[Panel]) -> pl.DataFrame:
    """Checked rows in drawing order: the reference first, lines at the end."""
    check_table(table, COLUMNS, ("x", "y", "zx", "zy", "lo", "hi", "band_lo", "band_hi", "parameters_m"), NAME)
    refuse_null(table, ("panel", "mark", "group", "zx", "zy"), NAME)
    if not set(table["panel"]) <= set(range(len(panels))):
        raise ValueError(f"{NAME}: expected panels 0 to {len(panels) - 1}, got {sorted(set(table['panel']))}")
    order = {group: at for at, group in enumerate(DRAW_ORDER)}
    return (
        table.select(COLUMNS)
        .with_columns(
            pl.col("group").map_elements(known_group, return_dtype=pl.String, skip_nulls=False),
            pl.col("source").map_elements(known_source, return_dtype=pl.String, skip_nulls=False),
            size=pl.col("parameters_m").cast(pl.Float64).fill_null(UNKNOWN_SIZE).clip(1.0, 2000.0),
        )
        .with_columns(_order=pl.col("group").replace_strict(order, return_dtype=pl.Int64))
        .sort("panel", "mark", "_order", "model", "part", "zx", descending=[False, True, False, False, False, False])
        .drop("_order")
    )


@dataclass(frozen=True, slots=True)
class _Drawing:
    """What all panels of one figure have in common."""

    groups: list[str]
    sources: list[str]
    small: bool
    width: int
    every: pl.DataFrame | None
    medium: Medium


def _layout(count: int, medium: Medium) -> tuple[int, int]:
    if medium != "paper":
        return columns(count, count, 4 if count >= SMALL_MULTIPLES else 3), 200 if count >= SMALL_MULTIPLES else 300
    total, most = (PAPER_COLUMN_PT, 1) if count == 1 else (PAPER_DOUBLE_COLUMN_PT, 4 if count >= SMALL_MULTIPLES else 3)
    across = columns(count, count, most)
    return across, int((total - 8 - across * 34) / across)


def _panel(index: int, panel: Panel, marks: pl.DataFrame, look: _Drawing) -> alt.LayerChart:
    size = measures(look.medium)
    height = int(look.width * ASPECT)
    seen = marks if look.every is None else look.every
    x_domain = domain([*seen["zx"]] or [0.0, 1.0], panel.x_scale)
    y_domain = domain([*seen["zy"]] or [0.0, 1.0], panel.y_scale)
    x = alt.X("zx:Q").scale(domain=x_domain, nice=False).axis(_axis(panel.x_title, panel.x_scale, x_domain, look.width))
    y = alt.Y("zy:Q").scale(domain=y_domain, nice=False).axis(_axis(panel.y_title, panel.y_scale, y_domain, height))
    shades = alt.Scale(domain=look.groups, range=[GROUPS[group].shade.light for group in look.groups])
    legend = group_legend(look.groups, look.medium)
    paper = look.medium == "paper"
    # One filter for all layers: a group that is switched off loses its points, its line and its band.
    shown = alt.Chart().transform_filter("indexof(off, datum.group) < 0")
    lines = shown.transform_filter("datum.mark == 'line'")
    points = shown.transform_filter("datum.mark == 'model'")
    layers: list[alt.Chart] = []
    if panel.ideal:
        layers.append(_ideal(x_domain, y_domain, size))
    layers += [
        lines.transform_filter("isValid(datum.band_lo) && datum.part == 'fit'")
        .mark_area(opacity=0.18, clip=True)
        .encode(x=x, y=alt.Y("band_lo:Q"), y2="band_hi:Q", fill=alt.Fill("group:N", scale=shades, legend=legend)),
        _points(points, x, y, shades, look),
        lines.transform_filter("datum.part == 'fit'")
        .mark_line(strokeWidth=size.line, clip=True)
        .encode(x=x, y=y, stroke=alt.Stroke("group:N", scale=shades, legend=None), order="zx:Q"),
        lines.transform_filter("datum.part != 'fit'")
        .mark_line(strokeWidth=size.line, strokeDash=list(size.dash), opacity=0.7, clip=True)
        .encode(x=x, y=y, stroke=alt.Stroke("group:N", scale=shades, legend=None), detail="part:N", order="zx:Q"),
        points.transform_filter("indexof(hits, datum.model) >= 0")
        .mark_point(filled=False, size=140, strokeWidth=2.2, color=SURFACES.text.light, clip=True)
        .encode(x=x, y=y),
    ]
    title = alt.TitleParams([panel.title])
    if panel.images:
        few = " † few" if panel.images < FEW_IMAGES else ""
        title = alt.TitleParams([panel.title], subtitle=[f"n = {panel.images:,}{few}"])
    return alt.LayerChart(
        layer=layers,
        transform=[alt.FilterTransform(alt.FieldEqualPredicate(field="panel", equal=index))],
        width=look.width,
        height=int(look.width * (ASPECT if not paper else 0.8)),
        title=title,
    )


def _points(base: alt.Chart, x: alt.X, y: alt.Y, shades: alt.Scale, look: _Drawing) -> alt.Chart:
    paper = look.medium == "paper"
    area = ([3, 14] if look.small else [4, 50]) if paper else ([8, 34] if look.small else [10, 150])
    clipped = alt.when("datum.clipped")
    dimmed = alt.when("length(hits) == 0 || indexof(hits, datum.model) >= 0")
    marks: alt.Chart = base.mark_point(strokeWidth=1, clip=True).encode(
        x=x,
        y=y,
        fill=clipped.then(alt.value("transparent")).otherwise(
            "group:N", scale=shades, legend=group_legend(look.groups, look.medium)
        ),
        stroke=clipped.then("group:N", scale=shades, legend=None).otherwise(alt.value("transparent")),
        opacity=dimmed.then(alt.value(0.6)).otherwise(alt.value(0.08)),
        size=alt.Size("size:Q", scale=alt.Scale(type="sqrt", domain=[1, 2000], range=area, clamp=True), legend=None),
        tooltip=_tooltip(),
    )
    if look.small or len(look.sources) < 2:
        return marks
    shapes = alt.Scale(domain=look.sources, range=[SHAPES[source] for source in look.sources])
    legend = plain_legend(look.sources, look.medium)
    shaped: alt.Chart = marks.encode(shape=alt.Shape("source:N", scale=shapes, legend=legend))
    return shaped


def _ideal(x_domain: list[float], y_domain: list[float], size: Measures) -> alt.Chart:
    """y = x, only where both axes reach."""
    low, high = max(x_domain[0], y_domain[0]), min(x_domain[1], y_domain[1])
    ends = {"x": alt.datum(low), "x2": alt.datum(high), "y": alt.datum(low), "y2": alt.datum(high)}
    drawn: alt.Chart = (
        alt.Chart(alt.sequence(0, 1))
        .mark_rule(strokeDash=list(size.dash), strokeWidth=size.thin, color=SURFACES.muted.light, clip=True)
        .encode(**ends)
    )
    return drawn


def _axis(title: str, scale: Scale, ends: list[float], length: int) -> alt.Axis:
    words = title if scale == "number" else f"{title}, %"
    if scale == "probit":
        return alt.Axis(title=words, values=probit_ticks(ends[0], ends[1], length), labelExpr=PROBIT_LABEL)
    if scale == "rate":
        return alt.Axis(title=words, tickCount=5, labelExpr=RATE_LABEL)
    return alt.Axis(title=words, tickCount=5)


def _tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("model:N"),
        alt.Tooltip("group:N"),
        alt.Tooltip("source:N", title="training source"),
        alt.Tooltip("parameters_m:Q", title="parameters, M", format=",.0f"),
        alt.Tooltip("x:Q", format=".3~r"),
        alt.Tooltip("y:Q", format=".3~r"),
        alt.Tooltip("lo:Q", title="95 % from", format=".3~r"),
        alt.Tooltip("n:Q", title="images", format=","),
    ]
