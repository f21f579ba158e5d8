"""Pairs of a view: named by content, in the view's order, each once and never of one image with itself."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest

from cache.errors import IntegrityError
from cache.image_pairs import pairs_of, scheme_of
from cache.key import pair_id
from cache.views import View


def view(pairs: list[list[str]], **columns: Any) -> View:
    n = len(pairs)
    given = {"category": ["cat"] * n, "keypoints": ["{}"] * n, **columns}
    table = pl.DataFrame(
        {"sample": [f"s{at}" for at in range(n)], "image_id": [f"i{at}" for at in range(n)], "label": [None] * n,
         "pairs": pl.Series(pairs, dtype=pl.List(pl.String)), **given}
    )  # fmt: skip
    return View("toy", "0" * 64, table, "", (), {}, "")


def said(second: str, points: list[list[int]] | None = None, **more: Any) -> str:
    return json.dumps({"second": second, "source_points": points or [[1, 2]], **more})


def test_pairs_in_the_order_of_the_view() -> None:
    listed = pairs_of(view([[said("s2"), said("s1")], [said("s0")], []]))
    assert (listed.scheme, listed.absent) == ("spair", 0)
    assert [(pair.first, pair.second) for pair in listed.pairs] == [(0, 2), (0, 1), (1, 0)]
    assert listed.pairs[0].item == pair_id("i0", "i2", {"points": [[1, 2]]})


def test_an_image_is_never_its_own_partner_and_a_pair_counts_once() -> None:
    listed = pairs_of(view([[said("s0"), said("s1"), said("s1", viewpoint_variation=2)], []]))
    assert [(pair.first, pair.second) for pair in listed.pairs] == [(0, 1)]
    # Other keypoints of the same images are another pair.
    assert len(pairs_of(view([[said("s1"), said("s1", [[3, 4]])], []])).pairs) == 2


def test_a_partner_that_is_not_in_the_view() -> None:
    listed = pairs_of(view([[said("s1"), said("s9")], []]))
    assert (len(listed.pairs), listed.absent) == (1, 1)


def test_a_pair_of_views_depends_on_its_depth_maps() -> None:
    def item(depth: str) -> str:
        columns = {name: [[1.0]] * 2 for name in ("intrinsics", "pose")}
        listed = pairs_of(view([[json.dumps({"second": "s1"})], []], depth_sha256=["a", depth], **columns))
        assert listed.scheme == "scannet"
        return listed.pairs[0].item

    assert item("b") == item("b") != item("c")


def test_schemes() -> None:
    navi = ["pairs", "depth_sha256", "rotation", "translation", "focal_length", "image_size"]
    assert [scheme_of(columns) for columns in (navi, navi[1:], ["pairs"])] == ["navi", "", ""]
    assert pairs_of(View("x", "0" * 64, pl.DataFrame({"sample": ["a"]}), "", (), {}, "")).pairs == ()


@pytest.mark.parametrize("text", ["no json", "{}", "[]"])
def test_a_column_that_no_indexer_wrote(text: str) -> None:
    with pytest.raises(IntegrityError, match="its column pairs is unreadable"):
        pairs_of(view([[text]]))
