"""Tables of numbers, CSV or Parquet, as rows: a column that names the sample, and the numbers beside it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from manifests.errors import UsageError

from .rows import Kind, Rows
from .sources import Source

CLASS, PROBABILITY = "predicted_class", "predicted_probability"
SUFFIXES = (".csv", ".parquet")


def read_table(source: Source, texts: Sequence[str], required: Sequence[str]) -> pl.DataFrame:
    """Return the table of a file.

    Parameters
    ----------
    texts
        Columns that are text, whatever they look like: `00001` is a name and no number.
    required
        Columns without which the file is not what it should be.

    Raises
    ------
    UsageError
        When the file is no such table, or lacks a column.
    """
    try:
        table = _csv(source, texts) if source.suffix == ".csv" else pl.read_parquet(io.BytesIO(source.data))
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{source.name} cannot be read as {source.suffix.removeprefix('.')} ({error}).") from error
    if not set(required) <= set(table.columns):
        there = ", ".join(table.columns[:8]) + (", ..." if len(table.columns) > 8 else "")
        raise UsageError(f"{source.name}: expected the columns {', '.join(required)}; it has {there or 'none'}.")
    if not table.height:
        raise UsageError(f"{source.name} has no rows.")
    for name in texts:
        if name in table.columns and (table.schema[name] != pl.String or table[name].null_count()):
            raise UsageError(f"{source.name}: the column {name} holds names; it has empty fields or numbers.")
    return table


def _csv(source: Source, texts: Sequence[str]) -> pl.DataFrame:
    text = source.data.decode("utf-8-sig")
    header = next(csv.reader(io.StringIO(text, newline="")), [])
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise UsageError(f"{source.name}: the column {twice[0]!r} stands there twice.")
    overrides: dict[str, type[pl.DataType]] = {name: pl.String for name in texts if name in header}
    if not header:
        return pl.DataFrame()
    return pl.read_csv(text.encode(), infer_schema_length=None, schema_overrides=overrides)


def numbers(table: pl.DataFrame, name: str) -> NDArray[np.float64]:
    """Return a column as numbers; NaN where there is none, which is told with its row once the row is wanted."""
    column = table[name]
    if column.dtype == pl.String:
        column = column.str.strip_chars()
    return np.asarray(column.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy(), np.float64)


def table_rows(source: Source, kind: Kind) -> Rows:
    """Return the rows of a table with the column `sample`.

    Predictions are `predicted_class` and, where known, `predicted_probability`. Logits and embeddings are one column
    a number (class keys, or names that end in 0, 1, 2, ...), or in Parquet one column of lists named as the kind.
    """
    table = read_table(source, ("sample",), ("sample", *((CLASS,) if kind == "predictions" else ())))
    samples = tuple(table["sample"].to_list())
    if kind == "predictions":
        return prediction_rows(source, table, samples)
    if kind in table.columns:
        values = _lists(source, table[kind])
        return Rows(where=source.name, samples=samples, values=values)
    names = [name for name in table.columns if name != "sample"]
    odd = [name for name in names if not (table.schema[name].is_numeric() or table.schema[name] == pl.String)]
    if odd or not names:
        raise UsageError(f"{source.name}: expected columns of numbers beside sample, got {odd[:3] or 'none'}.")
    if all(table.schema[name].is_numeric() for name in names):
        wide = table.select(pl.col(name).cast(pl.Float64).fill_null(np.nan) for name in names).to_numpy()
    else:
        wide = np.stack([numbers(table, name) for name in names], axis=1)
    return Rows(where=source.name, samples=samples, values=wide, columns=tuple(names))


def prediction_rows(source: Source, table: pl.DataFrame, samples: tuple[str, ...]) -> Rows:
    """Return rows of predictions."""
    return Rows(
        where=source.name,
        samples=samples,
        classes=numbers(table, CLASS),
        probability=numbers(table, PROBABILITY) if PROBABILITY in table.columns else None,
    )


def _lists(source: Source, column: pl.Series) -> NDArray[np.float64]:
    dtype = column.dtype
    sizes: set[int | None] = set()
    if isinstance(dtype, (pl.List, pl.Array)) and dtype.inner.is_numeric():
        sizes = set((column.arr if isinstance(dtype, pl.Array) else column.list).len().to_list())
    if len(sizes) != 1 or not (size := sizes.pop()):
        raise UsageError(f"{source.name}: expected {column.name} to hold lists of numbers of one length.")
    flat = column.explode().cast(pl.Float64).fill_null(np.nan).to_numpy()
    return np.asarray(flat, np.float64).reshape(len(column), size)
