"""Models as points against an accuracy, with their groups' lines: one panel for each thing that is measured.

Draws the points, lines and bands that it is given; it fits no line and transforms no rate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import altair as alt
import polars as pl

from .labels import Word, place_words
from .layout import columns
from .legend import group_legend, plain_legend, series_legend
from .rows import check_rows, check_table, inline, refuse_null
from .scales import LEAST_GAP, PROBIT_LABEL, RATE_LABEL, Scale, domain, probit_ticks
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
    "series",
    "label",
)
PER_PANEL: Final = ("x", "y", "zx", "zy", "lo", "hi", "n", "clipped", "band_lo", "band_hi")
"""Columns that a model has once a panel; the others are its own."""
DRAW_ORDER: Final = ("standard", "other", "more-data", "contrastive", "mae", "clip-ft", "vlm", "zero-shot-clip")
UNKNOWN_SIZE: Final = 25.0
"""Millions of parameters that a model of unknown size is drawn with: a null would drop its point, silently."""
FEW_IMAGES: Final = 150
ASPECT: Final = 0.86
SMALL_MULTIPLES: Final = 6
"""From so many panels on, shapes would blur: all models are circles then, and axes have no titles inside."""
SERIES_SHAPES: Final = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
SERIES_DASHES: Final = ([1, 0], [5, 3], [1.5, 2], [7, 2, 1.5, 2])
NOT_MEASURED: Final = "not measured"
MANY_ROWS: Final = 5
FLUSH: Final = 5
"""Labels this near to the end of an axis stay inside: one that stuck out would push up the title of its panel alone."""


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
    joined
        Whether a thin line joins the points of one model: the same model read in several ways.
    note
        Words below the title, after the number of images.
    """

    title: str
    images: int = 0
    x_title: str
    y_title: str
    x_scale: Scale = "probit"
    y_scale: Scale = "probit"
    ideal: bool = False
    joined: bool = False
    note: str = ""


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
    marks = _marks(table, panels)
    row = row or len(panels)
    across, width = _layout(len(panels), row, medium)
    models, lines = marks.filter(pl.col("mark") == "model"), marks.filter(pl.col("mark") == "line")
    look = _Drawing(
        groups=[group for group in GROUPS if group in set(marks["group"])],
        sources=[source for source in SHAPES if source in set(models["source"])],
        readings=_series(models, series),
        dashes=_series(lines, series),
        small=len(panels) >= SMALL_MULTIPLES,
        one_y=len({panel.y_title for panel in panels}) == 1,
        across=across,
        count=len(panels),
        width=width,
        every=marks if shared else None,
        medium=medium,
        wide=wide,
    )
    data = side_by_side(marks) if wide else _placed_labels(marks, panels, look)
    check_rows(data, NAME)
    parts = [_panel(index, panel, marks.filter(pl.col("panel") == index), look) for index, panel in enumerate(panels)]
    # On paper some panels have titles and others none: columns are as wide as they need to be, one by one.
    figure: alt.ConcatChart = alt.concat(*parts, columns=across, data=inline(data), align="each").configure(
        **config(medium)
    )
    # Values that the page sets: groups that are off, and models that a search found.
    figure.params = [alt.VariableParameter(name=name, value=[]) for name in ("off", "hits")]
    figure.usermeta = {
        "panel": {"row": row, "min": 180 if look.small else 260, "max": 360, "aspect": ASPECT, "axis": 0}
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


def side_by_side(table: pl.DataFrame) -> pl.DataFrame:
    """Return one row a model, with a column for each panel: ``zx_0, zy_0, zx_1``... Lines keep a row a place.

    Sixteen hundred models in six panels are sixteen hundred rows, not ten thousand.

    Examples
    --------
    >>> blank = dict.fromkeys(COLUMNS, None)
    >>> one = blank | {"mark": "model", "model": "a", "group": "mae", "zx": 0.1, "zy": 0.2}
    >>> wide = side_by_side(pl.DataFrame([one | {"panel": 0}, one | {"panel": 1, "zy": 0.3}]))
    >>> wide.select("model", "zy_0", "zy_1").rows()
    [('a', 0.2, 0.3)]
    """
    panels = sorted(set(table["panel"]))
    rows: dict[tuple[object, ...], dict[str, object]] = {}
    own = [name for name in table.columns if name not in PER_PANEL and name not in ("panel", "label")]
    for at, given in enumerate(table.iter_rows(named=True)):
        key = ("line", at) if given["mark"] != "model" else (given["model"], given["series"])
        row = rows.setdefault(key, {name: given[name] for name in own})
        row |= {f"{name}_{given['panel']}": given[name] for name in PER_PANEL}
    kinds = {name: table.schema[name] for name in own}
    kinds |= {f"{name}_{panel}": table.schema[name] for panel in panels for name in PER_PANEL}
    return pl.DataFrame(list(rows.values()), schema=kinds)


def _series(marks: pl.DataFrame, order: Sequence[str]) -> list[str]:
    here = set(marks["series"]) - {""}
    return [*(name for name in order if name in here), *sorted(here - set(order))]


def _marks(table: pl.DataFrame, panels: Sequence[Panel]) -> pl.DataFrame:
    """Checked rows in drawing order: the reference first, lines at the end."""
    numbers = ("x", "y", "zx", "zy", "lo", "hi", "band_lo", "band_hi", "parameters_m")
    check_table(table, COLUMNS, numbers, NAME, most=None)
    refuse_null(table, ("panel", "mark", "group", "zx", "zy"), NAME)
    if not set(table["panel"]) <= set(range(len(panels))):
        raise ValueError(f"{NAME}: expected panels 0 to {len(panels) - 1}, got {sorted(set(table['panel']))}")
    order = {group: at for at, group in enumerate(DRAW_ORDER)}
    return (
        table.select(COLUMNS)
        .with_columns(
            pl.col("group").map_elements(known_group, return_dtype=pl.String, skip_nulls=False),
            pl.col("source").map_elements(known_source, return_dtype=pl.String, skip_nulls=False),
            pl.col("series", "label").cast(pl.String).fill_null(""),
            size=pl.col("parameters_m").cast(pl.Float64).fill_null(UNKNOWN_SIZE).clip(1.0, 2000.0),
        )
        .with_columns(_order=pl.col("group").replace_strict(order, return_dtype=pl.Int64))
        .sort(
            ["panel", "mark", "_order", "model", "series", "part", "zx"],
            descending=[False, True, False, False, False, False, False],
        )
        .drop("_order")
    )


@dataclass(frozen=True, slots=True)
class _Drawing:
    """What all panels of one figure have in common."""

    groups: list[str]
    sources: list[str]
    readings: list[str]
    dashes: list[str]
    small: bool
    one_y: bool
    across: int
    count: int
    width: int
    every: pl.DataFrame | None
    medium: Medium
    wide: bool

    @property
    def height(self) -> int:
        """Inner height of a panel; of many rows on paper less, so that they fit a page."""
        if self.medium != "paper":
            return int(self.width * ASPECT)
        return int(self.width * (0.8 if self.across * MANY_ROWS > self.count else 0.5))

    def ends(self, panel: Panel, marks: pl.DataFrame) -> tuple[list[float], list[float]]:
        """From where to where the axes of a panel go."""
        seen = marks if self.every is None else self.every
        # Lines are drawn on beyond their models; the axes need not follow them there.
        seen = seen.filter(~pl.col("part").is_in(["below", "above"]))
        x, y = ([*seen[name]] or [0.0, 1.0] for name in ("zx", "zy"))
        return domain(x, panel.x_scale), domain(y, panel.y_scale)

    def fields(self, index: int) -> Mapping[str, str]:
        """Where a panel's numbers stand in the data of the chart."""
        return {name: f"{name}_{index}" if self.wide else name for name in PER_PANEL}

    def titled(self, index: int) -> tuple[bool, bool]:
        """Whether the axes of a panel carry their titles: all of a few; of many only those at the edge, on paper."""
        if not self.small:
            return True, True
        if self.medium != "paper":
            return False, False
        return index + self.across >= self.count, self.one_y and index % self.across == 0


def _layout(count: int, row: int, medium: Medium) -> tuple[int, int]:
    small = count >= SMALL_MULTIPLES
    # Five in a line only where five belong together: 4 + 4 + 2 looks broken.
    most = (5 if row % 5 == 0 else 4) if small else 3
    if medium != "paper":
        return columns(count, row, most), 200 if small else 300
    total, most = (PAPER_COLUMN_PT, 1) if count == 1 else (PAPER_DOUBLE_COLUMN_PT, most)
    across = columns(count, row, most)
    return across, int((total - 16 - across * (26 if small else 38)) / across)


def _panel(index: int, panel: Panel, marks: pl.DataFrame, look: _Drawing) -> alt.LayerChart:
    size = measures(look.medium)
    at = look.fields(index)
    height = look.height
    x_domain, y_domain = look.ends(panel, marks)
    x_named, y_named = look.titled(index)
    gap = 13 if look.medium == "paper" else LEAST_GAP
    x_axis = _axis(
        panel.x_title if x_named else "", panel.x_scale, probit_ticks(x_domain[0], x_domain[1], look.width, gap)
    )
    y_axis = _axis(panel.y_title if y_named else "", panel.y_scale, probit_ticks(y_domain[0], y_domain[1], height, gap))
    x = alt.X(f"{at['zx']}:Q").scale(domain=x_domain, nice=False).axis(x_axis)
    y = alt.Y(f"{at['zy']}:Q").scale(domain=y_domain, nice=False).axis(y_axis)
    shades = alt.Scale(domain=look.groups, range=[GROUPS[group].shade.light for group in look.groups])
    place = _Place(at=at, x=x, y=y, shades=shades, size=size)
    # One filter for all layers: a group that is switched off loses its points, its line and its band.
    shown = alt.Chart().transform_filter("indexof(off, datum.group) < 0")
    lines = shown.transform_filter("datum.mark == 'line'")
    points = shown.transform_filter("datum.mark == 'model'")
    models = marks.filter(pl.col("mark") == "model")
    layers: list[alt.Chart] = []
    if panel.ideal:
        layers.append(_ideal(x_domain, y_domain, size))
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
            fill=alt.Fill("group:N", scale=shades, legend=group_legend(look.groups, look.medium)),
            **_detail(look),
        )
    )
    layers += [_points(points, place, look), *_lines(lines, place, look)]
    layers.append(
        points.transform_filter("indexof(hits, datum.model) >= 0")
        .mark_point(filled=False, size=140, strokeWidth=2.2, color=SURFACES.text.light, clip=True)
        .encode(x=x, y=y)
    )
    if not look.wide and (marks["label"] != "").any():
        layers += _labels(shown.transform_filter("datum.label != ''"), x, y, size)
    if not models.height:
        layers.append(_not_measured(look.width, height))
    mine = f"isValid(datum.{at['zy']})" if look.wide else alt.FieldEqualPredicate(field="panel", equal=index)
    return alt.LayerChart(
        layer=layers,
        transform=[alt.FilterTransform(mine)],
        width=look.width,
        height=height,
        title=_title(panel, look),
    )


