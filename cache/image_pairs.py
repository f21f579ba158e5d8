"""Pairs of images of a dataset version, named by content: what `match` computes and `analyze` asks for.

The view lists pairs in its column `pairs` (JSON texts at the first image of each). Knows columns and names; no pixel,
no feature and no metric.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .documents import damaged
from .key import pair_id
from .packs import Pack
from .views import View

Scheme = Literal["", "navi", "scannet", "spair"]
"""How the truth of a pair is known: navi, scannet: depth maps and poses; spair: keypoints; "": there are no pairs."""

_MARKS: Mapping[Scheme, frozenset[str]] = {
    "navi": frozenset({"depth_sha256", "rotation", "translation", "focal_length", "image_size"}),
    "scannet": frozenset({"depth_sha256", "intrinsics", "pose"}),
    "spair": frozenset({"category", "keypoints"}),
}
PAIRS_A_PACK = 512
"""Most pairs of a pack: a unit of work that is lost at an interrupt."""


@dataclass(frozen=True, slots=True)
class ImagePair:
    """An ordered pair of images.

    item
        Its pair id: of both images and whatever else its matches depend on (depth maps, source keypoints).
    first, second
        Rows of the view.
    facts
        What the view says of the pair.
    """

    item: str
    first: int
    second: int
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PairList:
    """The pairs of a view in its order, each once.

    absent
        Pairs whose second image is not in the view: a part of a dataset has fewer.
    """

    scheme: Scheme
    pairs: tuple[ImagePair, ...]
    absent: int = 0


def scheme_of(columns: list[str]) -> Scheme:
    """Return how the truth of pairs is known, from the columns of a view.

    Examples
    --------
    >>> scheme_of(["sample", "pairs", "category", "keypoints"]), scheme_of(["sample", "category", "keypoints"])
    ('spair', '')
    """
    if "pairs" not in columns:
        return ""
    return next((scheme for scheme, marks in _MARKS.items() if marks <= set(columns)), "")


def pairs_of(view: View) -> PairList:
    """Return the pairs of a dataset version; an image is never paired with itself.

    Raises
    ------
    IntegrityError
        When the column is not what an indexer writes.
    """
    table = view.table
    scheme = scheme_of(table.columns)
    if not scheme:
        return PairList("", ())
    row_of = {sample: row for row, sample in enumerate(table["sample"].to_list())}
    images = table["image_id"].to_list()
    depths = table["depth_sha256"].to_list() if "depth_sha256" in table.columns else [None] * len(images)
    found: dict[str, ImagePair] = {}
    absent = 0
    for first, texts in enumerate(table["pairs"].to_list()):
        for text in texts or ():
            try:
                facts: dict[str, Any] = json.loads(text)
                second = row_of.get(str(facts["second"]))
                points = facts["source_points"] if scheme == "spair" else None
            except (ValueError, KeyError, TypeError) as error:
                raise damaged(
                    f"datasets/{view.reference}.parquet", f"its column pairs is unreadable: {error!r}"
                ) from error
            if second is None:
                absent += 1
            elif second != first:
                on = {"points": points} if scheme == "spair" else {"depth": [depths[first], depths[second]]}
                item = pair_id(images[first], images[second], on)
                found.setdefault(item, ImagePair(item, first, second, facts))
    return PairList(scheme, tuple(found.values()), absent)


def image_sizes(packs: Iterable[Pack]) -> dict[str, tuple[int, int]]:
    """Return (width, height) of every image of some packs; (0, 0) where no header could be read."""
    found: dict[str, tuple[int, int]] = {}
    for pack in packs:
        for item, width, height in pack.table.select("item_id", "width", "height").iter_rows():
            found.setdefault(item, (int(width or 0), int(height or 0)))
    return found
