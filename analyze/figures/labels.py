"""Where words beside marks stand: the first of ten places that covers no other words, no mark and no frame.

Vega-Lite moves no label out of another's way, so it is done here. Knows pixels and lengths of words only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Align: TypeAlias = Literal["left", "right", "center"]
Box: TypeAlias = tuple[float, float, float, float]

PLACES: Final[tuple[tuple[float, float, Align], ...]] = (
    (6, 0, "left"),
    (-6, 0, "right"),
    (0, -9, "center"),
    (0, 9, "center"),
    (5, -7, "left"),
    (5, 7, "left"),
    (-5, -7, "right"),
    (-5, 7, "right"),
    (0, -17, "center"),
    (0, 17, "center"),
)
"""Shifts in pixels, the most wanted first."""

LETTER: Final = 0.56
"""Width of a letter as a share of the size of its font; a little too much is right."""

MARK: Final = 3.0
"""Half the side of the square that a mark takes."""


@dataclass(frozen=True, slots=True)
class Word:
    """Words at a mark: ``x, y`` in pixels from the upper left corner."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Shift:
    """Where the words of a mark stand beside it."""

    dx: float
    dy: float
    align: Align


def place_words(
    words: Sequence[Word], marks: Sequence[tuple[float, float]], size: tuple[float, float], font: float
) -> list[Shift | None]:
    """Return a place for each of some words; None where there is none, for words that are better left out.

    Parameters
    ----------
    words
        In the order of their importance: the first are placed first.
    marks
        Centres of all marks.
    size
        Width and height of the panel in pixels.
    font
        Size of the font in pixels.

    Examples
    --------
    Two marks side by side: the first word would cover the second mark at its right, so it stands at the left.

    >>> places = place_words([Word(50, 50, "a"), Word(60, 50, "b")], [(50, 50), (60, 50)], (100, 100), 10)
    >>> [(place.dx, place.align) for place in places if place]
    [(-6, 'right'), (6, 'left')]
    """
    taken: list[Box] = []
    found: list[Shift | None] = []
    solid = [(x - MARK, y - MARK, x + MARK, y + MARK) for x, y in marks]
    for word in words:
        free = [
            (shift, box)
            for shift in (Shift(*place) for place in PLACES)
            if _inside(box := _box(word, shift, font), size) and not _hits(box, taken)
        ]
        # Words over a mark are still better than none; words over words, or out of the panel, are not.
        best = next((one for one in free if not _hits(one[1], solid)), free[0] if free else None)
        found.append(best[0] if best else None)
        taken += [best[1]] if best else []
    return found


def _box(word: Word, shift: Shift, font: float) -> Box:
    width, height = LETTER * font * len(word.text), 1.1 * font
    left = {"left": 0.0, "right": -width, "center": -width / 2}[shift.align] + word.x + shift.dx
    top = word.y + shift.dy - height / 2
    return left, top, left + width, top + height


def _inside(box: Box, size: tuple[float, float]) -> bool:
    return box[0] >= 0 and box[1] >= 0 and box[2] <= size[0] and box[3] <= size[1]


def _hits(box: Box, others: Sequence[Box]) -> bool:
    return any(box[0] < one[2] and one[0] < box[2] and box[1] < one[3] and one[1] < box[3] for one in others)
