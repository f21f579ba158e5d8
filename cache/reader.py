"""Reading numbers: which cells are here, and their rows in the order of a view.

A unit of data is HERE (record and data), REMOTE (record, no data, and a remote has it), LOST (record, no data)
or ABSENT (no record). Reading is in pack order with memory bounded by one segment.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .commits import Commit, RowFailure, SegmentFacts, Unit, read_commit
from .documents import damaged
from .errors import IncompleteError
from .item_rows import gather, listed_places
from .key import pack_id
from .layout import TABLE_KINDS, parse_record
from .packs import Pack, read_pack
from .positions import VIRTUAL, Place, Positions, follow, places_of, positions_of
from .reading import (
    FileFacts,
    fields_of,
    read_bytes,
    read_chunk,
    read_description,
    read_sharded,
    read_table,
    read_verified,
)
from .record_checks import check_description, check_holes, check_rows
from .remedies import remedy
from .segments import about, segment_id
from .spaces import Space
from .store import Store
from .views import View
from .zero_shot import Head, zero_shot_logits


class State(enum.Enum):
    """Whether a unit's numbers can be read here. REMOTE joins when remotes do."""

    HERE = "here"
    LOST = "lost"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows of a view.

    index
        `(b,)` positions in the view.
    values
        `(b, ...)` stored rows, read-only; rows with a failure hold NaN.
    failures
        Position in the view -> why there are no numbers.
    """

    index: NDArray[np.int64]
    values: NDArray[Any]
    failures: Mapping[int, RowFailure]


class Reader:
    """Reads segments of one store; remembers verified records and packs, never data."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._commits: dict[Unit, Commit | None] = {}
        self._packs: dict[str, Pack] = {}

    # --- records ---------------------------------------------------------------------------------------------

    def unit(self, kind: str, space: Space, pack: str) -> Unit:
        """Name a unit of data."""
        return Unit(kind, space.id, space.label, pack)

    def commit(self, unit: Unit) -> Commit | None:
        """Return a verified record, or None."""
        if unit not in self._commits:
            commit = read_commit(self.store.disk, self.store.layout, unit)
            if commit is not None:
                check_rows(commit, self.pack(unit.pack).items, self._where(unit))
            self._commits[unit] = commit
        return self._commits[unit]

    def _where(self, unit: Unit) -> str:
        return self.store.layout.relative(self.store.layout.record(unit.kind, unit.label, unit.pack))

    def pack(self, pack: str) -> Pack:
        """Return a verified pack."""
        if pack not in self._packs:
            self._packs[pack] = read_pack(self.store.disk, self.store.layout, pack)
        return self._packs[pack]

    def state(self, unit: Unit) -> State:
        """Tell whether a unit can be read, without reading its data."""
        commit = self.commit(unit)
        if commit is None:
            return State.ABSENT
        for segment in commit.segments:
            folder = self.store.layout.segment(unit.kind, unit.label, segment.id)
            if any(self.store.disk.status(folder / facts.path) is None for facts in segment.files):
                return State.LOST
        return State.HERE

    def committed(self, kind: str, label: str) -> list[str]:
        """Return the packs that have a record of a kind in a space."""
        folder = self.store.layout.records(kind, label)
        return [pack for name in self.store.disk.names(folder) if (pack := parse_record(name))]

    # --- data ------------------------------------------------------------------------------------------------

    def segment(self, unit: Unit, facts: SegmentFacts) -> NDArray[Any]:
        """Return the rows of one segment, verified."""
        disk, layout = self.store.disk, self.store.layout
        folder = layout.segment(unit.kind, unit.label, facts.id)
        where = layout.relative(folder)
        metadata = self._file(unit, facts, "zarr.json")
        description = read_description(disk, folder / metadata.path, metadata, f"{where}/{metadata.path}")
        check_description(self._needed(unit), facts, description, self._where(unit))
        chunks = [file for file in facts.files if file.path != "zarr.json"]
        if unit.kind == "patches":
            files = {"zarr.json": read_bytes(disk, folder / "zarr.json", f"{where}/zarr.json")}
            for file in chunks:
                files[file.path] = read_verified(disk, folder / file.path, file, f"{where}/{file.path}")
            values = read_sharded(files, slice(None), where)
        elif len(chunks) != 1:
            raise damaged(self._where(unit), f"names {len(chunks)} chunk files for a segment, expected one")
        else:
            path = f"{where}/{chunks[0].path}"
            values = read_chunk(disk, folder / chunks[0].path, chunks[0], facts.crc32c, facts.dtype, facts.shape, path)
        check_holes(self._needed(unit), facts, values, self._where(unit))
        return values

    def _file(self, unit: Unit, facts: SegmentFacts, name: str) -> FileFacts:
        file = facts.file(name)
        if file is None:
            raise damaged(self._where(unit), f"names no {name} for segment {facts.id[:16]}")
        return file

    def table(self, unit: Unit) -> pl.DataFrame:
        """Return the rows of a unit whose kind is a table, one an item of its pack."""
        commit = self._needed(unit)
        if len(commit.segments) != 1:
            raise damaged(self._where(unit), f"names {len(commit.segments)} segments for a table, expected one")
        facts = commit.segments[0]
        folder = self.store.layout.segment(unit.kind, unit.label, facts.id)
        file = self._file(unit, facts, "rows.parquet")
        described = about(unit.kind, unit.space, unit.pack, facts.rows, commit.stats)
        if segment_id(described, facts.dtype, facts.shape, file.sha256) != facts.id:
            raise damaged(self._where(unit), f"describes segment {facts.id[:16]} otherwise than its id does")
        where = f"{self.store.layout.relative(folder)}/{file.path}"
        return read_table(self.store.disk, folder / file.path, file, where)

    def segments(self, unit: Unit) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield first row and rows of each segment of a unit."""
        for facts in self._needed(unit).segments:
            yield facts.rows[0], self.segment(unit, facts)

    def _needed(self, unit: Unit) -> Commit:
        commit = self.commit(unit)
        state = self.state(unit)
        if commit is None or state is not State.HERE:
            raise IncompleteError(
                f"{unit.kind} of {unit.label} for pack {unit.pack[:16]} are {state.value}. "
                + self._remedy(unit.kind, unit.label, state)
            )
        return commit

    def _remedy(self, kind: str, label: str, state: State) -> str:
        return remedy(kind, self.store.space(label), lost=state is State.LOST)

    def blocks(self, kind: str, space: Space, view: View, *, head: str | None = None) -> Iterator[Block]:
        """Yield a view's rows, pack by pack, each row of the view exactly once.

        Parameters
        ----------
        head
            For `logits`: compute them from embeddings with this head id instead of reading stored ones, per whole
            segment, so that a row's numbers do not depend on which rows were asked for.

        Raises
        ------
        IntegrityError
            When an image of the view is in none of its packs, or data are damaged.
        IncompleteError
            When data are not here.
        """
        view = self.followed(kind if head is None else "embeddings", space, view)
        wanted = self.positions(view)
        weights = None if head is None else self.head(space, head)
        for pack in view.packs:
            rows = wanted.get(pack)
            if rows is None:
                continue
            unit = self.unit(kind if weights is None else "embeddings", space, pack)
            commit = self._needed(unit)
            failed = {failure.row: failure for failure in commit.failures}
            index, row_in_pack = rows
            for start, stored in self.segments(unit):
                values = stored if weights is None else zero_shot_logits(stored, weights)
                chosen = (row_in_pack >= start) & (row_in_pack < start + len(values))
                if not chosen.any():
                    continue
                places, picked = index[chosen], row_in_pack[chosen]
                failures = {int(at): failed[int(row)] for at, row in zip(places, picked, strict=True) if row in failed}
                yield Block(places, _picked(values, picked - start), failures)

    def positions(self, view: View) -> Positions:
        """Return, for each pack that a view needs, positions in the view and the rows of the pack that stand there.

        Raises
        ------
        IntegrityError
            When an image of the view is in none of its packs.
        """
        return positions_of(view, [self.pack(pack) for pack in view.packs])

    def followed(self, kind: str, space: Space, view: View) -> View:
        """Return a view as numbers of a kind in a space see it.

        Numbers that were ingested before the images were here belong to virtual ids. The view's own packs come first;
        samples whose pack has no record go by the id under which they were listed.
        """
        if VIRTUAL not in view.table.columns:
            return view
        committed = self.committed(kind, space.label)
        lacking = [pack for pack in self.needed_packs(view) if pack not in committed]
        if not lacking:
            return view
        images = {item for pack in lacking for item in self.pack(pack).items}
        return follow(view, images, [self.pack(pack) for pack in committed if pack not in view.packs])

    def needed_packs(self, view: View) -> tuple[str, ...]:
        """Return the packs that hold at least one image of a view."""
        wanted = self.positions(view)
        return tuple(pack for pack in view.packs if pack in wanted)

    def head(self, space: Space, head: str) -> Head:
        """Return a stored zero-shot head by its id."""
        unit = self.unit("heads", space, pack_id([head]))
        commit = self._needed(unit)
        ((weights,),) = (values for _, values in self.segments(unit))
        with fields_of(self._where(unit)):
            return Head(weights, commit.stats["logit_scale"], commit.stats["logit_bias"])

    # --- items -----------------------------------------------------------------------------------------------

    def rows(self, kind: str, space: Space, item_ids: Sequence[str], *, head: str | None = None) -> NDArray[Any]:
        """Return the rows of items in the caller's order; see `Store.rows`. A failed item's row is NaN."""
        if kind in TABLE_KINDS:
            raise ValueError(f"{kind} are tables; expected an array kind")
        if len(item_ids) == 0:
            raise ValueError("expected at least one item id, got none")
        weights = None if head is None else self.head(space, head)
        kind = kind if weights is None else "embeddings"
        places = self.places(kind, space)
        absent = [item for item in item_ids if item not in places]
        if absent:
            places |= listed_places(self.store, absent, places)
            absent = [item for item in absent if item not in places]
        if absent:
            raise IncompleteError(
                f"{len(absent)} of {len(item_ids)} items have no {kind} in {space.label}, the first is "
                f"{absent[0][:16]}. " + self._remedy(kind, space.label, State.ABSENT)
            )
        return self.gather(kind, space, [places[item] for item in item_ids], weights)

    def places(self, kind: str, space: Space) -> dict[str, Place]:
        """Return pack and row of every item that has a record of a kind in a space."""
        return places_of(self.pack(pack) for pack in self.committed(kind, space.label))

    def gather(self, kind: str, space: Space, places: Sequence[Place], head: Head | None = None) -> NDArray[Any]:
        """Return the rows at (pack, row) places, in their order, each segment read once."""

        def parts(pack: str) -> Iterator[tuple[int, NDArray[Any]]]:
            for start, stored in self.segments(self.unit(kind, space, pack)):
                yield start, stored if head is None else zero_shot_logits(stored, head)

        return gather(places, parts, lambda pack: self._where(self.unit(kind, space, pack)))


def _picked(values: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[Any]:
    # Most views take a segment's rows in their order: then a slice does, and nothing is copied.
    if (np.diff(rows) == 1).all():
        return values[rows[0] : rows[0] + len(rows)]
    return np.asarray(values[rows])
