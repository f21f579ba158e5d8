"""Retrieval recall against CLIP_benchmark's own function, which needs torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from analyze.metrics.retrieval import hit_rate, retrieval_ranks

oracle = pytest.importorskip("clip_benchmark.metrics.zeroshot_retrieval", reason="CLIP_benchmark is not installed")


def theirs(scores: torch.Tensor, owner: np.ndarray, k: int) -> tuple[float, float]:
    positive = torch.zeros(scores.shape, dtype=torch.bool)
    positive[torch.arange(len(scores)), torch.as_tensor(owner)] = True
    image = (oracle.recall_at_k(scores, positive, k) > 0).float().mean()
    text = (oracle.recall_at_k(scores.T, positive.T, k) > 0).float().mean()
    return float(image), float(text)


@pytest.mark.parametrize("k", [1, 5, 10])
@pytest.mark.parametrize("seed", range(5))
def test_recall_equals_clip_benchmark(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(60), rng.integers(5, 8, 60))
    image = rng.standard_normal((60, 16)).astype(np.float32)
    text = (image[owner] + 1.5 * rng.standard_normal((len(owner), 16))).astype(np.float32)
    ranks = retrieval_ranks(image, text, owner)
    unit = [torch.nn.functional.normalize(torch.as_tensor(part), dim=-1) for part in (image, text)]
    expected = theirs(unit[1] @ unit[0].T, owner, k)
    assert (hit_rate(ranks.image, k), hit_rate(ranks.text, k)) == pytest.approx(expected, abs=1e-6)
    assert 0 < expected[0] < 1


@pytest.mark.parametrize("k", [1, 5, 10])
@pytest.mark.parametrize("seed", range(5))
def test_recall_equals_clip_benchmark_under_ties(seed: int, k: int) -> None:
    """Its top-k leaves the order of ties open; a drop far below any difference, growing with the index, closes it."""
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(60), rng.integers(5, 8, 60))
    image, text = (rng.choice([-1.0, 1.0], (n, 4)) for n in (60, len(owner)))
    ranks = retrieval_ranks(image, text, owner)
    scores = torch.as_tensor(text @ image.T / 4, dtype=torch.float64)
    assert len(torch.unique(scores)) == 5
    of_image = scores - 1e-9 * torch.arange(60)
    of_text = scores - 1e-9 * torch.arange(len(owner))[:, None]
    expected = theirs(of_image, owner, k)[0], theirs(of_text, owner, k)[1]
    assert (hit_rate(ranks.image, k), hit_rate(ranks.text, k)) == pytest.approx(expected, abs=1e-6)
