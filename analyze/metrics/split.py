"""Halves of a dataset: images to calibrate on and images to test on, by content and never by order. Knows ids only."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def calibration_ranks(image_ids: Sequence[str], seed: int = 0) -> NDArray[np.int64]:
    """Rank of each image among the distinct images of a dataset, by the sha256 of seed and image id.

    Any first share of the ranks is a random part of the images, which the order of files or packs cannot change.

    Parameters
    ----------
    image_ids : n strings
        An image may stand twice; it then has one rank.
    seed : int

    Returns
    -------
    int64 (n,)

    Examples
    --------
    >>> ranks = calibration_ranks(["a", "b", "c", "a"])
    >>> sorted(set(ranks.tolist())), (ranks[0] == ranks[3]).item()
    ([0, 1, 2], True)
    """
    # Differs from [Gupta et al. 2021], whose files come of scikit-learn's train_test_split with seed 333 over sorted
    # file names: that split depends on the names and on a library's generator.
    hashed = sorted((hashlib.sha256(f"{seed}\0{image}".encode()).digest(), image) for image in set(image_ids))
    rank = {image: at for at, (_, image) in enumerate(hashed)}
    return np.array([rank[image] for image in image_ids], np.int64)


def calibration_half(image_ids: Sequence[str], seed: int = 0) -> NDArray[np.bool_]:
    """Whether each image is of the calibration half: of m distinct images the floor(m / 2) of lowest rank.

    Parameters and errors as in `calibration_ranks`.

    Returns
    -------
    bool (n,)

    Examples
    --------
    >>> half = calibration_half(["a", "b", "c", "d", "e"])
    >>> int(half.sum()), (calibration_half(["e", "d", "c", "b", "a"])[::-1] == half).all().item()
    (2, True)
    """
    return first_half(calibration_ranks(image_ids, seed))


def first_half(ranks: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each image is of the lower half of the ranks.

    Examples
    --------
    >>> first_half(np.array([2, 0, 1])).tolist()
    [False, True, False]
    """
    return np.asarray(ranks < (int(ranks.max(initial=-1)) + 1) // 2)


def listed_half(samples: Sequence[str], image_ids: Sequence[str], listed: Sequence[str]) -> NDArray[np.bool_]:
    """Whether each image is of a calibration part that is given as a list of samples.

    An image that stands under several samples is of it as soon as one of them is listed.

    Parameters
    ----------
    samples, image_ids : n strings
        Name and image of each row of the dataset.
    listed : strings
        Samples of the calibration part.

    Raises
    ------
    ValueError
        For names that repeat or are no samples, and for a list that leaves nothing on one side.

    Examples
    --------
    >>> listed_half(["1.jpg", "2.jpg"], ["a", "b"], ["2.jpg"]).tolist()
    [False, True]
    """
    repeated = len(listed) - len(set(listed))
    strange = sorted(set(listed) - set(samples))
    if repeated or strange:
        example = f", the first is {strange[0]!r}" if strange else ""
        raise ValueError(f"expected names of samples, each once; {repeated} repeat, {len(strange)} are none{example}")
    chosen = set(listed)
    images = {image for sample, image in zip(samples, image_ids, strict=True) if sample in chosen}
    half = np.array([image in images for image in image_ids], bool)
    if not half.any() or half.all():
        raise ValueError(f"expected some of the {len(half)} samples and not all, got {int(half.sum())}")
    return half
