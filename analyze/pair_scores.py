"""Scoring what was asked of pairs of images: stored matches first, else matches made from stored patches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from cache.bindings import matched_pairs
from cache.reader import Reader
from manifests.schema import Dataset

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


def score_pairs(
    reader: Reader, found: Found, ask: Ask, policy: str, datasets: Mapping[str, Dataset] = MappingProxyType({})
) -> PairScores:
    """Return the rows of every cell of pairs that a command means.

    Parameters
    ----------
    datasets
        Manifests, which may name a dataset's usual geometry.

    Raises
    ------
    UsageError, IntegrityError
        As the reader does; when two spaces would share a row.
    """
    done, geometries = PairScores(), {name: one.geometry for name, one in datasets.items()}
    if found.matched:
        from .matched import find_matched

        asked = matched_pairs(reader.store)
        for pair in found.matched:
            usual = geometries.get(pair[1], "")
            cells, missing = find_matched(reader.store, reader, asked[pair], ask.spaces, ask.allow_partial, usual)
            done.missing += missing
            for cell in cells:
                done.add(correspondence_rows(reader, cell, policy))
                done.notes += _absent(cell.view.name, cell.listed.absent)
    if found.dense:
        from .dense_match import dense_cell

        for binding in found.dense:
            dense = dense_cell(reader, binding, geometries.get(binding.dataset, ""))
            if isinstance(dense, Missing):
                done.missing.append(dense)
            else:
                done.add(correspondence_rows(reader, dense[0], policy, dense[1]))
    return done


def _absent(dataset: str, absent: int) -> Iterable[str]:
    if absent:
        yield f"{dataset}: {absent} pairs lack their second image in this version and are no pairs of it."
