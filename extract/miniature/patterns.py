"""Patterns on a thing: which of its points are dark, by whole coordinates in hundredths of its radius."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Grid = NDArray[np.int32]


def pattern(name: str, u: Grid, v: Grid, rng: np.random.RandomState) -> NDArray[np.bool_]:
    """Return where a pattern is dark.

    Raises
    ------
    ValueError
        For a name that is no pattern.

    Examples
    --------
    >>> u, v = np.meshgrid(np.arange(0, 80, 20), [0])
    >>> pattern("striped", u, v, np.random.RandomState(0)).tolist()
    [[True, False, True, False]]
    """
    if name == "striped":
        return np.asarray((u + v) % 40 < 20)
    if name == "dotted":
        return np.asarray((u % 46 - 23) ** 2 + (v % 46 - 23) ** 2 < 210)
    if name == "checked":
        return np.asarray((u // 28 + v // 28) % 2 == 0)
    if name == "gridded":
        return np.asarray((u % 48 < 13) | (v % 48 < 13))
    if name == "rayed":
        # Sixteen sectors without an angle: the signs of eight lines through the middle.
        lines = ((100, 0), (92, 38), (71, 71), (38, 92), (0, 100), (-38, 92), (-71, 71), (-92, 38))
        signs = [(a * u + b * v >= 0).astype(np.int32) for a, b in lines]
        return np.asarray(sum(signs) % 2 == 0)
    if name == "speckled":
        # Blocks of a table that belongs to the drawing.
        table = rng.randint(0, 2, size=(16, 16))
        return np.asarray(table[(v // 17) % 16, (u // 17) % 16] == 1)
    if name == "wavy":
        bend = np.abs(u % 80 - 40)
        return np.asarray((v + bend) % 44 < 20)
    if name == "dashed":
        return np.asarray((v % 40 < 18) & ((u + 31 * (v // 40)) % 62 < 36))
    if name == "ringed":
        return np.asarray((u * u + v * v) // 900 % 2 == 0)
    raise ValueError(f"pattern: expected a texture of the world, got {name!r}")
