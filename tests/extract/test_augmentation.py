"""Augmented copies: inside the image, of the areas and ratios asked for, and the same for everybody."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.augmentation import RATIO, SCALE, Crop, random_crop


@given(
    st.integers(1, 4000), st.integers(1, 4000), st.integers(0, 9), st.text("0123456789abcdef", min_size=64, max_size=64)
)
def test_a_crop_lies_inside_its_image(width: int, height: int, copy: int, image: str) -> None:
    crop = random_crop(image, copy, width, height)
    assert crop == random_crop(image, copy, width, height)
    assert min(crop.left, crop.top) >= 0
    assert min(crop.width, crop.height) >= 1
    assert crop.left + crop.width <= width
    assert crop.top + crop.height <= height


def test_areas_ratios_and_flips_are_those_asked_for() -> None:
    crops = [random_crop(f"{at:064x}", 0, 500, 375) for at in range(4000)]
    areas = np.array([crop.width * crop.height for crop in crops]) / (500 * 375)
    ratios = np.log([crop.width / crop.height for crop in crops])
    assert SCALE[0] - 0.01 < areas.min() < SCALE[0] + 0.01
    assert areas.max() <= 1
    assert math.log(RATIO[0]) - 0.02 < ratios.min()
    assert ratios.max() < math.log(RATIO[1]) + 0.02
    # A fair coin thrown 4,000 times: within four standard deviations.
    assert abs(sum(crop.mirrored for crop in crops) / 4000 - 0.5) < 4 * 0.5 / math.sqrt(4000)
    assert len({(crop.left, crop.top, crop.width, crop.height) for crop in crops}) > 3900


def test_copies_and_seeds_differ() -> None:
    image = "c" * 64
    assert len({random_crop(image, copy, 500, 375) for copy in range(10)}) == 10
    assert random_crop(image, 0, 500, 375, seed=2) != random_crop(image, 0, 500, 375)


def test_a_long_strip_shows_its_middle() -> None:
    crop = random_crop("d" * 64, 3, 4000, 10)
    assert crop == Crop(1993, 0, 13, 10, crop.mirrored)


@pytest.mark.parametrize(("copy", "width", "height"), [(0, 0, 1), (0, 1, 0), (-1, 1, 1)])
def test_what_cannot_be_cropped(copy: int, width: int, height: int) -> None:
    with pytest.raises(ValueError, match="at least 1 x 1 pixels and a copy from 0"):
        random_crop("a" * 64, copy, width, height)
