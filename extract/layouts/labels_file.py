"""The `--labels` and `--listing` file: names of files, their classes, and columns of its own.

`file` (or `sample`) and one of `class_index`, `wnid`, `label`; CSV, JSONL (an object a line) or Parquet, by the
file's suffix.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from extract.containers.protocol import Value
from manifests.errors import UsageError

CLASS_COLUMNS = ("class_index", "wnid", "label")
NAME_COLUMNS = ("file", "sample", "file_name")
RESERVED = ("sample", "image_id", "virtual_id")
"""Columns of every dataset version, which a file of labels may not replace."""

_DEVKIT = (
    " It looks like the devkit's ground truth: one number a line, 1..1000 in the devkit's own order. Those are no "
    "class indices; translate them to WordNet ids with the devkit's meta file, and write the columns file,wnid."
)


@dataclass(frozen=True, slots=True)
class LabelRow:
    """One row: its line in the file, what it says of the class, and its other columns."""

    line: int
    keys: Mapping[str, str]
    extra: Mapping[str, Value]


def read_labels(path: Path, need_class: bool = True) -> dict[str, LabelRow]:
    """Read a labels file; in CSV a byte-order mark, CRLF and quoted commas are fine.

    Raises
    ------
    UsageError
        With every bad row: no name, a name twice, no class.
    """
    if path.suffix.lower() == ".parquet":
        columns, rows = _parquet(path)
        return _checked(columns, rows, str(path), need_class)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read as UTF-8 text ({error})") from error
    if path.suffix.lower() == ".jsonl":
        found = list(_jsonl(text, path))
        return _checked(
            list(dict.fromkeys(name for _, row in found for name in row)), iter(found), str(path), need_class
        )
    return parse_labels(text, str(path), need_class)


def parse_labels(text: str, where: str, need_class: bool = True) -> dict[str, LabelRow]:
    """Read the text of a CSV; see `read_labels`."""
    reader = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True)
    columns = [name.strip() for name in reader.fieldnames or []]
    reader.fieldnames = columns
    return _checked(columns, _csv_rows(reader, where), where, need_class)


def _csv_rows(reader: csv.DictReader[str], where: str) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        for row in reader:
            yield reader.line_num, {name: "" if value is None else value for name, value in row.items()}
    except csv.Error as error:
        raise UsageError(f"{where}: what follows line {reader.line_num} is not CSV ({error})") from error


def _jsonl(text: str, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, row in enumerate(text.splitlines(), 1):
        if not row.strip():
            continue
        try:
            found = json.loads(row)
        except ValueError as error:
            raise UsageError(f"{path}: line {line} is not JSON ({error})") from error
        if not isinstance(found, dict):
            raise UsageError(f"{path}: line {line}: expected a JSON object, got {row[:80]!r}")
        yield line, found


def _parquet(path: Path) -> tuple[list[str], Iterator[tuple[int, dict[str, Any]]]]:
    import polars as pl

    try:
        table = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UsageError(f"{path} cannot be read as Parquet ({error}); copy or download it again.") from error
    return table.columns, iter(enumerate(table.iter_rows(named=True), 1))


def _checked(
    columns: Sequence[str], rows: Iterator[tuple[int, dict[str, Any]]], where: str, need_class: bool
) -> dict[str, LabelRow]:
    name_column = next((name for name in NAME_COLUMNS if name in columns), None)
    class_columns = {name: name for name in CLASS_COLUMNS if name in columns}
    if list(columns) == ["file_name", "label"]:
        # filename_label.csv of the package imagenet-x calls the class index a label.
        class_columns = {"label": "class_index"}
    if name_column is None or (need_class and not class_columns):
        raise UsageError(
            f"{where}: expected the columns `file` and one of {', '.join(CLASS_COLUMNS)}; "
            f"got {', '.join(columns) or 'none'}." + (_DEVKIT if len(columns) == 1 and columns[0].isdigit() else "")
        )
    if taken := [name for name in columns if name in RESERVED and name != name_column]:
        raise UsageError(
            f"{where}: the column {taken[0]!r} has a meaning of its own in every dataset; call yours something else"
        )
    own = [name for name in columns if name != name_column and name not in class_columns]
    found: dict[str, LabelRow] = {}
    problems = []
    for line, row in rows:
        name = _text(row.get(name_column))
        keys = {key: value for column, key in class_columns.items() if (value := _text(row.get(column)))}
        if not name:
            problems.append(f"line {line}: no {name_column}")
        elif name in found:
            problems.append(f"line {line}: {name!r} stands in line {found[name].line} already")
        elif need_class and not keys:
            problems.append(f"line {line}: {name!r} has no class")
        elif None in row:
            problems.append(f"line {line}: more fields than the header; quote fields that hold commas")
        else:
            found[name] = LabelRow(line, keys, {column: row.get(column, "") for column in own})
    if problems or not found:
        raise UsageError(f"{where}: " + ("; ".join(problems[:20]) if problems else "it has a header and no rows"))
    return found


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()
