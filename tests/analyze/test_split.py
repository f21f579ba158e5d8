from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyze.metrics.split import calibration_half, calibration_ranks, listed_half

ids = st.lists(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=40)


@given(ids, st.integers(0, 5), st.randoms())
def test_halves_are_balanced_and_follow_the_image(images: list[str], seed: int, random: object) -> None:
    half = calibration_half(images, seed)
    chosen = {image for image, one in zip(images, half, strict=True) if one}
    others = {image for image, one in zip(images, half, strict=True) if not one}
    assert not chosen & others
    assert len(others) - len(chosen) in (0, 1)
    shuffled = list(images)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    again = calibration_half(shuffled, seed)
    assert {image for image, one in zip(shuffled, again, strict=True) if one} == chosen


def test_seeds_make_other_halves_that_overlap_as_chance_does() -> None:
    images = [f"{n:04}" for n in range(2000)]
    first, second = calibration_half(images), calibration_half(images, 1)
    assert 0.45 < (first == second).mean() < 0.55
    # Neither the order of names nor a class that every second image belongs to is in the split.
    assert 0.45 < first[:1000].mean() < 0.55
    assert 0.45 < first[::2].mean() < 0.55


def test_hand_worked_ranks() -> None:
    images = ["a", "b", "c", "b"]
    order = sorted(set(images), key=lambda image: hashlib.sha256(b"0\0" + image.encode()).digest())
    assert calibration_ranks(images).tolist() == [order.index(image) for image in images]


def test_a_list_decides() -> None:
    half = listed_half(["1", "2", "3"], ["a", "b", "a"], ["3"])
    assert half.tolist() == [True, False, True]
    for listed, message in ((["9"], "'9'"), (["1", "1"], "1 repeat"), (["1", "2"], "not all"), ([], "not all")):
        with pytest.raises(ValueError, match=message):
            listed_half(["1", "2", "3"], ["a", "b", "a"], listed)
    assert np.flatnonzero(half).tolist() == [0, 2]
