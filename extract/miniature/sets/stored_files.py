"""Depth maps and arrays as files that no compressor touches: equal bytes on every machine, and so equal ids.

Readers take them for what their names say: PNG may hold data that are only stored, and so may a .npz.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

_BLOCK = 65535
"""Most bytes of a stored block of DEFLATE (RFC 1951, section 3.2.4)."""


def depth_png(values: NDArray[np.uint16]) -> bytes:
    """Return a PNG of one channel of 16 bits whose data are stored, not compressed.

    Parameters
    ----------
    values : uint16 (h, w)

    Raises
    ------
    ValueError
        For another shape or type.

    Examples
    --------
    >>> data = depth_png(np.array([[1500, 0]], np.uint16))
    >>> data[1:4], data[16:24].hex(), len(data)
    (b'PNG', '0000000200000001', 73)
    """
    if values.ndim != 2 or not values.size or values.dtype != np.uint16:
        raise ValueError(f"values: expected uint16 (h, w), got {values.dtype} {values.shape}")
    height, width = values.shape
    # Each row begins with its filter: none.
    rows = np.zeros((height, 1 + 2 * width), np.uint8)
    rows[:, 1:] = values.astype(">u2").view(np.uint8).reshape(height, 2 * width)
    header = struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", _stored(rows.tobytes())) + _chunk(b"IEND", b"")
    )


def _stored(data: bytes) -> bytes:
    blocks = [b"\x78\x01"]
    for start in range(0, len(data), _BLOCK):
        part = data[start : start + _BLOCK]
        last = start + _BLOCK >= len(data)
        blocks += [struct.pack("<BHH", last, len(part), len(part) ^ 0xFFFF), part]
    return b"".join([*blocks, struct.pack(">I", zlib.adler32(data))])


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def stored_npz(arrays: Mapping[str, NDArray[np.generic]]) -> bytes:
    """Return a .npz without time, system or compression.

    Examples
    --------
    >>> with np.load(io.BytesIO(stored_npz({"name": np.arange(3)}))) as held:
    ...     held["name"].tolist()
    [0, 1, 2]
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            npy.write_array(content, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy")
            entry.create_system = 3  # zipfile writes the system it runs on unless told
            archive.writestr(entry, content.getvalue())
    return buffer.getvalue()
