"""One metric as dots: a row a model, a panel a test set, each dot with its 95 % interval.

Draws rows of the results table; it computes no metric and chooses no protocol: two rows that would share a place
are an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import altair as alt
import polars as pl

from .layout import columns
from .legend import group_legend
from .rows import check_rows, check_table, inline
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
from .units import format_interval, metric_title, unit

NAME: Final = "metric-dots"
COLUMNS: Final = ("model", "group", "dataset", "metric", "value", "lo", "hi", "n")
NOT_MEASURED: Final = "not measured"
LONG_NAME: Final = 24


def chart(table: pl.DataFrame, metric: str, medium: Medium = "screen") -> alt.ConcatChart:
    """Draw one metric: a panel a test set, a row a model, the largest value on top.

    Every model of the table has a row in every panel; where it has no value the row says "not measured". A model that
    is read in several ways (``of`` names it) has its other readings only where they were measured. All panels share
    one horizontal axis.

    Parameters
    ----------
    table
        Rows of the results table: ``model, group, dataset, metric, value, lo, hi, n`` and any others; ``of`` where
        rows are readings of one model. Rows of other metrics only say which models exist.
    metric
        Name in the column ``metric``.
    medium
        ``screen``, ``narrow`` (names above their rows) or ``paper``.

    Raises
    ------
    ValueError
        If no row has a value of the metric, or two rows share model, test set and metric (filter by slice, protocol,
        calibration or detector first).
    UsageError
        For more than 5,000 rows.
    """
    dots = _dots(table, metric)
    panels = dots["dataset"].unique(maintain_order=True).to_list()
    longest = max(len(model) for model in dots["model"])
    look = _Drawing(
        metric=metric,
        groups=[group for group in GROUPS if group in set(dots["group"])],
        domain=_domain(dots, metric),
        names_above=medium == "narrow" or (medium == "paper" and longest > LONG_NAME),
        medium=medium,
    )
    across, width = _layout(len(panels), longest, look)
    count = dict(dots.group_by("panel").agg(pl.len()).iter_rows())
    parts = [_panel(index, dataset, width, count[index], look) for index, dataset in enumerate(panels)]
    figure: alt.ConcatChart = alt.concat(*parts, columns=across, data=inline(dots)).configure(**config(medium))
    figure.usermeta = {
        "panel": {"row": len(panels), "min": 400, "max": 720, "axis": 0, "square": False, "narrow": 240 + 6 * longest}
    }
    return figure


def describe(table: pl.DataFrame, metric: str) -> str:
    """The figure in words, with its numbers, for those who do not see it."""
    dots = _dots(table, metric)
    said = []
    for panel in dots.partition_by("dataset", maintain_order=True):
        models = ", ".join(f"{row['model']} {_spoken(metric, row)}" for row in panel.to_dicts())
        said.append(f"On {panel['dataset'][0]}: {models}.")
    return (
        f"Dot plot with 95 % intervals of {metric_title(metric)}, one panel for each of {len(said)} test sets, "
        f"models sorted from the largest value. {' '.join(said)}"
    )


def _spoken(metric: str, row: dict[str, Any]) -> str:
    if row["value"] is None:
        return NOT_MEASURED
    return format_interval(row["value"], row["lo"], row["hi"], unit(metric))


def _dots(table: pl.DataFrame, metric: str) -> pl.DataFrame:
    """One row for each model on each test set that has the metric: ``panel`` and ``rank`` say where it stands."""
    check_table(table, COLUMNS, ("value", "lo", "hi"), NAME)
    measured = table.filter((pl.col("metric") == metric) & pl.col("value").is_not_null())
    if measured.is_empty():
        have = ", ".join(sorted(set(table["metric"].drop_nulls())))
        raise ValueError(f"{NAME}: expected rows with a value of {metric}; the table holds: {have or 'no metric'}")
    _refuse_twins(measured, metric)
    datasets = measured.select("dataset").unique(maintain_order=True).with_row_index("panel")
    of = pl.col("of") if "of" in table.columns else pl.col("model").alias("of")
    models = table.select("model", "group", of).unique("model", keep="first", maintain_order=True)
    some = pl.col("value").is_not_null()
    dots = (
        datasets.join(models, how="cross")
        .join(measured.select("model", "dataset", "value", "lo", "hi", "n"), on=["model", "dataset"], how="left")
        .filter(some | (~some.any() & (pl.int_range(pl.len()) == 0)).over("panel", "of"))
        .drop("of")
        .sort("panel", "value", "model", descending=[False, True, False], nulls_last=True)
        .with_columns(
            rank=pl.int_range(pl.len()).over("panel"),
            group=pl.col("group").map_elements(known_group, return_dtype=pl.String, skip_nulls=False),
        )
    )
    check_rows(dots, NAME)
    return dots


def _refuse_twins(measured: pl.DataFrame, metric: str) -> None:
    place = ["model", "dataset"]
    twins = measured.filter(measured.select(place).is_duplicated())
    if twins.is_empty():
        return
    model, dataset = twins.row(0, named=True)["model"], twins.row(0, named=True)["dataset"]
    same = twins.filter((pl.col("model") == model) & (pl.col("dataset") == dataset))
    keys = [name for name in same.columns if name not in COLUMNS and same[name].n_unique() > 1]
    raise ValueError(
        f"{NAME}: expected one row of {metric} for {model} on {dataset}, got {same.height}"
        + (f", which differ in {', '.join(keys)}; filter the table by it first" if keys else "; they are equal rows")
    )


@dataclass(frozen=True, slots=True)
class _Drawing:
    """What all panels of one figure have in common."""

    metric: str
    groups: list[str]
    domain: list[float]
    names_above: bool
    medium: Medium


def _domain(dots: pl.DataFrame, metric: str) -> list[float]:
    values = [value for name in ("value", "lo", "hi") for value in dots[name].drop_nulls()]
    low, high = min(values), max(values)
    room = 0.04 * (high - low) or 0.05 * abs(high) or 0.05
    start, end = low - room, high + room
    if unit(metric) == "rate":
        # An axis that promises accuracies below 0 or above 100 % is odd; a negative gap still gets its room.
        start = max(start, 0.0) if low >= 0 else start
        end = min(end, 1.0) if high <= 1 else end
    return [start, end]


def _layout(count: int, longest: int, look: _Drawing) -> tuple[int, int]:
    """Columns, and the inner width of a panel."""
    if look.medium != "paper":
        return columns(count, count, 2), 300
    total, most = (PAPER_COLUMN_PT, 1) if count == 1 else (PAPER_DOUBLE_COLUMN_PT, 2)
    across = columns(count, count, most)
    names = 6 if look.names_above else 12 + 3.8 * longest
    return across, int((total - 8 - 10 * (across - 1)) / across - names)


def _panel(index: int, dataset: str, width: int, rows: int, look: _Drawing) -> alt.LayerChart:
    paper = look.medium == "paper"
    size = measures(look.medium)
    step = (20 if paper else 36) if look.names_above else (13 if paper else 24)
    axis = alt.Axis(title=None, labels=not look.names_above, ticks=False, domain=False, grid=False, labelLimit=400)
    # Every layer has the same sort: with different ones Vega-Lite drops them all, silently.
    y = alt.Y("model:N", axis=axis, sort=alt.EncodingSortField(field="rank", op="min", order="ascending"))
    x = alt.X("value:Q").scale(domain=look.domain, nice=True, zero=False).axis(_axis(look))
    shades = alt.Scale(domain=look.groups, range=[GROUPS[group].shade.light for group in look.groups])
    base = alt.Chart().encode(y=y)
    # No row line under the words "not measured": it would strike them through.
    lines = base.transform_filter("isValid(datum.value)").mark_rule(color=SURFACES.grid.light, strokeWidth=size.thin)
    intervals = (
        base.transform_filter("isValid(datum.lo) && isValid(datum.hi)")
        .mark_rule(strokeWidth=size.interval, strokeCap="round")
        .encode(x=alt.X("lo:Q"), x2="hi:Q", color=alt.Color("group:N", scale=shades, legend=None))
    )
    dots = (
        base.transform_filter("isValid(datum.value)")
        .mark_point(filled=True, opacity=1, size=size.dot)
        .encode(
            x=x,
            color=alt.Color("group:N", scale=shades, legend=group_legend(look.groups, look.medium)),
            tooltip=_tooltip(look.metric),
        )
    )
    absent = (
        base.transform_filter("!isValid(datum.value)")
        .mark_text(align="left", fontStyle="italic", color=SURFACES.muted.light)
        .encode(x=alt.value(4), text=alt.value(NOT_MEASURED))
    )
    layers = [lines, intervals, dots, absent]
    if look.names_above:
        above = base.mark_text(align="left", dy=-7 if paper else -12, limit=width, color=SURFACES.second.light)
        layers.append(above.encode(x=alt.value(0), text="model:N"))
    return alt.LayerChart(
        layer=layers,
        transform=[alt.FilterTransform(alt.FieldEqualPredicate(field="panel", equal=index))],
        width=width,
        # A number, not a step: beside a width that is fitted to the page Vega-Lite warns about steps.
        height=step * rows,
        title=alt.TitleParams([dataset]),
    )


def _axis(look: _Drawing) -> alt.Axis:
    title = metric_title(look.metric)
    if unit(look.metric) == "number":
        return alt.Axis(title=title, tickCount=5, labelOverlap=True)
    return alt.Axis(title=title, tickCount=5, labelExpr="format(100*datum.value, '.3~g')", labelOverlap=True)


def _tooltip(metric: str) -> list[alt.Tooltip]:
    form = ".3~r" if unit(metric) == "number" else ".1%"
    return [
        alt.Tooltip("model:N"),
        alt.Tooltip("group:N"),
        alt.Tooltip("dataset:N", title="test set"),
        alt.Tooltip("value:Q", title=metric, format=form),
        alt.Tooltip("lo:Q", title="95 % from", format=form),
        alt.Tooltip("hi:Q", title="95 % to", format=form),
        alt.Tooltip("n:Q", title="images", format=","),
    ]
