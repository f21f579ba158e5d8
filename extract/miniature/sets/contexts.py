"""The miniature of ImageNet-D: things on an unusual ground, in an unusual texture, of an unusual material."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from numpy.random import RandomState

from extract.miniature.sampling import IN, sample
from extract.miniature.scene import Scene
from extract.miniature.world import CLASSES, HELD_OUT_SCENES, HELD_OUT_TEXTURES, HUES, TEXTURES, Thing

from .files import one_of, part, picture

A_CLASS = 5
SPLITS = ("background", "texture", "material")


def write_contexts(folder: Path, rng: RandomState, share: int) -> None:
    """Write `{background,texture,material}/<class>/<n>.jpg`."""
    for split in SPLITS:
        for at, thing in enumerate(CLASSES):
            for number in range(part(A_CLASS, share)):
                scene = _changed(replace(sample(IN, at, rng), style="photo"), thing, split, rng)
                picture(folder / split / thing.name / f"{number}.jpg", scene)


def _changed(scene: Scene, thing: Thing, split: str, rng: RandomState) -> Scene:
    if split == "background":
        return replace(scene, background=one_of(rng, HELD_OUT_SCENES))
    if split == "texture":
        others = [name for name in TEXTURES if name not in (scene.texture, thing.texture)]
        return replace(scene, texture=one_of(rng, others))
    # Of the material that the colour belongs to, or of another.
    colours = [name for name in HUES if name != scene.colour]
    colour = one_of(rng, colours) if rng.randint(2) else scene.colour
    return replace(scene, texture=one_of(rng, HELD_OUT_TEXTURES), colour=colour)
