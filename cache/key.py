"""Content names: what an image, a string, a pair or a pack is called, whatever its path.

This module hashes bytes. It must not know files, stores, models or metrics.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.canonical import canonical_json, digest


def image_id(data: bytes) -> str:
    """Name an image by the sha256 of its encoded file bytes.

    Examples
    --------
    >>> image_id(b"abc")[:16]
    'ba7816bf8f01cfea'
    """
    return hashlib.sha256(data).hexdigest()


def pixels_id(pixels: NDArray[Any]) -> str:
    """Name an image that exists only as an array: dtype, shape and row-major bytes.

    Examples
    --------
    >>> pixels_id(np.zeros((1, 1, 3), np.uint8)) == pixels_id(np.zeros((1, 3, 1), np.uint8))
    False
    """
    array = np.ascontiguousarray(pixels)
    hasher = hashlib.sha256(b"assay-pixels\0")
    hasher.update(canonical_json([array.dtype.str, list(array.shape)]))
    hasher.update(array.tobytes())
    return hasher.hexdigest()


def virtual_id(source: str, sample: str) -> str:
    """Name an image that is listed but not here: its source dataset and sample key.

    Examples
    --------
    >>> virtual_id("imagenet-val", "ILSVRC2012_val_00000001.JPEG")[:16]
    '4951f7cb3a1de4bb'
    """
    return hashlib.sha256(b"assay-name\0" + f"{source}/{sample}".encode()).hexdigest()


def text_id(text: str) -> str:
    """Name a string by the sha256 of its UTF-8 bytes.

    Examples
    --------
    >>> text_id("abc") == image_id(b"abc")
    True
    """
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def pair_id(first: str, second: str, parameters: Mapping[str, Any]) -> str:
    """Name an ordered pair of images together with the parameters that relate them."""
    return digest("pair", [first, second, dict(parameters)])


def head_id(classes: str, prompts: str) -> str:
    """Name a zero-shot head: a class list (texts id) under a prompt set (texts id)."""
    return digest("head", [classes, prompts])


def pack_id(items: Sequence[str]) -> str:
    """Name an ordered list of item ids.

    Examples
    --------
    >>> pack_id(["a", "b"]) == pack_id(["b", "a"])
    False
    """
    return digest("pack", list(items))
