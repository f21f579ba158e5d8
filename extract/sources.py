"""This machine's notes: where the bytes of an image are, and what was hashed already.

Notes live under `local/`, are never synced and never believed: whoever reads a file hashes its bytes again. A note
that is damaged or stale costs a hash, not an answer.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from cache.store import Store
from manifests.canonical import canonical_json, digest

from .containers.protocol import Place

log = logging.getLogger("assay")

_SCHEMA = {
    "path": pl.String,
    "size": pl.Int64,
    "mtime_ns": pl.Int64,
    "image_id": pl.String,
    "width": pl.Int32,
    "height": pl.Int32,
    "format": pl.String,
    "offset": pl.Int64,
    "stretch": pl.Int64,
    "member": pl.String,
    "file_size": pl.Int64,
}
_LATER = {"offset": pl.lit(0), "stretch": pl.lit(-1), "member": pl.lit(""), "file_size": pl.col("size")}
"""Columns that older notes lack; all of those are of whole files."""

_PART_ROWS = 4096


@dataclass(frozen=True, slots=True)
class FileNote:
    """What was seen of an image when it was hashed.

    place
        Where its bytes are.
    size
        How many bytes it has; not those of its place where that is compressed.
    mtime_ns, file_size
        What the system said of the file that holds it.
    """

    place: Place
    size: int
    mtime_ns: int
    image_id: str
    width: int
    height: int
    format: str
    file_size: int


class Sources:
    """Notes about image files, appended in parts so that a killed `index` loses at most one part."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._folder = store.layout.local / "sources"
        self._pending: list[FileNote] = []
        self._by_place: dict[Place, FileNote] = {}
        self._by_image: dict[str, tuple[Place, ...]] = {}
        for note in self._read():
            self._add(note)

    def _read(self) -> Iterator[FileNote]:
        disk = self._store.disk
        # Oldest first. Names begin with the time; those of earlier versions of this module have none.
        for name in sorted(disk.names(self._folder), key=lambda name: ("-" in name, name)):
            if not name.endswith(".parquet"):
                continue
            try:
                table = pl.read_parquet(io.BytesIO(disk.read(self._folder / name)))
                table = table.with_columns(
                    value.cast(_SCHEMA[column]).alias(column)
                    for column, value in _LATER.items()
                    if column not in table.columns
                ).select(list(_SCHEMA))
            except (pl.exceptions.PolarsError, OSError) as error:
                log.warning(
                    "local/sources/%s is unreadable and is ignored (%s); index again to rebuild it", name, error
                )
                continue
            for path, size, mtime, image, width, height, kind, offset, stretch, member, file_size in table.iter_rows():
                place = Place(path, offset, stretch, member)
                yield FileNote(place, size, mtime, image, width, height, kind, file_size)

    def _add(self, note: FileNote) -> None:
        self._by_place[note.place] = note
        places = self._by_image.get(note.image_id, ())
        if note.place not in places:
            self._by_image[note.image_id] = (*places, note.place)

    def known(self, place: Place) -> FileNote | None:
        """Return the note of an image whose file has not changed since, by size and modification time."""
        note = self._by_place.get(place)
        status = None if note is None else self._store.disk.status(Path(place.path))
        if note is None or status is None:
            return None
        return note if (status.st_size, status.st_mtime_ns) == (note.file_size, note.mtime_ns) else None

    def add(self, note: FileNote) -> None:
        """Remember a hashed file; written out every few thousand."""
        self._add(note)
        self._pending.append(note)
        if len(self._pending) >= _PART_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what is not written yet as one more part."""
        if not self._pending:
            return
        rows = [
            (
                *(n.place.path, n.size, n.mtime_ns, n.image_id, n.width, n.height, n.format),
                *(n.place.offset, n.place.size, n.place.member, n.file_size),
            )
            for n in self._pending
        ]
        buffer = io.BytesIO()
        pl.DataFrame(rows, schema=_SCHEMA, orient="row").write_parquet(buffer)
        disk = self._store.disk
        disk.make_folder(self._folder)
        name = f"{time.time_ns():020d}-{disk.fresh_name()}"
        part = self._folder / f"{name}.tmp"
        disk.write_new(part, buffer.getvalue())
        disk.replace(part, self._folder / f"{name}.parquet")
        self._pending.clear()

    def places(self, image: str) -> list[Place]:
        """Return where an image was seen, the latest note first."""
        return list(reversed(self._by_image.get(image, ())))

    def paths(self, image: str) -> list[Path]:
        """Return the files in which an image was seen, the latest note first."""
        return [Path(place.path) for place in self.places(image)]


class Memo:
    """Small facts that are dear to compute: the sha256 of a weights file, the shape of an architecture."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._folder = store.layout.local / "memo"

    def _path(self, key: tuple[Any, ...]) -> Path:
        return self._folder / f"{digest('memo', list(key))}.json"

    def get(self, key: tuple[Any, ...]) -> Any | None:
        """Return a fact, or None where it is not known or its note cannot be read."""
        path = self._path(key)
        if self._store.disk.status(path) is None:
            return None
        try:
            note = json.loads(self._store.disk.read(path))
            value, check = note["value"], note["check"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return value if check == _check(key, value) else None

    def put(self, key: tuple[Any, ...], value: Any) -> None:
        """Remember a fact."""
        disk = self._store.disk
        disk.make_folder(self._folder)
        part = self._folder / f"{disk.fresh_name()}.tmp"
        note = {"key": list(key), "value": value, "check": _check(key, value)}
        disk.write_new(part, json.dumps(note).encode())
        disk.replace(part, self._path(key))


def _check(key: tuple[Any, ...], value: Any) -> str:
    return hashlib.sha256(canonical_json([list(key), value])).hexdigest()
