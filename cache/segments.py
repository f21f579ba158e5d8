"""Arrays and tables as the files of one immutable segment, made in memory.

Nothing here touches a disk: a segment is a name and a mapping from file name to bytes, so that one module does
all writing and a future object store needs no other code.

logits, embeddings, text and heads are one uncompressed chunk: one file, which the reader may read directly.
patches are sharded, so that a few images can be read without the rest.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import google_crc32c
import numpy as np
import polars as pl
from numpy.typing import NDArray

from manifests.canonical import digest

from .reading import FileFacts, read_sharded

Compression = Literal["none", "zstd"]

MAX_PATCH_BYTES = 256 * 2**20
"""A patch segment holds at most this many bytes of rows, so that reading one needs bounded memory."""

_IMAGES_A_CHUNK = 8


@dataclass(frozen=True, slots=True)
class Segment:
    """One kind of (part of) one pack in one space, ready to be written."""

    id: str
    rows: tuple[int, int]
    dtype: str
    shape: tuple[int, ...]
    crc32c: int
    files: Mapping[str, bytes]

    def facts(self) -> list[FileFacts]:
        """Return what the commit record will say of the files."""
        return [FileFacts.of(name, data) for name, data in sorted(self.files.items())]


def _segment_id(about: Mapping[str, Any], dtype: str, shape: tuple[int, ...], data: bytes | memoryview) -> str:
    # Beyond dtype, shape and data, the attributes are hashed as well, since two packs of
    # which every image failed hold equal bytes, and their zarr.json files may not share a folder.
    content = hashlib.sha256(data).hexdigest()
    return digest("segment", {"about": dict(about), "dtype": dtype, "shape": list(shape), "data": content})


def array_segments(
    kind: str, space: str, pack: str, array: NDArray[Any], compress: Compression = "none"
) -> Iterator[Segment]:
    """Encode the rows of a pack.

    Parameters
    ----------
    kind, space, pack
        What the rows are; written into the array's attributes.
    array
        `(rows, ...)`, float16 or float32 (or int32 for matches).
    compress
        Codec of patch chunks. The other kinds are never compressed, so that one read and one checksum suffice.

    Yields
    ------
    Segment
        One for every kind but patches, which are cut at 256 MiB.
    """
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    if little.dtype.name not in ("float16", "float32", "int32"):
        # bfloat16 changed 1.4 % of top-1 decisions where it was measured; float64 doubles the store for nothing.
        raise ValueError(f"stored dtypes are float16, float32 and int32; got {little.dtype.name}")
    rows = len(little)
    step = rows
    if kind == "patches":
        row_bytes = max(1, little[:1].nbytes)
        step = max(_IMAGES_A_CHUNK, MAX_PATCH_BYTES // row_bytes // _IMAGES_A_CHUNK * _IMAGES_A_CHUNK)
    for start in range(0, rows, step):
        stop = min(rows, start + step)
        part = little[start:stop]
        about = {"kind": kind, "space": space, "pack": pack, "rows": [start, stop]}
        files = _zarr_files(part, about, sharded=kind == "patches", compress=compress)
        _check_round_trip(part, files, kind)
        yield Segment(
            id=_segment_id(about, part.dtype.name, part.shape, part.data.cast("B")),
            rows=(start, stop),
            dtype=part.dtype.name,
            shape=part.shape,
            crc32c=google_crc32c.value(part.tobytes()),
            files=files,
        )


def table_segment(kind: str, space: str, pack: str, table: pl.DataFrame) -> Segment:
    """Encode rows that are a table (records, predictions, scores) as one Parquet file."""
    buffer = io.BytesIO()
    table.write_parquet(buffer, compression="zstd", statistics=False)
    data = buffer.getvalue()
    about = {"kind": kind, "space": space, "pack": pack, "rows": [0, table.height]}
    return Segment(
        id=_segment_id(about, "table", (table.height, table.width), data),
        rows=(0, table.height),
        dtype="table",
        shape=(table.height, table.width),
        crc32c=google_crc32c.value(data),
        files={"rows.parquet": data},
    )


def _zarr_files(
    part: NDArray[Any], about: Mapping[str, Any], *, sharded: bool, compress: Compression
) -> dict[str, bytes]:
    import zarr
    from zarr.codecs import BytesCodec, Crc32cCodec, ShardingCodec, ZstdCodec
    from zarr.storage import MemoryStore

    checked: list[Any] = [Crc32cCodec()]
    serializer: Any
    if sharded:
        inner = (min(_IMAGES_A_CHUNK, len(part)), *part.shape[1:])
        chunks = (-(-len(part) // inner[0]) * inner[0], *part.shape[1:])
        squeeze = [ZstdCodec(level=1)] if compress == "zstd" else []
        codecs: list[Any] = [BytesCodec(endian="little"), *squeeze, Crc32cCodec()]
        serializer = ShardingCodec(
            chunk_shape=inner, codecs=codecs, index_codecs=[BytesCodec(endian="little"), Crc32cCodec()]
        )
        checked = []
    else:
        chunks = part.shape
        serializer = BytesCodec(endian="little")
    held: dict[str, Any] = {}
    array = zarr.create_array(
        MemoryStore(held),
        shape=part.shape,
        dtype=part.dtype,
        chunks=chunks,
        filters=None,
        serializer=serializer,
        compressors=checked,
        # A hole must never look like a number.
        fill_value=np.nan if part.dtype.kind == "f" else np.iinfo(part.dtype).min,
        attributes=dict(about),
        zarr_format=3,
        # Otherwise a chunk of NaN would not be written at all, and absent would have two meanings.
        config={"write_empty_chunks": True},
    )
    array[...] = part
    return {name: value.to_bytes() for name, value in held.items()}


def _check_round_trip(part: NDArray[Any], files: Mapping[str, bytes], kind: str) -> None:
    # What is about to be written is decoded by the reader's own code and compared bit by bit.
    back = read_sharded(files, slice(None), f"{kind} segment in memory")
    if back.tobytes() != part.tobytes():
        raise ValueError(f"the Zarr codecs changed a {kind} segment on the way; nothing was written")
