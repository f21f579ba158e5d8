"""The noise floor of the ECE against a plain simulation, and a calibrated simulator inside its own band."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from analyze.metrics.calibration import expected_calibration_error
from analyze.metrics.null_ece import null_ece


@pytest.mark.parametrize("n", [1, 20, 300, 4000])
def test_equals_a_plain_simulation(n: int) -> None:
    rng = np.random.default_rng(n)
    confidence = rng.beta(5, 1, n)
    mean, lo, hi = null_ece(confidence, draws=2000)
    plain = [expected_calibration_error(confidence, rng.random(n) < confidence) for _ in range(1000)]
    assert mean == pytest.approx(np.mean(plain), rel=0.1)
    assert (lo, hi) == pytest.approx(tuple(np.quantile(plain, [0.025, 0.975])), rel=0.2, abs=1e-3)


def test_a_calibrated_simulator_is_inside_its_band_and_an_overconfident_one_is_not() -> None:
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(60):
        confidence = rng.beta(3, 1, 500)
        _, lo, hi = null_ece(confidence, draws=300)
        inside += lo <= expected_calibration_error(confidence, rng.random(500) < confidence) <= hi
    assert inside >= 50
    confidence = rng.beta(3, 1, 500)
    assert expected_calibration_error(confidence, rng.random(500) < confidence**3) > null_ece(confidence)[2]


def test_the_same_seed_is_the_same_answer_whatever_the_order() -> None:
    confidence = np.random.default_rng(1).beta(2, 1, 777)
    assert null_ece(confidence) == null_ece(confidence[::-1])
    assert null_ece(confidence, seed=1) != null_ece(confidence)


@pytest.mark.parametrize(
    ("confidence", "options", "message"),
    [
        ([], {}, "without an empty axis"),
        ([np.nan], {}, "NaN"),
        ([1.5], {}, r"\[0, 1\]"),
        ([0.5], {"draws": 0}, "draws"),
        ([0.5], {"bins": 0}, "bins"),
    ],
)
def test_refuses(confidence: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        null_ece(confidence, **options)
