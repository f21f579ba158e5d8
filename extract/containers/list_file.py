"""A list of files as a container: CSV, JSONL or Parquet, in its own order, with its own columns."""

from __future__ import annotations

from pathlib import Path

from extract.layouts.labels_file import read_labels

from .names import Refused
from .protocol import Place
from .rows import Row, Rows


def open_list(path: Path, root: Path | None = None) -> Rows:
    """Open a list; its names are relative to `root`, else to the folder that the list lies in."""
    base = path.parent if root is None else root
    inside = base.resolve()
    rows, refused = [], []
    for key, row in read_labels(path, need_class=False).items():
        file = base / key
        if not file.resolve().is_relative_to(inside):
            refused.append(Refused(key, f"row {row.line} points outside {'--root' if root else base}"))
        elif not file.is_file():
            refused.append(Refused(key, f"row {row.line}: there is no such file below {'--root' if root else base}"))
        else:
            rows.append(Row(key, Place(str(file.absolute())), row.keys, row.extra))
    return Rows(path.stem, str(path), rows, refused, ordered=True)
