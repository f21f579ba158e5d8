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
from .key import pack_id
from .layout import TABLE_KINDS, parse_record
from .packs import Pack, read_pack
from .reading import read_chunk, read_sharded, read_table, read_verified
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
        `(b, ...)` stored rows; rows with a failure hold NaN.
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
                self._check_rows(unit, commit)
            self._commits[unit] = commit
        return self._commits[unit]

    def _check_rows(self, unit: Unit, commit: Commit) -> None:
        items = self.pack(unit.pack).items
        where = self.store.layout.relative(self.store.layout.record(unit.kind, unit.label, unit.pack))
        if commit.rows != len(items):
            raise damaged(where, f"{commit.rows} rows, its pack has {len(items)}")
        stop = 0
        for segment in commit.segments:
            if segment.rows[0] != stop:
                raise damaged(where, f"its segments leave a gap at row {stop}")
            stop = segment.rows[1]
        if stop != len(items):
            raise damaged(where, f"its segments end at row {stop} of {len(items)}")

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
        # The array's own description is compared too, since other Zarr readers will believe it.
        description = read_verified(disk, folder / "zarr.json", facts.file("zarr.json"), f"{where}/zarr.json")
        chunks = [file for file in facts.files if file.path != "zarr.json"]
        if unit.kind == "patches":
            files = {"zarr.json": description}
            for file in chunks:
                files[file.path] = read_verified(disk, folder / file.path, file, f"{where}/{file.path}")
            return read_sharded(files, slice(None), where)
        (chunk,) = chunks
        return read_chunk(
            disk, folder / chunk.path, chunk, facts.crc32c, facts.dtype, facts.shape, f"{where}/{chunk.path}"
        )

    def table(self, unit: Unit) -> pl.DataFrame:
        """Return the rows of a unit whose kind is a table."""
        commit = self._needed(unit)
        (facts,) = commit.segments
        folder = self.store.layout.segment(unit.kind, unit.label, facts.id)
        file = facts.file("rows.parquet")
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
                f"{unit.kind} of {unit.label} for pack {unit.pack[:16]} are {state.value}. " + remedy(unit.kind, state)
            )
        return commit

    def blocks(self, kind: str, space: Space, view: View) -> Iterator[Block]:
        """Yield a view's rows, pack by pack, each row of the view exactly once.

        Raises
        ------
        IntegrityError
            When an image of the view is in none of its packs, or data are damaged.
        IncompleteError
            When data are not here.
        """
        wanted = self._positions(view)
        for pack in view.packs:
            rows = wanted.get(pack)
            if rows is None:
                continue
            unit = self.unit(kind, space, pack)
            commit = self._needed(unit)
            failed = {failure.row: failure for failure in commit.failures}
            index, row_in_pack = rows
            for start, values in self.segments(unit):
                chosen = (row_in_pack >= start) & (row_in_pack < start + len(values))
                if not chosen.any():
                    continue
                places, picked = index[chosen], row_in_pack[chosen]
                failures = {int(at): failed[int(row)] for at, row in zip(places, picked, strict=True) if row in failed}
                yield Block(places, values[picked - start], failures)

    def _positions(self, view: View) -> dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]]:
        images = view.table["image_id"].to_list()
        place: dict[str, tuple[str, int]] = {}
        for pack in view.packs:
            for row, item in enumerate(self.pack(pack).items):
                place.setdefault(item, (pack, row))
        found: dict[str, tuple[list[int], list[int]]] = {}
        for at, image in enumerate(images):
            if image not in place:
                raise damaged(f"datasets/{view.reference}.json", f"image {image[:16]} is in none of its packs")
            pack, row = place[image]
            at_list, row_list = found.setdefault(pack, ([], []))
            at_list.append(at)
            row_list.append(row)
        return {
            pack: (np.asarray(at_list, np.int64), np.asarray(row_list, np.int64))
            for pack, (at_list, row_list) in found.items()
        }

    def needed_packs(self, view: View) -> tuple[str, ...]:
        """Return the packs that hold at least one image of a view."""
        wanted = self._positions(view)
        return tuple(pack for pack in view.packs if pack in wanted)

    def head(self, space: Space, head: str) -> Head:
        """Return a stored zero-shot head by its id."""
        (weights,) = self.rows("heads", space, [head])
        commit = self._needed(self.unit("heads", space, pack_id([head])))
        return Head(weights, commit.stats["logit_scale"], commit.stats["logit_bias"])

    def rows(self, kind: str, space: Space, item_ids: Sequence[str], *, head: str | None = None) -> NDArray[Any]:
        """Return the rows of items in the caller's order; see `Store.rows`."""
        if kind in TABLE_KINDS:
            raise ValueError(f"{kind} are tables; expected an array kind")
        if head is not None:
            return zero_shot_logits(self.rows("embeddings", space, item_ids), self.head(space, head))
        place: dict[str, tuple[str, int]] = {}
        for pack in self.committed(kind, space.label):
            for row, item in enumerate(self.pack(pack).items):
                place.setdefault(item, (pack, row))
        absent = [item for item in item_ids if item not in place]
        if absent:
            raise IncompleteError(
                f"{len(absent)} of {len(item_ids)} items have no {kind} in {space.label}, the first is "
                f"{absent[0][:16]}. " + remedy(kind, State.ABSENT)
            )
        out: NDArray[Any] | None = None
        by_pack: dict[str, list[int]] = {}
        for at, item in enumerate(item_ids):
            by_pack.setdefault(place[item][0], []).append(at)
        for pack, places in by_pack.items():
            picked = np.asarray([place[item_ids[at]][1] for at in places])
            for start, values in self.segments(self.unit(kind, space, pack)):
                chosen = (picked >= start) & (picked < start + len(values))
                if out is None:
                    out = np.empty((len(item_ids), *values.shape[1:]), values.dtype)
                out[np.asarray(places)[chosen]] = values[picked[chosen] - start]
        if out is None:
            raise ValueError("expected at least one item id, got none")
        return out


def remedy(kind: str, state: State) -> str:
    """Say which command mends a cell that is not here."""
    if state is State.LOST:
        return "Their record is here but their data are gone: `assay-cache repair`, then `assay-extract run` again."
    if kind in ("text", "heads"):
        return "`assay-extract run --model M --kinds text --prompts P` encodes them (no image pass)."
    return "`assay-extract run --model M --dataset D` extracts them."
