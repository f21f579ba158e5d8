"""Commit records: the only truth about which data exist.

A record names the files of every segment of one pack with size, sha256 and crc32c, and the status of every row
that has no numbers. It is created exclusively and last.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .documents import Document, damaged, seal, unseal
from .files import Disk
from .layout import Layout
from .reading import FileFacts, fields_of, read_bytes
from .segments import TABLE, Segment
from .writing import Stage, create, place_folder, quarantine


@dataclass(frozen=True, slots=True)
class RowFailure:
    """A row that is kept although its item gave no numbers."""

    row: int
    item: str
    status: str
    detail: str


@dataclass(frozen=True, slots=True)
class SegmentFacts:
    """What a record says about one segment."""

    id: str
    rows: tuple[int, int]
    dtype: str
    shape: tuple[int, ...]
    crc32c: int
    files: tuple[FileFacts, ...]

    def file(self, name: str) -> FileFacts | None:
        """Return the facts of one of its files."""
        return next((facts for facts in self.files if facts.path == name), None)


@dataclass(frozen=True, slots=True)
class Commit:
    """One kind of one pack in one space."""

    kind: str
    space: str
    pack: str
    rows: int
    failures: tuple[RowFailure, ...]
    segments: tuple[SegmentFacts, ...]
    run: str
    parents: tuple[str, ...] = ()
    """Segment ids that these data were computed from; empty for extracted data."""
    stats: Mapping[str, float] = field(default_factory=dict)
    """As the segments say them."""

    def content(self) -> Document:
        """Return what two writers of the same unit must agree on."""
        return {
            "segments": [segment.id for segment in self.segments],
            "failures": [(failure.row, failure.status) for failure in self.failures],
            "stats": dict(self.stats),
        }

    def nbytes(self) -> int:
        """Return the size of its files."""
        return sum(facts.size for segment in self.segments for facts in segment.files)

    def to_bytes(self) -> bytes:
        """Return the document."""
        return seal(
            "commit",
            {
                "kind": self.kind,
                "space": self.space,
                "pack": self.pack,
                "rows": self.rows,
                "failures": [
                    {"row": f.row, "item": f.item, "status": f.status, "detail": f.detail} for f in self.failures
                ],
                "segments": [
                    {
                        "id": s.id,
                        "rows": list(s.rows),
                        "dtype": s.dtype,
                        "shape": list(s.shape),
                        "crc32c": s.crc32c,
                        "files": [facts.to_json() for facts in s.files],
                    }
                    for s in self.segments
                ],
                "parents": list(self.parents),
                "stats": dict(self.stats),
                "run": self.run,
            },
        )

    @classmethod
    def from_bytes(cls, data: bytes, where: str) -> Commit:
        """Read the document."""
        body = unseal(data, "commit", where)
        with fields_of(where):
            return cls._from_body(body)

    @classmethod
    def _from_body(cls, body: Mapping[str, Any]) -> Commit:
        segments = tuple(
            SegmentFacts(
                id=str(s["id"]),
                rows=(int(s["rows"][0]), int(s["rows"][1])),
                dtype=str(s["dtype"]),
                shape=tuple(int(n) for n in s["shape"]),
                crc32c=int(s["crc32c"]),
                files=tuple(FileFacts.from_json(facts) for facts in s["files"]),
            )
            for s in body["segments"]
        )
        return cls(
            kind=str(body["kind"]),
            space=str(body["space"]),
            pack=str(body["pack"]),
            rows=int(body["rows"]),
            failures=tuple(
                RowFailure(int(f["row"]), str(f["item"]), str(f["status"]), str(f["detail"])) for f in body["failures"]
            ),
            segments=segments,
            run=str(body["run"]),
            parents=tuple(str(parent) for parent in body["parents"]),
            stats={str(name): float(value) for name, value in body["stats"].items()},
        )


class Outcome(enum.Enum):
    """What became of a commit."""

    WRITTEN = "written"
    SAME = "same"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class Unit:
    """Where a commit belongs: a kind of a pack in a space (id and path label)."""

    kind: str
    space: str
    label: str
    pack: str


def read_commit(disk: Disk, layout: Layout, unit: Unit) -> Commit | None:
    """Return the record of a unit, or None where there is none.

    Raises
    ------
    IntegrityError
        When it is damaged, or is the record of something else.
    """
    path = layout.record(unit.kind, unit.label, unit.pack)
    if disk.status(path) is None:
        return None
    where = layout.relative(path)
    commit = Commit.from_bytes(read_bytes(disk, path, where), where)
    if (commit.kind, commit.space, commit.pack) != (unit.kind, unit.space, unit.pack):
        raise damaged(where, f"is the record of {commit.kind} {commit.space[:16]} {commit.pack[:16]}")
    return commit


def write_commit(
    staged: Stage,
    unit: Unit,
    segments: Sequence[Segment],
    failures: Sequence[RowFailure],
    run: str,
    parents: Sequence[str] = (),
) -> Outcome:
    """Make the segments of one unit visible.

    Returns
    -------
    Outcome
        WRITTEN, or, where another writer was first, SAME or DIFFERENT; the first record always stays.

    Raises
    ------
    ValueError
        When a row without numbers has no failure that says why, or a failure has numbers.
    """
    disk, layout = staged.disk, staged.layout
    commit = _describe(unit, segments, failures, run, parents)
    for segment in segments:
        if (first := read_commit(disk, layout, unit)) is not None:
            return _compare(first, commit)
        target = layout.segment(unit.kind, unit.label, segment.id)
        source = staged.write_folder(segment.files)
        if not place_folder(staged, source, segment.files, target):
            if (first := read_commit(disk, layout, unit)) is not None:
                return _compare(first, commit)
            # No record refers to it: the torn rest of a crash, or of a copy that was cut off.
            quarantine(disk, layout, target, "stood in the way of a segment with other bytes than its name promises")
            if not place_folder(staged, source, segment.files, target):
                first = read_commit(disk, layout, unit)
                if first is None:
                    raise OSError(f"{layout.relative(target)} cannot be written; another process keeps replacing it")
                return _compare(first, commit)
    if create(staged, layout.record(unit.kind, unit.label, unit.pack), commit.to_bytes()):
        return Outcome.WRITTEN
    first = read_commit(disk, layout, unit)
    if first is None:
        raise OSError(f"the record of {unit.kind} {unit.pack[:16]} vanished while it was written; run again")
    return _compare(first, commit)


def _describe(
    unit: Unit, segments: Sequence[Segment], failures: Sequence[RowFailure], run: str, parents: Sequence[str]
) -> Commit:
    failed = sorted(failure.row for failure in failures)
    blank = sorted(row for segment in segments for row in segment.holes)
    if failed != blank and segments[0].dtype != TABLE:
        raise ValueError(
            f"{unit.kind} of pack {unit.pack[:16]}: rows {blank[:5]} hold no numbers, failures are given for rows "
            f"{failed[:5]}; expected the same rows"
        )
    return Commit(
        kind=unit.kind,
        space=unit.space,
        pack=unit.pack,
        rows=max(segment.rows[1] for segment in segments),
        failures=tuple(failures),
        segments=tuple(SegmentFacts(s.id, s.rows, s.dtype, s.shape, s.crc32c, tuple(s.facts())) for s in segments),
        run=run,
        parents=tuple(parents),
        stats=dict(segments[0].stats),
    )


def _compare(first: Commit, ours: Commit) -> Outcome:
    return Outcome.SAME if first.content() == ours.content() else Outcome.DIFFERENT
