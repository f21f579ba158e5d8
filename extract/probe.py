"""The pixel probe: what this machine's decoders and resizers make of two shipped images.

An op list says "bicubic"; two Pillow versions may still differ in the last bit. The probe puts that difference into
a space's identity, where it is seen, instead of into the numbers, where it is not.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from . import intake
from .preprocess import pixels
from .transform_steps import Transform

FILES = {"png": "probe.png", "jpeg": "probe.jpg"}


def pixel_probe(transform: Transform) -> dict[str, str]:
    """Return the sha256 of the uint8 pixels `(h, w, 3)` of both probe images after resize and crop.

    Raises
    ------
    RuntimeError
        When this installation cannot decode its own probe images.

    Examples
    --------
    >>> from extract.transform_steps import TrimBorder
    >>> sorted(pixel_probe(TrimBorder(100)))
    ['jpeg', 'png']
    """
    probe = {}
    for name, data in probe_images().items():
        decoded = intake.decode(data)
        if decoded.image is None:
            raise RuntimeError(
                f"the shipped {FILES[name]} gives {decoded.status} ({decoded.detail}); reinstall clip-assay"
            )
        probe[name] = hashlib.sha256(pixels(transform, decoded.image).tobytes()).hexdigest()
    return probe


@cache
def probe_images() -> dict[str, bytes]:
    """Return the encoded bytes of the two images by name."""
    folder = files(__package__) / "probe_images"
    return {name: (folder / file).read_bytes() for name, file in FILES.items()}


def draw_probe() -> NDArray[np.uint8]:
    """Draw the probe: uint8 `(389, 517, 3)`, by integer arithmetic only, so that every machine draws the same.

    Slopes show a change of the kernel, rings and bars show aliasing, the speckled patch shows rounding, and the odd
    sides show how an edge length is rounded.
    """
    height, width = 389, 517
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    red = x * 255 // (width - 1)
    green = y * 255 // (height - 1)
    rings = ((x - 180) ** 2 + (y - 150) ** 2) // 97 % 2 * 255
    blue = np.where((x - 180) ** 2 + (y - 150) ** 2 < 110**2, rings, (x + 2 * y) // 4 % 256)
    image = np.stack([red, green, blue], axis=-1)
    image[40:120, 340:480] = np.where((x[40:120, 340:480] // 3 % 2 == 0)[..., None], 255, 0)
    image[260:340, 330:410] = (x[260:340, 330:410] * 7919 + y[260:340, 330:410] * 104729)[..., None] % [251, 241, 239]
    image[(x + y) % 83 == 0] = [255, 255, 255]
    return image.astype(np.uint8)
