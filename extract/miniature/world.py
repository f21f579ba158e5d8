"""What there is in the miniature: twenty-four things, each with a shape of its own and a usual pattern and colour.

Shape alone names the thing, and so do pattern and colour together: a model may go by either, which is what shape bias
measures. Corners are whole numbers from -100 to 100 (x to the right, y down), so that every machine draws the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

Corners = tuple[tuple[int, int], ...]


def _round(count: int, *radii: int, x: int = 0, y: int = 0, turn: int = 0) -> Corners:
    """Corners around a centre, at radii that take turns."""
    from .trigonometry import cosine, sine

    return tuple(
        (
            x + radii[at % len(radii)] * sine(turn + 360 * at // count) // 4096,
            y - radii[at % len(radii)] * cosine(turn + 360 * at // count) // 4096,
        )
        for at in range(count)
    )


SHAPES: Final[dict[str, tuple[Corners, ...]]] = {
    "arrow": (((0, -100), (75, -10), (30, -10), (30, 95), (-30, 95), (-30, -10), (-75, -10)),),
    "boat": (((-95, 25), (-10, 25), (-10, -95), (80, 10), (10, 10), (10, 25), (95, 25), (60, 80), (-60, 80)),),
    "bolt": (((25, -100), (-60, 15), (-5, 15), (-30, 100), (65, -20), (5, -20), (60, -100)),),
    "boot": (((-55, -95), (20, -95), (20, 20), (85, 45), (85, 90), (-55, 90)),),
    "crescent": (
        (
            *((35, -95), (-20, -90), (-65, -55), (-85, 0), (-65, 55), (-20, 90), (35, 95)),
            *((0, 65), (-22, 25), (-28, 0), (-22, -25), (0, -65)),
        ),
    ),
    "cross": (
        (
            *((-30, -95), (30, -95), (30, -30), (95, -30), (95, 30), (30, 30)),
            *((30, 95), (-30, 95), (-30, 30), (-95, 30), (-95, -30), (-30, -30)),
        ),
    ),
    "crown": (((-90, -70), (-45, -5), (0, -90), (45, -5), (90, -70), (75, 75), (-75, 75)),),
    "diamond": (((-55, -65), (55, -65), (95, -20), (0, 95), (-95, -20)),),
    "drop": (
        (
            *((0, -100), (30, -40), (60, 5), (66, 40), (50, 75), (20, 95)),
            *((-20, 95), (-50, 75), (-66, 40), (-60, 5), (-30, -40)),
        ),
    ),
    "fish": (
        (
            *((-95, 0), (-55, -45), (0, -58), (45, -20), (95, -60)),
            *((80, 0), (95, 60), (45, 20), (0, 58), (-55, 45)),
        ),
    ),
    "flower": (_round(20, 98, 88, 48, 88), _round(8, 22)),
    "gear": (_round(32, 98, 98, 70, 70), _round(8, 30)),
    "hammer": (((-85, -90), (85, -90), (85, -35), (22, -35), (22, 98), (-22, 98), (-22, -35), (-85, -35)),),
    "heart": (
        (
            *((0, 95), (-60, 35), (-92, -10), (-88, -55), (-50, -82), (-15, -70), (0, -45)),
            *((15, -70), (50, -82), (88, -55), (92, -10), (60, 35)),
        ),
    ),
    "hourglass": (((-75, -95), (75, -95), (14, 0), (75, 95), (-75, 95), (-14, 0)),),
    "house": (
        (
            (0, -98),
            (95, -15),
            (70, -15),
            (70, 90),
            (22, 90),
            (22, 30),
            (-22, 30),
            (-22, 90),
            (-70, 90),
            (-70, -15),
            (-95, -15),
        ),
    ),
    "key": (
        (
            *((-20, -10), (95, -10), (95, 45), (70, 45), (70, 15), (50, 15)),
            *((50, 40), (28, 40), (28, 15), (-20, 15), (-35, 40), (-70, 45), (-95, 20), (-95, -18), (-70, -42)),
            (-35, -38),
        ),
        ((-75, -10), (-55, -10), (-55, 12), (-75, 12)),
    ),
    "leaf": (
        (
            *((0, -100), (35, -65), (55, -15), (45, 30), (12, 62), (12, 100)),
            *((-12, 100), (-12, 62), (-45, 30), (-55, -15), (-35, -65)),
        ),
    ),
    "mug": (
        (*((-80, -75), (45, -75), (45, -50), (95, -50), (95, 45), (45, 45), (45, 85), (-80, 85)),),
        ((45, -22), (68, -22), (68, 18), (45, 18)),
    ),
    "mushroom": (
        (
            *((-95, 5), (-80, -45), (-45, -80), (0, -92), (45, -80), (80, -45), (95, 5)),
            *((28, 5), (36, 92), (-36, 92), (-28, 5)),
        ),
    ),
    "ring": (_round(24, 96), _round(24, 52)),
    "star": (_round(10, 100, 42),),
    "tent": (((0, -95), (98, 85), (28, 85), (0, 15), (-28, 85), (-98, 85)),),
    "tree": (
        (
            *((0, -100), (45, -45), (22, -45), (65, 10), (32, 10), (85, 62), (16, 62), (16, 98)),
            *((-16, 98), (-16, 62), (-85, 62), (-32, 10), (-65, 10), (-22, -45), (-45, -45)),
        ),
    ),
    "bottle": (((-18, -98), (18, -98), (18, -50), (45, -15), (45, 98), (-45, 98), (-45, -15), (-18, -50)),),
    "burst": (_round(32, 100, 62),),
    "butterfly": (
        (
            *((0, -35), (30, -85), (85, -85), (90, -25), (35, 5), (70, 50), (45, 90), (0, 40)),
            *((-45, 90), (-70, 50), (-35, 5), (-90, -25), (-85, -85), (-30, -85)),
        ),
    ),
    "pi": (
        (
            *((-95, -80), (95, -80), (95, -45), (55, -45), (55, 90), (20, 90)),
            *((20, -45), (-20, -45), (-20, 90), (-55, 90), (-55, -45), (-95, -45)),
        ),
    ),
    "spade": (
        (
            *((0, -98), (85, 0), (80, 50), (45, 62), (14, 40), (28, 98)),
            *((-28, 98), (-14, 40), (-45, 62), (-80, 50), (-85, 0)),
        ),
    ),
    "zed": (
        (
            *((-80, -90), (80, -90), (80, -45), (-10, 45), (80, 45), (80, 90)),
            *((-80, 90), (-80, 45), (10, -45), (-80, -45)),
        ),
    ),
}
"""Outlines by name; a second outline is a hole."""

HELD_OUT_SHAPES: Final = ("bottle", "burst", "butterfly", "pi", "spade", "zed")
"""Shapes of no class: nothing is trained on them."""

TEXTURES: Final = ("striped", "dotted", "checked", "gridded", "rayed", "speckled")
HELD_OUT_TEXTURES: Final = ("wavy", "dashed", "ringed")

HUES: Final = {"red": 0, "yellow": 48, "green": 115, "cyan": 182, "blue": 228, "purple": 292}
"""Colour to degrees of the colour wheel."""

USUAL_SCENES: Final = ("plain", "gradient", "cloudy", "horizon")
OTHER_SCENES: Final = ("tiled", "cluttered", "grainy", "forest")
HELD_OUT_SCENES: Final = ("starry", "rippled", "city")
"""Backgrounds that nothing is trained on."""

STYLES: Final = ("photo", "outline", "ink", "cartoon", "sketch", "silhouette")


@dataclass(frozen=True, slots=True)
class Thing:
    """One class: its key, its English word, and what it usually looks like."""

    key: str
    name: str
    shape: str
    texture: str
    colour: str


def _things() -> tuple[Thing, ...]:
    names = [name for name in SHAPES if name not in HELD_OUT_SHAPES]
    hues = tuple(HUES)
    return tuple(
        # Twenty-four different pairs: four hues of each texture, each hue with four textures.
        Thing(f"n9{at:07d}", name, name, TEXTURES[at % 6], hues[(at % 6 + at // 6) % 6])
        for at, name in enumerate(sorted(names))
    )


CLASSES: Final = _things()
"""All classes, in the order of their index."""
