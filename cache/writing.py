"""The commit protocol: how a file becomes visible, once and whole.

Stage in `local/`, read back and compare, sync files and folders, rename data into place, and only then create
the record that makes it visible, exclusively. A crash at any point leaves either nothing or everything, plus
litter under `local/staging` that `assay-cache gc` removes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from .errors import IntegrityError
from .files import Disk
from .layout import Layout


class Stage:
    """A folder of this process's own, in which nothing is visible to readers."""

    def __init__(self, disk: Disk, layout: Layout) -> None:
        self.disk = disk
        self.layout = layout
        self.folder = layout.staging / disk.fresh_name()
        disk.make_folder(self.folder)

    def write(self, data: bytes) -> Path:
        """Write, sync and read back one file."""
        path = self.folder / self.disk.fresh_name()
        self.disk.write_new(path, data)
        self._compare(path, data)
        return path

    def write_folder(self, files: Mapping[str, bytes]) -> Path:
        """Write, sync and read back the files of one segment."""
        folder = self.folder / self.disk.fresh_name()
        self.disk.make_folder(folder)
        for name, data in files.items():
            path = folder / name
            self.disk.make_folder(path.parent)
            self.disk.write_new(path, data)
            self._compare(path, data)
        for inner in {(folder / name).parent for name in files}:
            while inner != folder:
                self.disk.sync_folder(inner)
                inner = inner.parent
        self.disk.sync_folder(folder)
        return folder

    def _compare(self, path: Path, data: bytes) -> None:
        # A full disk or a bad cable shows here, before anything refers to the file.
        if self.disk.read(path) != data:
            raise OSError(f"{self.layout.relative(path)} reads back other than it was written; is the disk failing?")

    def close(self) -> None:
        """Remove the folder with whatever is left in it."""
        self.disk.remove_folder(self.folder)


@contextlib.contextmanager
def stage(disk: Disk, layout: Layout) -> Iterator[Stage]:
    """Open a stage and remove it at the end, whatever happens."""
    staged = Stage(disk, layout)
    try:
        yield staged
    finally:
        staged.close()


def create(staged: Stage, path: Path, data: bytes) -> bool:
    """Create a write-once file; the last step of any protocol.

    Returns
    -------
    bool
        True when this call created it, False when the name was taken already.
    """
    disk = staged.disk
    disk.make_folder(path.parent)
    if disk.status(path) is not None:
        return False
    source = staged.write(data)
    try:
        disk.link_new(source, path)
    except FileExistsError:
        return False
    except NotImplementedError:
        # No hard links here: a record torn by a crash is caught by its own digest.
        try:
            disk.write_new(path, data)
        except FileExistsError:
            return False
    disk.sync_folder(path.parent)
    disk.remove(source)
    return True


def create_equal(staged: Stage, path: Path, data: bytes) -> bool:
    """Create a file whose name says its content; one that stands there must be equal.

    Raises
    ------
    IntegrityError
        When the name is taken by other bytes.
    """
    if create(staged, path, data):
        return True
    try:
        there = staged.disk.read(path)
    except OSError as error:
        raise IntegrityError(f"{staged.layout.relative(path)} cannot be read ({error})") from error
    if there != data:
        raise IntegrityError(
            f"{staged.layout.relative(path)} stands there with other bytes than its name promises. "
            "Run `assay-cache repair` to quarantine it, then the same command again."
        )
    return False


def place_folder(staged: Stage, source: Path, files: Mapping[str, bytes], target: Path) -> bool:
    """Move a staged segment into `data/`.

    Returns
    -------
    bool
        True when `target` now holds exactly `files`, False when it holds something else, which was left alone.
    """
    disk = staged.disk
    disk.make_folder(target.parent)
    try:
        disk.rename_new(source, target)
    except FileExistsError:
        return holds(disk, target, files)
    disk.sync_folder(target.parent)
    return True


def holds(disk: Disk, folder: Path, files: Mapping[str, bytes]) -> bool:
    """Tell whether a folder holds exactly these files."""
    try:
        there = {path.relative_to(folder).as_posix(): disk.read(path) for path in disk.walk(folder)}
    except OSError:
        return False
    return there == dict(files)


def quarantine(disk: Disk, layout: Layout, path: Path) -> Path:
    """Move a file or folder out of sight, keeping it; `repair` never deletes."""
    target = layout.quarantine / disk.fresh_name() / layout.relative(path)
    disk.make_folder(target.parent)
    disk.rename_new(path, target)
    disk.sync_folder(path.parent)
    return target
