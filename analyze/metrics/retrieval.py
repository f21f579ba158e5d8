"""Zero-shot retrieval between images and captions: ranks once, then recall at any k, median rank, mean reciprocal rank.

Arrays in, arrays out. Scores are cosines, computed block by block, so that memory stays flat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analyze.checks import Matrix, float_array, require_finite

_IMAGES_A_BLOCK = 256


@dataclass(frozen=True, slots=True)
class Ranks:
    """Where the right answer of every query stands, 0 = first.

    Attributes
    ----------
    image : int (t,)
        For every caption, the rank of its image among all images ("image retrieval", text to image).
    text : int (n,)
        For every image, the rank of the best of its captions among all captions ("text retrieval", image to text).
    """

    image: NDArray[np.int64]
    text: NDArray[np.int64]


def retrieval_ranks(image_embeddings: ArrayLike, text_embeddings: ArrayLike, image_of_text: ArrayLike) -> Ranks:
    """Rank the right answers of every caption and every image.

    rank of caption c = #{images j: s(c, j) > s(c, g(c))} + #{j < g(c): s(c, j) = s(c, g(c))}, with g(c) the caption's
    image and s the cosine; of an image, the same over captions for the best of its own. Equal scores go to the lower
    index; captions are ordered by their image, then as given.

    Parameters
    ----------
    image_embeddings : float (n, d)
    text_embeddings : float (t, d)
        Of any length; they are normalised here. Half precision is widened to float32.
    image_of_text : int (t,)
        Row of each caption's image, in [0, n); every image has a caption.

    Raises
    ------
    ValueError
        Wrong shapes, NaN or infinity, an embedding of length zero, an image without captions, an index out of range.

    Notes
    -----
    A caption counts for its own image only, and every caption counts, as in the evaluation code of CLIP_benchmark
    (there by top-k of a whole matrix, where the order of ties is unspecified). No logit scale and no prompt.

    Examples
    --------
    Two images; the second caption of the first image is nearer to the second image.

    >>> ranks = retrieval_ranks([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.1], [0.1, 1.0], [0.0, 1.0]], [0, 0, 1])
    >>> ranks.image.tolist(), ranks.text.tolist()
    ([0, 1, 0], [0, 0])
    """
    images, texts = _unit_rows(image_embeddings, "image_embeddings"), _unit_rows(text_embeddings, "text_embeddings")
    if images.shape[1] != texts.shape[1]:
        raise ValueError(f"text_embeddings: expected {images.shape[1]} columns as the images have, got {texts.shape}")
    given = _owners(image_of_text, len(images), len(texts))
    order = np.argsort(given, kind="stable")
    texts, owner = texts[order], given[order]
    starts = np.searchsorted(owner, np.arange(len(images) + 1))
    own = _own_scores(images, texts, owner, starts)
    best = np.maximum.reduceat(own, starts[:-1])
    # The first caption of each image that reaches the image's best score.
    reaches = np.flatnonzero(own == best[owner])
    best_row = reaches[np.searchsorted(reaches, starts[:-1])]

    of_text, of_image = np.zeros(len(texts), np.int64), np.zeros(len(images), np.int64)
    for first in range(0, len(images), _IMAGES_A_BLOCK):
        last = min(first + _IMAGES_A_BLOCK, len(images))
        low, high = int(starts[first]), int(starts[last])
        scores = texts @ images[first:last].T
        rows = np.arange(low, high)
        # A product may round otherwise in a block of another shape; a caption is never compared with itself.
        scores[rows, owner[low:high] - first] = own[low:high]
        # Captions before the block belong to earlier images, so images of the block lose ties to theirs; and so on.
        of_text[:low] += np.count_nonzero(scores[:low] > own[:low, None], axis=1)
        of_text[high:] += np.count_nonzero(scores[high:] >= own[high:, None], axis=1)
        of_image[first:last] += np.count_nonzero(scores[:low] >= best[first:last], axis=0)
        of_image[first:last] += np.count_nonzero(scores[high:] > best[first:last], axis=0)
        inner, columns = scores[low:high], np.arange(first, last)
        level, top = own[low:high, None], best[first:last]
        earlier = columns < owner[low:high, None]
        of_text[low:high] += np.count_nonzero((inner > level) | ((inner == level) & earlier), axis=1)
        before = rows[:, None] < best_row[first:last]
        of_image[first:last] += np.count_nonzero((inner > top) | ((inner == top) & before), axis=0)
    back = np.empty_like(of_text)
    back[order] = of_text
    return Ranks(back, of_image)


def recall_at_k(
    image_embeddings: ArrayLike, text_embeddings: ArrayLike, image_of_text: ArrayLike, k: int
) -> tuple[float, float]:
    """Hit rates among the first k: of images for captions, and of captions for images; both in [0, 1].

    Parameters and errors as in `retrieval_ranks`. A hit is 0 or 1 a query, however many captions an image has.

    Returns
    -------
    image, text
        Mean over captions of "its image is among the first k", mean over images of "one of its captions is".

    Examples
    --------
    >>> image, text = recall_at_k([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.1], [0.1, 1.0], [0.0, 1.0]], [0, 0, 1], k=1)
    >>> round(image, 6), text
    (0.666667, 1.0)
    """
    ranks = retrieval_ranks(image_embeddings, text_embeddings, image_of_text)
    return hit_rate(ranks.image, k), hit_rate(ranks.text, k)


def hit_rate(ranks: ArrayLike, k: int) -> float:
    """Share of queries whose right answer is among the first k.

    Raises
    ------
    ValueError
        When there are no ranks, or k < 1.

    Examples
    --------
    >>> hit_rate([0, 4, 5, 9], 5)
    0.5
    """
    array = _rank_vector(ranks)
    if k < 1:
        raise ValueError(f"k: expected at least 1, got {k}")
    return float((array < k).mean())


def median_rank(ranks: ArrayLike) -> float:
    """Median place of the right answer, the best place being 1.

    Examples
    --------
    >>> median_rank([0, 4, 5, 9])
    5.5
    """
    return float(np.median(_rank_vector(ranks))) + 1.0


def mean_reciprocal_rank(ranks: ArrayLike) -> float:
    """Mean of 1 / place of the right answer, in (0, 1].

    Examples
    --------
    >>> mean_reciprocal_rank([0, 3])  # (1 + 1/4) / 2
    0.625
    """
    return float((1.0 / (_rank_vector(ranks) + 1.0)).mean())


def mean_of_four(recalls: Sequence[float]) -> float:
    """Plain mean of Recall@5 over two datasets and both directions: the retrieval column of the journal's Table IV.

    Examples
    --------
    ViT-B-16 laion400m_e32, from open_clip's published table:

    >>> round(mean_of_four([0.8828, 0.9680, 0.6362, 0.7964]), 4)
    0.8209
    """
    if len(recalls) != 4:
        raise ValueError(f"recalls: expected 4 (two sets, both directions), got {len(recalls)}")
    return float(np.mean(recalls))


def _rank_vector(ranks: ArrayLike) -> NDArray[Any]:
    array = np.asarray(ranks)
    if array.ndim != 1 or not len(array):
        raise ValueError(f"ranks: expected shape (n,) without an empty axis, got {array.shape}")
    return array


def _unit_rows(embeddings: ArrayLike, name: str) -> Matrix:
    matrix = float_array(embeddings, name, 2)
    matrix = matrix.astype(np.float32) if matrix.dtype == np.float16 else matrix
    require_finite(matrix, name)
    norms = np.linalg.norm(matrix, axis=1, keepdims=True)
    if not norms.all():
        raise ValueError(f"{name}: row {int(np.flatnonzero(norms == 0)[0])} has length zero and no direction")
    return np.asarray(matrix / norms)


def _owners(image_of_text: ArrayLike, images: int, texts: int) -> NDArray[np.int64]:
    owner = np.asarray(image_of_text)
    if owner.shape != (texts,) or owner.dtype.kind not in "iu":
        raise ValueError(f"image_of_text: expected {texts} whole numbers, got {owner.dtype} {owner.shape}")
    if owner.min() < 0 or owner.max() >= images:
        raise ValueError(f"image_of_text: expected rows 0 to {images - 1}, got {owner.min()} to {owner.max()}")
    without = np.setdiff1d(np.arange(images), owner)
    if len(without):
        raise ValueError(f"image_of_text: {len(without)} images have no caption, the first is row {without[0]}")
    return owner.astype(np.int64)


def _own_scores(
    images: Matrix, texts: Matrix, owner: NDArray[np.int64], starts: NDArray[np.intp]
) -> NDArray[np.floating[Any]]:
    """Return each caption's score with its own image, by the same kind of product that ranks use."""
    own = np.empty(len(texts), np.result_type(images, texts))
    for first in range(0, len(images), _IMAGES_A_BLOCK):
        last = min(first + _IMAGES_A_BLOCK, len(images))
        rows = np.arange(starts[first], starts[last])
        own[rows] = (texts[rows] @ images[first:last].T)[np.arange(len(rows)), owner[rows] - first]
    return own
