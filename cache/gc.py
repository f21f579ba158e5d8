"""Remove litter: stages of processes that died, and data that no record names.

No wall clock is read: ages are the file system's own modification times against a file touched now, so that a
laptop with a wrong clock or a server in another zone deletes nothing that lives.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .check import Records, is_ours_to_remove, known_files, read_records
from .documents import Document
from .store import Store

GRACE_SECONDS = 24 * 3600.0
"""A stage that wrote nothing for this long is taken for dead; `gc --grace` changes it."""


@dataclass(frozen=True, slots=True)
class Removed:
    """Litter that was deleted, with its size in bytes."""

    path: str
    nbytes: int

    def to_json(self) -> Document:
        """Return the JSON form."""
        return {"path": self.path, "bytes": self.nbytes}


def gc(store: Store, grace_seconds: float = GRACE_SECONDS) -> list[Removed]:
    """Delete stages and unreferenced data older than the grace, and nothing else.

    While any stage is younger than the grace a writer may be about to refer to data that it placed, so data younger
    than the oldest live stage stay as well. Data of a space with an unreadable record stay, since they may be that
    record's. Documents, records and quarantine are never touched.

    Raises
    ------
    ValueError
        When the grace is negative.
    """
    if grace_seconds < 0:
        raise ValueError(f"the grace is a number of seconds, 0 or more; got {grace_seconds}")
    disk, layout = store.disk, store.layout
    disk.make_folder(layout.local)
    now = disk.touch(layout.local / "clock")
    limit = now - grace_seconds
    removed = []
    dead: list[Path] = []
    born: list[float] = []
    for name in disk.names(layout.staging):
        newest, oldest = _ages(store, layout.staging / name)
        if newest <= limit:
            dead.append(layout.staging / name)
        else:
            born.append(oldest)
    for folder in dead:
        removed.append(_remove(store, folder))
    for path in _orphans(store, read_records(store)):
        newest = _ages(store, path)[0]
        if newest <= limit and all(newest < birth for birth in born):
            removed.append(_remove(store, path))
    return removed


def _orphans(store: Store, records: Records) -> Iterator[Path]:
    """Yield the folders of segments, and single files, that nothing refers to."""
    disk, layout = store.disk, store.layout
    known = known_files(store, records.units)
    segments = {layout.segment(u.kind, u.label, s.id) for u, commit in records.units.items() for s in commit.segments}
    seen: set[Path] = set()
    for top in ("data", "packs", "datasets"):
        for path in disk.walk(layout.root / top):
            parts = layout.relative(path).split("/")
            if "/".join(parts) in known or "/".join(parts[:3]) in records.unread or not is_ours_to_remove(parts):
                continue
            folder = layout.root.joinpath(*parts[:4])
            found = folder if top == "data" and folder not in segments else path
            if found not in seen:
                seen.add(found)
                yield found


def _ages(store: Store, path: Path) -> tuple[float, float]:
    """Return the newest and the oldest modification time of a file, or of a folder and all that is in it."""
    times = [
        status.st_mtime for inner in (path, *store.disk.walk(path)) if (status := store.disk.status(inner)) is not None
    ]
    return (max(times), min(times)) if times else (0.0, 0.0)


def _remove(store: Store, path: Path) -> Removed:
    disk = store.disk
    files = disk.walk(path) if disk.is_folder(path) else [path]
    sizes = [status.st_size for file in files if (status := disk.status(file)) is not None]
    if disk.is_folder(path):
        disk.remove_folder(path)
    else:
        disk.remove(path)
    return Removed(store.layout.relative(path), sum(sizes))
