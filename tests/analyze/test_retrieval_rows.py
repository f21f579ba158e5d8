"""Rows of retrieval over made galleries: values by hand, intervals by a plain bootstrap, failures by every policy."""

from __future__ import annotations

import resource

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyze.metrics.retrieval import recall_at_k, retrieval_ranks
from analyze.results import OnFailure
from analyze.retrieval_rows import _medians, gallery_rows
from analyze.row_key import Key
from analyze.table import INTERVALS, Result

KEY = Key("net", "zero-shot-clip", "toys", "retrieval", "", "i", 0)


def rows(
    images: np.ndarray, texts: np.ndarray, owner: list[int], policy: OnFailure = "error", **lost: list[int]
) -> dict[str, Result]:
    images_ok, texts_ok = np.ones(len(images), bool), np.ones(len(texts), bool)
    images_ok[lost.get("no_image", [])] = False
    texts_ok[lost.get("no_text", [])] = False
    found = gallery_rows(KEY, images, images_ok, texts, texts_ok, np.array(owner), policy)
    return {row.metric: row for row in found}


def test_values_by_hand() -> None:
    # The second caption of the first image is nearer to the second image.
    found = rows(np.eye(2), np.array([[1.0, 0.1], [0.1, 1.0], [0.0, 1.0]]), [0, 0, 1])
    assert found["image_recall_at_1"].value == pytest.approx(2 / 3)
    assert found["image_mrr"].value == pytest.approx((1 + 1 / 2 + 1) / 3)
    assert found["image_median_rank"].value == 1
    assert found["text_recall_at_1"].value == 1
    assert (found["image_recall_at_1"].n, found["image_recall_at_1"].n_total) == (3, 3)
    assert (found["text_mrr"].n, found["text_mrr"].n_total, found["text_mrr"].n_failed) == (2, 2, 0)
    assert all(metric in INTERVALS for metric in found)


def test_intervals_are_those_of_a_plain_bootstrap_over_images() -> None:
    rng = np.random.default_rng(1)
    owner = np.repeat(np.arange(60), 5)
    images = rng.normal(size=(60, 8))
    texts = images[owner] + rng.normal(size=(300, 8)) * 1.5 + np.repeat(rng.normal(size=(60, 8)), 5, axis=0)
    found = rows(images, texts, owner.tolist())
    hits = (retrieval_ranks(images, texts, owner).image < 5).reshape(60, 5)
    drawn = [hits[rng.integers(0, 60, 60)].mean() for _ in range(4000)]
    row = found["image_recall_at_5"]
    assert [row.lo, row.hi] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.02)
    # Captions of one image hit together: wider than if they were on their own.
    alone = np.sqrt(row.value * (1 - row.value) / 300) * 1.96 * 2
    assert row.hi - row.lo > 1.2 * alone


def test_nothing_is_certain_at_the_ceiling() -> None:
    found = rows(np.eye(20), np.eye(20), list(range(20)))
    assert found["image_recall_at_1"].value == 1
    assert found["image_recall_at_1"].lo == pytest.approx(0.025 ** (1 / 20))


@pytest.mark.parametrize(("policy", "recall", "n"), [("exclude", 1.0, 5), ("count-wrong", 5 / 8, 8)])
def test_what_has_no_numbers(policy: OnFailure, recall: float, n: int) -> None:
    images = np.eye(4)
    texts = np.repeat(np.eye(4), 2, axis=0)
    images[3], texts[0] = np.nan, np.nan
    found = rows(images, texts, [0, 0, 1, 1, 2, 2, 3, 3], policy, no_image=[3], no_text=[0])
    row = found["image_recall_at_1"]
    assert (row.value, row.n, row.n_total, row.n_failed) == (recall, n, 8, 3)
    text = found["text_recall_at_1"]
    assert (text.n, text.n_total, text.n_failed) == ((3, 4, 1) if policy == "exclude" else (4, 4, 1))
    assert text.value == (1.0 if policy == "exclude" else 3 / 4)


def test_nothing_left_is_no_row() -> None:
    assert rows(np.full((1, 2), np.nan), np.eye(2), [0, 0], "exclude", no_image=[0]) == {}


@given(st.integers(2, 12), st.integers(1, 4), st.integers(0, 9999))
def test_recalls_are_those_of_the_metric_and_grow_with_k(n: int, each: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(n), each)
    images, texts = rng.normal(size=(n, 3)), rng.normal(size=(n * each, 3))
    found = rows(images, texts, owner.tolist())
    for k in (1, 5, 10):
        image, text = recall_at_k(images, texts, owner, k)
        assert (found[f"image_recall_at_{k}"].value, found[f"text_recall_at_{k}"].value) == (image, text)
    for query in ("image", "text"):
        values = [found[f"{query}_recall_at_{k}"].value for k in (1, 5, 10)]
        assert values == sorted(values)
    assert all(row.lo <= row.value <= row.hi for row in found.values())


@given(st.lists(st.integers(0, 20), min_size=1, max_size=9), st.integers(0, 99))
def test_medians_are_those_of_repeated_ranks(ranks: list[int], seed: int) -> None:
    weights = np.random.default_rng(seed).integers(0, 4, size=(5, len(ranks)))
    weights[:, 0] += 1
    ordered = np.sort(ranks)
    expected = [np.median(np.repeat(ordered, row)) for row in weights]
    assert _medians(ordered, weights).tolist() == expected


def test_coco_s_size_stays_within_its_memory() -> None:
    rng = np.random.default_rng(0)
    images = rng.normal(size=(5000, 512)).astype(np.float32)
    texts = rng.normal(size=(25_010, 512)).astype(np.float16)
    owner = np.minimum(np.arange(25_010) // 5, 4999)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = list(gallery_rows(KEY, images, np.ones(5000, bool), texts, np.ones(25_010, bool), owner, "error"))
    assert len(found) == 10
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 400
