"""A read-only Zarr store over bytes in memory that raises where Zarr would make numbers up.

Zarr answers a missing chunk with the fill value and says nothing; here a chunk that is not there is an error.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import zarr
from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype

if TYPE_CHECKING:
    from zarr import Array


class StrictStore(Store):
    """Serve the files of one segment; a chunk key that is absent raises KeyError."""

    supports_writes = False
    supports_deletes = False
    supports_listing = True

    def __init__(self, files: Mapping[str, bytes]) -> None:
        super().__init__(read_only=True)
        self._files = dict(files)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StrictStore) and other._files == self._files

    __hash__ = None  # type: ignore[assignment]

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """Return the bytes of a key; None is allowed for metadata of other formats only."""
        data = self._files.get(key)
        if data is None:
            if key == "c" or key.startswith("c/"):
                raise KeyError(f"chunk {key} is missing")
            return None
        return prototype.buffer.from_bytes(_part(data, byte_range))

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Return several parts."""
        return [await self.get(key, prototype, byte_range) for key, byte_range in key_ranges]

    async def exists(self, key: str) -> bool:
        """Tell whether a key is there."""
        return key in self._files

    async def set(self, key: str, value: Buffer) -> None:
        """Refuse: segments are immutable."""
        raise PermissionError("a segment is immutable")

    async def delete(self, key: str) -> None:
        """Refuse: segments are immutable."""
        raise PermissionError("a segment is immutable")

    async def list(self) -> AsyncIterator[str]:
        """Yield every key."""
        for key in self._files:
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Yield the keys below a prefix."""
        for key in self._files:
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Yield the names directly below a prefix."""
        stem = f"{prefix.rstrip('/')}/" if prefix else ""
        for name in sorted({key[len(stem) :].split("/")[0] for key in self._files if key.startswith(stem)}):
            yield name


def _part(data: bytes, byte_range: ByteRequest | None) -> bytes:
    if isinstance(byte_range, RangeByteRequest):
        return data[byte_range.start : byte_range.end]
    if isinstance(byte_range, OffsetByteRequest):
        return data[byte_range.offset :]
    if isinstance(byte_range, SuffixByteRequest):
        return data[-byte_range.suffix :]
    return data


def open_strict(files: Mapping[str, bytes]) -> Array[Any]:
    """Open the files of a segment as a Zarr array that never invents a value."""
    return zarr.open_array(store=StrictStore(files), mode="r", zarr_format=3)
