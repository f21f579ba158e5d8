"""What sets ask of the world: which classes a smaller set has, and pairs of texture and colour that no class has."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from numpy.random import RandomState

from extract.miniature.sampling import Recipe, sample
from extract.miniature.scene import Scene
from extract.miniature.world import CLASSES, HUES, TEXTURES

from .files import one_of

RENDITION_CLASSES: Final = tuple(range(0, 24, 2))
"""Classes of the miniature of ImageNet-R."""

ADVERSARIAL_CLASSES: Final = tuple(at for at in range(24) if at % 4 in (1, 2))
"""Classes of the miniature of ImageNet-A; six of them are also among the renditions."""

OBJECT_GROUPS: Final = (*((at,) for at in range(1, 11)), (11, 12), (13, 14))
"""Classes of the miniature of ObjectNet: ten are one class of the world, two are two."""

OTHER_OBJECTS: Final = (15, 16, 17)
"""Folders of the miniature of ObjectNet that no class is told of."""

OBJECT_FOLDERS: Final = tuple("_or_".join(CLASSES[at].name for at in group) for group in OBJECT_GROUPS)
"""Folder of each class of `OBJECT_GROUPS`."""

STRANGE_PAIRS: Final = tuple(
    (texture, colour)
    for texture in TEXTURES
    for colour in HUES
    if (texture, colour) not in {(thing.texture, thing.colour) for thing in CLASSES}
)
"""Texture and colour that no class has together."""


def stranger(recipe: Recipe, shape: str, rng: RandomState) -> Scene:
    """Draw what has the shape of no class, and a texture and a colour that no class has together."""
    texture, colour = one_of(rng, STRANGE_PAIRS)
    scene = sample(recipe, int(rng.randint(len(CLASSES))), rng)
    return replace(scene, shape=shape, texture=texture, colour=colour)
