"""The miniature of SPair-71k: two pictures of one class, and corners of the outline that are the same in both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import RandomState

from extract.miniature.bitmap import write
from extract.miniature.draw import Layers, layers
from extract.miniature.sampling import MORE, sample
from extract.miniature.world import CLASSES

from .files import between, json_file, part, text_file

SIDE = 128
CATEGORIES = ("arrow", "boat", "bolt", "boot", "fish", "hammer", "house", "key", "mug", "tree")
"""Things without a symmetry of rotation: which corner is which can be seen."""

ANGLES = (-60, -35, -12, 5, 28, 60)
"""Of the pictures of a category, before each is turned a little more."""

VIEWS = (25, 60)
"""Degrees from which two pictures count as seen from another side, and from quite another one."""

MOST_POINTS = 12


@dataclass(frozen=True, slots=True)
class _Picture:
    stem: str
    angle: int
    drawn: Layers
    points: dict[int, tuple[int, int]]
    box: list[int]


def write_spair_71k(folder: Path, rng: RandomState, share: int = 1) -> None:
    """Write `JPEGImages`, `ImageAnnotation`, `PairAnnotation/test` and `Layout/large/test.txt`.

    All pairs of the six pictures of a category; files of pairs are named with `_` for the colon, as on Windows.
    """
    names: list[str] = []
    number = 0
    for category in CATEGORIES[: part(len(CATEGORIES), share)]:
        pictures = []
        for angle in ANGLES:
            one = _picture(f"2008_{number:06d}", category, angle + between(rng, -3, 3), rng)
            number += 1
            write(folder / "JPEGImages" / category / f"{one.stem}.jpg", one.drawn.image)
            json_file(folder / "ImageAnnotation" / category / f"{one.stem}.json", _image_note(one, category))
            pictures.append(one)
        for first, second in combinations(pictures, 2):
            name = f"{len(names):06d}-{first.stem}-{second.stem}:{category}"
            note = _pair_note(len(names), category, first, second)
            json_file(folder / "PairAnnotation" / "test" / f"{name.replace(':', '_')}.json", note)
            names.append(name)
    text_file(folder / "Layout" / "large" / "test.txt", names)


def viewpoint_variation(first: int, second: int) -> int:
    """Return how different two angles are, in three steps.

    Examples
    --------
    >>> viewpoint_variation(5, 28), viewpoint_variation(-12, 28), viewpoint_variation(-60, 60)
    (0, 1, 2)
    """
    apart = abs(first - second)
    return sum(apart >= step for step in VIEWS)


def _picture(stem: str, category: str, angle: int, rng: RandomState) -> _Picture:
    at = next(at for at, thing in enumerate(CLASSES) if thing.name == category)
    scene = replace(
        sample(MORE, at, rng),
        style="photo",
        angle=angle,
        radius=between(rng, 15, 22),
        x=between(rng, 26, 38),
        y=between(rng, 26, 38),
        blur=0,
        occluder=0.0,
        distractors=(),
    )
    drawn = layers(scene, SIDE)
    corners = [(int(x), int(y)) for x, y in drawn.keypoints]
    step = -(-len(corners) // MOST_POINTS)
    points = {
        name: corner
        for name, corner in enumerate(corners[::step])
        if 0 <= corner[0] < SIDE and 0 <= corner[1] < SIDE
    }  # fmt: skip
    rows, columns = (np.flatnonzero(drawn.mask.any(axis=axis)).tolist() for axis in (1, 0))
    return _Picture(stem, angle, drawn, points, [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


def _image_note(one: _Picture, category: str) -> dict[str, Any]:
    points = {str(name): list(one.points[name]) if name in one.points else None for name in range(30)}
    return {
        "filename": f"{one.stem}.jpg",
        "category": category,
        "image_width": SIDE,
        "image_height": SIDE,
        "bndbox": one.box,
        "kps": points,
    }


def _pair_note(number: int, category: str, first: _Picture, second: _Picture) -> dict[str, Any]:
    shared = sorted(first.points.keys() & second.points.keys())
    said: dict[str, Any] = {
        "pair_id": number,
        "filename": f"{number:06d}-{first.stem}-{second.stem}:{category}",
        "category": category,
        "kps_ids": [str(name) for name in shared],
        "viewpoint_variation": viewpoint_variation(first.angle, second.angle),
        **dict.fromkeys(("scale_variation", "truncation", "occlusion", "mirror"), 0),
    }
    for end, one in (("src", first), ("trg", second)):
        said[f"{end}_imname"] = f"{one.stem}.jpg"
        said[f"{end}_imsize"] = [SIDE, SIDE, 3]
        said[f"{end}_bndbox"] = one.box
        said[f"{end}_kps"] = [list(one.points[name]) for name in shared]
    return said
