"""A file system that fails when it is told to: full, broken, interrupted, killed, or without power.

After SQLite's test VFS: every call is counted, the Nth one fails, and after a loss of power whatever was not synced
may be gone, in any combination that the medium could have left.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from cache.files import Disk

FAULTS = ("ENOSPC", "EIO", "EINTR", "short", "kill", "power")
_CODES = {"ENOSPC": errno.ENOSPC, "EIO": errno.EIO, "EINTR": errno.EINTR}


class Killed(BaseException):
    """The process is gone; no `except Exception` and no clean-up of ours sees it."""


@dataclass(slots=True)
class Change:
    """A change of names that a folder sync has not made durable yet.

    what
        `create` (a file or a hard link), `folder`, `rename` or `remove`.
    """

    what: str
    path: Path
    source: Path | None = None
    data: bytes | None = None
    source_synced: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """What fails, and at which call; 0: nothing."""

    what: str = "EIO"
    at: int = 0

    def __str__(self) -> str:
        return f"{self.what} at call {self.at}"


@dataclass(slots=True)
class _Memory:
    """What would be lost if the power went now."""

    changes: list[Change] = field(default_factory=list)
    unsynced: dict[int, Path] = field(default_factory=dict)


class FaultyDisk(Disk):
    """A disk whose calls are counted, and one of which fails.

    Syncs are recorded and not done, so that thousands of runs take seconds.
    """

    def __init__(self, fault: Fault = Fault(), links: bool = True, seed: int = 0) -> None:
        super().__init__("linux")
        self.fault = fault
        self.links = links
        self.calls = 0
        self.dead = False
        self._rng = random.Random(seed)
        self._memory = _Memory()

    # --- failing ---------------------------------------------------------------------------------------------------

    def _count(self, path: Path | None) -> None:
        if self.dead:
            raise Killed
        self.calls += 1
        if self.calls != self.fault.at or self.fault.what == "short":
            return
        if self.fault.what in ("kill", "power"):
            self.dead = True
            raise Killed
        code = _CODES[self.fault.what]
        raise OSError(code, os.strerror(code), None if path is None else str(path))

    def read(self, path: Path) -> bytes:
        def once() -> bytes:
            self._count(path)
            return super(FaultyDisk, self).read(path)

        return self._patiently(once)

    def make_name(self, folder: Path) -> None:
        self._count(folder)
        super().make_name(folder)
        self._memory.changes.append(Change("folder", folder))

    def open_new(self, path: Path) -> int:
        self._count(path)
        handle = super().open_new(path)
        self._memory.changes.append(Change("create", path))
        self._memory.unsynced[handle] = path
        return handle

    def write_some(self, handle: int, data: memoryview) -> int:
        if self.calls + 1 == self.fault.at and self.fault.what in ("ENOSPC", "EIO", "kill", "power"):
            # Part of it may have arrived before the end.
            super().write_some(handle, data[: self._rng.randrange(len(data) + 1)])
        self._count(None)
        if self.fault.what == "short" and self.fault.at <= self.calls:
            data = data[: self._rng.randrange(1, len(data) + 1)]
        return super().write_some(handle, data)

    def sync_handle(self, handle: int) -> None:
        self._count(None)
        self._memory.unsynced.pop(handle, None)

    def sync_folder(self, folder: Path) -> None:
        self._count(folder)
        kept = []
        for change in self._memory.changes:
            if change.source is not None and change.source.parent == folder:
                change.source_synced = True
            if change.path.parent != folder:
                kept.append(change)
        self._memory.changes = kept

    def link(self, source: Path, target: Path) -> None:
        self._count(target)
        if not self.links:
            raise OSError(errno.EPERM, "no hard links here", str(target))
        super().link(source, target)
        self._memory.changes.append(Change("create", target))

    def rename(self, source: Path, target: Path) -> None:
        self._count(target)
        super().rename(source, target)
        self._memory.changes.append(Change("rename", target, source))

    def remove(self, path: Path) -> None:
        self._count(path)
        data = path.read_bytes() if path.is_file() else None
        super().remove(path)
        if data is not None:
            self._memory.changes.append(Change("remove", path, data=data))

    def remove_folder(self, folder: Path) -> None:
        self._count(folder)
        super().remove_folder(folder)

    def touch(self, path: Path) -> float:
        self._count(path)
        return super().touch(path)

    # --- losing power ------------------------------------------------------------------------------------------------

    def lose_power(self, share: float) -> None:
        """Take back a seeded share of what was not synced, newest first; 1.0 takes back all of it."""
        for path in self._memory.unsynced.values():
            if path.is_file():
                os.truncate(path, self._rng.randrange(path.stat().st_size + 1))
        for change in reversed(self._memory.changes):
            if self._rng.random() < share:
                self._take_back(change)

    def _take_back(self, change: Change) -> None:
        path = change.path
        if change.what == "create":
            path.unlink(missing_ok=True)
        elif change.what == "folder":
            shutil.rmtree(path, ignore_errors=True)
        elif change.what == "remove":
            if path.parent.is_dir() and change.data is not None and not path.exists():
                path.write_bytes(change.data)
        elif change.source is not None and path.exists():
            if change.source_synced or not change.source.parent.is_dir() or change.source.exists():
                # The loss of the old name is durable and the new name is not: nothing is left.
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            else:
                path.rename(change.source)
