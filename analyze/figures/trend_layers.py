"""The layers of one trend panel: lines, bands, points, words and axes. Draws one at a time; chooses no rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import altair as alt

from .legend import group_legend, plain_legend, series_legend
from .scales import PROBIT_LABEL, RATE_LABEL, Scale
from .theme import (
    SHAPES,
    SURFACES,
    Measures,
)
from .trend_look import Look
from .trend_marks import Panel

FEW_IMAGES: Final = 150
SERIES_SHAPES: Final = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
SERIES_DASHES: Final = ([1, 0], [5, 3], [1.5, 2], [7, 2, 1.5, 2])
NOT_MEASURED: Final = "not measured"
FLUSH: Final = 5
"""Labels this near to the end of an axis stay inside: one that stuck out would push up the title of its panel alone."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where and in which colours the marks of one panel stand."""

    at: Mapping[str, str]
    x: alt.X
    y: alt.Y
    shades: alt.Scale
    size: Measures


def panel_title(panel: Panel, look: Look) -> alt.TitleParams:
    """What a panel is about, and on how many images."""
    few = " † few" if panel.images < FEW_IMAGES else ""
    said = [f"n = {panel.images:,}{few}"] if panel.images else []
    said += [panel.note] if panel.note else []
    if not said:
        return alt.TitleParams([panel.title], limit=look.width + 24)
    return alt.TitleParams([panel.title], subtitle=[", ".join(said)], limit=look.width + 24)


def series_detail(look: Look) -> dict[str, Any]:
    """Lines of one group are told apart by their series, where there are any."""
    return {"detail": "series:N"} if look.dashes else {}


def line_layers(lines: alt.Chart, place: Place, look: Look) -> list[alt.Chart]:
    """Lines and bands of the groups; extrapolated parts are dashed."""
    stroke = alt.Stroke("group:N", scale=place.shades, legend=None)
    order = f"{place.at['zx']}:Q"
    fit: alt.Chart = (
        lines.transform_filter("datum.part == 'fit'")
        .mark_line(strokeWidth=place.size.line, clip=True)
        .encode(x=place.x, y=place.y, stroke=stroke, order=order)
    )
    if look.dashes:
        dashes = [SERIES_DASHES[at % len(SERIES_DASHES)] for at in range(len(look.dashes))]
        # A line that is in no series is drawn through.
        scale = alt.Scale(domain=["", *look.dashes], range=[[1, 0], *dashes])
        # Small panels have no room for words at the ends of lines.
        legend = (
            series_legend(look.dashes, look.medium, "stroke", look.least) if look.small and not look.readings else None
        )
        fit = fit.encode(strokeDash=alt.StrokeDash("series:N", scale=scale, legend=legend))
    beyond: alt.Chart = (
        lines.transform_filter("datum.part != 'fit'")
        .mark_line(strokeWidth=place.size.line, strokeDash=list(place.size.dash), opacity=0.7, clip=True)
        .encode(
            x=place.x, y=place.y, stroke=stroke, detail=["part:N", *(["series:N"] if look.dashes else [])], order=order
        )
    )
    return [fit, beyond]


def point_layer(base: alt.Chart, place: Place, look: Look) -> alt.Chart:
    """One symbol a model: colour is its group, shape its source or reading, area its parameters."""
    paper = look.medium == "paper"
    small = look.small and not look.readings
    area = ([3, 14] if small else [4, 50]) if paper else ([8, 34] if small else [10, 150])
    clipped = alt.when(f"datum.{place.at['clipped']}")
    dimmed = alt.when("length(hits) == 0 || indexof(hits, datum.model) >= 0")
    marks: alt.Chart = base.mark_point(strokeWidth=1, clip=True).encode(
        x=place.x,
        y=place.y,
        fill=clipped.then(alt.value("transparent")).otherwise(
            "group:N", scale=place.shades, legend=group_legend(look.groups, look.medium, narrow=look.count == 1)
        ),
        stroke=clipped.then("group:N", scale=place.shades, legend=None).otherwise(alt.value("transparent")),
        opacity=dimmed.then(alt.value(0.6)).otherwise(alt.value(0.08)),
        size=alt.Size("size:Q", scale=alt.Scale(type="sqrt", domain=[1, 2000], range=area, clamp=True), legend=None),
        tooltip=tooltip(place.at, look),
    )
    shaped: alt.Chart
    if look.readings:
        symbols = [SERIES_SHAPES[at % len(SERIES_SHAPES)] for at in range(len(look.readings))]
        shapes = alt.Scale(domain=look.readings, range=symbols)
        shaped = marks.encode(
            shape=alt.Shape("series:N", scale=shapes, legend=series_legend(look.readings, look.medium, "", look.least)),
            size=alt.value(24 if paper else 70),
        )
        return shaped
    if look.small or len(look.sources) < 2:
        return marks
    shapes = alt.Scale(domain=look.sources, range=[SHAPES[source] for source in look.sources])
    legend = plain_legend(look.sources, look.medium)
    shaped = marks.encode(shape=alt.Shape("source:N", scale=shapes, legend=legend))
    return shaped


