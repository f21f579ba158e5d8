"""A tidy table from anybody: read, checked line by line, and given the columns of a results table.

Knows columns and their types; what a model or dataset is named is the writer's business.
"""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

from manifests.errors import UsageError

NEEDED = ("model", "dataset", "value")
DEFAULTS = {
    "group": "",
    "slice": "all",
    "metric": "accuracy_top1",
    "protocol": "",
    "architecture": "",
    "encoder_family": "",
    "duplicate_of": "",
}
_WHOLE = ("n", "dataset_size")
PROBLEMS_SHOWN = 20


def read_tidy(path: Path) -> pl.DataFrame:
    """Read a CSV or Parquet file of one number a row.

    Parameters
    ----------
    path
        Columns ``model, dataset, value`` at least; ``group, slice, metric, protocol, n`` and facts of models as far
        as they are known. Further columns are kept as they are.

    Returns
    -------
    polars frame
        With every column of `DEFAULTS`, ``value`` as float and ``n`` as integer (null where not given).

    Raises
    ------
    UsageError
        A file that cannot be read, a missing column, or malformed rows: each with its line.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "t.csv")
    ...     _ = path.write_text("model,dataset,value,n\\nm,d,0.5,10\\n")
    ...     read_tidy(path).select("model", "slice", "metric", "value", "n").row(0)
    ('m', 'all', 'accuracy_top1', 0.5, 10)
    """
    rows, columns = _rows(path)
    if missing := [name for name in NEEDED if name not in columns]:
        raise UsageError(
            f"{path}: no column {', '.join(missing)}; a tidy table has {', '.join(NEEDED)} and may have group, slice, "
            f"metric, protocol, n. Found: {', '.join(columns) or 'nothing'}."
        )
    problems = []
    for where, row in rows:
        problems += [f"{where}: {problem}" for problem in _mend(row, columns)]
    if problems:
        more = f"\n  ... and {len(problems) - PROBLEMS_SHOWN} more" if len(problems) > PROBLEMS_SHOWN else ""
        listed = "\n  ".join(problems[:PROBLEMS_SHOWN])
        raise UsageError(f"{path}: {len(problems)} problem(s):\n  {listed}{more}")
    if not rows:
        raise UsageError(f"{path}: no rows.")
    numbers: dict[str, Any] = {"value": pl.Float64, "n": pl.Int64}
    extra = {name: pl.Int64 for name in _WHOLE if name in columns}
    names = [*columns, *(name for name in (*DEFAULTS, "n") if name not in columns)]
    types = {name: ({**numbers, **extra}).get(name, pl.String) for name in names}
    return pl.DataFrame([{name: row.get(name) for name in names} for _, row in rows], schema=types)


def _rows(path: Path) -> tuple[list[tuple[str, dict[str, Any]]], list[str]]:
    try:
        data = path.read_bytes()
        if path.suffix == ".parquet":
            frame = pl.read_parquet(io.BytesIO(data))
            return [
                (f"row {i + 1}", {name: "" if value is None else value for name, value in row.items()})
                for i, row in enumerate(frame.iter_rows(named=True))
            ], frame.columns
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8: byte {error.start}.") from error
    except PolarsError as error:
        raise UsageError(f"{path} is no Parquet file: {str(error).splitlines()[0]}.") from error
    reader = csv.DictReader(io.StringIO(text), restkey="", strict=True)
    rows: list[tuple[str, dict[str, Any]]] = []
    try:
        columns = list(reader.fieldnames or [])
        for row in reader:
            rows.append((f"line {reader.line_num}", row))
    except csv.Error as error:
        raise UsageError(f"{path}: line {reader.line_num}: is not CSV: {error}.") from error
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        raise UsageError(f"{path}: column {', '.join(twice)} stands twice.")
    return rows, columns


def _mend(row: dict[str, Any], columns: list[str]) -> list[str]:
    """Turn the words of a row into values, in place; return what is wrong with it."""
    if "" in row and "" not in columns:
        return [f"expected {len(columns)} fields, got {len(columns) + len(row[''])}"]
    if None in row.values():
        return [f"expected {len(columns)} fields, got {sum(value is not None for value in row.values())}"]
    wrong = [f"{name} is empty" for name in ("model", "dataset") if not str(row[name] or "").strip()]
    try:
        row["value"] = float(row["value"])
    except (TypeError, ValueError):
        wrong.append(f"value: expected a number, got {row['value']!r}")
    else:
        if not math.isfinite(row["value"]):
            wrong.append(f"value: expected a finite number, got {row['value']}")
    for name in _WHOLE:
        if name in columns:
            wrong += _whole(row, name)
    for name in columns:
        if name not in ("value", *_WHOLE):
            row[name] = str(row[name])
    for name, default in DEFAULTS.items():
        row[name] = row.get(name) or default
    return wrong


def _whole(row: dict[str, Any], name: str) -> list[str]:
    if row[name] == "":
        row[name] = None
        return []
    try:
        number = float(row[name])
        whole = number == int(number) and number >= 1
    except (TypeError, ValueError, OverflowError):
        whole = False
    if not whole:
        return [f"{name}: expected a whole number of at least 1, got {row[name]!r}"]
    row[name] = int(number)
    return []
