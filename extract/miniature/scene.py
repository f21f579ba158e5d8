"""One picture in words and numbers: what is drawn, where, how, on what. Knows no pixel."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a picture shows. Lengths are pixels of a picture 64 pixels wide; everything is whole or rounded at use.

    Attributes
    ----------
    shape, texture, colour
        Of the thing; names of `world`.
    x, y, radius
        Its middle and half its height.
    angle
        Turned clockwise, in whole degrees.
    tilt
        Foreshortening: 0 seen from the front, 1 the flattest (0.6 of its height).
    background, style
        Names of `world`.
    noise
        Largest change of a pixel, in 255ths.
    blur
        Passes of a small binomial filter.
    gain
        Factor of brightness.
    hue_shift
        Degrees.
    deformation
        How far corners move, as a share of the radius.
    occluder, occluder_kind
        Share of the thing's width that something covers, and what covers it: block or person.
    distractors
        Smaller things beside it.
    seed
        Of everything that is random inside the drawing.
    """

    shape: str
    texture: str
    colour: str
    x: float = 32
    y: float = 32
    radius: float = 20
    angle: int = 0
    tilt: float = 0.0
    background: str = "plain"
    style: str = "photo"
    noise: int = 0
    blur: int = 0
    gain: float = 1.0
    hue_shift: int = 0
    deformation: float = 0.0
    occluder: float = 0.0
    occluder_kind: str = "block"
    distractors: tuple[Scene, ...] = ()
    seed: int = 0
