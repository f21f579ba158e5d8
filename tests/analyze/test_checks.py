"""Checks of arrays: what passes, what is refused, and what the message says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from analyze.checks import (
    bin_count,
    confidence_and_correct,
    float_array,
    label_vector,
    open_fraction,
    probabilities,
    require_finite,
)


def test_floating_types_are_kept_and_whole_numbers_become_float64() -> None:
    assert float_array(np.zeros(2, np.float16), "x", 1).dtype == np.float16
    assert float_array(np.zeros(2, np.float32), "x", 1).dtype == np.float32
    assert float_array([1, 2], "x", 1).dtype == np.float64
    assert float_array([True], "x", 1).dtype == np.float64


@pytest.mark.parametrize("values", [["a"], [1j], [None]])
def test_refuses_what_is_no_real_number(values: Any) -> None:
    with pytest.raises(ValueError, match="x: expected real numbers"):
        float_array(values, "x", 1)


def test_names_five_rows_and_counts_all() -> None:
    values = np.zeros((20, 2))
    values[3:11, 0] = np.nan
    values[3, 1] = np.inf
    with pytest.raises(ValueError, match=r"8 row\(s\), at 103, 104, 105, 106, 107, \.\.\."):
        require_finite(values, "logits", 100)


def test_unsigned_labels_pass() -> None:
    assert label_vector(np.array([0, 2], np.uint8), 2, 3).tolist() == [0, 2]


def test_rounding_errors_land_on_the_border_and_more_is_refused() -> None:
    assert probabilities(np.array([-1e-9, 1 + 1e-7]), "p").tolist() == [0.0, 1.0]
    with pytest.raises(ValueError, match=r"p: expected numbers in \[0, 1\], got 1.00001 in 1 row\(s\), at 1"):
        probabilities(np.array([0.0, 1.00001]), "p")


def test_outcomes_may_be_of_any_type_that_holds_0_and_1() -> None:
    for outcomes in ([True, False], [1, 0], [1.0, 0.0], np.array([1, 0], np.uint8)):
        assert confidence_and_correct([0.5, 0.5], outcomes)[1].tolist() == [1.0, 0.0]
    with pytest.raises(ValueError, match="only True and False"):
        confidence_and_correct([0.5], [np.nan])


@pytest.mark.parametrize("value", [0, 1, 95, -1, np.nan])
def test_open_fraction_refuses(value: float) -> None:
    with pytest.raises(ValueError, match="level: expected a fraction"):
        open_fraction(value, "level")


def test_bin_count_is_whole_and_positive() -> None:
    assert bin_count(15) == 15
    for bins in (0, 1.5):
        with pytest.raises(ValueError, match="bins"):
            bin_count(bins)  # type: ignore[arg-type]
