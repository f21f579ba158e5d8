"""From a polars table to the rows inside a chart: checked columns, checked numbers, at most 5,000 rows.

The only door between tables and Vega-Lite. Knows no figure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import altair as alt
import polars as pl

from manifests.errors import UsageError

MAX_ROWS: Final = 5_000
"""Rows of one table in one figure: beyond it a page becomes slow to draw and too large to send."""


def check_rows(table: pl.DataFrame, what: str) -> None:
    """Refuse a table that is too long to be drawn.

    Raises
    ------
    UsageError
        If the table has more than 5,000 rows.
    """
    if table.height > MAX_ROWS:
        raise UsageError(
            f"{what}: expected at most {MAX_ROWS:,} rows in one figure, got {table.height:,}; "
            "draw fewer models or test sets (--model, --dataset), or read the numbers from the Parquet or CSV file"
        )


def check_table(
    table: pl.DataFrame, needed: Sequence[str], finite: Iterable[str], what: str, most: int | None = MAX_ROWS
) -> None:
    """Refuse a table that a figure would draw wrongly without a word.

    Parameters
    ----------
    table
        One row a mark.
    needed
        Columns that must exist.
    finite
        Columns in which NaN and infinities are refused; null is allowed.
    what
        Name of the figure, for the message.
    most
        Rows at most; None where the rows are yet to be put side by side.

    Raises
    ------
    ValueError
        For an empty table, missing columns, or a number that is not finite.
    UsageError
        For more than 5,000 rows.
    """
    missing = [name for name in needed if name not in table.columns]
    if missing:
        raise ValueError(f"{what}: expected columns {', '.join(needed)}; missing: {', '.join(missing)}")
    if table.is_empty():
        raise ValueError(f"{what}: expected at least one row, got an empty table")
    if most is not None:
        check_rows(table, what)
    for name in finite:
        bad = table.filter(pl.col(name).cast(pl.Float64).is_finite().not_()).height
        if bad:
            raise ValueError(
                f"{what}: column {name} holds {bad} NaN or infinite value(s); drop those rows or mend them"
            )


def refuse_null(table: pl.DataFrame, names: Iterable[str], what: str) -> None:
    """Refuse nulls where Vega would silently leave the mark out.

    Raises
    ------
    ValueError
        If one of the columns holds a null.
    """
    for name in names:
        count = table[name].null_count()
        if count:
            raise ValueError(f"{what}: column {name} holds {count} null(s), whose marks would not be drawn")


def inline(table: pl.DataFrame) -> alt.InlineData:
    """The table as rows inside the chart, under the name ``table``.

    Altair's own row limit does not look at inline rows: `check_rows` stands in for it.
    """
    return alt.InlineData(values=table.to_dicts(), name="table")
