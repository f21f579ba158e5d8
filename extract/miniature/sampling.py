"""Drawing scenes at random: what pictures of each source and of each visual factor are like.

A `Recipe` is a distribution; `sample` draws from it. Only whole numbers of an old, frozen generator are drawn
(`numpy.random.RandomState`), so that a seed means the same scenes everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from .scene import Scene
from .world import (
    CLASSES,
    HELD_OUT_TEXTURES,
    HUES,
    OTHER_SCENES,
    TEXTURES,
    USUAL_SCENES,
)

_FINE: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What pictures of some source are like.

    Attributes
    ----------
    usual_texture, usual_colour
        How often the thing has its own; else any other one of `textures`, any other hue.
    textures
        Which others.
    turn_sd, tilt
        Spread of the angle in degrees; the largest tilt.
    radius
        Smallest and largest, as a share of half the picture.
    jitter
        How much of the free room the middle uses.
    out_of_frame
        Share of pictures whose thing is cut by the frame.
    backgrounds, styles
        Names, equally often; `style_share` is how often the style is not a photo.
    noise, blur, hue_shift
        The largest of each.
    gain
        Smallest and largest brightness.
    deformation
        Of the outline.
    occluded, occluder, occluder_kind
        How often something covers it, how much of it (smallest, largest), and what.
    crowded, crowd
        How often other things stand beside it, and how many (smallest, largest).
    """

    usual_texture: float = 0.96
    usual_colour: float = 0.96
    textures: tuple[str, ...] = TEXTURES
    turn_sd: int = 14
    tilt: float = 0.3
    radius: tuple[float, float] = (0.45, 0.85)
    jitter: float = 0.6
    out_of_frame: float = 0.03
    backgrounds: tuple[str, ...] = USUAL_SCENES
    styles: tuple[str, ...] = ("outline", "ink", "cartoon", "sketch", "silhouette")
    style_share: float = 0.02
    noise: int = 14
    blur: int = 1
    hue_shift: int = 7
    gain: tuple[float, float] = (0.85, 1.15)
    deformation: float = 0.05
    occluded: float = 0.04
    occluder: tuple[float, float] = (0.2, 0.35)
    occluder_kind: str = "block"
    crowded: float = 0.08
    crowd: tuple[int, int] = (1, 1)


IN: Final = Recipe()
"""The set that standard models are trained on, and from which the in-distribution test set is drawn."""

SOURCE_A: Final = replace(
    IN,
    usual_texture=0.7,
    usual_colour=0.7,
    turn_sd=52,
    tilt=0.8,
    backgrounds=USUAL_SCENES + OTHER_SCENES,
)
"""Rich in poses and backgrounds."""

SOURCE_B: Final = replace(IN, usual_texture=0.4, usual_colour=0.4, style_share=0.45, deformation=0.3)
"""Rich in shapes and styles; patterns and colours say little."""

MORE: Final = replace(
    IN,
    usual_texture=0.65,
    usual_colour=0.65,
    turn_sd=29,
    tilt=0.5,
    backgrounds=USUAL_SCENES + OTHER_SCENES[:2],
    style_share=0.12,
    deformation=0.12,
)
"""A larger and more varied set, for models that are pre-trained on more data."""

FACTORS: Final[dict[str, Recipe]] = {
    "pose": replace(IN, turn_sd=75, tilt=0.85),
    # Without grain, which hides nothing.
    "background": replace(IN, backgrounds=tuple(name for name in OTHER_SCENES if name != "grainy")),
    # An unusual pattern seldom comes in the usual colour.
    "pattern": replace(IN, usual_texture=0.0, usual_colour=0.25),
    "color": replace(IN, usual_colour=0.0),
    "smaller": replace(IN, radius=(0.26, 0.40)),
    "shape": replace(IN, deformation=0.32),
    "partial_view": replace(IN, out_of_frame=1.0),
    "subcategory": replace(IN, deformation=0.14, hue_shift=26, tilt=0.45),
    "texture": replace(IN, usual_texture=0.0, usual_colour=0.25, textures=HELD_OUT_TEXTURES),
    "larger": replace(IN, radius=(0.95, 1.25)),
    "darker": replace(IN, gain=(0.28, 0.55)),
    "object_blocking": replace(IN, occluded=1.0, occluder=(0.35, 0.6)),
    "person_blocking": replace(IN, occluded=1.0, occluder=(0.35, 0.6), occluder_kind="person"),
    "brighter": replace(IN, gain=(1.4, 2.1)),
    "style": replace(IN, style_share=1.0),
    "multiple_objects": replace(IN, crowded=1.0, crowd=(2, 4)),
}
"""One recipe for each factor of ImageNet-X."""


