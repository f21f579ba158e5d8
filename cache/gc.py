"""Remove litter: stages of processes that died, and data that no record names.

No wall clock is read: ages are the file system's own modification times against a file touched now, so that a
laptop with a wrong clock or a server in another zone deletes nothing that lives.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .check import known_files
from .store import Store

GRACE_SECONDS = 24 * 3600.0
"""A stage that wrote nothing for this long is taken for dead; `gc --grace` changes it."""


@dataclass(frozen=True, slots=True)
class Removed:
    """Litter that was deleted, with its size in bytes."""

    path: str
    nbytes: int


def gc(store: Store, grace_seconds: float = GRACE_SECONDS) -> list[Removed]:
    """Delete stages and unreferenced data older than the grace, and nothing else.

    While any stage is younger than the grace a writer may be about to refer to data that it placed, so data younger
    than the oldest live stage stay as well. Records, requests and quarantine are never touched.
    """
    disk, layout = store.disk, store.layout
    disk.make_folder(layout.local)
    now = disk.touch(layout.local / "clock")
    live: list[float] = []
    dead: list[Path] = []
    for name in disk.names(layout.staging):
        folder = layout.staging / name
        newest, oldest = _ages(store, folder)
        if now - newest > grace_seconds:
            dead.append(folder)
        else:
            live.append(oldest)
    known = known_files(store)
    orphans: dict[Path, list[Path]] = {}
    for path in disk.walk(layout.root / "data"):
        name = layout.relative(path)
        if name not in known:
            parts = name.split("/")
            orphans.setdefault(layout.root.joinpath(*parts[:4]), []).append(path)
    limit = min([now - grace_seconds, *live])
    removed = []
    for folder in dead:
        removed.append(Removed(layout.relative(folder), _size(store, folder)))
        disk.remove_folder(folder)
    for folder, paths in sorted(orphans.items()):
        holds_known = any(layout.relative(path) in known for path in disk.walk(folder))
        if not holds_known and _ages(store, folder)[0] < limit:
            removed.append(Removed(layout.relative(folder), sum(_nbytes(store, path) for path in paths)))
            disk.remove_folder(folder)
    return removed


def _ages(store: Store, folder: Path) -> tuple[float, float]:
    """Return the newest and the oldest modification time of a folder and all that is in it."""
    times = []
    for path in (folder, *store.disk.walk(folder)):
        status = store.disk.status(path)
        if status is not None:
            times.append(status.st_mtime)
    return (max(times), min(times)) if times else (0.0, 0.0)


def _nbytes(store: Store, path: Path) -> int:
    status = store.disk.status(path)
    return 0 if status is None else status.st_size


def _size(store: Store, folder: Path) -> int:
    return sum(_nbytes(store, path) for path in store.disk.walk(folder))
