"""Corruptions that know how far things are, by whole numbers: fog, focus, flash and the movement of the camera.

Pure functions over a picture and its depth in centimetres. The models of Kar et al. 2022 (3D Common Corruptions) in
simpler form: light falls off with depth, and a blur is as wide as depth says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Pixels: TypeAlias = NDArray[np.uint8]
Grid: TypeAlias = NDArray[np.int64]
Corruption: TypeAlias = Callable[[Pixels, Grid, int], Pixels]
"""(picture uint8 (h, w, 3), depth int64 (h, w) in cm, severity 1 to 5) -> picture."""

_ONE: Final = 4096
_FADED: Final = np.array([round(_ONE * math.exp(-step / 64)) for step in range(64 * 9)], np.int64)
"""exp(-step / 64) in 4096ths; rounded once, so that the last bit of a library's exponential does not matter."""

NEAR_FOCUS: Final = 150
FAR_FOCUS: Final = 900
"""Distance of what is sharp, in cm: nearer than any thing, and far behind the things, where the floor nearly ends."""


def fog_3d(image: Pixels, depth: Grid, severity: int) -> Pixels:
    """Mix in grey by what light loses on its way: exp(-density * depth), Koschmieder's law.

    Examples
    --------
    Black at 5 m behind the thickest fog, whose density is 12/64 a metre: 235 (1 - exp(-60/64)) = 142.97.

    >>> int(fog_3d(np.zeros((1, 1, 3), np.uint8), np.full((1, 1), 500), 5)[0, 0, 0])
    142
    """
    density = (2, 3, 5, 8, 12)[severity - 1]  # 64ths a metre
    left = _FADED[np.minimum(density * depth // 100, len(_FADED) - 1)][..., None]
    return _clipped((image * left + 235 * (_ONE - left)) // _ONE)


def near_focus(image: Pixels, depth: Grid, severity: int) -> Pixels:
    """Blur what is far, the more the farther: the lens is set to what is nearer than anything."""
    return _focus(image, depth, NEAR_FOCUS, (260, 380, 520, 680, 900)[severity - 1])


def far_focus(image: Pixels, depth: Grid, severity: int) -> Pixels:
    """Blur what is near, the more the nearer: the lens is set to the distance."""
    return _focus(image, depth, FAR_FOCUS, (460, 660, 900, 1180, 1560)[severity - 1])


def flash(image: Pixels, depth: Grid, severity: int) -> Pixels:
    """Light what is near too much and what is far too little, by the square of the distance.

    Examples
    --------
    The strongest flash leaves 141/256 of the light and adds 230/256 at 4 m: four times that at 2 m (1061/256 in all), a
    quarter at 8 m (198/256).

    >>> flash(np.full((1, 2, 3), 20, np.uint8), np.array([[200, 800]]), 5)[0, :, 0].tolist()
    [82, 15]
    """
    strength = (40, 70, 110, 160, 230)[severity - 1]  # 256ths of the light that comes from the flash at 4 m
    ambient = 256 - strength // 2
    gain = ambient + strength * 160_000 // np.maximum(depth, 1) ** 2
    return _clipped(image * gain[..., None] // 256)


def xy_motion_blur(image: Pixels, depth: Grid, severity: int) -> Pixels:
    """Average along a sideways movement of the camera: what is near moves farther."""
    across = (600, 1000, 1500, 2100, 2800)[severity - 1] // np.maximum(depth, 1)  # pixels from end to end
    height, width = depth.shape
    y, x = np.mgrid[:height, :width]
    steps = np.arange(-8, 9)
    total = sum(image[y, np.clip(x + step * across // 16, 0, width - 1)].astype(np.int64) for step in steps.tolist())
    return _clipped(total // len(steps))


def z_motion_blur(image: Pixels, depth: Grid, severity: int) -> Pixels:
    """Average along a movement of the camera forwards: away from the middle, farther where it is near."""
    part = (100, 160, 240, 340, 480)[severity - 1] * 100 // np.maximum(depth, 1)  # 256ths of the distance to the middle
    height, width = depth.shape
    y, x = np.mgrid[:height, :width]
    steps = range(17)
    total = sum(
        image[
            np.clip(y + (y - height // 2) * step * part // 4096, 0, height - 1),
            np.clip(x + (x - width // 2) * step * part // 4096, 0, width - 1),
        ].astype(np.int64)
        for step in steps
    )
    return _clipped(total // len(steps))


CORRUPTIONS: Final[Mapping[str, Corruption]] = {
    "fog_3d": fog_3d,
    "near_focus": near_focus,
    "far_focus": far_focus,
    "flash": flash,
    "xy_motion_blur": xy_motion_blur,
    "z_motion_blur": z_motion_blur,
}
"""The six of the journal's study, by the names of their folders."""


def _focus(image: Pixels, depth: Grid, focus: int, aperture: int) -> Pixels:
    """Blur each pixel over a radius of aperture * |1/depth - 1/focus| hundredths of a pixel, lengths in metres.

    Between whole radii two blurs are mixed.
    """
    near = np.maximum(depth, 1)
    radius = np.minimum(100 * aperture * abs(near - focus) // (near * focus), 699)
    result = np.zeros(image.shape, np.int64)
    for width in range(int(radius.max()) // 100 + 2):
        # How much of this blur each pixel takes: all at its radius, none a pixel away from it.
        part = np.maximum(100 - abs(radius - 100 * width), 0)[..., None]
        if part.any():
            result += part * _box(image, width)
    return _clipped(result // 100)


def _box(image: Pixels, radius: int) -> Grid:
    """Mean over a square of 2 radius + 1 pixels, the edge continued.

    Examples
    --------
    >>> _box(np.array([[[0, 0, 0], [90, 0, 9]]], np.uint8), 1)[0].tolist()
    [[30, 0, 3], [60, 0, 6]]
    """
    side = 2 * radius + 1
    padded = np.pad(image.astype(np.int64), ((radius, radius), (radius, radius), (0, 0)), mode="edge")
    sums = np.pad(padded.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0), (0, 0)))
    total = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    return np.asarray(total // side**2)


def _clipped(values: Grid) -> Pixels:
    return np.clip(values, 0, 255).astype(np.uint8)
