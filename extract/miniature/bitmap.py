"""Writing pixels as an uncompressed bitmap: no encoder's version can change a byte, and so no image id."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def encode(pixels: NDArray[np.uint8]) -> bytes:
    """Return a 24-bit BMP.

    Parameters
    ----------
    pixels : uint8 (h, w, 3)
        RGB.

    Raises
    ------
    ValueError
        For another shape or type.

    Examples
    --------
    >>> data = encode(np.zeros((2, 3, 3), np.uint8))
    >>> data[:2], len(data)
    (b'BM', 78)
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise ValueError(f"pixels: expected uint8 (h, w, 3), got {pixels.dtype} {pixels.shape}")
    height, width = pixels.shape[:2]
    stride = (3 * width + 3) // 4 * 4
    rows = np.zeros((height, stride), np.uint8)
    # From the bottom up, blue first.
    rows[:, : 3 * width] = pixels[::-1, :, ::-1].reshape(height, 3 * width)
    size = 54 + rows.size
    header = struct.pack("<2sIHHI", b"BM", size, 0, 0, 54)
    header += struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, rows.size, 2835, 2835, 0, 0)
    return header + rows.tobytes()


def write(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write a bitmap under any name: official names end in .JPEG or .png, and readers go by content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(pixels))
