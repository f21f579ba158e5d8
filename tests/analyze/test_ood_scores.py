"""Detection scores: against the formulas on whole arrays, and their orientation."""

from __future__ import annotations

from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from analyze.metrics.ood_scores import energy, entropy, gen, max_logit, mcm, msp

SCORES = (msp, max_logit, energy, entropy, gen)
matrices = hnp.arrays(
    np.float64, st.tuples(st.integers(1, 6), st.integers(1, 8)), elements=st.floats(-30, 30, width=32)
)


@pytest.fixture(scope="module")
def logits() -> np.ndarray:
    return (np.random.default_rng(0).standard_normal((1500, 150)) * 3).astype(np.float32)


def test_equal_the_formulas(logits: np.ndarray) -> None:
    z = logits.astype(np.float64)
    p = special.softmax(z, axis=1)
    np.testing.assert_allclose(msp(logits), p.max(axis=1), rtol=1e-12)
    np.testing.assert_array_equal(max_logit(logits), z.max(axis=1))
    np.testing.assert_allclose(energy(logits), special.logsumexp(z, axis=1), rtol=1e-12)
    np.testing.assert_allclose(energy(logits, 2.0), 2 * special.logsumexp(z / 2, axis=1), rtol=1e-12)
    np.testing.assert_allclose(entropy(logits), (p * np.log(p)).sum(axis=1), rtol=1e-11)
    largest = np.sort(p, axis=1)[:, -100:]
    np.testing.assert_allclose(gen(logits), -(largest**0.1 * (1 - largest) ** 0.1).sum(axis=1), rtol=1e-10)
    np.testing.assert_allclose(gen(logits, 0.5, 1), -np.sqrt(largest[:, -1] * (1 - largest[:, -1])), rtol=1e-9)


def test_gen_takes_every_class_when_there_are_few() -> None:
    p = np.array([[0.5, 0.25, 0.25]])
    assert gen(np.log(p)) == pytest.approx(-((p * (1 - p)) ** 0.1).sum())
    assert gen([[3.0]]).tolist() == [0.0]


def test_gen_keeps_the_tail_that_softmax_rounds_away() -> None:
    # p = 1 - exp(-60) is 1 in float64, yet exp(-60)^0.1 = exp(-6) twice over.
    assert gen([[60.0, 0.0]])[0] == pytest.approx(-2 * np.exp(-6), rel=1e-12)


def test_mcm_is_the_softmax_of_bare_cosines() -> None:
    rng = np.random.default_rng(1)
    cosines = np.clip(rng.normal(0.18, 0.03, (500, 1000)), -1, 1).astype(np.float32)
    np.testing.assert_allclose(
        mcm(cosines), special.softmax(cosines.astype(np.float64), axis=1).max(axis=1), rtol=1e-12
    )
    np.testing.assert_allclose(mcm(cosines, 0.01), msp(cosines.astype(np.float64) * 100), rtol=1e-12)
    # The flat softmax still tells images apart.
    assert len(np.unique(mcm(cosines))) == 500


def test_mcm_refuses_logits() -> None:
    with pytest.raises(ValueError, match=r"cosines: expected values in \[-1, 1\], got 0.1 to 30"):
        mcm([[30.0, 0.1]])


def test_larger_is_more_in_distribution() -> None:
    sure, unsure = np.array([[9.0, 0.0, 0.0]]), np.array([[1.0, 0.5, 0.5]])
    for score in SCORES:
        assert score(sure)[0] > score(unsure)[0], score.__name__


@given(matrices, st.floats(-50, 50))
def test_softmax_scores_ignore_shifts_and_levels_follow_them(z: np.ndarray, shift: float) -> None:
    for score in (msp, entropy):
        np.testing.assert_allclose(score(z + shift), score(z), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(gen(z + shift), gen(z), rtol=1e-9, atol=1e-9)
    for score in (max_logit, energy):
        np.testing.assert_allclose(score(z + shift), score(z) + shift, rtol=1e-9, atol=1e-9)


@given(matrices)
def test_ranges(z: np.ndarray) -> None:
    assert ((msp(z) >= 1 / z.shape[1] - 1e-12) & (msp(z) <= 1)).all()
    assert ((entropy(z) <= 0) & (entropy(z) >= -np.log(z.shape[1]) - 1e-12)).all()
    assert (gen(z) <= 0).all()
    assert (energy(z) >= max_logit(z)).all()


@pytest.mark.parametrize("score", [*SCORES, mcm])
def test_refuses_nan(score: Any) -> None:
    with pytest.raises(ValueError, match=r"finite.*at 1"):
        score([[0.0, 0.5], [np.nan, 0.5]])


@pytest.mark.parametrize("options", [{"gamma": 0.0}, {"gamma": 1.0}, {"top": 0}])
def test_gen_refuses_impossible_options(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        gen([[0.0, 1.0]], **options)
