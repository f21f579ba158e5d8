"""Sets with a folder a class: validation, its second edition, renditions, sketches, and a few training images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from numpy.random import RandomState

from extract.layouts.imagenet_val import val_name
from extract.miniature.sampling import IN, MORE, sample
from extract.miniature.world import CLASSES, STYLES

from .files import between, part, picture, text_file
from .things import RENDITION_CLASSES

VAL_A_CLASS = 40
V2_A_CLASS = 15
RENDITIONS_A_CLASS = 30
SKETCHES_A_CLASS = 10
SHOTS = 16

SHOT_LIST = "imagenet_train_16shot.txt"
RENDITIONS = tuple(style for style in STYLES if style != "photo")


def write_val(folder: Path, rng: RandomState, share: int) -> None:
    """Write `<wnid>/ILSVRC2012_val_*.JPEG`; numbers go round the classes, so that they say nothing."""
    for number in range(len(CLASSES) * part(VAL_A_CLASS, share)):
        at = number % len(CLASSES)
        picture(folder / CLASSES[at].key / val_name(number + 1), sample(IN, at, rng))


def write_v2(folder: Path, rng: RandomState, share: int) -> None:
    """Write `<class index>/<file>`; every third image is of the wider world, which makes the set a little harder."""
    root = folder / "imagenetv2-matched-frequency-format-val"
    for at in range(len(CLASSES)):
        for number in range(part(V2_A_CLASS, share)):
            picture(root / str(at) / f"{number:02d}.jpeg", sample(MORE if number % 3 == 2 else IN, at, rng))


def write_renditions(folder: Path, rng: RandomState, share: int) -> None:
    """Write `<wnid>/<rendition>_<n>.jpg`: outlines, ink, cartoons..., with corners drawn freely."""
    for at in RENDITION_CLASSES:
        for number in range(part(RENDITIONS_A_CLASS, share)):
            style = RENDITIONS[number % len(RENDITIONS)]
            scene = replace(sample(IN, at, rng), style=style, deformation=between(rng, 5, 25) / 100)
            picture(folder / CLASSES[at].key / f"{style}_{number}.jpg", scene)


def write_sketches(folder: Path, rng: RandomState, share: int) -> None:
    """Write `sketch/<wnid>/sketch_<n>.JPEG`: pencil on paper."""
    for at, thing in enumerate(CLASSES):
        for number in range(part(SKETCHES_A_CLASS, share)):
            scene = replace(sample(IN, at, rng), style="sketch", background="plain", occluder=0.0, distractors=())
            picture(folder / "sketch" / thing.key / f"sketch_{number}.JPEG", scene)


def write_shots(folder: Path, rng: RandomState, share: int) -> None:
    """Write `train/<wnid>/<wnid>_<n>.JPEG` and the list of them, `path class` a line."""
    lines = []
    for at, thing in enumerate(CLASSES):
        for number in range(part(SHOTS, share)):
            name = f"{thing.key}/{thing.key}_{between(rng, 100, 999)}{number:02d}.JPEG"
            picture(folder / "train" / name, sample(IN, at, rng))
            lines.append(f"{name} {at}")
    text_file(folder / SHOT_LIST, lines)
