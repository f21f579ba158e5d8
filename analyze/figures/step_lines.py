"""Models as lines over ordered steps: severities, changes of view, before and after a temperature, numbers of prompts.

Thin lines are models, thick ones their groups' middles with a band. Draws what it is given; averages nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import altair as alt
import polars as pl

from .layout import columns
from .legend import group_legend, series_legend
from .rows import check_table, inline, refuse_null
from .scales import RATE_LABEL, domain
from .theme import (
    GROUPS,
    PAPER_COLUMN_PT,
    PAPER_DOUBLE_COLUMN_PT,
    Medium,
    config,
    known_group,
    measures,
)

NAME: Final = "step-lines"
COLUMNS: Final = ("panel", "mark", "line", "group", "encoder", "step", "step_label", "y", "lo", "hi", "n")
ENCODERS: Final = ("CNN", "ViT", "other")
"""Kinds of image encoder: they differ in dash and in symbol, never in colour alone."""
DASHES: Final = ([1, 0], [4, 3], [1, 2])
SYMBOLS: Final = ("circle", "square", "diamond")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPanel:
    """What one panel is about: its title, and what its axes are called and hold."""

    title: str
    x_title: str
    y_title: str
    y_scale: Literal["rate", "number"] = "rate"


def chart(
    table: pl.DataFrame, panels: Sequence[StepPanel], medium: Medium = "screen", *, shared: bool = True
) -> alt.ConcatChart:
    """Draw one panel for each entry of `panels`.

    Parameters
    ----------
    table
        One row a step of a line: ``mark`` model (thin) or middle (thick, ``lo, hi`` as a band), ``line`` its name,
        ``step`` its place from 0 and ``step_label`` the words below it, ``encoder`` CNN, ViT or other.
    panels
        In the order of ``panel``, which counts from 0.
    medium
        ``screen`` and ``narrow`` are the same drawing; ``paper`` is laid out for a printed column.
    shared
        Whether all panels have the same vertical axis.

    Raises
    ------
    ValueError
        For an empty table, missing columns, numbers that are not finite, or a panel that is not described.
    UsageError
        For more than 5,000 rows.
    """
    steps = _steps(table, panels)
    across, width = _layout(len(panels), medium)
    look = _Drawing(
        groups=[group for group in GROUPS if group in set(steps["group"])],
        encoders=[kind for kind in ENCODERS if kind in set(steps["encoder"])],
        width=width,
        every=steps if shared else None,
        medium=medium,
    )
    parts = [_panel(at, panel, steps.filter(pl.col("panel") == at), look) for at, panel in enumerate(panels)]
    figure: alt.ConcatChart = alt.concat(*parts, columns=across, data=inline(steps)).configure(**config(medium))
    figure.params = [alt.VariableParameter(name=name, value=[]) for name in ("off", "hits")]
    figure.usermeta = {"panel": {"row": len(panels), "min": 240, "max": 400, "axis": 0}}
    return figure


def describe(table: pl.DataFrame, panels: Sequence[StepPanel]) -> str:
    """The figure in words, with the first and last value of every middle line."""
    steps = _steps(table, panels).filter(pl.col("mark") == "middle")
    said = []
    for at, panel in enumerate(panels):
        lines = []
        for line in steps.filter(pl.col("panel") == at).partition_by("line", maintain_order=True):
            first, last = line.row(0, named=True), line.row(-1, named=True)
            lines.append(f"{first['line']} from {first['y']:.3g} to {last['y']:.3g}")
        said.append(f"{panel.title}: {', '.join(lines) or 'single models only'}.")
    return (
        f"Line chart of {panels[0].y_title} over {panels[0].x_title}, {len(panels)} panels; thin lines are models, "
        f"thick ones the middle of a group. {' '.join(said)}"
    )


def _steps(table: pl.DataFrame, panels: Sequence[StepPanel]) -> pl.DataFrame:
    check_table(table, COLUMNS, ("y", "lo", "hi"), NAME)
    refuse_null(table, ("panel", "mark", "line", "group", "step", "step_label", "y"), NAME)
    if not set(table["panel"]) <= set(range(len(panels))):
        raise ValueError(f"{NAME}: expected panels 0 to {len(panels) - 1}, got {sorted(set(table['panel']))}")
    return (
        table.select(COLUMNS)
        .with_columns(
            pl.col("group").map_elements(known_group, return_dtype=pl.String, skip_nulls=False),
            encoder=pl.when(pl.col("encoder").is_in(ENCODERS)).then("encoder").otherwise(pl.lit("other")),
        )
        .sort("panel", "mark", "line", "step", descending=[False, True, False, False])
    )


@dataclass(frozen=True, slots=True)
class _Drawing:
    """What all panels of one figure have in common."""

    groups: list[str]
    encoders: list[str]
    width: int
    every: pl.DataFrame | None
    medium: Medium


def _layout(count: int, medium: Medium) -> tuple[int, int]:
    if medium != "paper":
        return columns(count, count, 3), 260
    total, most = (PAPER_COLUMN_PT, 1) if count == 1 else (PAPER_DOUBLE_COLUMN_PT, 3)
    across = columns(count, count, most)
    return across, int((total - 8 - across * 40) / across)


def _panel(index: int, panel: StepPanel, steps: pl.DataFrame, look: _Drawing) -> alt.LayerChart:
    size = measures(look.medium)
    seen = steps if look.every is None else look.every
    ends = [value for name in ("y", "lo", "hi") for value in seen[name].drop_nulls()]
    words = f"{panel.y_title}, %" if panel.y_scale == "rate" else panel.y_title
    label = RATE_LABEL if panel.y_scale == "rate" else "datum.label"
    labels = steps.unique("step", keep="first").sort("step")["step_label"].to_list()
    x = alt.X("step_label:N", sort=labels, scale=alt.Scale(type="point", padding=0.3)).axis(
        alt.Axis(title=panel.x_title, labelAngle=0, labelOverlap=True, grid=False)
    )
    # The band has the same axis in words: with one of its own it would stretch the panel's down to 0.
    span = domain(ends or [0.0, 1.0], panel.y_scale)
    y = alt.Y("y:Q").scale(domain=span, nice=False).axis(alt.Axis(title=words, tickCount=5, labelExpr=label))
    shades = alt.Scale(domain=look.groups, range=[GROUPS[group].shade.light for group in look.groups])
    dashes = alt.Scale(domain=look.encoders, range=[list(DASHES[ENCODERS.index(kind)]) for kind in look.encoders])
    symbols = alt.Scale(domain=look.encoders, range=[SYMBOLS[ENCODERS.index(kind)] for kind in look.encoders])
    stroke = alt.Stroke("group:N", scale=shades, legend=group_legend(look.groups, look.medium))
    dash = alt.StrokeDash("encoder:N", scale=dashes, legend=None)
    legend = series_legend(look.encoders, look.medium) if len(look.encoders) > 1 else None
    shown = alt.Chart().transform_filter("indexof(off, datum.group) < 0")
    models = shown.transform_filter("datum.mark == 'model'")
    middles = shown.transform_filter("datum.mark == 'middle'")
    dimmed = alt.when("length(hits) == 0 || indexof(hits, datum.line) >= 0")
    layers = [
        middles.transform_filter("isValid(datum.lo)")
        .mark_area(opacity=0.18, clip=True)
        .encode(
            x=x,
            y=alt.Y("lo:Q").scale(domain=span, nice=False),
            y2="hi:Q",
            fill=alt.Fill("group:N", scale=shades, legend=None),
            detail="line:N",
        ),
        models.mark_line(strokeWidth=size.thin, clip=True).encode(
            x=x,
            y=y,
            stroke=stroke,
            strokeDash=dash,
            detail="line:N",
            opacity=dimmed.then(alt.value(0.4)).otherwise(alt.value(0.06)),
        ),
        middles.mark_line(strokeWidth=1.6 * size.line, clip=True).encode(
            x=x, y=y, stroke=stroke, strokeDash=dash, detail="line:N"
        ),
        shown.mark_point(filled=True, clip=True).encode(
            x=x,
            y=y,
            color=alt.Color("group:N", scale=shades, legend=None),
            shape=alt.Shape("encoder:N", scale=symbols, legend=legend),
            size=alt.when("datum.mark == 'middle'").then(alt.value(size.dot)).otherwise(alt.value(0.2 * size.dot)),
            opacity=dimmed.then(alt.value(0.8)).otherwise(alt.value(0.08)),
            tooltip=_tooltip(panel),
        ),
    ]
    return alt.LayerChart(
        layer=layers,
        transform=[alt.FilterTransform(alt.FieldEqualPredicate(field="panel", equal=index))],
        width=look.width,
        height=int(0.8 * look.width),
        title=alt.TitleParams([panel.title]),
    )


def _tooltip(panel: StepPanel) -> list[alt.Tooltip]:
    form = ".1%" if panel.y_scale == "rate" else ".3~r"
    return [
        alt.Tooltip("line:N", title="model"),
        alt.Tooltip("group:N"),
        alt.Tooltip("encoder:N"),
        alt.Tooltip("step_label:N", title=panel.x_title),
        alt.Tooltip("y:Q", title=panel.y_title, format=form),
        alt.Tooltip("lo:Q", title="95 % from", format=form),
        alt.Tooltip("hi:Q", title="95 % to", format=form),
        alt.Tooltip("n:Q", format=","),
    ]
