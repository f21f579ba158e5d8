"""Shape against texture: cue-conflict images, and images in the texture of something else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from numpy.random import RandomState

from extract.miniature.sampling import IN, sample
from extract.miniature.world import CLASSES, HELD_OUT_TEXTURES, HUES, OTHER_SCENES, TEXTURES

from .files import one_of, part, picture

STYLIZED_A_CLASS = 10


def write_cue_conflict(folder: Path, rng: RandomState, share: int) -> None:
    """Write `<shape>/NNNN_s5n_dnn_0_<shape>_00_<shape><i>-<texture><j>.png`: every pair of classes once.

    The thing has the shape of one class, and texture and colour of another; with each class it is once at one with
    itself, as in 80 of the official images. A share takes every share-th texture.
    """
    number = 0
    for at, shape in enumerate(CLASSES):
        for other, texture in enumerate(CLASSES):
            if (at + other) % share:
                continue
            number += 1
            name = f"{number:04d}_s5n_dnn_0_{shape.name}_00_{shape.name}{at + 1}-{texture.name}{other + 1}.png"
            scene = replace(sample(IN, at, rng), texture=texture.texture, colour=texture.colour, style="photo")
            picture(folder / shape.name / name, scene)


def write_stylized(folder: Path, rng: RandomState, share: int) -> None:
    """Write `val/<wnid>/<file>`: the shape of a class in any texture but its own, before an unusual ground.

    Every other image keeps the usual colour, so that the set is not beyond every model that goes by it.
    """
    for at, thing in enumerate(CLASSES):
        textures = tuple(name for name in (*TEXTURES, *HELD_OUT_TEXTURES) if name != thing.texture)
        colours = tuple(name for name in HUES if name != thing.colour)
        for number in range(part(STYLIZED_A_CLASS, share)):
            scene = replace(
                sample(IN, at, rng),
                texture=one_of(rng, textures),
                colour=one_of(rng, colours) if number % 2 else thing.colour,
                background=one_of(rng, OTHER_SCENES),
                style="photo",
            )
            picture(folder / "val" / thing.key / f"{thing.key}_{number:02d}.jpg", scene)
