"""Whether a commit record, its pack and its arrays say the same; each describes the others.

A record that was edited, or put together from parts of others, contradicts the array; and other Zarr readers will
believe the array.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from .commits import Commit, SegmentFacts
from .documents import Document, damaged
from .segments import about, holes


def check_rows(commit: Commit, items: Sequence[str], where: str) -> None:
    """Compare a record with its pack: every row in one segment, every failure of the item that stands there.

    Raises
    ------
    IntegrityError
        When they differ.
    """
    if commit.rows != len(items):
        raise damaged(where, f"{commit.rows} rows, its pack has {len(items)}")
    stop = 0
    for segment in commit.segments:
        if segment.rows[0] != stop:
            raise damaged(where, f"its segments leave a gap at row {stop}")
        stop = segment.rows[1]
        if not segment.shape or segment.shape[0] != stop - segment.rows[0]:
            raise damaged(where, f"a segment of shape {segment.shape} for rows {segment.rows}")
    if stop != len(items):
        raise damaged(where, f"its segments end at row {stop} of {len(items)}")
    for failure in commit.failures:
        if not 0 <= failure.row < len(items) or items[failure.row] != failure.item:
            raise damaged(where, f"its failure at row {failure.row} is of an item that stands elsewhere")


def check_description(commit: Commit, facts: SegmentFacts, description: Document, where: str) -> None:
    """Compare a record with the `zarr.json` of one of its segments.

    Raises
    ------
    IntegrityError
        When they differ.
    """
    said = (description.get("attributes"), description.get("data_type"), description.get("shape"))
    expected = about(commit.kind, commit.space, commit.pack, facts.rows, commit.stats)
    if said != (expected, facts.dtype, list(facts.shape)):
        raise damaged(where, f"describes segment {facts.id[:16]} otherwise than its zarr.json does")


def check_holes(commit: Commit, facts: SegmentFacts, values: NDArray[Any], where: str) -> None:
    """Compare the failures of a record with the rows of a segment that hold no numbers.

    Raises
    ------
    IntegrityError
        When they differ.
    """
    start, stop = facts.rows
    failed = sorted(failure.row for failure in commit.failures if start <= failure.row < stop)
    blank = [int(row) + start for row in holes(values)]
    if failed != blank:
        raise damaged(where, f"gives failures for rows {failed[:5]}, but rows {blank[:5]} hold no numbers")