def sample(recipe: Recipe, at: int, rng: np.random.RandomState) -> Scene:
    """Draw a scene of the class with index `at`.

    Examples
    --------
    >>> one, again = (sample(IN, 3, np.random.RandomState(7)) for _ in range(2))
    >>> one == again, one.shape == CLASSES[3].shape
    (True, True)
    """
    thing = CLASSES[at]
    texture, colour = thing.texture, thing.colour
    if not _happens(recipe.usual_texture, rng):
        texture = _one_of([name for name in recipe.textures if name != thing.texture], rng)
    if not _happens(recipe.usual_colour, rng):
        colour = _one_of([name for name in HUES if name != thing.colour], rng)
    style = _one_of(recipe.styles, rng) if _happens(recipe.style_share, rng) else "photo"
    radius = 32 * _between(*recipe.radius, rng)
    x, y = _place(recipe, radius, rng)
    covered = _happens(recipe.occluded, rng)
    crowded = _happens(recipe.crowded, rng)
    return Scene(
        shape=thing.shape,
        texture=texture,
        colour=colour,
        x=x,
        y=y,
        radius=radius,
        angle=_bell(recipe.turn_sd, rng),
        tilt=_between(0.0, recipe.tilt, rng),
        background=_one_of(recipe.backgrounds, rng),
        style=style,
        noise=int(rng.randint(recipe.noise + 1)),
        blur=int(rng.randint(recipe.blur + 1)),
        gain=_between(*recipe.gain, rng),
        hue_shift=int(rng.randint(-recipe.hue_shift, recipe.hue_shift + 1)),
        deformation=recipe.deformation,
        occluder=_between(*recipe.occluder, rng) if covered else 0.0,
        occluder_kind=recipe.occluder_kind,
        distractors=_others(recipe, at, x, rng) if crowded else (),
        seed=int(rng.randint(2**31 - 1)),
    )


def _place(recipe: Recipe, radius: float, rng: np.random.RandomState) -> tuple[float, float]:
    if _happens(recipe.out_of_frame, rng):
        # Half of it or less is cut off, at one of the four sides.
        beyond = 32 - radius + radius * _between(0.5, 0.95, rng)
        along = _between(-0.3, 0.3, rng) * 32
        side = int(rng.randint(4))
        dx, dy = ((beyond, along), (-beyond, along), (along, beyond), (along, -beyond))[side]
        return 32 + dx, 32 + dy
    room = max(32 - radius, 0.0) * recipe.jitter
    return 32 + room * _between(-1, 1, rng), 32 + room * _between(-1, 1, rng)


def _others(recipe: Recipe, at: int, x: float, rng: np.random.RandomState) -> tuple[Scene, ...]:
    """Smaller things of other classes, in the half that the thing leaves free."""
    found = []
    for _ in range(int(rng.randint(recipe.crowd[0], recipe.crowd[1] + 1))):
        other = CLASSES[(at + 1 + int(rng.randint(len(CLASSES) - 1))) % len(CLASSES)]
        found.append(
            Scene(
                shape=other.shape,
                texture=other.texture,
                colour=other.colour,
                x=32 * _between(0.1, 0.9, rng) + (0 if x > 32 else 32),
                y=64 * _between(0.1, 0.9, rng),
                radius=32 * _between(0.22, 0.38, rng),
                angle=int(rng.randint(360)),
                seed=int(rng.randint(2**31 - 1)),
            )
        )
    return tuple(found)


def _happens(share: float, rng: np.random.RandomState) -> bool:
    return int(rng.randint(_FINE)) < round(share * _FINE)


def _between(low: float, high: float, rng: np.random.RandomState) -> float:
    return low + (high - low) * int(rng.randint(_FINE + 1)) / _FINE


def _bell(spread: int, rng: np.random.RandomState) -> int:
    """Nearly normal: the sum of twelve even draws, which needs no logarithm of any library."""
    total = int(rng.randint(0, _FINE + 1, size=12).sum()) - 6 * _FINE
    return total * spread // _FINE


def _one_of(names: tuple[str, ...] | list[str], rng: np.random.RandomState) -> str:
    return names[int(rng.randint(len(names)))]
