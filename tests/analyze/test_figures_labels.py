"""Words beside marks: never over each other, never out of the panel."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from analyze.figures.labels import LETTER, Word, place_words

SIZE = (200.0, 150.0)
FONT = 10.0
POINTS = st.tuples(st.floats(0, SIZE[0]), st.floats(0, SIZE[1]))


@given(st.lists(st.tuples(POINTS, st.text("abcde", min_size=1, max_size=12)), max_size=12))
def test_words_cover_no_words_and_stay_inside(drawn: list[tuple[tuple[float, float], str]]) -> None:
    words = [Word(x, y, text) for (x, y), text in drawn]
    places = place_words(words, [point for point, _ in drawn], SIZE, FONT)
    assert len(places) == len(words)
    boxes = []
    for word, place in zip(words, places, strict=True):
        if place is None:
            continue
        width = LETTER * FONT * len(word.text)
        left = word.x + place.dx - {"left": 0.0, "right": width, "center": width / 2}[place.align]
        middle = word.y + place.dy
        assert 0 <= left <= left + width <= SIZE[0] + 1e-9
        assert 0 <= middle <= SIZE[1]
        boxes.append((left, middle, width))
    for (left, y, width), (other, other_y, other_width) in itertools.combinations(boxes, 2):
        apart = left + width <= other or other + other_width <= left or abs(y - other_y) >= 1.1 * FONT - 1e-9
        assert apart


def test_words_that_fit_nowhere_are_left_out() -> None:
    assert place_words([Word(10, 10, "much too long for this")], [], (20, 20), FONT) == [None]
