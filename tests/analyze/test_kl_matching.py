from __future__ import annotations

import numpy as np
import pytest
from scipy.special import rel_entr, softmax

from analyze.metrics.kl_matching import ClassMeans, kl_matching


def test_templates_are_means_by_predicted_class_in_any_order() -> None:
    logits = np.random.default_rng(0).standard_normal((300, 7)) * 3
    p, taken = softmax(logits, axis=1), logits.argmax(axis=1)
    means = ClassMeans(7)
    for part in (slice(200, 300), slice(0, 1), slice(1, 200)):
        means.add(logits[part])
    naive = np.stack([p[taken == k].mean(axis=0) for k in range(7)])
    assert means.templates() == pytest.approx(naive, abs=1e-14)
    assert means.templates().sum(axis=1) == pytest.approx(np.ones(7))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equals_the_formula(dtype: type) -> None:
    rng = np.random.default_rng(1)
    logits = (rng.standard_normal((50, 9)) * 2).astype(dtype)
    templates = rng.dirichlet(np.ones(9), 4)
    naive = rel_entr(softmax(logits.astype(float), axis=1)[:, None], templates[None]).sum(axis=2).min(axis=1)
    assert kl_matching(logits, templates) == pytest.approx(-naive, abs=1e-5 if dtype is np.float32 else 1e-12)


def test_shifts_and_order_do_not_matter() -> None:
    rng = np.random.default_rng(2)
    logits, templates = rng.standard_normal((20, 5)), rng.dirichlet(np.ones(5), 3)
    scores = kl_matching(logits, templates)
    assert kl_matching(logits + rng.standard_normal((20, 1)), templates) == pytest.approx(scores, abs=1e-12)
    order = rng.permutation(20)
    assert kl_matching(logits[order], templates[::-1]) == pytest.approx(scores[order], abs=1e-12)


def test_a_probability_that_underflows_is_never_and_not_nan() -> None:
    assert kl_matching([[0.0, 0.0]], [[1.0, 0.0]])[0] == pytest.approx(0.5 * np.log(1e-304) + np.log(2))


def test_refuses() -> None:
    with pytest.raises(ValueError, match="none"):
        ClassMeans(3).templates()
    with pytest.raises(ValueError, match="3 columns"):
        ClassMeans(3).add(np.zeros((2, 4)))
    with pytest.raises(ValueError, match="NaN"):
        kl_matching([[np.nan, 0.0]], [[0.5, 0.5]])
    with pytest.raises(ValueError, match="probabilities of 2 classes"):
        kl_matching([[0.0, 0.0]], [[2.0, -1.0]])
