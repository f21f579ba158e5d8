"""Rows of the public tables as text, and the few ways in which their cells are read.

Knows CSV and the conventions of these tables ("" for unknown, True and False in words); knows no model.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path

from manifests.errors import UsageError
from manifests.terms import Channels

Row = Mapping[str, str]


def read_rows(path: Path) -> list[Row]:
    """Read a table.

    Raises
    ------
    UsageError
        When there is no such file.
    """
    if not path.is_file():
        raise UsageError(f"no table {path}; expected the folder with zero_shot_clip.csv and its neighbours")
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def count(cell: str) -> int | None:
    """Return a whole number, or None for an empty cell.

    Examples
    --------
    >>> count("12800000"), count("")
    (12800000, None)
    """
    return int(cell) if cell else None


def number(cell: str) -> float | None:
    """Return a number, or None for an empty cell.

    Examples
    --------
    >>> number("102.01"), number("")
    (102.01, None)
    """
    return float(cell) if cell else None


def word(cell: str) -> str | None:
    """Return a word, or None where the table says nothing.

    Examples
    --------
    >>> word("mit"), word(""), word("unknown")
    ('mit', None, None)
    """
    return None if cell in ("", "unknown") else cell


def flag(cell: str) -> bool:
    """Return whether a cell says True.

    Raises
    ------
    ValueError
        For anything but True and False.

    Examples
    --------
    >>> flag("True"), flag("False")
    (True, False)
    """
    if cell not in ("True", "False"):
        raise ValueError(f"expected True or False, got {cell!r}")
    return cell == "True"


def channels(cell: str) -> Channels | None:
    """Return three numbers, one a channel, or None for an empty cell.

    Examples
    --------
    >>> channels("[0.5, 0.5, 0.5]")
    (0.5, 0.5, 0.5)
    """
    if not cell:
        return None
    red, green, blue = json.loads(cell)
    return float(red), float(green), float(blue)
