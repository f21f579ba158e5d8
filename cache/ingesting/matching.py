"""Which row of a file belongs to which sample of a dataset. By name, or by order where rows have no names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cache.errors import IncompleteError
from cache.views import View
from manifests.errors import UsageError

from .rows import Match, Rows, said


@dataclass(frozen=True, slots=True)
class Matched:
    """What became of the rows.

    index
        `(n,)` the row of each sample of the dataset, in its order.
    extra
        Names of the rows that are of no sample.
    """

    index: NDArray[np.int64]
    extra: tuple[str, ...] = ()


def key_of(name: str, match: Match) -> str:
    """Return the part of a sample's name by which it is met.

    Examples
    --------
    >>> name = "cat/0001_s5n_dnn_0_cat_00_cat7-dog2.png"
    >>> key_of(name, "file name"), key_of(name, "cue")
    ('0001_s5n_dnn_0_cat_00_cat7-dog2.png', 'cat7-dog2.png')
    """
    if match == "sample":
        return name
    last = name.rsplit("/", 1)[-1]
    return last if match == "file name" else last.rsplit("_", 1)[-1]


def match_rows(rows: Rows, view: View, ways: Sequence[Match]) -> Matched:
    """Return the row of every sample.

    Parameters
    ----------
    ways
        By what names may meet, the strictest first; the first under which all samples are found counts.

    Raises
    ------
    UsageError
        When rows without names are not as many as the samples, or a sample has two rows.
    IncompleteError
        When a sample has no row.
    """
    samples = view.table["sample"].to_list()
    if not samples:
        raise UsageError(f"{view.name} has no samples.")
    if rows.samples is None:
        if rows.n != len(samples):
            raise UsageError(
                f"{rows.where} has {rows.n} rows and no names, {view.reference} has {len(samples)} samples; rows "
                "without names are taken in the order of the dataset. Give them names (`sample`)."
            )
        return Matched(np.arange(rows.n, dtype=np.int64))
    for way in ways:
        wanted = [key_of(name, way) for name in samples]
        given = [key_of(name, way) for name in rows.samples]
        if len(set(wanted)) == len(wanted) and set(wanted) <= set(given):
            return _matched(rows, wanted, given)
    return _fail(rows, view, ways)


def _matched(rows: Rows, wanted: Sequence[str], given: Sequence[str]) -> Matched:
    assert rows.samples is not None
    inside = set(wanted)
    first: dict[str, int] = {}
    twice: list[int] = []
    extra: list[str] = []
    for row, key in enumerate(given):
        if key not in inside:
            extra.append(rows.samples[row])
        elif first.setdefault(key, row) != row:
            twice.append(row)
    if twice:
        raise UsageError(
            f"{rows.where}: samples stand there twice: {said(twice, rows.samples)}. Expected one row each."
        )
    return Matched(np.array([first[key] for key in wanted], np.int64), tuple(extra))


def _fail(rows: Rows, view: View, ways: Sequence[Match]) -> Matched:
    assert rows.samples is not None
    samples = view.table["sample"].to_list()
    lacking: dict[Match, list[str]] = {}
    for way in ways:
        keys = [key_of(name, way) for name in samples]
        if len(set(keys)) == len(keys):
            given = {key_of(name, way) for name in rows.samples}
            lacking[way] = [name for name, key in zip(samples, keys, strict=True) if key not in given]
    if not lacking:
        raise UsageError(f"the samples of {view.name} cannot be told apart by {ways[-1]}, as {rows.where} names them.")
    way, absent = min(lacking.items(), key=lambda item: len(item[1]))
    raise IncompleteError(
        f"{rows.where} has no row for {len(absent)} of the {len(samples)} samples of {view.reference}, the first is "
        f"{absent[0]!r}; its own first row is of {rows.samples[0]!r} (matched by {way}). Nothing was written. Numbers "
        "for a part of a dataset need a dataset of that part: `assay-extract index PART --listing FILE`."
    )
