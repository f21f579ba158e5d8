"""Columns of a dataset version: `sample`, `image_id`, `label`, and the set's own, each of one type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from manifests.errors import UsageError

from .classes import Labels
from .layouts.entries import Entry, Value


def view_table(
    entries: Sequence[Entry],
    ids: Sequence[str],
    labels: Labels,
    rows: Sequence[int],
    virtual: Mapping[int, str],
    declared: Mapping[str, pl.DataType],
) -> pl.DataFrame:
    """Return the rows of a version.

    Parameters
    ----------
    rows
        Positions in `entries`, `ids` and `labels` that are taken.
    virtual
        Position -> the id under which the sample was listed before its image was here.
    declared
        Types of own columns in which there may be no value to tell it by.

    Raises
    ------
    UsageError
        When a column holds values of several types.
    """
    own = {name for at in rows for name in entries[at].extra}
    columns = {
        "sample": pl.Series([entries[at].sample for at in rows], dtype=pl.String),
        "image_id": pl.Series([ids[at] for at in rows], dtype=pl.String),
        "label": pl.Series([labels.indices[at] for at in rows], dtype=pl.Int64),
    }
    for name in sorted(own):
        columns[name] = _typed(name, [entries[at].extra.get(name) for at in rows], declared)
    if any(labels.accepted[at] is not None for at in rows):
        accepted = [labels.accepted[at] for at in rows]
        columns["labels"] = pl.Series([None if a is None else list(a) for a in accepted], dtype=pl.List(pl.Int64))
    if virtual:
        columns["virtual_id"] = pl.Series([virtual.get(at) for at in rows], dtype=pl.String)
    return pl.DataFrame(columns)


def _typed(name: str, values: Sequence[Value], declared: Mapping[str, pl.DataType]) -> pl.Series:
    if name in declared:
        return pl.Series(values, dtype=declared[name])
    inner = [value for row in values if isinstance(row, list) for value in row]
    lists = any(isinstance(row, list) for row in values)
    kinds = {type(value) for value in (inner if lists else values) if value is not None}
    if lists and any(row is not None and not isinstance(row, list) for row in values):
        kinds.add(list)
    if kinds == {int, float}:
        kinds = {float}
    known = {bool: pl.Boolean, int: pl.Int64, float: pl.Float64, str: pl.String}
    if len(kinds) > 1 or not kinds <= set(known):
        raise UsageError(
            f"the column {name!r} holds {', '.join(sorted(kind.__name__ for kind in kinds))}; "
            "expected values of one type (true or false, numbers, texts, or lists of those)."
        )
    dtype = known[next(iter(kinds))] if kinds else pl.String
    return pl.Series(values, dtype=pl.List(dtype) if lists else dtype, strict=False)
