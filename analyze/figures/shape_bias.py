"""Shape bias: a row a model, categories as ticks, the pooled value as a symbol with its interval, humans as a line.

Draws rows of the results table; computes no ratio.
"""

from __future__ import annotations

from typing import Final

import altair as alt
import polars as pl

from .legend import group_legend, plain_legend
from .rows import check_table, inline, refuse_null
from .scales import RATE_LABEL
from .theme import (
    GROUPS,
    PAPER_COLUMN_PT,
    SHAPES,
    SURFACES,
    Medium,
    config,
    known_group,
    known_source,
    measures,
)

NAME: Final = "shape-bias"
COLUMNS: Final = ("model", "group", "source", "category", "value", "lo", "hi", "n")
ALL: Final = "all"
LONG_NAME: Final = 24
"""On paper longer names stand above their rows, and leave the width to the dots."""


def chart(table: pl.DataFrame, medium: Medium = "screen", *, humans: float | None = None) -> alt.ConcatChart:
    """Draw shape bias, the most shape-biased model on top.

    Parameters
    ----------
    table
        ``category`` is ``all`` for the pooled value, one row a model, else a shape category; values are fractions of
        the decisions that follow either cue, ``n`` their number.
    medium
        ``screen``, ``narrow`` (names above their rows) or ``paper``.
    humans
        Pooled shape bias of people, for the reference line; None draws none.

    Raises
    ------
    ValueError
        For an empty table, missing columns, numbers that are not finite, or a model without a pooled value.
    UsageError
        For more than 5,000 rows.
    """
    rows = _rows(table)
    size = measures(medium)
    models = rows["model"].n_unique()
    longest = max(len(model) for model in rows["model"])
    paper = medium == "paper"
    above = medium == "narrow" or (paper and longest > LONG_NAME)
    groups = [group for group in GROUPS if group in set(rows["group"])]
    sources = [source for source in SHAPES if source in set(rows["source"])]
    shades = alt.Scale(domain=groups, range=[GROUPS[group].shade.light for group in groups])
    shapes = alt.Scale(domain=sources, range=[SHAPES[source] for source in sources])
    colour = alt.Color("group:N", scale=shades, legend=group_legend(groups, medium))
    # Every layer has the same sort: with different ones Vega-Lite drops them all, silently.
    y = alt.Y(
        "model:N",
        axis=alt.Axis(title=None, labels=not above, ticks=False, domain=False, grid=False, labelLimit=400),
        sort=alt.EncodingSortField(field="rank", op="min", order="ascending"),
    )
    axis = alt.Axis(title="shape bias, %", tickCount=5, labelExpr=RATE_LABEL)
    x = alt.X("value:Q").scale(domain=[0, 1], nice=False).axis(axis)
    base = alt.Chart().transform_filter("indexof(off, datum.group) < 0").encode(y=y)
    pooled = base.transform_filter(f"datum.category == '{ALL}'")
    layers: list[alt.Chart] = [
        pooled.mark_rule(color=SURFACES.grid.light, strokeWidth=size.thin),
        base.transform_filter(f"datum.category != '{ALL}'")
        .mark_tick(thickness=size.thin, size=6 if paper else 11, opacity=0.55)
        .encode(x=x, color=colour, tooltip=_tooltip()),
        pooled.transform_filter("isValid(datum.lo)")
        .mark_rule(strokeWidth=size.interval, strokeCap="round")
        .encode(x=alt.X("lo:Q"), x2="hi:Q", color=colour),
        pooled.mark_point(filled=True, opacity=1, size=1.4 * size.dot).encode(
            x=x,
            color=colour,
            shape=alt.Shape("source:N", scale=shapes, legend=plain_legend(sources, medium)),
            tooltip=_tooltip(),
        ),
    ]
    if above:
        text = pooled.mark_text(align="left", dy=-7 if paper else -12, color=SURFACES.second.light)
        layers.append(text.encode(x=alt.value(0), text="model:N"))
    if humans is not None:
        layers += _humans(humans, size.line)
    drawn = alt.LayerChart(
        layer=layers,
        width=int(PAPER_COLUMN_PT - 16 - (0 if above else 3.8 * longest)) if paper else 360,
        height=((18 if above else 13) if paper else 36 if above else 24) * models,
    )
    figure: alt.ConcatChart = alt.concat(drawn, columns=1, data=inline(rows)).configure(**config(medium))
    figure.params = [alt.VariableParameter(name=name, value=[]) for name in ("off", "hits")]
    figure.usermeta = {"panel": {"row": 1, "min": 280, "max": 760, "axis": 0, "narrow": 240 + 6 * longest}}
    return figure


def describe(table: pl.DataFrame, humans: float | None = None) -> str:
    """The figure in words, with its numbers."""
    pooled = _rows(table).filter(pl.col("category") == ALL)
    said = ", ".join(f"{model} {100 * value:.1f} %" for model, value in pooled.select("model", "value").iter_rows())
    people = f" Humans: {100 * humans:.1f} %." if humans is not None else ""
    return f"Shape bias of {pooled.height} models, from the most to the least shape-biased: {said}.{people}"


def _rows(table: pl.DataFrame) -> pl.DataFrame:
    check_table(table, COLUMNS, ("value", "lo", "hi"), NAME)
    refuse_null(table, ("model", "category", "value"), NAME)
    pooled = table.filter(pl.col("category") == ALL).select("model", _pooled="value")
    if pooled["model"].is_duplicated().any() or set(pooled["model"]) != set(table["model"]):
        raise ValueError(f"{NAME}: expected one row of category {ALL!r} for each model")
    return (
        table.select(COLUMNS)
        .join(pooled, on="model")
        .with_columns(
            pl.col("group").map_elements(known_group, return_dtype=pl.String, skip_nulls=False),
            pl.col("source").map_elements(known_source, return_dtype=pl.String, skip_nulls=False),
        )
        .sort("_pooled", "model", "category", descending=[True, False, False])
        .with_columns(rank=(pl.col("model") != pl.col("model").shift(1)).fill_null(True).cum_sum() - 1)
        .drop("_pooled")
    )


def _humans(value: float, width: float) -> list[alt.Chart]:
    base = alt.Chart(alt.sequence(0, 1))
    words = f"humans {100 * value:.0f} %"
    return [
        base.mark_rule(color=SURFACES.text.light, strokeWidth=width).encode(x=alt.datum(value)),
        base.mark_text(align="center", dy=-4, baseline="bottom", color=SURFACES.text.light).encode(
            x=alt.datum(value), y=alt.value(0), text=alt.value(words)
        ),
    ]


def _tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("model:N"),
        alt.Tooltip("group:N"),
        alt.Tooltip("category:N", title="shape"),
        alt.Tooltip("value:Q", title="shape bias", format=".1%"),
        alt.Tooltip("lo:Q", title="95 % from", format=".1%"),
        alt.Tooltip("hi:Q", title="95 % to", format=".1%"),
        alt.Tooltip("n:Q", title="decisions", format=","),
    ]
