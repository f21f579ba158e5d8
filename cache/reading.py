"""The one module where stored bytes become values. Nothing is believed unread.

Errors of json, polars, zarr and the file system are caught here and nowhere else, and come out as
IntegrityError with the file's name and the command that mends it.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import polars as pl
from numpy.typing import NDArray

from .documents import Document, damaged, unseal
from .files import Disk

# What the checksum of any bytes followed by their own little-endian crc32c is: a property of the polynomial.
_CRC32C_RESIDUE = 0x48674BC7


# Zarr says in many words that bytes are not its own: it looks into what it has parsed before it checks it.
_NOT_ZARR = (ValueError, LookupError, TypeError, AttributeError, AssertionError, OSError, RuntimeError)


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a document says about a file that it refers to."""

    path: str
    size: int
    sha256: str
    crc32c: int

    @classmethod
    def of(cls, path: str, data: bytes) -> FileFacts:
        """Measure bytes that are about to be written."""
        return cls(path, len(data), hashlib.sha256(data).hexdigest(), google_crc32c.value(data))

    def to_json(self) -> Document:
        """Return the JSON form."""
        return {"path": self.path, "size": self.size, "sha256": self.sha256, "crc32c": self.crc32c}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> FileFacts:
        """Read the JSON form."""
        return cls(str(value["path"]), int(value["size"]), str(value["sha256"]), int(value["crc32c"]))


def read_bytes(disk: Disk, path: Path, where: str) -> bytes:
    """Return a file that must be there."""
    try:
        return disk.read(path)
    except FileNotFoundError as error:
        raise damaged(where, "missing, though the store refers to it") from error
    except OSError as error:
        raise damaged(where, f"cannot be read ({error.strerror or error})") from error


def read_document(disk: Disk, path: Path, sort: str, where: str) -> Document:
    """Return the body of a self-digested document."""
    return unseal(read_bytes(disk, path, where), sort, where)


@contextmanager
def fields_of(where: str) -> Iterator[None]:
    """Turn a missing or odd field of a document that equals its digest into an IntegrityError."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise damaged(where, f"expected fields are missing or of another type ({error!r})") from error
    except pl.exceptions.PolarsError as error:
        raise damaged(where, f"its table has other columns ({error})") from error


def read_verified(disk: Disk, path: Path, facts: FileFacts, where: str) -> bytes:
    """Return a file whose size and sha256 equal what its document says."""
    data = read_bytes(disk, path, where)
    if len(data) != facts.size:
        raise damaged(where, f"{len(data)} bytes, its record says {facts.size}")
    actual = hashlib.sha256(data).hexdigest()
    if actual != facts.sha256:
        raise damaged(where, f"sha256 is {actual}, its record says {facts.sha256}")
    return data


def read_table(disk: Disk, path: Path, facts: FileFacts, where: str) -> pl.DataFrame:
    """Return a Parquet table. It is compared with its digest first: flipped bits mostly parse."""
    return parse_table(read_verified(disk, path, facts, where), where)


def parse_table(data: bytes, where: str) -> pl.DataFrame:
    """Return the table that Parquet bytes spell."""
    try:
        return pl.read_parquet(io.BytesIO(data))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise damaged(where, f"not readable as Parquet ({error})") from error


def read_description(disk: Disk, path: Path, facts: FileFacts, where: str) -> Document:
    """Return a `zarr.json` that equals its digest."""
    data = read_verified(disk, path, facts, where)
    with fields_of(where):
        return dict(json.loads(data))


def read_chunk(
    disk: Disk, path: Path, facts: FileFacts, data_crc32c: int, dtype: str, shape: tuple[int, ...], where: str
) -> NDArray[Any]:
    """Return an array stored as one uncompressed Zarr chunk with a crc32c trailer.

    The chunk file is little-endian C-order data followed by four bytes, as the `bytes` and `crc32c` codecs of
    the Zarr v3 specification define. Three values must agree: the checksum of the data, the trailer in the
    file, and the commit record; a chunk file swapped for another good one fails on the third.
    """
    raw = read_bytes(disk, path, where)
    if len(raw) != facts.size:
        raise damaged(where, f"{len(raw)} bytes, its record says {facts.size}")
    with fields_of(where):
        little = np.dtype(dtype).newbyteorder("<")
        count = int(np.prod(shape, dtype=np.int64))
    if facts.size != count * little.itemsize + 4:
        raise damaged(where, f"its record says {facts.size} bytes, which shape {shape} of {dtype} does not need")
    trailer = int.from_bytes(raw[-4:], "little")
    # One pass over data and trailer together, so that nothing is copied; the residue means that they agree.
    if google_crc32c.value(raw) != _CRC32C_RESIDUE:
        actual = google_crc32c.value(raw[:-4])
        raise damaged(where, f"crc32c of the data is {actual:08x}, its trailer says {trailer:08x}")
    if trailer != data_crc32c:
        raise damaged(where, f"crc32c of the data is {trailer:08x}, its record says {data_crc32c:08x}")
    return np.frombuffer(raw, dtype=little, count=count).reshape(shape)


def read_sharded(files: Mapping[str, bytes], rows: slice, where: str) -> NDArray[Any]:
    """Return rows of a sharded Zarr array from files that were verified already."""
    import zarr.errors

    from .strict import open_strict

    try:
        return np.asarray(open_strict(files)[rows])
    except (*_NOT_ZARR, zarr.errors.BaseZarrError) as error:
        raise damaged(where, f"not readable as Zarr ({error})") from error
