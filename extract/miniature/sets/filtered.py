"""The miniature of ImageNet-A: of many candidates those that a simple classifier is far from getting right.

The classifier compares the mean colour of the middle of a picture with that of each class. As with ImageNet-A, a
model that errs as it does is tested harder than others.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from extract.miniature.bitmap import write
from extract.miniature.draw import draw
from extract.miniature.sampling import IN, MORE, sample
from extract.miniature.scene import Scene
from extract.miniature.world import CLASSES, OTHER_SCENES

from .files import between, one_of, part
from .things import ADVERSARIAL_CLASSES

A_CLASS = 20
SEEN = 12
"""Pictures of each class that the classifier has seen."""

NEARER = 5
"""So many wrong classes at least are nearer than the right one."""


def write_adversarial(folder: Path, rng: RandomState, share: int) -> None:
    """Write `<wnid>/<rank>_<answer>_<n>.jpg`; the name tells how the classifier erred, as the official names do."""
    means = class_means(rng)
    for at in ADVERSARIAL_CLASSES:
        kept = 0
        while kept < part(A_CLASS, share):
            pixels = draw(_candidate(at, rng))
            order = answers(pixels, means)
            rank = order.index(at)
            if rank >= NEARER:
                write(folder / CLASSES[at].key / f"{rank:02d}_{CLASSES[order[0]].name}_{kept:02d}.jpg", pixels)
                kept += 1


def _candidate(at: int, rng: RandomState) -> Scene:
    scene = sample(MORE, at, rng)
    angle = between(rng, 0, 359) if rng.randint(2) else scene.angle
    return replace(scene, angle=angle, background=one_of(rng, OTHER_SCENES))


def class_means(rng: RandomState) -> NDArray[np.int64]:
    """Return the mean colour of each class, int64 (24, 3), in 16ths of a level."""
    return np.array(
        [sum(middle_colour(draw(sample(IN, at, rng))) for _ in range(SEEN)) // SEEN for at in range(len(CLASSES))]
    )


def middle_colour(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the mean colour of the middle quarter of a picture, int64 (3,), in 16ths of a level.

    Examples
    --------
    >>> middle_colour(np.full((64, 64, 3), 3, np.uint8)).tolist()
    [48, 48, 48]
    """
    height, width = pixels.shape[:2]
    middle = pixels[height // 4 : height - height // 4, width // 4 : width - width // 4].astype(np.int64)
    return np.asarray(16 * middle.sum(axis=(0, 1)) // (middle.shape[0] * middle.shape[1]))


def answers(pixels: NDArray[np.uint8], means: NDArray[np.int64]) -> list[int]:
    """Return the classes from the nearest mean to the farthest; ties to the lower index."""
    distance = ((means - middle_colour(pixels)) ** 2).sum(axis=1)
    order: list[int] = np.argsort(distance, kind="stable").tolist()
    return order
