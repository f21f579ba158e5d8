"""Seeded augmentations: which part of an image each of its augmented copies shows.

Adapters that keep a cache of training images (Tip-Adapter, imagenet-train-16shot) average over random resized crops
and flips. Here a copy is a pure function of the image's name, its number and a seed, so that everybody averages over
the same ones, in whatever order images are computed.

A copy of a dataset is a dataset of its own over the same images and packs: `index --augment 10` writes ten, and each
makes another space of a model, as every pixel step does.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

COPIES = 10
SCALE = (0.5, 1.0)
RATIO = (3 / 4, 4 / 3)
FLIP = 0.5


@dataclass(frozen=True, slots=True)
class Crop:
    """A part of an image in pixels, and whether it is mirrored."""

    left: int
    top: int
    width: int
    height: int
    mirrored: bool


def random_crop(image: str, copy: int, width: int, height: int, seed: int = 1) -> Crop:
    """Return the part that one augmented copy shows: a random resized crop with a random flip.

    Area and aspect ratio are drawn as torchvision's `RandomResizedCrop` does (area uniform in `SCALE`, ratio
    log-uniform in `RATIO`, ten attempts, else the largest central part); mirrored with probability `FLIP`.

    Parameters
    ----------
    image
        Image id.
    copy
        Number of the copy, from 0.
    width, height
        Of the image, in pixels.
    seed
        Of the whole set of copies.

    Raises
    ------
    ValueError
        For an empty image or a negative number.

    Examples
    --------
    >>> random_crop("a" * 64, 0, 500, 375) == random_crop("a" * 64, 0, 500, 375)
    True
    >>> random_crop("a" * 64, 0, 1, 1)
    Crop(left=0, top=0, width=1, height=1, mirrored=True)
    """
    if width < 1 or height < 1 or copy < 0:
        raise ValueError(
            f"expected an image of at least 1 x 1 pixels and a copy from 0; got {width} x {height}, {copy}"
        )
    named = hashlib.sha256(f"assay-augmentation\0{seed}\0{copy}\0{image}".encode()).digest()
    # Philox is specified bit by bit; numpy's streams of floats from it are stable by its own policy.
    rng = np.random.Generator(np.random.Philox(key=int.from_bytes(named[:16], "big")))
    mirrored = bool(rng.random() < FLIP)
    for _ in range(10):
        area = width * height * (SCALE[0] + (SCALE[1] - SCALE[0]) * rng.random())
        low, high = math.log(RATIO[0]), math.log(RATIO[1])
        ratio = math.exp(low + (high - low) * rng.random())
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            left, top = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
            return Crop(left, top, w, h, mirrored)
    bounded = min(max(width / height, RATIO[0]), RATIO[1])
    w, h = min(width, max(1, round(height * bounded))), min(height, max(1, round(width / bounded)))
    return Crop((width - w) // 2, (height - h) // 2, w, h, mirrored)


def augment_op(copy: int, seed: int = 1) -> dict[str, Any]:
    """Return a copy as an operation of a preprocessing: everything that `random_crop` draws by."""
    return {
        "op": "augment",
        "copy": copy,
        "seed": seed,
        "scale": list(SCALE),
        "ratio": [float(edge) for edge in RATIO],
        "flip": FLIP,
    }


def copy_name(dataset: str, copy: int) -> str:
    """Name the dataset that is a copy of another one.

    Examples
    --------
    >>> copy_name("imagenet-train-16shot", 3)
    'imagenet-train-16shot-aug3'
    """
    return f"{dataset}-aug{copy}"


def augmented(ops: Sequence[Mapping[str, Any]], item: str, image: Image.Image) -> Image.Image:
    """Return the part of an image that a described preprocessing begins with; most begin with the whole.

    Examples
    --------
    >>> image = Image.new("RGB", (500, 375))
    >>> augmented([{"op": "resize", "size": 224}], "a" * 64, image) is image
    True
    >>> augmented([augment_op(0)], "a" * 64, image).size
    (341, 279)
    """
    for op in ops:
        if op["op"] == "augment":
            crop = random_crop(item, op["copy"], image.width, image.height, op["seed"])
            image = image.crop((crop.left, crop.top, crop.left + crop.width, crop.top + crop.height))
            if crop.mirrored:
                image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return image
