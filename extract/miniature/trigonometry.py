"""Sines and cosines as whole numbers: a table that was rounded once is the same on every machine.

Libraries differ in the last bit of a sine; rounded to twelve bits they agree.
"""

from __future__ import annotations

import math
from typing import Final

ONE: Final = 4096
"""What stands for 1."""

_SINES: Final = tuple(round(ONE * math.sin(math.radians(degree))) for degree in range(360))


def sine(degrees: int) -> int:
    """Return 4096 times the sine.

    Examples
    --------
    >>> sine(30), sine(-90), cosine(60)
    (2048, -4096, 2048)
    """
    return _SINES[degrees % 360]


def cosine(degrees: int) -> int:
    """Return 4096 times the cosine."""
    return _SINES[(degrees + 90) % 360]
