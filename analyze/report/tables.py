"""Tables of the page: a polars frame as cells of text, formatted here and nowhere else.

Knows frames and numbers; escaping is left to the template, so cells hold plain text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from analyze.figures.units import Unit, format_interval, format_number, unit

Kind = Literal["text", "count", "rate", "number", "auto"]
"""How a column is written: as it is, 50,000, 71.2 (per cent), 1.23, or by the row's metric."""

MISSING = "–"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: its text, whether it is a number (set right), whether nothing is there, and a share that tints it."""

    text: str
    numeric: bool = False
    missing: bool = False
    share: float | None = None


@dataclass(frozen=True, slots=True)
class HtmlTable:
    """A table ready to be written: ``rows[i][j]`` belongs under ``head[j]``; the first column names the row."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def __post_init__(self) -> None:
        for index, row in enumerate(self.rows):
            if len(row) != len(self.head):
                raise ValueError(f"{self.caption}: row {index} has {len(row)} cells under {len(self.head)} headings")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table to be: its heading, the field it shows, and how.

    Attributes
    ----------
    title
        Heading.
    name
        Column of the frame.
    kind
        ``rate`` turns a fraction into per cent; ``auto`` looks at the frame's ``metric`` column to choose between
        ``rate`` and ``number``.
    interval
        Columns with the ends of the interval, written as ``value [lo, hi]``.
    """

    title: str
    name: str
    kind: Kind = "text"
    interval: tuple[str, str] | None = None


def html_table(frame: pl.DataFrame, columns: Sequence[Column], caption: str) -> HtmlTable:
    """Write a frame as a table.

    Parameters
    ----------
    frame
        One row a row, in the order in which they shall stand.
    columns
        What to show; the first one names the row.
    caption
        One sentence above the table.

    Raises
    ------
    ValueError
        If a column is not in the frame, or a number is not finite.

    Examples
    --------
    >>> frame = pl.DataFrame({"model": ["a"], "value": [0.5], "lo": [0.4], "hi": [0.6]})
    >>> table = html_table(frame, [Column("model", "model"), Column("%", "value", "rate", ("lo", "hi"))], "Accuracy")
    >>> [cell.text for cell in table.rows[0]]
    ['a', '50.0 [40.0, 60.0]']
    """
    needed = [name for column in columns for name in (column.name, *(column.interval or ()))]
    needed += ["metric"] if any(column.kind == "auto" for column in columns) else []
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        raise ValueError(f"{caption}: expected columns {', '.join(needed)}; missing: {', '.join(missing)}")
    rows = tuple(tuple(_cell(row, column) for column in columns) for row in frame.to_dicts())
    return HtmlTable(caption=caption, head=tuple(column.title for column in columns), rows=rows)


# The numbers first: what qualifies them may scroll out of sight, they may not.
RESULT_COLUMNS: tuple[Column, ...] = (
    Column("model", "model"),
    Column("group", "group"),
    Column("test set", "dataset"),
    Column("slice", "slice"),
    Column("metric", "metric"),
    Column("value [95 %], rates in %", "value", "auto", ("lo", "hi")),
    Column("n", "n", "count"),
    Column("protocol", "protocol"),
    Column("prompts", "prompt_set"),
    Column("variant", "variant"),
    Column("detector", "detector"),
    Column("calibration", "calibration"),
    Column("in-distribution set", "id_dataset"),
)


def results_table(frame: pl.DataFrame, caption: str) -> HtmlTable:
    """Write rows of the results table; columns that are absent, or empty in every row, are left out.

    Raises
    ------
    ValueError
        If the frame lacks ``model``, ``metric`` or ``value``, or a number is not finite.
    """
    for name in ("model", "metric", "value", "lo", "hi"):
        if name not in frame.columns:
            raise ValueError(f"{caption}: expected rows of the results table; column {name} is missing")
    shown = [
        column
        for column in RESULT_COLUMNS
        if column.name in frame.columns
        and (column.kind != "text" or any(value not in (None, "") for value in frame[column.name]))
    ]
    return html_table(frame, shown, caption)


def _cell(row: dict[str, Any], column: Column) -> Cell:
    value = row[column.name]
    if value is None or value == "":
        return Cell(MISSING, numeric=column.kind != "text", missing=True)
    if column.kind == "text":
        return Cell(str(value))
    written: Unit = unit(row["metric"]) if column.kind == "auto" else column.kind
    if column.interval is None:
        return Cell(format_number(value, written), numeric=True)
    lo, hi = column.interval
    return Cell(format_interval(value, row[lo], row[hi], written), numeric=True)
