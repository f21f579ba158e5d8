"""A scene becomes pixels, by whole numbers only: the same bytes on every machine and in every version of numpy.

The outline is drawn on a canvas twice as fine, which gives edges four steps of cover.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .backgrounds import paint_background
from .colours import colour_of
from .patterns import pattern
from .scene import Scene
from .trigonometry import ONE, cosine, sine
from .world import HUES, SHAPES

Pixels = NDArray[np.uint8]
Grid = NDArray[np.int32]

FLATTEST = 2458
"""Height of a thing that is tilted by 1, in 4096ths: four tenths are lost."""

_ONCE = ONE - FLATTEST


@dataclass(frozen=True, slots=True)
class Layers:
    """A drawing with what is known of it.

    image : uint8 (h, w, 3)
    mask : bool (h, w)
        Where at least half of a pixel is the thing.
    depth : float32 (h, w)
        Metres.
    keypoints : int32 (k, 2)
        Corners of the first outline in its own order, x and y in pixels; they may lie outside.
    """

    image: Pixels
    mask: NDArray[np.bool_]
    depth: NDArray[np.float32]
    keypoints: Grid


def draw(scene: Scene, size: int = 64) -> Pixels:
    """Return the picture of a scene, uint8 `(size, size, 3)`.

    Examples
    --------
    >>> picture = draw(Scene(shape="heart", texture="striped", colour="red"))
    >>> picture.shape, picture.dtype.name
    ((64, 64, 3), 'uint8')
    """
    rng = np.random.RandomState(scene.seed)
    canvas = paint_background(scene.background, size, rng)
    for other in scene.distractors:
        _paint_thing(canvas, other, size, np.random.RandomState(other.seed))
    cover = _paint_thing(canvas, scene, size, rng)
    if scene.occluder > 0:
        _paint_occluder(canvas, scene, cover, size, rng)
    return _finish(canvas, scene, rng)


def layers(scene: Scene, size: int = 64) -> Layers:
    """Return the picture with mask, depth and keypoints.

    The floor rises from 3 m at the lower edge to 10 m at the upper one; the thing stands at 2 to 4 m, the nearer the
    larger. What covers it or stands beside it has the depth of what is behind it, and the mask is the whole thing.
    """
    cover = _cover(scene, size)
    rows = np.arange(size, dtype=np.int32)
    floor = (10000 - 7000 * rows // max(size - 1, 1))[:, None] + np.zeros((1, size), np.int32)
    # A whole number of millimetres, so that every machine agrees.
    near = max(2000, min(4000, 5200 - 100 * round(scene.radius)))
    depth = np.where(cover >= 2, near, floor).astype(np.float32) / np.float32(1000)
    return Layers(draw(scene, size), cover >= 2, depth, _corners(scene, size)[0] // 2)


def _corners(scene: Scene, size: int) -> list[Grid]:
    """Corners of each outline on the canvas twice as fine."""
    rng = np.random.RandomState(scene.seed + 1)
    scale = round(scene.radius * 2 * size * 16 / 64)
    across, up = round(scene.x * 2 * size * 16 / 64), round(scene.y * 2 * size * 16 / 64)
    height = ONE - round(scene.tilt * _ONCE)
    turn_c, turn_s = cosine(scene.angle), sine(scene.angle)
    found = []
    for outline in SHAPES[scene.shape]:
        corners = np.array(outline, np.int64)
        if scene.deformation > 0:
            far = round(100 * scene.deformation)
            corners = corners + rng.randint(-far, far + 1, size=corners.shape)
        x, y = corners[:, 0], corners[:, 1]
        turned_x = (x * turn_c - y * turn_s) * scale // (ONE * 100)
        turned_y = (x * turn_s + y * turn_c) * scale // (ONE * 100) * height // ONE
        found.append(((np.stack([turned_x + across, turned_y + up], axis=1) + 8) // 16).astype(np.int32))
    return found


def _inside(outlines: list[Grid], size: int) -> NDArray[np.bool_]:
    """Which pixels lie inside: an odd number of edges to their left.

    An edge that passes a pixel's left border or middle counts as left of the next one: outlines lie half a pixel of
    the fine canvas to the right of their corners.
    """
    mask = np.zeros((size, size), bool)
    columns = np.arange(size, dtype=np.int32)
    for corners in outlines:
        for (x0, y0), (x1, y1) in zip(corners.tolist(), np.roll(corners, -1, axis=0).tolist(), strict=True):
            if y0 == y1:
                continue
            if y0 > y1:
                x0, y0, x1, y1 = x1, y1, x0, y0
            first, last = max(y0, 0), min(y1, size)
            if first >= last:
                continue
            rows = np.arange(first, last)
            # Through the middle of a row, at twice the numbers.
            cross = x0 + ((2 * rows + 1 - 2 * y0) * (x1 - x0)) // (2 * (y1 - y0))
            mask[first:last] ^= columns[None, :] > cross[:, None]
    return mask


def _cover(scene: Scene, size: int) -> Grid:
    """Quarters of each pixel that the thing covers."""
    fine = _inside(_corners(scene, size), 2 * size).astype(np.int32)
    return fine[::2, ::2] + fine[1::2, ::2] + fine[::2, 1::2] + fine[1::2, 1::2]


def _own_grid(scene: Scene, size: int) -> tuple[Grid, Grid]:
    """Coordinates of each pixel on the thing, in hundredths of its radius."""
    height = ONE - round(scene.tilt * _ONCE)
    scale = max(round(scene.radius * size * 16 / 64), 1)
    dx = np.arange(size, dtype=np.int64)[None, :] * 16 + 8 - round(scene.x * size * 16 / 64)
    dy = (np.arange(size, dtype=np.int64)[:, None] * 16 + 8 - round(scene.y * size * 16 / 64)) * ONE // height
    c, s = cosine(scene.angle), sine(scene.angle)
    u = (dx * c + dy * s) * 100 // (scale * ONE)
    v = (dy * c - dx * s) * 100 // (scale * ONE)
    return u.astype(np.int32), v.astype(np.int32)


def _paint_thing(canvas: Grid, scene: Scene, size: int, rng: np.random.RandomState) -> Grid:
    """Paint the thing over what is there; return its cover."""
    cover = _cover(scene, size)
    hue = HUES[scene.colour] + scene.hue_shift
    light, dark = colour_of(hue), colour_of(hue, 200, 95)
    edge = _edge(cover)
    if scene.style in ("ink", "sketch"):
        canvas[:] = 236 if scene.style == "ink" else 222
    if scene.style == "photo":
        u, v = _own_grid(scene, size)
        shade = pattern(scene.texture, u, v, rng)
        paint = np.where(shade[..., None], dark, light)
    elif scene.style == "cartoon":
        paint = np.where(edge[..., None], np.int32(15), light)
    elif scene.style in ("ink", "silhouette"):
        paint = np.full((1, 1, 3), 22, np.int32)
    elif scene.style == "sketch":
        u, v = _own_grid(scene, size)
        hatch = (u + v) % 22 < 5
        paint = np.where(edge[..., None], np.int32(30), np.where(hatch[..., None], np.int32(140), np.int32(222)))
    else:  # outline
        paint = np.where(edge[..., None], dark * 0 + 20, canvas)
    part = cover[..., None]
    canvas[:] = (canvas * (4 - part) + paint * part) // 4
    return cover


def _edge(cover: Grid) -> NDArray[np.bool_]:
    """Pixels of the thing within two pixels of its outline."""
    full = np.pad(cover == 4, 2)
    inner = full[2:-2, 2:-2].copy()
    for y, x in ((0, 2), (4, 2), (2, 0), (2, 4), (1, 1), (1, 3), (3, 1), (3, 3)):
        inner &= full[y : y + inner.shape[0], x : x + inner.shape[1]]
    return ~inner & (cover > 0)


def _paint_occluder(canvas: Grid, scene: Scene, cover: Grid, size: int, rng: np.random.RandomState) -> None:
    """Cover a share of the thing's width from one side, or its middle with somebody."""
    there = np.flatnonzero((cover > 0).any(axis=0))
    if not len(there):
        return
    first, last = int(there[0]), int(there[-1]) + 1
    wide = max(round((last - first) * scene.occluder), 1)
    x, y = np.arange(size, dtype=np.int32)[None, :], np.arange(size, dtype=np.int32)[:, None]
    if scene.occluder_kind == "block":
        start = first if rng.randint(2) else last - wide
        hidden = (x >= start) & (x < start + wide) & (y >= size // 10)
        canvas[hidden] = colour_of(int(rng.randint(360)), 40, int(rng.randint(60, 200)))
        return
    middle = int(rng.randint(first + wide // 2, max(last - wide // 2, first + wide // 2) + 1))
    top, half = size // 6 + int(rng.randint(size // 8)), max(wide // 2, 2)
    head = (x - middle) ** 2 + (y - top) ** 2 <= (half * 3 // 4 + 1) ** 2
    body = (abs(x - middle) <= half) & (y > top + half * 3 // 4)
    canvas[np.broadcast_to(body, (size, size))] = colour_of(int(rng.randint(360)), 90, 110)
    canvas[head] = np.array([205, 160, 130], np.int32)


def _finish(canvas: Grid, scene: Scene, rng: np.random.RandomState) -> Pixels:
    """Blur, light and noise, in the order of a camera."""
    for _ in range(scene.blur):
        canvas = _smooth(_smooth(canvas).transpose(1, 0, 2)).transpose(1, 0, 2)
    gain = round(256 * scene.gain)
    if gain != 256:
        canvas = canvas * gain // 256
    if scene.noise:
        canvas = canvas + rng.randint(-scene.noise, scene.noise + 1, size=canvas.shape)
    return np.clip(canvas, 0, 255).astype(np.uint8)


def _smooth(canvas: Grid) -> Grid:
    """One quarter, one half, one quarter along the rows."""
    padded = np.pad(canvas, ((1, 1), (0, 0), (0, 0)), mode="edge")
    return (padded[:-2] + 2 * padded[1:-1] + padded[2:] + 2) // 4
