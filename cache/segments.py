"""Arrays and tables as the files of one immutable segment, made in memory.

Nothing here touches a disk: a segment is a name and a mapping from file name to bytes, so that one module does
all writing and a future object store needs no other code.

logits, embeddings, text and heads are one uncompressed chunk: one file, which the reader may read directly.
patches are sharded, so that a few images can be read without the rest.
"""

from __future__ import annotations

import hashlib
import io
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
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

TABLE = "table"
"""The dtype of segments that are Parquet files."""

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
    stats: Mapping[str, float] = field(default_factory=dict)
    """Numbers that belong to the data: the logit scale and bias of a head."""
    holes: tuple[int, ...] = ()
    """Rows of the pack that hold no numbers; the commit record has to say why."""

    def facts(self) -> list[FileFacts]:
        """Return what the commit record will say of the files."""
        return [FileFacts.of(name, data) for name, data in sorted(self.files.items())]


def about(kind: str, space: str, pack: str, rows: tuple[int, int], stats: Mapping[str, float]) -> dict[str, Any]:
    """Return what a segment says of itself, in its attributes and under its id.

    A reader compares it with the commit record, so that a record that was changed cannot pass for the truth.
    """
    described = {"kind": kind, "space": space, "pack": pack, "rows": list(rows)}
    return {**described, "stats": dict(stats)} if stats else described


def segment_id(described: Mapping[str, Any], dtype: str, shape: tuple[int, ...], data_sha256: str) -> str:
    """Name a segment by what it says of itself, its dtype, shape and data.

    The description is hashed too, since two packs of which every image failed hold equal bytes, and their
    `zarr.json` files may not share a folder.
    """
    return digest("segment", {"about": dict(described), "dtype": dtype, "shape": list(shape), "data": data_sha256})


def holes(rows: NDArray[Any]) -> NDArray[np.int64]:
    """Return the rows that hold no numbers: any NaN or infinity, or the fill value of integers.

    Examples
    --------
    >>> holes(np.array([[1.0, 2.0], [np.nan, 0.0]], np.float32)).tolist()
    [1]
    """
    flat = rows.reshape(len(rows), -1)
    if rows.dtype.kind != "f":
        return np.flatnonzero((flat == np.iinfo(rows.dtype).min).any(axis=1))
    # Nearly always there is none, and one addition a number shows that without a second array.
    with np.errstate(over="ignore", invalid="ignore"):
        suspicious = np.flatnonzero(~np.isfinite(flat.sum(axis=1, dtype=np.float32)))
    found: NDArray[np.int64] = suspicious[~np.isfinite(flat[suspicious]).all(axis=1)]
    return found


def array_segments(
    kind: str,
    space: str,
    pack: str,
    array: NDArray[Any],
    compress: Compression = "none",
    stats: Mapping[str, float] | None = None,
) -> Iterator[Segment]:
    """Encode the rows of a pack.

    Parameters
    ----------
    kind, space, pack
        What the rows are; written into the array's attributes.
    array
        `(rows, ...)`, float16 or float32 (or int32 for matches). A row without numbers is NaN (the smallest
        integer), and needs a `RowFailure` when it is committed.
    compress
        Codec of patch chunks. The other kinds are never compressed, so that one read and one checksum suffice.
    stats
        Numbers that belong to the data, such as `logit_scale` and `logit_bias` of a head.

    Yields
    ------
    Segment
        One for every kind but patches, which are cut at 256 MiB.

    Raises
    ------
    ValueError
        For another dtype, or no rows.
    """
    rows = len(array)
    step = rows_a_segment(kind, array[:1].nbytes) if array.size else 1
    for start in range(0, max(1, rows), step):
        yield segment_of_rows(kind, space, pack, start, array[start : start + step], compress, stats)


def rows_a_segment(kind: str, row_bytes: int) -> int:
    """Return how many rows of a pack one segment holds at most.

    Examples
    --------
    >>> rows_a_segment("patches", 2**20)
    256
    >>> rows_a_segment("patches", 2**30)  # never less than a chunk
    8
    """
    if kind != "patches":
        return sys.maxsize
    return max(_IMAGES_A_CHUNK, MAX_PATCH_BYTES // max(1, row_bytes) // _IMAGES_A_CHUNK * _IMAGES_A_CHUNK)


def segment_of_rows(
    kind: str,
    space: str,
    pack: str,
    start: int,
    array: NDArray[Any],
    compress: Compression = "none",
    stats: Mapping[str, float] | None = None,
) -> Segment:
    """Encode rows of a pack from `start` on as one segment; for whoever does not hold the whole pack.

    Cut at multiples of `rows_a_segment`, the segments are those of `array_segments`.

    Raises
    ------
    ValueError
        As `array_segments`.
    """
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    if little.dtype.name not in ("float16", "float32", "int32"):
        # bfloat16 changed 1.4 % of top-1 decisions where it was measured; float64 doubles the store for nothing.
        raise ValueError(f"stored dtypes are float16, float32 and int32; got {little.dtype.name}")
    if little.size == 0:
        raise ValueError(f"expected at least one number to store, got shape {little.shape} for {kind}")
    return _array_segment(about(kind, space, pack, (start, start + len(little)), stats or {}), little, compress)


def _array_segment(described: dict[str, Any], part: NDArray[Any], compress: Compression) -> Segment:
    kind = str(described["kind"])
    start, stop = described["rows"]
    files = _zarr_files(part, described, sharded=kind == "patches", compress=compress)
    data = part.tobytes()
    checksum = google_crc32c.value(data)
    _check_round_trip(data, checksum, files, kind)
    return Segment(
        id=segment_id(described, part.dtype.name, part.shape, hashlib.sha256(data).hexdigest()),
        rows=(start, stop),
        dtype=part.dtype.name,
        shape=part.shape,
        crc32c=checksum,
        files=files,
        stats=described.get("stats", {}),
        holes=tuple(int(row) + start for row in holes(part)),
    )


def table_segment(kind: str, space: str, pack: str, table: pl.DataFrame) -> Segment:
    """Encode rows that are a table (records, predictions, scores), one an item, as one Parquet file."""
    buffer = io.BytesIO()
    table.write_parquet(buffer, compression="zstd", statistics=False)
    data = buffer.getvalue()
    described = about(kind, space, pack, (0, table.height), {})
    return Segment(
        id=segment_id(described, TABLE, table.shape, hashlib.sha256(data).hexdigest()),
        rows=(0, table.height),
        dtype=TABLE,
        shape=table.shape,
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


def _check_round_trip(data: bytes, checksum: int, files: Mapping[str, bytes], kind: str) -> None:
    # What is about to be written is decoded by Zarr and compared bit by bit, and so is the shape of the file that
    # the reader takes apart without Zarr.
    back = read_sharded(files, slice(None), f"{kind} segment in memory")
    chunks = [content for name, content in files.items() if name != "zarr.json"]
    direct = kind == "patches" or chunks == [data + checksum.to_bytes(4, "little")]
    if back.tobytes() != data or not direct:
        raise ValueError(f"the Zarr codecs changed a {kind} segment on the way; nothing was written")
