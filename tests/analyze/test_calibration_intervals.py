"""The calibration family: values are those of the metrics, intervals those of a plain bootstrap over images."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss

from analyze.calibration_intervals import calibration_family, ece_delta
from analyze.metrics.brier_parts import brier_parts, top_label_losses
from analyze.metrics.calibration import (
    debiased_calibration_error,
    equal_mass_ece,
    expected_calibration_error,
    ks_calibration_error,
    maximum_calibration_error,
    rms_calibration_error,
    sharpness,
)
from analyze.resampling import bootstrap_interval

METRICS = {
    "ece_equal_mass_15": equal_mass_ece,
    "ece_debiased": debiased_calibration_error,
    "ks": ks_calibration_error,
    "mce": maximum_calibration_error,
    "rms_calibration": rms_calibration_error,
    "brier_reliability": lambda c, y: brier_parts(c, y).reliability,
    "brier_resolution": lambda c, y: brier_parts(c, y).resolution,
    "brier_uncertainty": lambda c, y: brier_parts(c, y).uncertainty,
}
cases = st.lists(st.tuples(st.integers(0, 20).map(lambda x: x / 20), st.booleans()), min_size=1, max_size=60)


def simulated(n: int, power: float = 1.5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    confidence = rng.beta(4, 1, n)
    return confidence, rng.random(n) < confidence**power


@given(cases)
def test_values_are_those_of_the_metrics_and_lie_in_their_intervals(case: list[tuple[float, bool]]) -> None:
    confidence, correct = np.array([c for c, _ in case]), np.array([y for _, y in case])
    found = calibration_family(confidence, correct, draws=50)
    assert set(found) == set(METRICS)
    for name, (value, (lo, hi)) in found.items():
        assert value == METRICS[name](confidence, correct), name
        assert -1e-12 <= lo <= value <= hi <= 1 + 1e-12, name
        assert np.isfinite([lo, hi]).all()


@pytest.mark.parametrize("name", METRICS)
def test_intervals_equal_a_plain_bootstrap(name: str) -> None:
    confidence, correct = simulated(2000)
    value, (lo, hi) = calibration_family(confidence, correct)[name]
    plain = bootstrap_interval(
        lambda rows: np.array([METRICS[name](confidence[one], correct[one]) for one in rows]), 2000, draws=400
    )
    assert (lo, hi) == pytest.approx((min(plain[0], value), max(plain[1], value)), rel=0.15, abs=2e-3)


def test_the_paired_interval_is_the_paired_bootstrap_and_narrower_than_the_difference_of_two() -> None:
    confidence, correct = simulated(2000)
    colder = confidence**1.4
    value, (lo, hi) = ece_delta(confidence, colder, correct)
    assert value == expected_calibration_error(colder, correct) - expected_calibration_error(confidence, correct)

    def difference(rows: np.ndarray) -> np.ndarray:
        return np.array(
            [
                expected_calibration_error(colder[one], correct[one])
                - expected_calibration_error(confidence[one], correct[one])
                for one in rows
            ]
        )

    plain = bootstrap_interval(difference, 2000, draws=400)
    assert (lo, hi) == pytest.approx((min(plain[0], value), max(plain[1], value)), abs=4e-3)
    nothing, ends = ece_delta(confidence, confidence, correct)
    assert (nothing, *ends) == pytest.approx((0.0, 0.0, 0.0), abs=1e-9)


@given(cases)
def test_murphys_parts_add_up_to_the_score_of_binned_forecasts(case: list[tuple[float, bool]]) -> None:
    confidence, correct = np.array([c for c, _ in case]), np.array([y for _, y in case], float)
    parts = brier_parts(confidence, correct)
    index = np.maximum(np.searchsorted(np.linspace(0, 1, 16), confidence, side="left") - 1, 0)
    binned = np.array([confidence[index == at].mean() for at in index])
    whole = parts.reliability - parts.resolution + parts.uncertainty
    assert whole == pytest.approx(((binned - correct) ** 2).mean(), abs=1e-12)
    assert parts.score == pytest.approx(top_label_losses(confidence, correct).mean())


def test_the_top_label_score_is_scikit_learns() -> None:
    confidence, correct = simulated(300)
    assert brier_parts(confidence, correct).score == pytest.approx(brier_score_loss(correct, confidence))


def test_mce_and_rms_are_torchmetrics() -> None:
    torch = pytest.importorskip("torch", reason="the oracle needs torch")
    classification = pytest.importorskip("torchmetrics.functional.classification", reason="not installed")
    # Edges of float32 would put confidences near an edge elsewhere; midpoints of twentieths are far from all.
    confidence, correct = simulated(500)
    confidence = (np.round(confidence * 30) + 0.5) / 31
    given_ = torch.tensor(confidence), torch.tensor(correct.astype(np.int64))
    for norm, metric in (("max", maximum_calibration_error), ("l1", expected_calibration_error)):
        oracle = classification.binary_calibration_error(*given_, n_bins=15, norm=norm)
        assert metric(confidence, correct) == pytest.approx(float(oracle), abs=1e-6)


def test_ece_and_mce_are_netcals() -> None:
    metrics = pytest.importorskip("netcal.metrics", reason="netcal is not installed")
    confidence, correct = simulated(500)
    assert expected_calibration_error(confidence, correct) == pytest.approx(
        metrics.ECE(15).measure(confidence, correct)
    )
    assert maximum_calibration_error(confidence, correct) == pytest.approx(metrics.MCE(15).measure(confidence, correct))


@pytest.mark.parametrize("correct", [[True], [False]])
def test_one_image_is_defined(correct: list[bool]) -> None:
    found = calibration_family([0.5], correct)
    assert found["mce"] == (0.5, (0.5, 0.5))
    assert found["brier_resolution"][0] == found["brier_uncertainty"][0] == sharpness([0.5]) == 0.0


def test_refuses() -> None:
    for confidence, correct in (([], []), ([np.nan], [1]), ([0.5], [1, 0]), ([1.5], [1])):
        with pytest.raises(ValueError):
            calibration_family(confidence, correct)
        with pytest.raises(ValueError):
            ece_delta(confidence, confidence, correct)
    with pytest.raises(ValueError, match="draws"):
        calibration_family([0.5], [1], draws=0)
