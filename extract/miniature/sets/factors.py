"""The miniature of ImageNet-X: images drawn for one factor each, annotated in the official package's format.

Annotated is the factor that an image was drawn for. As in photographs, others may come with it: of the images of
pattern and texture three quarters have an unusual colour, too.
"""

from __future__ import annotations

import json
from pathlib import Path

from numpy.random import RandomState

from extract.layouts.imagenet_val import val_name
from extract.miniature.sampling import FACTORS, sample
from extract.miniature.world import CLASSES

from .files import part, picture, text_file

A_FACTOR = 150
PLANTED = ("background", "color", "pattern", "pose", "texture")
"""Factors in which sources were made to differ: twice as many pictures, so that chance hides less of it."""

FIRST_NUMBER = 10_001
"""The first number of an image: no name is that of an image of the miniature of the validation set."""

ANNOTATIONS = "imagenet_x_val_top_factor.jsonl"


def images_of(factor: str) -> int:
    """Return how many pictures a factor has in the whole set.

    Examples
    --------
    >>> images_of("pose"), images_of("style")
    (300, 150)
    """
    return A_FACTOR * (2 if factor in PLANTED else 1)


def write_factors(folder: Path, rng: RandomState, share: int) -> None:
    """Write `val/<wnid>/ILSVRC2012_val_*.JPEG`, and a line an image with its class and every factor, 0 or 1.

    Differs from ImageNet-X: the factor of an image is what it was drawn with, and no person's judgement.
    """
    lines = []
    number = FIRST_NUMBER
    for place, (factor, recipe) in enumerate(FACTORS.items()):
        for turn in range(part(images_of(factor), share)):
            # Each factor begins with another class, so that few images are not always of the first ones.
            at = (turn + 7 * place) % len(CLASSES)
            name = val_name(number)
            picture(folder / "val" / CLASSES[at].key / name, sample(recipe, at, rng))
            flags = {other: int(other == factor) for other in FACTORS}
            lines.append(json.dumps({"file_name": name, "class": at, **flags}))
            number += 1
    text_file(folder / "annotations" / ANNOTATIONS, lines)
