"""What a thing stands before. Returns a canvas that is painted over."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .colours import colour_of

Grid = NDArray[np.int32]


def paint_background(name: str, size: int, rng: np.random.RandomState) -> Grid:
    """Return int32 `(size, size, 3)` with values from 0 to 255.

    Raises
    ------
    ValueError
        For a name that is no background.
    """
    x = np.arange(size, dtype=np.int32)[None, :]
    y = np.arange(size, dtype=np.int32)[:, None]
    first, second = _tint(rng), _tint(rng)
    if name == "plain":
        part = np.zeros((size, size), np.int32)
    elif name == "gradient":
        a, b = rng.randint(-4, 5, size=2).tolist()
        part = (128 + (a * (x - size // 2) + b * (y - size // 2)) * 32 // size) * np.ones((size, size), np.int32)
    elif name == "cloudy":
        part = _stretched(rng.randint(0, 256, size=(5, 5)), size)
    elif name == "horizon":
        line = int(rng.randint(size * 3 // 8, size * 3 // 4))
        part = np.where(y < line, 0, 150 + (y - line) * 100 // size) * np.ones((1, size), np.int32)
    elif name == "tiled":
        step = int(rng.randint(7, 14)) * size // 64
        first, second = _vivid(rng), _vivid(rng)
        part = np.where((x // step + y // step) % 2 == 0, 30, 225) * np.ones((size, size), np.int32)
    elif name == "cluttered":
        return _clutter(size, rng, first)
    elif name == "grainy":
        part = rng.randint(0, 256, size=(size, size))
    elif name == "forest":
        trunks = rng.randint(0, 256, size=(size // 4,))
        part = np.repeat(trunks, 4)[:size][None, :] * np.ones((size, 1), np.int32)
        first, second = np.array([35, 60, 30], np.int32), np.array([120, 150, 80], np.int32)
    elif name == "starry":
        part = np.where(rng.randint(0, 40, size=(size, size)) == 0, 255, 0)
        first, second = np.array([12, 14, 40], np.int32), np.array([240, 240, 220], np.int32)
    elif name == "rippled":
        cx, cy = rng.randint(0, size, size=2).tolist()
        part = np.where((((x - cx) ** 2 + (y - cy) ** 2) * 64 // size // 90) % 2 == 0, 40, 200)
    elif name == "city":
        tops = np.repeat(rng.randint(size // 5, size * 4 // 5, size=(size // 8,)), 8)[:size][None, :]
        windows = ((x % 8 > 4) & (y % 8 > 4)).astype(np.int32)
        part = np.where(y > tops, 40 + 190 * windows, 140)
    else:
        raise ValueError(f"background: expected one of the world, got {name!r}")
    mix = np.clip(part, 0, 255).astype(np.int32)[..., None]
    return np.ascontiguousarray((first * (255 - mix) + second * mix) // 255, dtype=np.int32)


def _tint(rng: np.random.RandomState) -> Grid:
    """A pale colour: a grey with a little of something."""
    return np.clip(rng.randint(90, 215) + rng.randint(-28, 29, size=3), 0, 255).astype(np.int32)


def _vivid(rng: np.random.RandomState) -> Grid:
    """A colour as strong as those of the things: what stands before it is not told by its colour alone."""
    return colour_of(int(rng.randint(360)), int(rng.randint(60, 181)), int(rng.randint(90, 221)))


def _stretched(coarse: NDArray[np.int_], size: int) -> Grid:
    """A coarse table drawn smoothly over the canvas, by whole numbers."""
    at = np.arange(size, dtype=np.int32) * (len(coarse) - 1) * 16 // size
    low, part = at // 16, at % 16
    rows = coarse[low] * (16 - part)[:, None] + coarse[low + 1] * part[:, None]
    both = rows[:, low] * (16 - part)[None, :] + rows[:, low + 1] * part[None, :]
    return np.asarray(both // 256, np.int32)


def _clutter(size: int, rng: np.random.RandomState, first: Grid) -> Grid:
    """Boxes of any colour over each other."""
    canvas = np.empty((size, size, 3), np.int32)
    canvas[:] = first
    for _ in range(16):
        left, top = rng.randint(-size // 6, size, size=2).tolist()
        wide, high = rng.randint(size // 10, size // 3, size=2).tolist()
        canvas[max(top, 0) : top + high, max(left, 0) : left + wide] = _vivid(rng)
    return canvas