def label_layers(base: alt.Chart, x: alt.X, y: alt.Y, size: Measures) -> list[alt.Chart]:
    """Words beside marks, twice: first as a halo in the colour of the background."""
    words = {"x": x, "y": y, "text": "label:N"}
    style: dict[str, Any] = {"fontSize": size.tick - 0.5, "baseline": "middle"}
    style |= {name: alt.ExprRef(f"datum.{name}") for name in ("dx", "dy", "align")}
    halo = base.mark_text(stroke=SURFACES.background.light, strokeWidth=3, strokeJoin="round", **style)
    return [halo.encode(**words), base.mark_text(color=SURFACES.text.light, **style).encode(**words)]


def not_measured(width: int, height: int) -> alt.Chart:
    """Words in a panel without models."""
    drawn: alt.Chart = (
        alt.Chart(alt.sequence(0, 1))
        .mark_text(color=SURFACES.second.light, align="center", baseline="middle")
        .encode(x=alt.value(width / 2), y=alt.value(height / 2), text=alt.value(NOT_MEASURED))
    )
    return drawn


def ideal_line(x_domain: list[float], y_domain: list[float], size: Measures) -> alt.Chart:
    """y = x, only where both axes reach."""
    low, high = max(x_domain[0], y_domain[0]), min(x_domain[1], y_domain[1])
    ends = {"x": alt.datum(low), "x2": alt.datum(high), "y": alt.datum(low), "y2": alt.datum(high)}
    drawn: alt.Chart = (
        alt.Chart(alt.sequence(0, 1))
        .mark_rule(strokeDash=list(size.dash), strokeWidth=size.thin, color=SURFACES.muted.light, clip=True)
        .encode(**ends)
    )
    return drawn


def panel_axis(title: str, scale: Scale, ticks: list[float]) -> alt.Axis:
    """An axis with its ticks and its words."""
    words = (title if scale == "number" else f"{title}, %") if title else None
    if scale == "probit":
        return alt.Axis(title=words, values=ticks, labelExpr=PROBIT_LABEL, labelFlush=FLUSH)
    if scale == "rate":
        return alt.Axis(title=words, tickCount=5, labelExpr=RATE_LABEL, labelFlush=FLUSH)
    return alt.Axis(title=words, tickCount=5, labelFlush=FLUSH)


def tooltip(at: Mapping[str, str], look: Look) -> list[alt.Tooltip]:
    """What is told of a model that is pointed at."""
    read = [alt.Tooltip("series:N")] if look.readings else []
    return [
        alt.Tooltip("model:N"),
        alt.Tooltip("group:N"),
        *read,
        alt.Tooltip("source:N", title="training source"),
        alt.Tooltip("parameters_m:Q", title="parameters, M", format=",.0f"),
        alt.Tooltip(f"{at['x']}:Q", title="x", format=".3~r"),
        alt.Tooltip(f"{at['y']}:Q", title="y", format=".3~r"),
        alt.Tooltip(f"{at['lo']}:Q", title="95 % from", format=".3~r"),
        *([] if read else [alt.Tooltip(f"{at['n']}:Q", title="images", format=",")]),
    ]
