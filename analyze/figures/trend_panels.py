"""Models as points against an accuracy, with their groups' lines: one panel for each thing that is measured.

Draws the points, lines and bands that it is given; it fits no line and transforms no rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import altair as alt
import polars as pl

from .legend import group_legend
from .rows import check_rows, inline
from .scales import LEAST_GAP, probit_ticks
from .theme import (
    GROUPS,
    SHAPES,
    SURFACES,
    Medium,
    config,
    measures,
)
from .trend_layers import (
    Place,
    ideal_line,
    label_layers,
    line_layers,
    not_measured,
    panel_axis,
    panel_title,
    point_layer,
    series_detail,
)
from .trend_look import ASPECT, SMALL_MULTIPLES, Look, across_and_width, placed_labels
from .trend_marks import FIGURE, Panel, checked_marks, series_of, side_by_side

NAME: Final = FIGURE


def chart(
    table: pl.DataFrame,
    panels: Sequence[Panel],
    medium: Medium = "screen",
    *,
    shared: bool = False,
    row: int = 0,
    series: Sequence[str] = (),
    wide: bool = False,
) -> alt.ConcatChart:
    """Draw one panel for each entry of `panels`.

    Parameters
    ----------
    table
        Rows of two kinds. ``mark = "model"``: one model in one panel; ``x, y`` as measured, ``zx, zy`` on the axes,
        ``lo, hi`` the interval of y, ``n`` its images, ``clipped`` where a rate of 0 or 1 was moved inward.
        ``mark = "line"``: a place on the line of ``group``, ``part`` one of fit, below, above (extrapolated),
        ``band_lo, band_hi`` on the axis of y, null without band. ``series``: of models it says the shape (how a model
        was read or made), of lines the dash (which of a group's lines); empty for none. ``label``: words beside a mark.
    panels
        In the order of ``panel``, which counts from 0.
    medium
        ``screen`` and ``narrow`` are the same drawing; ``paper`` is laid out for a printed column.
    shared
        Whether all panels have the same axes, so that heights can be compared across them.
    row
        How many panels belong together; 0 for all.
    series
        Series in the order of legends; others follow by name.
    wide
        Put one row a model into the chart instead of one a model and panel (`side_by_side`), for many models.

    Raises
    ------
    ValueError
        For an empty table, missing columns, numbers that are not finite, or a panel that is not described.
    UsageError
        For more than 5,000 rows.
    """
    marks = checked_marks(table, panels)
    row = row or len(panels)
    across, width = across_and_width(len(panels), row, medium)
    models, lines = marks.filter(pl.col("mark") == "model"), marks.filter(pl.col("mark") == "line")
    look = Look(
        groups=[group for group in GROUPS if group in set(marks["group"])],
        sources=[source for source in SHAPES if source in set(models["source"])],
        readings=series_of(models, series),
        dashes=series_of(lines, series),
        small=len(panels) >= SMALL_MULTIPLES,
        one_y=len({panel.y_title for panel in panels}) == 1,
        across=across,
        count=len(panels),
        width=width,
        every=marks if shared else None,
        medium=medium,
        wide=wide,
    )
    data = side_by_side(marks) if wide else placed_labels(marks, panels, look)
    check_rows(data, NAME)
    parts = [_panel(index, panel, marks.filter(pl.col("panel") == index), look) for index, panel in enumerate(panels)]
    # On paper some panels have titles and others none: columns are as wide as they need to be, one by one.
    figure: alt.ConcatChart = alt.concat(*parts, columns=across, data=inline(data), align="each").configure(
        **config(medium)
    )
    # Values that the page sets: groups that are off, and models that a search found.
    figure.params = [alt.VariableParameter(name=name, value=[]) for name in ("off", "hits")]
    figure.usermeta = {"panel": {"row": row, "min": look.least, "max": 360, "aspect": ASPECT, "axis": 0}}
    return figure


def describe(table: pl.DataFrame, panels: Sequence[Panel]) -> str:
    """The figure in words, for those who do not see it: what each panel shows, and how many models of which groups."""
    marks = checked_marks(table, panels)
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


def _panel(index: int, panel: Panel, marks: pl.DataFrame, look: Look) -> alt.LayerChart:
    size = measures(look.medium)
    at = look.fields(index)
    height = look.height
    x_domain, y_domain = look.ends(panel, marks)
    x_named, y_named = look.titled(index)
    gap = 13 if look.medium == "paper" else LEAST_GAP
    x_axis = panel_axis(
        panel.x_title if x_named else "", panel.x_scale, probit_ticks(x_domain[0], x_domain[1], look.width, gap)
    )
    y_axis = panel_axis(
        panel.y_title if y_named else "", panel.y_scale, probit_ticks(y_domain[0], y_domain[1], height, gap)
    )
    x = alt.X(f"{at['zx']}:Q").scale(domain=x_domain, nice=False).axis(x_axis)
    y = alt.Y(f"{at['zy']}:Q").scale(domain=y_domain, nice=False).axis(y_axis)
    shades = alt.Scale(domain=look.groups, range=[GROUPS[group].shade.light for group in look.groups])
    place = Place(at=at, x=x, y=y, shades=shades, size=size)
    # One filter for all layers: a group that is switched off loses its points, its line and its band.
    shown = alt.Chart().transform_filter("indexof(off, datum.group) < 0")
    lines = shown.transform_filter("datum.mark == 'line'")
    points = shown.transform_filter("datum.mark == 'model'")
    models = marks.filter(pl.col("mark") == "model")
    layers: list[alt.Chart] = []
    if panel.ideal:
        layers.append(ideal_line(x_domain, y_domain, size))
    if panel.joined:
        joined = points.mark_line(strokeWidth=size.thin, opacity=0.5, clip=True)
        layers.append(
            joined.encode(x=x, y=y, detail="model:N", stroke=alt.Stroke("group:N", scale=shades, legend=None))
        )
    layers.append(
        lines.transform_filter(f"isValid(datum.{at['band_lo']}) && datum.part == 'fit'")
        .mark_area(opacity=0.18, clip=True)
        .encode(
            x=x,
            # With an axis of its own the band would stretch the panel's, and down to 0.
            y=alt.Y(f"{at['band_lo']}:Q").scale(domain=y_domain, nice=False),
            y2=f"{at['band_hi']}:Q",
            fill=alt.Fill(
                "group:N", scale=shades, legend=group_legend(look.groups, look.medium, narrow=look.count == 1)
            ),
            **series_detail(look),
        )
    )
    layers += [point_layer(points, place, look), *line_layers(lines, place, look)]
    layers.append(
        points.transform_filter("indexof(hits, datum.model) >= 0")
        .mark_point(filled=False, size=140, strokeWidth=2.2, color=SURFACES.text.light, clip=True)
        .encode(x=x, y=y)
    )
    if not look.wide and (marks["label"] != "").any():
        layers += label_layers(shown.transform_filter("datum.label != ''"), x, y, size)
    if not models.height:
        layers.append(not_measured(look.width, height))
    mine = f"isValid(datum.{at['zy']})" if look.wide else alt.FieldEqualPredicate(field="panel", equal=index)
    return alt.LayerChart(
        layer=layers,
        transform=[alt.FilterTransform(mine)],
        width=look.width,
        height=height,
        title=panel_title(panel, look),
    )
