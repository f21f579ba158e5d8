"""This machine's notes: where the bytes of an image are, and what was hashed already.

Notes live under `local/`, are never synced and never believed: whoever reads a file hashes its bytes again. A note
that is damaged or stale costs a hash, not an answer.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from cache.store import Store
from manifests.canonical import canonical_json, digest

log = logging.getLogger("assay")

_SCHEMA = {
    "path": pl.String,
    "size": pl.Int64,
    "mtime_ns": pl.Int64,
    "image_id": pl.String,
    "width": pl.Int32,
    "height": pl.Int32,
    "format": pl.String,
}
_PART_ROWS = 4096


@dataclass(frozen=True, slots=True)
class FileNote:
    """What was seen of a file when it was hashed."""

    path: str
    size: int
    mtime_ns: int
    image_id: str
    width: int
    height: int
    format: str


class Sources:
    """Notes about image files, appended in parts so that a killed `index` loses at most one part."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._folder = store.layout.local / "sources"
        self._pending: list[FileNote] = []
        self._by_path: dict[str, FileNote] = {}
        self._by_image: dict[str, list[str]] = {}
        for note in self._read():
            self._add(note)

    def _read(self) -> Iterator[FileNote]:
        disk = self._store.disk
        for name in disk.names(self._folder):
            if not name.endswith(".parquet"):
                continue
            try:
                table = pl.read_parquet(io.BytesIO(disk.read(self._folder / name))).select(list(_SCHEMA))
            except (pl.exceptions.PolarsError, OSError) as error:
                log.warning(
                    "local/sources/%s is unreadable and is ignored (%s); index again to rebuild it", name, error
                )
                continue
            for row in table.iter_rows():
                yield FileNote(*row)

    def _add(self, note: FileNote) -> None:
        self._by_path[note.path] = note
        paths = self._by_image.setdefault(note.image_id, [])
        if note.path not in paths:
            paths.append(note.path)

    def known(self, path: Path) -> FileNote | None:
        """Return the note of a file that has not changed since, by size and modification time."""
        note = self._by_path.get(str(path))
        status = self._store.disk.status(path)
        if note is None or status is None:
            return None
        return note if (status.st_size, status.st_mtime_ns) == (note.size, note.mtime_ns) else None

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
        rows = [(n.path, n.size, n.mtime_ns, n.image_id, n.width, n.height, n.format) for n in self._pending]
        buffer = io.BytesIO()
        pl.DataFrame(rows, schema=_SCHEMA, orient="row").write_parquet(buffer)
        disk = self._store.disk
        disk.make_folder(self._folder)
        name = disk.fresh_name()
        part = self._folder / f"{name}.tmp"
        disk.write_new(part, buffer.getvalue())
        disk.replace(part, self._folder / f"{name}.parquet")
        self._pending.clear()

    def paths(self, image: str) -> list[Path]:
        """Return where an image was seen, the latest note first."""
        return [Path(path) for path in reversed(self._by_image.get(image, []))]


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
