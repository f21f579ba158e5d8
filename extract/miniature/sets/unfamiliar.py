"""Out-of-distribution sets: shapes, textures and scenes that no class has and nothing is trained on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from extract.miniature.bitmap import write
from extract.miniature.colours import colour_of
from extract.miniature.patterns import pattern
from extract.miniature.sampling import IN, MORE, sample
from extract.miniature.scene import Scene
from extract.miniature.trigonometry import ONE, cosine, sine
from extract.miniature.world import (
    CLASSES,
    HELD_OUT_SCENES,
    HELD_OUT_SHAPES,
    HELD_OUT_TEXTURES,
    HUES,
    OTHER_SCENES,
    USUAL_SCENES,
)

from .files import between, one_of, part, picture
from .things import stranger

A_SET = 200
A_NINCO_CLASS = 30

EMPTY: Final = {"empty_city": "city", "empty_sky": "starry"}
"""Classes of the miniature of NINCO that are scenes."""


def write_plants(folder: Path, rng: RandomState, share: int) -> None:
    """Write `images/<file>`, iNaturalist's part: unknown shapes in unknown pairs of texture and colour."""
    for number in range(part(A_SET, share)):
        picture(folder / "images" / f"{number:05d}.jpg", _alone(stranger(IN, one_of(rng, HELD_OUT_SHAPES[:3]), rng)))


def write_scenes(folder: Path, rng: RandomState, share: int) -> None:
    """Write `images/<file>`, SUN's part: unknown scenes with nothing in them."""
    for number in range(part(A_SET, share)):
        picture(folder / "images" / f"{number:05d}.jpg", _empty(one_of(rng, HELD_OUT_SCENES), rng))


def write_places(folder: Path, rng: RandomState, share: int) -> None:
    """Write `images/<file>`, Places' part: scenes of any kind with small unknown things in them."""
    for number in range(part(A_SET, share)):
        scene = _empty(one_of(rng, (*USUAL_SCENES, *OTHER_SCENES, *HELD_OUT_SCENES)), rng)
        things = tuple(
            replace(
                stranger(IN, one_of(rng, HELD_OUT_SHAPES), rng),
                x=between(rng, 6, 58),
                y=between(rng, 6, 58),
                radius=between(rng, 5, 10),
                style="photo",
            )
            for _ in range(between(rng, 0, 3))
        )
        picture(folder / "images" / f"{number:05d}.jpg", replace(scene, distractors=things))


def write_textures(folder: Path, rng: RandomState, share: int) -> None:
    """Write `images/<texture>/<texture>_<n>.jpg`: pictures full of a texture that no class has."""
    for number in range(max(part(A_SET, share), len(HELD_OUT_TEXTURES))):
        name = HELD_OUT_TEXTURES[number % len(HELD_OUT_TEXTURES)]
        write(folder / "images" / name / f"{name}_{number:04d}.jpg", swatch(name, rng))


def write_confusing(folder: Path, rng: RandomState, share: int) -> None:
    """Write `<wnid>/<file>.jpg`, ImageNet-O's part: unknown shapes in the texture and colour of a class.

    The folder is the class that they may be taken for, as in the official set.
    """
    for number in range(part(A_SET, share)):
        at = (5 * number) % len(CLASSES)
        thing = CLASSES[at]
        scene = replace(sample(IN, at, rng), shape=one_of(rng, HELD_OUT_SHAPES), style="photo")
        scene = _alone(replace(scene, texture=thing.texture, colour=thing.colour))
        picture(folder / thing.key / f"{number:04d}.jpg", scene)


def write_ninco(folder: Path, rng: RandomState, share: int) -> None:
    """Write `NINCO_OOD_classes/<class>/<file>`: six unknown shapes and two empty scenes."""
    root = folder / "NINCO_OOD_classes"
    for name in (*HELD_OUT_SHAPES, *EMPTY):
        for number in range(part(A_NINCO_CLASS, share)):
            scene = _empty(EMPTY[name], rng) if name in EMPTY else _alone(stranger(MORE, name, rng))
            picture(root / name / f"{name}_{number:03d}.jpeg", scene)


def _alone(scene: Scene) -> Scene:
    """Return a scene without the things beside, which would be of the classes."""
    return replace(scene, distractors=())


def _empty(background: str, rng: RandomState) -> Scene:
    """Draw a scene without anything in it."""
    scene = sample(IN, int(rng.randint(len(CLASSES))), rng)
    return replace(scene, radius=0, style="photo", background=background, occluder=0.0, distractors=())


def swatch(texture: str, rng: RandomState, size: int = 64) -> NDArray[np.uint8]:
    """Return a picture full of a texture, uint8 (size, size, 3): turned, near or far, in two tones of a pale colour."""
    degrees, scale = between(rng, 0, 359), between(rng, 300, 700)
    x = np.arange(size, dtype=np.int64)[None, :] - size // 2 + between(rng, -20, 20)
    y = np.arange(size, dtype=np.int64)[:, None] - size // 2 + between(rng, -20, 20)
    u = (x * cosine(degrees) + y * sine(degrees)) * scale // (100 * ONE)
    v = (y * cosine(degrees) - x * sine(degrees)) * scale // (100 * ONE)
    hue = HUES[one_of(rng, tuple(HUES))] + between(rng, -7, 7)
    dark = pattern(texture, u.astype(np.int32), v.astype(np.int32), rng)
    pale, value = between(rng, 10, 110), between(rng, 150, 235)
    paint = np.where(dark[..., None], colour_of(hue, pale, value // 2), colour_of(hue, pale, value))
    noise = rng.randint(-8, 9, size=paint.shape)
    return np.clip(paint + noise, 0, 255).astype(np.uint8)
