"""The `--labels` and `--listing` file: CSV with `file` (or `sample`) and one of `class_index`, `wnid`, `label`."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from manifests.errors import UsageError

CLASS_COLUMNS = ("class_index", "wnid", "label")
RESERVED = ("sample", "image_id")
"""Columns of every dataset version, which a file of labels may not replace."""


@dataclass(frozen=True, slots=True)
class LabelRow:
    """One row: its line in the file, what it says of the class, and its other columns."""

    line: int
    keys: Mapping[str, str]
    extra: Mapping[str, str]


def read_labels(path: Path, need_class: bool = True) -> dict[str, LabelRow]:
    """Read a labels file; a byte-order mark, CRLF and quoted commas are fine.

    Raises
    ------
    UsageError
        With every bad row: no name, a name twice, no class.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read as UTF-8 text ({error})") from error
    reader = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True)
    columns = [name.strip() for name in reader.fieldnames or []]
    reader.fieldnames = columns
    name_column = next((name for name in ("file", "sample") if name in columns), None)
    class_columns = [name for name in CLASS_COLUMNS if name in columns]
    if name_column is None or (need_class and not class_columns):
        raise UsageError(
            f"{path}: expected the columns `file` and one of {', '.join(CLASS_COLUMNS)}; "
            f"got {', '.join(columns) or 'none'}"
        )
    if taken := [name for name in columns if name in RESERVED and name != name_column]:
        raise UsageError(
            f"{path}: the column {taken[0]!r} has a meaning of its own in every dataset; call yours something else"
        )
    rows: dict[str, LabelRow] = {}
    problems = []
    for row in _rows(reader, path):
        name = (row.get(name_column) or "").strip()
        keys = {column: value.strip() for column in class_columns if (value := row.get(column)) and value.strip()}
        if not name:
            problems.append(f"line {reader.line_num}: no {name_column}")
        elif name in rows:
            problems.append(f"line {reader.line_num}: {name!r} stands in line {rows[name].line} already")
        elif need_class and not keys:
            problems.append(f"line {reader.line_num}: {name!r} has no class")
        elif None in row:
            problems.append(f"line {reader.line_num}: more fields than the header; quote fields that hold commas")
        else:
            extra = {c: row[c] or "" for c in columns if c not in (name_column, *CLASS_COLUMNS)}
            rows[name] = LabelRow(reader.line_num, keys, extra)
    if problems or not rows:
        raise UsageError(f"{path}: " + ("; ".join(problems[:20]) if problems else "it has a header and no rows"))
    return rows


def _rows(reader: csv.DictReader[str], path: Path) -> Iterator[dict[str, str | None]]:
    try:
        yield from reader
    except csv.Error as error:
        raise UsageError(f"{path}: what follows line {reader.line_num} is not CSV ({error})") from error
