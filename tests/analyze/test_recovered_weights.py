"""Recovering a classifier's last layer: exact where it is linear, refused where it is not or images are few."""

from __future__ import annotations

import numpy as np
import pytest

from analyze.metrics.recovered_weights import WeightRecovery


def layer(seed: int, n: int, d: int, c: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    features = np.maximum(rng.standard_normal((n, d)), 0).astype(np.float32)
    weight, bias = rng.standard_normal((d, c)).astype(np.float32), rng.standard_normal(c).astype(np.float32)
    return features, weight, bias, features @ weight + bias


def test_float32_logits_give_the_layer_back() -> None:
    features, weight, bias, logits = layer(0, 2000, 64, 30)
    recovery = WeightRecovery()
    for start in range(0, 2000, 300):
        recovery.put(features[start : start + 300], logits[start : start + 300])
    found = recovery.weights()
    np.testing.assert_allclose(found.weight, weight, atol=1e-5)
    np.testing.assert_allclose(found.bias, bias, atol=1e-5)


def test_blocks_change_nothing() -> None:
    features, _, _, logits = layer(1, 400, 16, 5)
    whole, parts = WeightRecovery(), WeightRecovery()
    whole.put(features, logits)
    for start in range(0, 400, 37):
        parts.put(features[start : start + 37], logits[start : start + 37])
    np.testing.assert_allclose(whole.weights().weight, parts.weights().weight, atol=1e-9)


def test_dead_units_get_no_weight_and_logits_stay() -> None:
    features, weight, bias, _ = layer(2, 500, 12, 4)
    features[:, 5] = 0.0
    recovery = WeightRecovery()
    recovery.put(features, features @ weight + bias)
    found = recovery.weights()
    np.testing.assert_allclose(found.weight[5], 0.0, atol=1e-6)
    np.testing.assert_allclose(found.logits(features.astype(np.float64)), features @ weight + bias, atol=1e-4)


def test_what_is_not_linear_is_refused() -> None:
    features, _, _, logits = layer(3, 500, 12, 4)
    recovery = WeightRecovery()
    recovery.put(features, np.tanh(logits))
    with pytest.raises(ValueError, match="not linear in its embeddings: the recovered layer misses by"):
        recovery.weights()


def test_too_few_images_are_refused() -> None:
    features, _, _, logits = layer(4, 20, 12, 4)
    recovery = WeightRecovery()
    recovery.put(features, logits)
    with pytest.raises(ValueError, match="20 images are too few"):
        recovery.weights()
    with pytest.raises(ValueError, match="0 images are too few"):
        WeightRecovery().weights()


def test_shapes_have_to_go_together() -> None:
    with pytest.raises(ValueError, match="expected features"):
        WeightRecovery().put(np.zeros((2, 3)), np.zeros((3, 3)))
