"""Retrieval: against a plain sort of the whole matrix, under ties, and what it must not depend on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyze.metrics import retrieval
from analyze.metrics.retrieval import hit_rate, mean_of_four, mean_reciprocal_rank, recall_at_k, retrieval_ranks


def by_sorting(scores: np.ndarray, owner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sort every row and column of the whole (captions, images) matrix, equal scores in their order."""
    image = [
        int(np.flatnonzero(np.argsort(-row, kind="stable") == own)[0]) for row, own in zip(scores, owner, strict=True)
    ]
    text = []
    for at, column in enumerate(scores.T):
        ranked = owner[np.argsort(-column, kind="stable")]
        text.append(int(np.flatnonzero(ranked == at)[0]))
    return np.array(image), np.array(text)


def made(seed: int, images: int, captions: tuple[int, int], d: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(images), rng.integers(captions[0], captions[1] + 1, images))
    return rng.standard_normal((images, d)), rng.standard_normal((len(owner), d)), owner


@pytest.mark.parametrize("images", [1, 3, 255, 256, 257, 600])
def test_ranks_equal_a_sort_of_the_whole_matrix(images: int) -> None:
    image, text, owner = made(images, images, (5, 7), 8)
    unit = [part / np.linalg.norm(part, axis=1, keepdims=True) for part in (image, text)]
    ranks = retrieval_ranks(image, text, owner)
    expected = by_sorting(unit[1] @ unit[0].T, owner)
    np.testing.assert_array_equal(ranks.image, expected[0])
    np.testing.assert_array_equal(ranks.text, expected[1])


@given(seed=st.integers(0, 2**32 - 1), images=st.integers(1, 9))
def test_ties_go_to_the_lower_index(seed: int, images: int) -> None:
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(images), rng.integers(1, 4, images))
    # Corners of a cube of side two: products are small whole numbers over a common norm, so equal ones are equal.
    image, text = (rng.choice([-1.0, 1.0], (n, 4)) for n in (images, len(owner)))
    ranks = retrieval_ranks(image, text, owner)
    expected = by_sorting(text @ image.T / 4, owner)
    np.testing.assert_array_equal(ranks.image, expected[0])
    np.testing.assert_array_equal(ranks.text, expected[1])


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    image, text, owner = made(7, 40, (1, 5), 4)
    whole = retrieval_ranks(image, text, owner)
    monkeypatch.setattr(retrieval, "_IMAGES_A_BLOCK", 3)
    parts = retrieval_ranks(image, text, owner)
    np.testing.assert_array_equal(whole.image, parts.image)
    np.testing.assert_array_equal(whole.text, parts.text)


def test_captions_may_come_in_any_order() -> None:
    image, text, owner = made(3, 30, (5, 7), 6)
    shuffled = np.random.default_rng(0).permutation(len(owner))
    plain, mixed = retrieval_ranks(image, text, owner), retrieval_ranks(image, text[shuffled], owner[shuffled])
    np.testing.assert_array_equal(plain.image[shuffled], mixed.image)
    np.testing.assert_array_equal(plain.text, mixed.text)


def test_length_of_embeddings_does_not_matter() -> None:
    image, text, owner = made(5, 20, (1, 3), 6)
    lengths = np.random.default_rng(1).uniform(0.1, 9, (len(text), 1))
    plain, scaled = retrieval_ranks(image, text, owner), retrieval_ranks(image, text * lengths, owner)
    np.testing.assert_array_equal(plain.image, scaled.image)


def test_half_precision_is_widened() -> None:
    image, text, owner = made(5, 20, (1, 3), 6)
    halves = (image.astype(np.float16), text.astype(np.float16))
    wide = (halves[0].astype(np.float32), halves[1].astype(np.float32))
    np.testing.assert_array_equal(retrieval_ranks(*halves, owner).text, retrieval_ranks(*wide, owner).text)


def test_recall_is_monotone_and_ends_at_one() -> None:
    image, text, owner = made(11, 25, (5, 7), 5)
    recalls = [recall_at_k(image, text, owner, k) for k in (1, 5, 10, len(owner))]
    assert recalls == sorted(recalls)
    assert recalls[-1] == (1.0, 1.0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"image": [[np.nan, 1.0], [0.0, 1.0]]}, "image_embeddings: expected finite"),
        ({"text": [[0.0, 0.0], [0.0, 1.0]]}, "text_embeddings: row 0 has length zero"),
        ({"owner": [0, 2]}, "expected rows 0 to 1, got 0 to 2"),
        ({"owner": [0, 0]}, "1 images have no caption, the first is row 1"),
        ({"owner": [0.0, 1.0]}, "expected 2 whole numbers"),
        ({"owner": [0]}, "expected 2 whole numbers"),
        ({"text": [[1.0, 0.0, 0.0]] * 2}, "expected 2 columns"),
        ({"image": np.zeros((0, 2))}, "without an empty axis"),
    ],
)
def test_bad_input_is_named(change: dict[str, object], said: str) -> None:
    given = {"image": [[1.0, 0.0], [0.0, 1.0]], "text": [[1.0, 0.0], [0.0, 1.0]], "owner": [0, 1], **change}
    with pytest.raises(ValueError, match=said):
        retrieval_ranks(given["image"], given["text"], given["owner"])


def test_no_ranks_and_no_k_are_errors() -> None:
    with pytest.raises(ValueError, match="without an empty axis"):
        mean_reciprocal_rank([])
    with pytest.raises(ValueError, match="at least 1, got 0"):
        hit_rate([0], 0)
    with pytest.raises(ValueError, match="expected 4"):
        mean_of_four([0.5])
