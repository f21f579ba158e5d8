"""From a place to its bytes, for indexing and again for every run.

The only module that opens compressed or columnar files for one image. What it returns is hashed by the caller.
"""

from __future__ import annotations

import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cache.files import Disk

from .protocol import Place

_BLOCK = 64
"""Rows of a Parquet file that are decoded together."""

_KEPT = 4
"""Open files, and decoded blocks, that are remembered."""


class NotThereError(OSError):
    """The file is there and does not hold what the place says."""


def read_place(disk: Disk, place: Place) -> bytes:
    """Return the bytes at a place.

    Raises
    ------
    OSError
        When the file cannot be read, or does not hold what the place says.
    """
    path = Path(place.path)
    if place.whole:
        return disk.read(path)
    reader, _, rest = place.member.partition(":")
    if reader == "hdf5":
        return _hdf5(path, rest)
    if reader == "parquet":
        return _parquet(path, rest)
    data = disk.read_at(path, place.offset, place.size)
    if len(data) != place.size:
        raise NotThereError(f"{path.name} ends at byte {place.offset + len(data)}, expected {place.size} more bytes")
    if reader == "deflate":
        try:
            return zlib.decompress(data, -zlib.MAX_WBITS)
        except zlib.error as error:
            raise NotThereError(f"{path.name} at byte {place.offset}: {error}") from error
    return data


class _Remembered:
    """The last few results of an expensive opening, keyed by file and state, one thread at a time."""

    def __init__(self, close: Callable[[Any], None] = lambda value: None) -> None:
        self.lock = threading.Lock()
        self._close = close
        self._kept: OrderedDict[tuple[Any, ...], Any] = OrderedDict()

    def get(self, path: Path, part: Any, make: Callable[[], Any]) -> Any:
        status = path.stat()
        key = (str(path), part, status.st_size, status.st_mtime_ns)
        if key not in self._kept:
            self._kept[key] = make()
        self._kept.move_to_end(key)
        while len(self._kept) > _KEPT:
            self._close(self._kept.popitem(last=False)[1])
        return self._kept[key]


_files = _Remembered(lambda file: file.close())
_blocks = _Remembered()


def _hdf5(path: Path, rest: str) -> bytes:
    import h5py
    import numpy as np

    row, _, name = rest.partition(":")
    with _files.lock:
        try:
            dataset = _files.get(path, "", lambda: h5py.File(path, "r"))[name]
            value = dataset[int(row)] if row else dataset[()]
        except (OSError, KeyError, IndexError, ValueError) as error:
            if isinstance(error, FileNotFoundError):
                raise
            raise NotThereError(f"{path.name} has no readable {name}{f' row {row}' if row else ''}: {error}") from error
    return bytes(value) if isinstance(value, bytes) else np.asarray(value).tobytes()


def _parquet(path: Path, rest: str) -> bytes:
    import polars as pl

    row, _, column = rest.partition(":")
    block, inside = divmod(int(row), _BLOCK)

    def make() -> list[bytes | None]:
        frame = pl.scan_parquet(path).select(image_bytes(column)).slice(block * _BLOCK, _BLOCK).collect()
        return frame.to_series().to_list()

    with _blocks.lock:
        try:
            data = _blocks.get(path, (block, column), make)[inside]
        except (pl.exceptions.PolarsError, IndexError) as error:
            raise NotThereError(f"{path.name} has no readable {column} row {row}: {error}") from error
    if data is None:
        raise NotThereError(f"{path.name}: {column} row {row} is empty")
    return bytes(data)


def image_bytes(column: str) -> Any:
    """Return the polars expression for the bytes of an image column: plain binary, or `{bytes, path}`."""
    import polars as pl

    name, _, part = column.partition(".")
    return pl.col(name).struct.field(part) if part else pl.col(name)
