"""What people would write under a picture: one of the usual templates, and sometimes size, colour, pattern, place.

The templates are those of the built-in prompt set `openai-80`, so that a model has seen every sentence frame that it
will be asked with, and none of the bare nouns.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np

from .scene import Scene
from .world import CLASSES, Thing

TEMPLATES: Final = "openai-80"
SIZED, COLOURED, PATTERNED, PLACED, TURNED = 30, 40, 40, 40, 70
"""How often a caption says so, in per cent."""

STYLE_WORDS: Final = {
    "outline": ("a drawing of", "a sketch of", "a doodle of"),
    "ink": ("a tattoo of", "a black and white photo of", "graffiti of"),
    "cartoon": ("a cartoon", "the cartoon"),
    "sketch": ("a sketch of", "a drawing of", "a doodle of"),
    "silhouette": ("art of", "a rendition of", "a dark photo of"),
}
"""Beginnings of the templates that fit each style; photographs take those that begin otherwise."""

PLACES: Final = {
    "plain": ("on a plain background", "in front of a wall"),
    "gradient": ("in soft light", "on a plain background"),
    "cloudy": ("in the clouds", "on a cloudy day"),
    "horizon": ("on the ground", "in a field"),
    "tiled": ("on a tiled floor", "on tiles"),
    "cluttered": ("in a mess", "among boxes"),
    "grainy": ("on sand", "on gravel"),
    "forest": ("in the forest", "among trees"),
    "starry": ("at night",),
    "rippled": ("on water",),
    "city": ("in a city",),
}


@cache
def _templates() -> tuple[str, ...]:
    from manifests.catalogue import load

    return load().prompts[TEMPLATES].templates


@cache
def _fitting(style: str) -> tuple[str, ...]:
    every = tuple(start for starts in STYLE_WORDS.values() for start in starts)
    if style == "photo":
        return tuple(text for text in _templates() if not text.startswith(every))
    return tuple(text for text in _templates() if text.startswith(STYLE_WORDS[style]))


def caption(scene: Scene, thing: Thing, rng: np.random.RandomState) -> str:
    """Return one sentence; another draw gives another.

    Examples
    --------
    >>> heart = next(one for one in CLASSES if one.name == "heart")
    >>> shown = Scene(shape="heart", texture="striped", colour="red", background="forest", seed=1)
    >>> caption(shown, heart, np.random.RandomState(3))
    'a bad photo of a red striped heart.'
    """
    words = [thing.name]
    if scene.style == "photo" and _percent(PATTERNED, rng):
        words.insert(0, scene.texture)
    if scene.style in ("photo", "cartoon", "outline") and _percent(COLOURED, rng):
        words.insert(0, scene.colour)
    if _percent(SIZED, rng):
        words.insert(0, "large" if scene.radius > 22 else "small")
    if abs((scene.angle + 180) % 360 - 180) > 120 and _percent(TURNED, rng):
        words.append("upside down")
    if scene.style not in ("ink", "sketch") and _percent(PLACED, rng):
        words.append(_one_of(PLACES[scene.background], rng))
    return _one_of(_fitting(scene.style), rng).format(" ".join(words))


def vocabulary() -> tuple[str, ...]:
    """Every word that a caption or a usual prompt can hold, sorted."""
    from manifests.catalogue import load

    from .world import HELD_OUT_TEXTURES, HUES, TEXTURES

    texts = [text for prompts in load().prompts.values() for text in prompts.templates]
    texts += [text for places in PLACES.values() for text in places]
    texts += [*(thing.name for thing in CLASSES), *TEXTURES, *HELD_OUT_TEXTURES, *HUES, "large", "small"]
    texts += ["upside down", *DESCRIBED]
    kept = "".join(letter if letter.isalpha() else " " for letter in " ".join(texts).replace("{}", " ").lower())
    return tuple(sorted(set(kept.split())))


DESCRIBED: Final = (
    "which has the shape of",
    "it is usually painted in with a pattern",
    "one can tell it by its outline and its colour",
)
"""Words of the longer descriptions, which are class by class."""


def _percent(share: int, rng: np.random.RandomState) -> bool:
    return int(rng.randint(100)) < share


def _one_of(texts: tuple[str, ...], rng: np.random.RandomState) -> str:
    return texts[int(rng.randint(len(texts)))]