@dataclass(frozen=True, slots=True)
class _Place:
    """Where and in which colours the marks of one panel stand."""

    at: Mapping[str, str]
    x: alt.X
    y: alt.Y
    shades: alt.Scale
    size: Measures


def _title(panel: Panel, look: _Drawing) -> alt.TitleParams:
    few = " † few" if panel.images < FEW_IMAGES else ""
    said = [f"n = {panel.images:,}{few}"] if panel.images else []
    said += [panel.note] if panel.note else []
    if not said:
        return alt.TitleParams([panel.title], limit=look.width + 24)
    return alt.TitleParams([panel.title], subtitle=[", ".join(said)], limit=look.width + 24)


def _detail(look: _Drawing) -> dict[str, Any]:
    """Lines of one group are told apart by their series, where there are any."""
    return {"detail": "series:N"} if look.dashes else {}


def _lines(lines: alt.Chart, place: _Place, look: _Drawing) -> list[alt.Chart]:
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
        legend = series_legend(look.dashes, look.medium, "stroke") if look.small and not look.readings else None
        fit = fit.encode(strokeDash=alt.StrokeDash("series:N", scale=scale, legend=legend))
    beyond: alt.Chart = (
        lines.transform_filter("datum.part != 'fit'")
        .mark_line(strokeWidth=place.size.line, strokeDash=list(place.size.dash), opacity=0.7, clip=True)
        .encode(
            x=place.x, y=place.y, stroke=stroke, detail=["part:N", *(["series:N"] if look.dashes else [])], order=order
        )
    )
    return [fit, beyond]


