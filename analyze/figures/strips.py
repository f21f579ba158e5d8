"""Groups as rows of dots: a dot a model, a bar for the group's interval, a diamond for its middle, the numbers beside.

Draws what it is given; computes no middle. A row without data keeps its place and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import altair as alt
import polars as pl

from .layout import columns
from .legend import group_legend
from .rows import check_table, inline, refuse_null
from .scales import RATE_LABEL, Scale, domain
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
from .trend_marks import UNKNOWN_SIZE

NAME: Final = "strips"
COLUMNS: Final = ("panel", "mark", "row", "group", "model", "parameters_m", "value", "lo", "hi", "text")
NUMBERS: Final = 78
"""Width of the column of numbers on paper, in points."""
NOT_MEASURED: Final = "not measured"
MARKS: Final = ("model", "middle", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """What one panel is about.

    Attributes
    ----------
    title, x_title
        Words of the panel, and of its axis without unit.
    x_scale
        rate: in per cent; number: as it is.
    zero
        Whether a dashed line stands at 0.
    line, line_words
        A reference value and what it is called; None for none.
    """

    title: str
    x_title: str
    x_scale: Scale = "rate"
    zero: bool = False
    line: float | None = None
    line_words: str = ""


def chart(table: pl.DataFrame, panels: Sequence[Strip], medium: Medium = "screen") -> alt.ConcatChart:
    """Draw one panel for each entry of `panels`, the rows of all in the order in which they first appear.

    Parameters
    ----------
    table
        ``mark``: model (a dot), middle (diamond, ``lo, hi`` as a bar, ``text`` as the number beside the row) or none
        (a row without data; its ``text`` stands where the number would). Values on the axis as they are.
    panels
        In the order of ``panel``, which counts from 0.
    medium
        ``screen``, ``narrow`` (names above their rows) or ``paper``.

    Raises
    ------
    ValueError
        For an empty table, missing columns, numbers that are not finite, or a panel that is not described.
    UsageError
        For more than 5,000 rows.
    """
    marks = _marks(table, panels)
    rows = marks["row"].unique(maintain_order=True).to_list()
    longest = max(len(row) for row in rows)
    above = medium == "narrow" or (medium == "paper" and len(panels) > 1 and longest > 14)
    across, width = _layout(len(panels), longest, above, medium)
    look = _Drawing(
        rows=rows,
        groups=[group for group in GROUPS if group in set(marks["group"])],
        longest=longest,
        above=above,
        width=width,
        count=len(panels),
        medium=medium,
    )
    parts = [_panel(at, panel, marks.filter(pl.col("panel") == at), look) for at, panel in enumerate(panels)]
    figure: alt.ConcatChart = alt.concat(*parts, columns=across, data=inline(marks)).configure(**config(medium))
    figure.params = [alt.VariableParameter(name=name, value=[]) for name in ("off", "hits")]
    figure.usermeta = {"panel": {"row": len(panels), "min": 300, "max": 640, "axis": 0, "narrow": 260 + 6 * longest}}
    return figure


def describe(table: pl.DataFrame, panels: Sequence[Strip]) -> str:
    """The figure in words, with the number of every row."""
    marks = _marks(table, panels)
    said = []
    for at, panel in enumerate(panels):
        rows = marks.filter(pl.col("panel") == at, pl.col("mark") != "model")
        words = ", ".join(f"{row} {text}" for row, text in rows.select("row", "text").iter_rows())
        said.append(f"{panel.title}: {words}.")
    return f"Strip plot of {panels[0].x_title}, a dot a model, a row a group; {len(panels)} panels. {' '.join(said)}"


def _marks(table: pl.DataFrame, panels: Sequence[Strip]) -> pl.DataFrame:
    check_table(table, COLUMNS, ("value", "lo", "hi", "parameters_m"), NAME)
    refuse_null(table, ("panel", "mark", "row", "group"), NAME)
    refuse_null(table.filter(pl.col("mark") != "none"), ("value",), NAME)
    if not set(table["panel"]) <= set(range(len(panels))):
        raise ValueError(f"{NAME}: expected panels 0 to {len(panels) - 1}, got {sorted(set(table['panel']))}")
    if not set(table["mark"]) <= set(MARKS):
        raise ValueError(f"{NAME}: expected marks {', '.join(MARKS)}, got {sorted(set(table['mark']))}")
    return table.select(COLUMNS).with_columns(
        pl.col("group").map_elements(known_group, return_dtype=pl.String, skip_nulls=False),
        pl.col("text").cast(pl.String).fill_null(""),
        size=pl.col("parameters_m").cast(pl.Float64).fill_null(UNKNOWN_SIZE).clip(1.0, 2000.0),
    )


@dataclass(frozen=True, slots=True)
class _Drawing:
    """What all panels of one figure have in common."""

    rows: list[str]
    groups: list[str]
    longest: int
    above: bool
    width: int
    count: int
    medium: Medium


def _layout(count: int, longest: int, above: bool, medium: Medium) -> tuple[int, int]:
    if medium != "paper":
        return columns(count, count, 2), 300
    total, most = (PAPER_COLUMN_PT, 1) if count == 1 else (PAPER_DOUBLE_COLUMN_PT, 2)
    across = columns(count, count, most)
    names = 0 if above else 4 + 3.7 * longest
    return across, int((total - 10 - 10 * (across - 1)) / across - names - NUMBERS)


def _panel(index: int, panel: Strip, marks: pl.DataFrame, look: _Drawing) -> alt.LayerChart:
    size = measures(look.medium)
    paper = look.medium == "paper"
    step = (20 if paper else 38) if look.above else (14 if paper else 28)
    ends = [value for name in ("value", "lo", "hi") for value in marks[name].drop_nulls()]
    ends += [0.0] if panel.zero else []
    ends += [panel.line] if panel.line is not None else []
    words = f"{panel.x_title}, %" if panel.x_scale == "rate" else panel.x_title
    label = RATE_LABEL if panel.x_scale == "rate" else "datum.label"
    # Every layer has the same sort: with different ones Vega-Lite drops them all, silently.
    y = alt.Y(
        "row:N",
        sort=look.rows,
        scale=alt.Scale(domain=look.rows),
        axis=alt.Axis(title=None, labels=not look.above, ticks=False, domain=False, grid=True, labelLimit=400),
    )
    span = domain(ends or [0.0, 1.0], panel.x_scale)
    x = alt.X("value:Q").scale(domain=span, nice=False).axis(alt.Axis(title=words, tickCount=5, labelExpr=label))
    shades = alt.Scale(domain=look.groups, range=[GROUPS[group].shade.light for group in look.groups])
    colour = alt.Color("group:N", scale=shades, legend=group_legend(look.groups, look.medium, narrow=look.count == 1))
    plain = alt.Color("group:N", scale=shades, legend=None)
    shown = alt.Chart().transform_filter("indexof(off, datum.group) < 0").encode(y=y)
    models = shown.transform_filter("datum.mark == 'model'")
    middles = shown.transform_filter("datum.mark == 'middle'")
    dimmed = alt.when("length(hits) == 0 || indexof(hits, datum.model) >= 0")
    area = [4, 40] if paper else [10, 130]
    layers = [*_references(panel, look)]
    layers += [
        models.mark_point(filled=True, clip=True).encode(
            x=x,
            color=colour,
            size=alt.Size(
                "size:Q", scale=alt.Scale(type="sqrt", domain=[1, 2000], range=area, clamp=True), legend=None
            ),
            opacity=dimmed.then(alt.value(0.5)).otherwise(alt.value(0.06)),
            tooltip=_tooltip(panel),
        ),
        middles.transform_filter("isValid(datum.lo)")
        .mark_rule(strokeWidth=1.5 if paper else 3, clip=True)
        .encode(x=alt.X("lo:Q").scale(domain=span, nice=False), x2="hi:Q", color=plain),
        middles.mark_point(
            filled=True, shape="diamond", opacity=1, stroke=SURFACES.background.light, strokeWidth=1, clip=True
        ).encode(x=x, fill=alt.Fill("group:N", scale=shades, legend=None), size=alt.value(1.6 * size.dot)),
        # A column of their own, beside the end of the axis wherever that is: inside, the numbers would cover dots.
        shown.transform_filter("datum.mark != 'model'")
        .mark_text(align="left", dx=6, baseline="middle", fontSize=size.tick - 0.5, color=SURFACES.second.light)
        .encode(x=alt.datum(span[1]), text="text:N"),
    ]
    if look.above:
        names = shown.transform_filter("datum.mark != 'model'")
        style: dict[str, Any] = {"align": "left", "dy": -9 if paper else -15, "fontSize": size.tick}
        place: dict[str, Any] = {"x": alt.value(0), "text": "row:N"}
        # A halo: the dashed line passes below the names.
        halo = names.mark_text(stroke=SURFACES.background.light, strokeWidth=3, strokeJoin="round", **style)
        layers += [halo.encode(**place), names.mark_text(color=SURFACES.second.light, **style).encode(**place)]
    return alt.LayerChart(
        layer=layers,
        transform=[alt.FilterTransform(alt.FieldEqualPredicate(field="panel", equal=index))],
        width=look.width,
        height=step * len(look.rows),
        title=alt.TitleParams([panel.title], offset=12 if panel.line is not None else alt.Undefined),
    )


def _references(panel: Strip, look: _Drawing) -> list[alt.Chart]:
    size = measures(look.medium)
    base = alt.Chart(alt.sequence(0, 1))
    drawn: list[alt.Chart] = []
    if panel.zero:
        zero = base.mark_rule(strokeDash=list(size.dash), strokeWidth=size.thin, color=SURFACES.muted.light)
        drawn.append(zero.encode(x=alt.datum(0)))
    if panel.line is not None:
        rule = base.mark_rule(strokeWidth=size.line, color=SURFACES.text.light)
        drawn.append(rule.encode(x=alt.datum(panel.line)))
        words = base.mark_text(align="center", dy=-3, baseline="bottom", fontSize=size.tick, color=SURFACES.text.light)
        drawn.append(words.encode(x=alt.datum(panel.line), y=alt.value(0), text=alt.value(panel.line_words)))
    return drawn


def _tooltip(panel: Strip) -> list[Any]:
    form = ".1%" if panel.x_scale == "rate" else ".3~r"
    return [
        alt.Tooltip("model:N"),
        alt.Tooltip("group:N"),
        alt.Tooltip("row:N"),
        alt.Tooltip("parameters_m:Q", title="parameters, M", format=",.0f"),
        alt.Tooltip("value:Q", title=panel.x_title, format=form),
        alt.Tooltip("lo:Q", title="95 % from", format=form),
        alt.Tooltip("hi:Q", title="95 % to", format=form),
    ]
