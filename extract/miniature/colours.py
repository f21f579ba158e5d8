"""Colours by their place on the wheel, in whole numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Grid = NDArray[np.int32]


def colour_of(hue: int, saturation: int = 180, value: int = 205) -> Grid:
    """Return red, green and blue of a place on the colour wheel, by whole numbers.

    Examples
    --------
    >>> colour_of(0, 255, 200).tolist(), colour_of(120, 255, 200).tolist()
    ([200, 0, 0], [0, 200, 0])
    """
    hue %= 360
    low = value * (255 - saturation) // 255
    part, rest = divmod(hue, 60)
    rising, falling = low + (value - low) * rest // 60, value - (value - low) * rest // 60
    red, green, blue = (
        (value, rising, low),
        (falling, value, low),
        (low, value, rising),
        (low, falling, value),
        (rising, low, value),
        (value, low, falling),
    )[part]
    return np.array([red, green, blue], np.int32)
