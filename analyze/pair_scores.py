"""Scoring what was asked of pairs of images: stored matches first, else matches made from stored patches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from cache.bindings import matched_pairs
from cache.reader import Reader

from .asked import Ask
from .cell import Found, Missing
from .correspondence_rows import Matched, correspondence_rows
from .table import Result


@dataclass(slots=True)
class PairScores:
    """Rows, and what a reader of them should know."""

    results: list[Result] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, found: Matched) -> None:
        """Add the rows of a cell."""
        self.results += found.results
        self.failed += [found.failed] if found.failed else []
        self.notes += found.notes


def score_pairs(reader: Reader, found: Found, ask: Ask, policy: str) -> PairScores:
    """Return the rows of every cell of pairs that a command means.

    Raises
    ------
    UsageError, IntegrityError
        As the reader does; when two spaces would share a row.
    """
    done = PairScores()
    if found.matched:
        from .matched import find_matched

        asked = matched_pairs(reader.store)
        for pair in found.matched:
            cells, missing = find_matched(reader.store, reader, asked[pair], ask.spaces, ask.allow_partial)
            done.missing += missing
            for cell in cells:
                done.add(correspondence_rows(reader, cell, policy))
                done.notes += _absent(cell.view.name, cell.listed.absent)
    if found.dense:
        from .dense_match import dense_cell

        for binding in found.dense:
            dense = dense_cell(reader, binding)
            if isinstance(dense, Missing):
                done.missing.append(dense)
            else:
                done.add(correspondence_rows(reader, dense[0], policy, dense[1]))
    return done


def _absent(dataset: str, absent: int) -> Iterable[str]:
    if absent:
        yield f"{dataset}: {absent} pairs lack their second image in this version and are no pairs of it."
