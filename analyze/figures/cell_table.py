"""A table of text as a drawing, for SVG, PNG and PDF; on a page it is HTML.

Draws cells that are finished: it writes no number. Cells without a number are shaded.
"""

from __future__ import annotations

from typing import Any, Final

import altair as alt
import polars as pl

from analyze.report.tables import Cell, HtmlTable

from .rows import check_rows, inline
from .theme import SURFACES, Medium, config, measures

NAME: Final = "cell-table"
LETTER: Final = 0.54
"""Width of a letter as a share of the size of its font."""
ROW: Final = 1.85
"""Height of a row as a multiple of the size of the font."""
GAP: Final = 1.6
"""Space between columns, likewise."""


def chart(table: HtmlTable, medium: Medium = "paper") -> alt.ConcatChart:
    """Draw a table.

    Raises
    ------
    ValueError
        For a table without rows.
    UsageError
        For more than 5,000 cells.
    """
    size = measures(medium)
    cells, width, height = _cells(table, size.tick)

    def across(field: str) -> alt.X:
        return alt.X(f"{field}:Q", axis=None, scale=alt.Scale(domain=[0, width], nice=False))

    def down(field: str) -> alt.Y:
        return alt.Y(f"{field}:Q", axis=None, scale=alt.Scale(domain=[height, 0], nice=False))

    base = alt.Chart().encode(x=across("x"), y=down("y"))
    text: dict[str, Any] = {"fontSize": size.tick, "baseline": "middle", "align": alt.ExprRef("datum.align")}
    layers = [
        alt.Chart()
        .transform_filter("datum.missing")
        .mark_rect(color=SURFACES.none_background.light)
        .encode(x=across("left"), x2="right", y=down("top"), y2="bottom"),
        alt.Chart()
        .transform_filter("datum.column == 0")
        .mark_rule(color=SURFACES.rule.light, strokeWidth=size.thin)
        .encode(x=alt.value(0), x2=alt.value(width), y=down("bottom")),
        base.transform_filter("!datum.strong").mark_text(color=SURFACES.text.light, **text).encode(text="text:N"),
        base.transform_filter("datum.strong")
        .mark_text(color=SURFACES.text.light, fontWeight="bold", **text)
        .encode(text="text:N"),
    ]
    drawn = alt.LayerChart(layer=layers, width=int(width), height=int(height), title=alt.TitleParams([table.caption]))
    figure: alt.ConcatChart = alt.concat(drawn, columns=1, data=inline(cells)).configure(**config(medium))
    return figure


def describe(table: HtmlTable) -> str:
    """The table in words: its caption and every row."""
    said = "; ".join(", ".join(cell.text for cell in row) for row in table.rows)
    return f"{table.caption}. Columns: {', '.join(table.head)}. {said}."


def _cells(table: HtmlTable, font: float) -> tuple[pl.DataFrame, float, float]:
    """Every cell with its place in pixels, and the size of the whole."""
    if not table.rows:
        raise ValueError(f"{NAME}: expected at least one row in {table.caption!r}, got none")
    columns = range(len(table.head))
    numeric = [any(row[at].numeric for row in table.rows) for at in columns]
    head = tuple(Cell(words, numeric=numeric[at]) for at, words in enumerate(table.head))
    lines = (head, *table.rows)
    widths = [max(len(line[at].text) for line in lines) * LETTER * font + GAP * font for at in columns]
    rows = [
        {
            "column": at,
            "text": cell.text,
            "align": "right" if cell.numeric else "left",
            "x": sum(widths[: at + 1]) - GAP * font / 2 if cell.numeric else sum(widths[:at]) + GAP * font / 2,
            "y": (line + 0.5) * ROW * font,
            "left": sum(widths[:at]),
            "right": sum(widths[: at + 1]),
            "top": line * ROW * font,
            "bottom": (line + 1) * ROW * font,
            "missing": cell.missing,
            "strong": line == 0 or cell.text.startswith("▲"),
        }
        for line, cells in enumerate(lines)
        for at, cell in enumerate(cells)
    ]
    frame = pl.DataFrame(rows)
    check_rows(frame, NAME)
    return frame, sum(widths), len(lines) * ROW * font
