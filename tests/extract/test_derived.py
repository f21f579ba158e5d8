"""The arithmetic of adapters: cases worked by hand, the published code's formula in torch, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.derived.clip_adapter import adapt
from extract.derived.linear_head import Linear, average, linear_logits
from extract.derived.tip_adapter import (
    ALPHAS,
    BETAS,
    Shots,
    cache_keys,
    cache_logits,
    labels_of_values,
    tip_adapter_logits,
    tune,
    unit_rows,
)
from extract.derived.tuning_half import in_tuning_half, refuse_test_set
from manifests.catalogue import load
from manifests.errors import UsageError


def some(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def test_tip_adapter_by_hand() -> None:
    # Two classes of two and one shots; the image points at the first shot and is at right angles to the others.
    keys = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    shots = Shots(keys, np.array([0, 1, 0]), 2)
    base = np.array([[30.0, 31.0]], np.float32)
    found = tip_adapter_logits(np.array([[2.0, 0.0, 0.0]], np.float32), base, shots, alpha=1.5, beta=2.0)
    e = np.exp(-2.0)
    assert np.allclose(found, [[30 + 1.5 * (1 + e), 31 + 1.5 * e]])


@given(st.integers(0, 10_000), st.floats(0, 5), st.floats(0, 8))
def test_tip_adapter_is_the_published_formula(seed: int, alpha: float, beta: float) -> None:
    rng = np.random.default_rng(seed)
    n, d, k, c = rng.integers(1, 6), rng.integers(2, 7), rng.integers(1, 9), rng.integers(1, 5)
    f, keys, base = some(seed, n, d), unit_rows(some(seed + 1, k, d)), some(seed + 2, n, c)
    labels = rng.integers(0, c, k)
    unit = f.astype(np.float64) / np.linalg.norm(f.astype(np.float64), axis=1, keepdims=True)
    values = np.eye(c)[labels]
    expected = base + alpha * np.exp(-(beta - beta * unit @ keys.T.astype(np.float64))) @ values
    found = tip_adapter_logits(f, base, Shots(keys, labels, int(c)), alpha, beta)
    assert found.dtype == np.float32
    assert np.allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_tip_adapter_in_torch_as_its_repository_writes_it() -> None:
    torch = pytest.importorskip("torch")
    f, keys, weights = torch.from_numpy(some(1, 700, 16)), torch.from_numpy(some(2, 30, 16)), some(3, 16, 10)
    f = f / f.norm(dim=-1, keepdim=True)
    keys = (keys / keys.norm(dim=-1, keepdim=True)).T
    labels = torch.arange(30) % 10
    base = 100.0 * f @ torch.from_numpy(weights)
    affinity = f @ keys
    theirs = base + (-1 * (5.5 - 5.5 * affinity)).exp() @ torch.nn.functional.one_hot(labels).float() * 1.17
    ours = tip_adapter_logits(f.numpy(), base.numpy(), Shots(keys.T.numpy(), labels.numpy(), 10), 1.17, 5.5)
    assert np.allclose(ours, theirs.numpy(), rtol=1e-5, atol=1e-4)


def test_without_cache_weight_tip_adapter_is_zero_shot() -> None:
    base = some(4, 3, 2)
    shots = Shots(unit_rows(some(5, 4, 6)), np.array([0, 0, 1, 1]), 2)
    assert np.array_equal(tip_adapter_logits(some(6, 3, 6), base, shots, 0.0, 1.0), base)


def test_a_class_without_shot_gains_nothing() -> None:
    shots = Shots(unit_rows(some(5, 2, 3)), np.array([2, 0]), 4)
    added = cache_logits(unit_rows(some(6, 5, 3)), shots, 1.0)
    assert (added[:, [1, 3]] == 0).all()
    assert (added[:, [0, 2]] > 0).all()


def test_keys_are_the_unit_mean_of_raw_features() -> None:
    # Raw, not normalised: the longer copy counts for more.
    keys = cache_keys([np.array([[3.0, 0.0]]), np.array([[0.0, 4.0]])])
    assert np.allclose(keys, [[0.6, 0.8]])


def test_search_grid_is_the_published_one() -> None:
    assert len(BETAS) == 200
    assert len(ALPHAS) == 20
    assert (BETAS[0], ALPHAS[0]) == (0.1, 0.1)
    assert BETAS[-1] == pytest.approx(0.1 + 199 * 6.9 / 200)
    assert ALPHAS[-1] == pytest.approx(0.1 + 19 * 2.9 / 20)


@given(st.integers(0, 10_000))
def test_tuning_finds_the_first_best_point(seed: int) -> None:
    f, truth = some(seed, 12, 5), np.random.default_rng(seed).integers(0, 3, 12)
    shots = Shots(unit_rows(some(seed + 1, 6, 5)), np.array([0, 1, 2, 0, 1, 2]), 3)
    base, alphas, betas = some(seed + 2, 12, 3), (0.1, 1.0, 3.0), (0.5, 2.0)
    best = (-1.0, 0.0, 0.0)
    for beta in betas:
        for alpha in alphas:
            accuracy = float((tip_adapter_logits(f, base, shots, alpha, beta).argmax(1) == truth).mean())
            if accuracy > best[0]:
                best = (accuracy, alpha, beta)
    found = tune(f, base, truth, shots, alphas, betas)
    assert (found.accuracy, found.alpha, found.beta) == pytest.approx(best)
    assert found.n == 12


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (lambda: unit_rows(np.zeros((1, 2))), "no direction"),
        (lambda: unit_rows(np.zeros((0, 2))), "at least one row"),
        (lambda: cache_keys([]), "copies of one shape"),
        (lambda: labels_of_values(np.array([[1.0, 1.0]])), "row 0 of the values is not one-hot"),
        (lambda: labels_of_values(np.array([[0.5, 0.5]])), "not one-hot"),
        (lambda: Shots(np.ones((2, 2), np.float32), np.array([0]), 1), r"labels \(k,\)"),
        (lambda: Shots(np.ones((1, 2), np.float32), np.array([3]), 3), r"labels 0\.\.2"),
        (lambda: Shots(np.array([[np.nan]], np.float32), np.array([0]), 1), "not finite"),
        (lambda: tip_adapter_logits(some(1, 2, 3), some(1, 2, 2), SHOTS, 1, 1), r"features \(n, 2\)"),
        (lambda: tip_adapter_logits(some(1, 2, 2), some(1, 2, 3), SHOTS, 1, 1), r"base logits \(2, 2\)"),
        (lambda: tune(some(1, 2, 2), some(1, 2, 2), np.array([0]), SHOTS), r"expected truth \(2,\)"),
        (lambda: tune(some(1, 1, 2), some(1, 1, 2), np.array([0]), SHOTS, alphas=()), "0 alphas"),
        (lambda: adapt(some(1, 1, 3), some(1, 2, 2), some(1, 3, 2)), r"weights \(2, 3\) and \(3, 2\)"),
        (lambda: adapt(some(1, 1, 2), some(1, 1, 2), some(1, 2, 1), 1.5), "ratio in"),
        (lambda: adapt(some(1, 2), some(1, 1, 2), some(1, 2, 1)), "three matrices"),
        (lambda: linear_logits(some(1, 1, 3), LINEAR, normalised=True), r"features \(n, 2\)"),
        (lambda: Linear(np.ones((2, 2), np.float32), np.ones(1, np.float32)), r"bias \(c,\)"),
        (lambda: Linear(np.array([[np.inf]], np.float32), np.ones(1, np.float32)), "not finite"),
        (lambda: average(LINEAR, LINEAR, -0.1), r"alpha in \[0, 1\]"),
        (lambda: average(LINEAR, Linear(np.ones((1, 2), np.float32), np.ones(1, np.float32)), 0.5), "one shape"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused(broken: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        broken()  # type: ignore[operator]


SHOTS = Shots(np.eye(2, dtype=np.float32), np.array([0, 1]), 2)
LINEAR = Linear(np.eye(2, dtype=np.float32), np.zeros(2, np.float32))


def test_clip_adapter_is_the_published_module() -> None:
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential(
        torch.nn.Linear(16, 4, bias=False), torch.nn.ReLU(), torch.nn.Linear(4, 16, bias=False), torch.nn.ReLU()
    )
    f = some(7, 5, 16)
    with torch.inference_mode():
        theirs = 0.2 * module(torch.from_numpy(f)) + 0.8 * torch.from_numpy(f)
    ours = adapt(f, module[0].weight.detach().numpy(), module[2].weight.detach().numpy())
    assert np.allclose(ours, theirs.numpy(), atol=1e-6)


def test_average_of_heads_is_the_average_of_their_logits() -> None:
    one = Linear(some(1, 3, 4), some(2, 3))
    two = Linear(some(3, 3, 4), some(4, 3))
    f = some(5, 6, 4)
    mixed = linear_logits(f, average(one, two, 0.3), normalised=True)
    apart = 0.7 * linear_logits(f, one, normalised=True) + 0.3 * linear_logits(f, two, normalised=True)
    assert np.allclose(mixed, apart, atol=1e-5)


def test_the_tuning_half_is_half_and_depends_on_nothing_but_the_image() -> None:
    import hashlib

    images = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(4000)]
    half = in_tuning_half(images)
    assert 0.47 < half.mean() < 0.53
    assert np.array_equal(in_tuning_half(images[::-1]), half[::-1])


def test_settings_are_never_chosen_on_a_test_set() -> None:
    catalogue = load()
    for name, manifest in catalogue.datasets.items():
        if name == "imagenet-val" or name.startswith("imagenet-train"):
            refuse_test_set(name, manifest)
        else:
            with pytest.raises(UsageError, match="settings chosen on a test set"):
                refuse_test_set(name, manifest)
