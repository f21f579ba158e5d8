"""The commit protocol: how a file becomes visible, once and whole.

Stage in `local/`, read back and compare, sync files and folders, rename data into place, and only then create
the record that makes it visible, exclusively. A crash at any point leaves either nothing or everything, plus
litter under `local/staging` that `assay-cache gc` removes.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from .documents import seal
from .errors import IntegrityError
from .files import Disk
from .layout import Layout
from .reading import FileFacts, parse_table, read_bytes

BORN = "born"
NOTE = "note.json"


@dataclass(frozen=True, slots=True)
class StagedFiles(Mapping[str, bytes]):
    """Files of a segment that lie in a stage already, read when asked for: a unit of many need not fit in memory."""

    disk: Disk
    folder: Path
    names: tuple[str, ...]

    def __getitem__(self, name: str) -> bytes:
        """Return the bytes of a file."""
        if name not in self.names:
            raise KeyError(name)
        return self.disk.read(self.folder / name)

    def __iter__(self) -> Iterator[str]:
        """Yield the names."""
        return iter(self.names)

    def __len__(self) -> int:
        """Return the number of files."""
        return len(self.names)


class Stage:
    """A folder of this process's own, in which nothing is visible to readers."""

    def __init__(self, disk: Disk, layout: Layout) -> None:
        self.disk = disk
        self.layout = layout
        self.folder = layout.staging / disk.fresh_name()

    def open(self) -> Stage:
        """Make the folder and return the stage."""
        self.disk.make_folder(self.folder)
        # Says since when this stage lives: `gc` keeps data that are younger, whoever placed them.
        self.disk.touch(self.folder / BORN)
        return self

    def write(self, data: bytes) -> Path:
        """Write, sync and read back one file."""
        path = self.folder / self.disk.fresh_name()
        self.disk.write_new(path, data)
        self._compare(path, data)
        return path

    def write_folder(self, files: Mapping[str, bytes]) -> Path:
        """Write, sync and read back the files of one segment; what `hold` has written already is not written again."""
        if isinstance(files, StagedFiles) and files.folder.parent == self.folder:
            return files.folder
        folder = self.folder / self.disk.fresh_name()
        self.disk.make_folder(folder)
        for name, data in files.items():
            path = folder / name
            self.disk.make_folder(path.parent)
            self.disk.write_new(path, data)
            self._compare(path, data)
        _sync_tree(self.disk, folder, files)
        return folder

    def hold(self, files: Mapping[str, bytes]) -> StagedFiles:
        """Write files and let go of their bytes."""
        return StagedFiles(self.disk, self.write_folder(files), tuple(files))

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
        # Inside: making a folder durable may take a while, and an interrupt meanwhile leaves nothing behind either.
        staged.open()
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
    where = staged.layout.relative(path)
    if read_bytes(staged.disk, path, where) != data:
        raise IntegrityError(
            f"{where} stands there with other bytes than its name promises. "
            "Run `assay-cache repair` to quarantine it, then the same command again."
        )
    return False


def create_table(staged: Stage, path: Path, table: pl.DataFrame, equal: Callable[[pl.DataFrame], bool]) -> FileFacts:
    """Create the Parquet file of a sidecar that is not there yet, and return what the sidecar will say of it.

    Parameters
    ----------
    equal
        Tells whether a table that stands there already holds the same rows. Another version of polars may have
        spelled them in other bytes; then those count. A file with other rows is torn, and goes to quarantine.
    """
    disk, where = staged.disk, staged.layout.relative(path)
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    data = buffer.getvalue()
    for _ in range(2):
        if create(staged, path, data):
            return FileFacts.of(path.name, data)
        held = read_bytes(disk, path, where)
        with contextlib.suppress(IntegrityError):
            if equal(parse_table(held, where)):
                return FileFacts.of(path.name, held)
        quarantine(disk, staged.layout, path, "holds other rows than its name promises, and no sidecar refers to it")
    raise OSError(f"{where} cannot be written; another process keeps replacing it")


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
        if not holds(disk, target, files):
            return False
        # Whoever placed it may have died before syncing; and `gc` must see that it is wanted again.
        _sync_tree(disk, target, files)
        disk.touch(target)
    disk.sync_folder(target.parent)
    return True


def _sync_tree(disk: Disk, folder: Path, files: Mapping[str, bytes]) -> None:
    for inner in {(folder / name).parent for name in files}:
        while inner != folder:
            disk.sync_folder(inner)
            inner = inner.parent
    disk.sync_folder(folder)


def holds(disk: Disk, folder: Path, files: Mapping[str, bytes]) -> bool:
    """Tell whether a folder holds exactly these files."""
    try:
        there = {path.relative_to(folder).as_posix(): disk.read(path) for path in disk.walk(folder)}
    except OSError:
        return False
    return there == dict(files)


def quarantine(disk: Disk, layout: Layout, path: Path, why: str) -> Path:
    """Move a file or folder out of sight, with a note of where it stood and why; nothing is deleted."""
    cell = layout.quarantine / disk.fresh_name()
    disk.make_folder(cell)
    # The note comes first, so that nothing lies here unexplained.
    disk.write_new(cell / NOTE, seal("quarantine", {"path": layout.relative(path), "why": why}))
    target = cell / path.name
    disk.rename_new(path, target)
    # First the new name, then the loss of the old one: in the other order a power loss would delete it.
    disk.sync_folder(cell)
    disk.sync_folder(path.parent)
    return target