def _points(base: alt.Chart, place: _Place, look: _Drawing) -> alt.Chart:
    paper = look.medium == "paper"
    small = look.small and not look.readings
    area = ([3, 14] if small else [4, 50]) if paper else ([8, 34] if small else [10, 150])
    clipped = alt.when(f"datum.{place.at['clipped']}")
    dimmed = alt.when("length(hits) == 0 || indexof(hits, datum.model) >= 0")
    marks: alt.Chart = base.mark_point(strokeWidth=1, clip=True).encode(
        x=place.x,
        y=place.y,
        fill=clipped.then(alt.value("transparent")).otherwise(
            "group:N", scale=place.shades, legend=group_legend(look.groups, look.medium)
        ),
        stroke=clipped.then("group:N", scale=place.shades, legend=None).otherwise(alt.value("transparent")),
        opacity=dimmed.then(alt.value(0.6)).otherwise(alt.value(0.08)),
        size=alt.Size("size:Q", scale=alt.Scale(type="sqrt", domain=[1, 2000], range=area, clamp=True), legend=None),
        tooltip=_tooltip(place.at, look),
    )
    shaped: alt.Chart
    if look.readings:
        symbols = [SERIES_SHAPES[at % len(SERIES_SHAPES)] for at in range(len(look.readings))]
        shapes = alt.Scale(domain=look.readings, range=symbols)
        shaped = marks.encode(
            shape=alt.Shape("series:N", scale=shapes, legend=series_legend(look.readings, look.medium)),
            size=alt.value(24 if paper else 70),
        )
        return shaped
    if look.small or len(look.sources) < 2:
        return marks
    shapes = alt.Scale(domain=look.sources, range=[SHAPES[source] for source in look.sources])
    legend = plain_legend(look.sources, look.medium)
    shaped = marks.encode(shape=alt.Shape("source:N", scale=shapes, legend=legend))
    return shaped


