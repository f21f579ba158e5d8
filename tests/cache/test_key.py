from __future__ import annotations

import hashlib
import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cache.key import head_id, image_id, pack_id, pair_id, pixels_id, text_id, virtual_id

IDS = st.lists(st.text("0123456789abcdef", min_size=4, max_size=4), max_size=6)


def test_golden_ids() -> None:
    # Stores rest on these: a change of any of them is a new format version.
    assert image_id(b"") == hashlib.sha256(b"").hexdigest()
    assert text_id("ü") == hashlib.sha256(b"\xc3\xbc").hexdigest()
    assert virtual_id("imagenet-val", "a/b.JPEG") == hashlib.sha256(b"assay-name\0imagenet-val/a/b.JPEG").hexdigest()
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    head = b'assay-pixels\0["|u1",[2,2,3]]'
    assert pixels_id(pixels) == hashlib.sha256(head + bytes(range(12))).hexdigest()
    assert pack_id(["a", "b"]) == hashlib.sha256(b'["pack",["a","b"]]').hexdigest()
    assert head_id("c", "p") == hashlib.sha256(b'["head",["c","p"]]').hexdigest()
    assert pair_id("a", "b", {"k": 1}) == hashlib.sha256(b'["pair",["a","b",{"k":1}]]').hexdigest()


def test_equal_pixels_in_other_memory_order_are_one_image() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert pixels_id(np.asfortranarray(pixels)) == pixels_id(pixels)
    assert pixels_id(pixels[:, ::-1]) != pixels_id(pixels)
    assert pixels_id(pixels.astype(np.uint16)) != pixels_id(pixels)


@given(IDS, IDS)
def test_packs_share_a_name_only_when_equal(first: list[str], second: list[str]) -> None:
    assert (pack_id(first) == pack_id(second)) == (first == second)


def test_sorts_of_things_never_share_a_name() -> None:
    names = [pack_id(["a", "b"]), head_id("a", "b"), pair_id("a", "b", {}), text_id("a"), virtual_id("a", "b")]
    assert all(first != second for first, second in itertools.combinations(names, 2))
