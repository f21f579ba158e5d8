"""Every file-system call of the store, and nothing else.

One class, so that a test can replace it and make any call fail, tear or lose its un-synced writes.
The rules of the format rest on four of its methods: `write_new` (never overwrites), `link_new` (atomic and
exclusive), `rename_new` (atomic) and `sync_folder` (makes a name survive power loss).
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import socket
import sys
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

# What file systems without hard links answer to link(2): FAT and exFAT, some FUSE and SMB mounts, Android.
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV, errno.EACCES}
# What file systems answer that cannot sync a folder: some FUSE, SMB and NFS mounts. They order names themselves.
_NO_FOLDER_SYNC = {errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
_TAKEN = {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EISDIR}
# Windows answers these while a virus scanner or an indexer holds a file open for a moment.
_SHARING_VIOLATIONS = {5, 32, 33}
_ATTEMPTS = 8


class Disk:
    """A local file system, one method a call.

    `platform` decides the portability rules and is an argument only so that tests can ask for another one.
    """

    def __init__(self, platform: str = sys.platform) -> None:
        self.platform = platform

    # --- reading -------------------------------------------------------------------------------------------

    def read(self, path: Path) -> bytes:
        """Return the whole file."""

        def whole() -> bytes:
            with path.open("rb") as stream:
                return stream.read()

        return self._patiently(whole)

    def read_at(self, path: Path, offset: int, size: int) -> bytes:
        """Return at most `size` bytes from `offset`."""

        def part() -> bytes:
            with path.open("rb") as stream:
                stream.seek(offset)
                return stream.read(size)

        return self._patiently(part)

    def status(self, path: Path) -> os.stat_result | None:
        """Return size and times, or None where nothing is."""
        try:
            return path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def names(self, folder: Path) -> list[str]:
        """Return the sorted names in a folder; an absent folder has none."""
        try:
            return sorted(os.listdir(folder))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def is_folder(self, path: Path) -> bool:
        """Tell whether a folder stands there."""
        return path.is_dir()

    def walk(self, folder: Path) -> list[Path]:
        """Return every file below a folder, sorted."""
        found: list[Path] = []
        for name in self.names(folder):
            path = folder / name
            if self.is_folder(path):
                found.extend(self.walk(path))
            else:
                found.append(path)
        return found

    # --- writing -------------------------------------------------------------------------------------------

    def make_folder(self, folder: Path) -> None:
        """Create a folder and its parents; one that exists is fine.

        Each new name is made durable in its parent, so that a power loss cannot take a folder
        away from under a record that was synced into it.

        Raises
        ------
        NotADirectoryError
            When a file has the name.
        """
        missing: list[Path] = []
        current = folder
        while not self.is_folder(current):
            missing.append(current)
            current = current.parent
        for path in reversed(missing):
            self._make_one(path)
            self.sync_folder(path.parent)

    def _make_one(self, path: Path) -> None:
        try:
            self.make_name(path)
        except FileExistsError as error:
            if not self.is_folder(path):
                raise NotADirectoryError(errno.ENOTDIR, "a file has the name of a folder", str(path)) from error

    def make_name(self, folder: Path) -> None:
        """Call mkdir(2)."""
        os.mkdir(folder)

    def write_new(self, path: Path, data: bytes) -> None:
        """Write and sync a file that must not exist yet. One that cannot be finished is taken away again.

        Raises
        ------
        FileExistsError
            When the name is taken; the file that has it is left alone.
        """
        handle = self.open_new(path)
        try:
            view = memoryview(data)
            while view:
                view = view[self._patiently(partial(self.write_some, handle, view)) :]
            self._patiently(partial(self.sync_handle, handle))
        except BaseException:
            os.close(handle)
            # The name was ours alone. Left there, half a record would stand where nobody may write a whole one.
            with contextlib.suppress(OSError):
                self.remove(path)
            raise
        os.close(handle)

    def open_new(self, path: Path) -> int:
        """Open a file for writing that must not exist yet."""
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
        return self._patiently(lambda: os.open(path, flags, 0o666))

    def write_some(self, handle: int, data: memoryview) -> int:
        """Write what the system takes at once, and say how much that was."""
        return os.write(handle, data)

    def sync_handle(self, handle: int) -> None:
        """Push a file's bytes to the medium."""
        if self.platform == "darwin":
            import fcntl

            # macOS: fsync leaves the bytes in the drive's own cache; this call empties that as well.
            with contextlib.suppress(OSError):
                fcntl.fcntl(handle, fcntl.F_FULLFSYNC)  # type: ignore[attr-defined,unused-ignore]
                return
        os.fsync(handle)

    def sync_folder(self, folder: Path) -> None:
        """Push a folder's names to the medium. Windows has no such call and journals names itself."""
        if self.platform == "win32":
            return
        handle = os.open(folder, os.O_RDONLY)
        try:
            self._patiently(partial(self.sync_handle, handle))
        except OSError as error:
            if error.errno not in _NO_FOLDER_SYNC:
                raise
        finally:
            os.close(handle)

    def link_new(self, source: Path, target: Path) -> None:
        """Give a complete file its public name, atomically and only if the name is free.

        Raises
        ------
        FileExistsError
            When the name is taken.
        NotImplementedError
            When the file system has no hard links.
        """
        try:
            self._patiently(lambda: self.link(source, target))
        except OSError as error:
            # NFS may lose the reply of a link that succeeded; two names of one file are the proof (open(2)).
            if self._is_linked(source, target):
                return
            if error.errno in _NO_LINKS and not isinstance(error, FileExistsError):
                raise NotImplementedError(f"no hard links at {target.parent}") from error
            raise

    def link(self, source: Path, target: Path) -> None:
        """Call link(2)."""
        os.link(source, target)

    def _is_linked(self, source: Path, target: Path) -> bool:
        try:
            return source.stat().st_nlink == 2 and target.samefile(source)
        except OSError:
            return False

    def rename_new(self, source: Path, target: Path) -> None:
        """Move a file or a staged folder to a name of its own.

        Raises
        ------
        FileExistsError
            When the name is taken by a file, or by a folder that is not empty.
        """
        # POSIX renames a file over another without a word; folders it refuses by itself.
        if not self.is_folder(source) and self.status(target) is not None:
            raise FileExistsError(errno.EEXIST, "the name is taken", str(target))

        def move() -> None:
            try:
                self.rename(source, target)
            except OSError as error:
                if error.errno in _TAKEN or (isinstance(error, PermissionError) and target.exists()):
                    raise FileExistsError(errno.EEXIST, "the name is taken", str(target)) from error
                raise

        self._patiently(move)

    def rename(self, source: Path, target: Path) -> None:
        """Call rename(2)."""
        os.rename(source, target)

    def replace(self, source: Path, target: Path) -> None:
        """Move a file over another; only for this machine's own notes under `local/`."""
        self._patiently(lambda: os.replace(source, target))

    def remove(self, path: Path) -> None:
        """Delete a file; one that is already gone is fine."""
        with contextlib.suppress(FileNotFoundError):
            self._patiently(lambda: os.unlink(path))

    def remove_folder(self, folder: Path) -> None:
        """Delete a folder with all that is in it, as far as the system lets us."""
        shutil.rmtree(folder, ignore_errors=True)

    def touch(self, path: Path) -> float:
        """Create or touch a file or folder and return its modification time: this file system's own clock."""
        if not self.is_folder(path):
            path.touch()
        os.utime(path)
        return path.stat().st_mtime

    def _patiently(self, action: Callable[[], T]) -> T:
        for attempt in range(_ATTEMPTS):
            try:
                return action()
            except InterruptedError:
                # Python retries most calls by itself; network file systems answer this on their own account.
                if attempt == _ATTEMPTS - 1:
                    raise
            except PermissionError as error:
                sharing = getattr(error, "winerror", None) in _SHARING_VIOLATIONS
                if not sharing or attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(0.01 * 2**attempt)
        raise AssertionError("unreachable")

    # --- identity ------------------------------------------------------------------------------------------

    def fresh_name(self) -> str:
        """Return a name that no other process will choose."""
        return uuid.uuid4().hex

    def host(self) -> str:
        """Return this machine's name, as far as it is legal in a file name."""
        return re.sub(r"[^a-z0-9]+", "-", socket.gethostname().lower()).strip("-")[:40] or "host"
