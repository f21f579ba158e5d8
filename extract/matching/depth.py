"""Depth files as metres on the grid of points. Bytes in, arrays out."""

from __future__ import annotations

import io
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cache.image_pairs import Scheme
from cache.match_rows import DEPTH_GRIDS

_NAVI_SCALE = 655.35
"""NAVI stores 65535 * 10 / depth in millimetres: metres are 655.35 / value."""


class UnreadableDepthError(ValueError):
    """Bytes that are no depth file."""


def depth_points(data: bytes, scheme: Scheme) -> NDArray[np.float32]:
    """Return the depths of a file at the middles of the cells of the grid of points, (rows, columns) in metres.

    navi: z = 655.35 / v; scannet: z = v / 1000; v = 0 means that there is none, which stays 0. Nearest pixel.

    Raises
    ------
    UnreadableDepthError
        When the bytes are no single-channel image.

    Notes
    -----
    Scales of the data sets: Jampani et al., NAVI, 2023; Dai et al., ScanNet, 2017.

    Examples
    --------
    >>> buffer = io.BytesIO()
    >>> Image.fromarray(np.full((4, 4), 1500, np.uint16)).save(buffer, "PNG")
    >>> z = depth_points(buffer.getvalue(), "scannet")
    >>> z.shape, float(z[0, 0])
    ((120, 160), 1.5)
    """
    values = _values(data)
    rows, columns = DEPTH_GRIDS[scheme]
    height, width = values.shape
    at = np.ix_(_nearest(rows, height), _nearest(columns, width))
    picked = values[at].astype(np.float64)
    if scheme == "scannet":
        return (picked / 1000.0).astype(np.float32)
    return np.divide(_NAVI_SCALE, picked, out=np.zeros_like(picked), where=picked > 0).astype(np.float32)


def _nearest(count: int, length: int) -> NDArray[np.int64]:
    return np.minimum(((np.arange(count) + 0.5) * length / count).astype(np.int64), length - 1)


def _values(data: bytes) -> NDArray[np.uint16]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
                if image.mode not in ("I;16", "I;16B", "I", "L"):
                    raise UnreadableDepthError(f"expected one channel of 16 bits, got mode {image.mode}")
                values = np.asarray(image)
    except UnreadableDepthError:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadableDepthError(f"{type(error).__name__}: {error}".split(" at 0x")[0][:200]) from error
    if values.ndim != 2 or not values.size or values.min() < 0 or values.max() > 65535:
        raise UnreadableDepthError(f"expected 16-bit values of shape (h, w), got shape {values.shape}")
    return values.astype(np.uint16)