def _placed_labels(marks: pl.DataFrame, panels: Sequence[Panel], look: _Drawing) -> pl.DataFrame:
    """Say where the words of each mark stand; words without a place are left out."""
    if look.small and not look.readings:
        marks = marks.with_columns(label=pl.lit(""))
    if not (marks["label"] != "").any():
        return marks
    parts = []
    for index, panel in enumerate(panels):
        part = marks.filter(pl.col("panel") == index)
        (left, right), (low, high) = look.ends(panel, part)
        x = [look.width * (z - left) / (right - left) for z in part["zx"]]
        y = [look.height * (high - z) / (high - low) for z in part["zy"]]
        model = (part["mark"] == "model").to_list()
        words = [Word(x[at], y[at], text) for at, text in enumerate(part["label"]) if text]
        solid = [(x[at], y[at]) for at, is_model in enumerate(model) if is_model]
        places = iter(place_words(words, solid, (look.width, look.height), measures(look.medium).tick))
        shifts = [next(places) if text else None for text in part["label"]]
        parts.append(
            part.with_columns(
                label=pl.Series([text if shift else "" for text, shift in zip(part["label"], shifts, strict=True)]),
                dx=pl.Series([shift.dx if shift else None for shift in shifts], dtype=pl.Float64),
                dy=pl.Series([shift.dy if shift else None for shift in shifts], dtype=pl.Float64),
                align=pl.Series([shift.align if shift else None for shift in shifts], dtype=pl.String),
            )
        )
    return pl.concat(parts)


def _labels(base: alt.Chart, x: alt.X, y: alt.Y, size: Measures) -> list[alt.Chart]:
    """Words beside marks, twice: first as a halo in the colour of the background."""
    words = {"x": x, "y": y, "text": "label:N"}
    style: dict[str, Any] = {"fontSize": size.tick - 0.5, "baseline": "middle"}
    style |= {name: alt.ExprRef(f"datum.{name}") for name in ("dx", "dy", "align")}
    halo = base.mark_text(stroke=SURFACES.background.light, strokeWidth=3, strokeJoin="round", **style)
    return [halo.encode(**words), base.mark_text(color=SURFACES.text.light, **style).encode(**words)]


def _not_measured(width: int, height: int) -> alt.Chart:
    drawn: alt.Chart = (
        alt.Chart(alt.sequence(0, 1))
        .mark_text(color=SURFACES.second.light, align="center", baseline="middle")
        .encode(x=alt.value(width / 2), y=alt.value(height / 2), text=alt.value(NOT_MEASURED))
    )
    return drawn


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


def _axis(title: str, scale: Scale, ticks: list[float]) -> alt.Axis:
    words = (title if scale == "number" else f"{title}, %") if title else None
    if scale == "probit":
        return alt.Axis(title=words, values=ticks, labelExpr=PROBIT_LABEL, labelFlush=FLUSH)
    if scale == "rate":
        return alt.Axis(title=words, tickCount=5, labelExpr=RATE_LABEL, labelFlush=FLUSH)
    return alt.Axis(title=words, tickCount=5, labelFlush=FLUSH)


def _tooltip(at: Mapping[str, str], look: _Drawing) -> list[alt.Tooltip]:
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
