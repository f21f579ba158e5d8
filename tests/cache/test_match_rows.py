"""Rows of matches: what was put in comes out, and spaces tell what changes the numbers."""

from __future__ import annotations

import numpy as np
import pytest

from cache.match_rows import PointMatches, keypoint_row, matches_space, point_matches, point_row
from cache.spaces import Space

PARENT = Space(
    {
        "library": "toy",
        "architecture": {"name": "net"},
        "variant": "480x640",
        "outputs": {"patches": {"grid": [15, 20]}},
        "preprocess": {
            "ops": [{"op": "ignore-exif"}, {"op": "resize", "edge": "both", "size": [480, 640]}, {"op": "scale"}]
        },
    },
    {},
)


def test_points_come_back() -> None:
    matches = PointMatches(
        np.array([3, 19_199]),
        np.array([19_199, 0]),
        np.array([0.0, 0.25]),
        np.array([0.5, 1.75]),
        np.array([True, False]),
    )
    row = point_row(matches, 4)
    assert (row.shape, row.dtype) == ((4, 5), np.int32)
    assert row[2:].tolist() == [[-1] * 5] * 2
    back = point_matches(row)
    assert back.first.tolist() == [3, 19_199]
    assert back.second.tolist() == [19_199, 0]
    # An exact copy stays a billionth away, so that ratios are numbers.
    assert back.distance.tolist() == [1e-9, 0.25]
    assert back.runner_up.tolist() == [0.5, 1.75]
    assert back.mutual.tolist() == [True, False]


def test_keypoints() -> None:
    row = keypoint_row([[5, 4, -1, -1, -1]], [[0.5, 1.0, np.nan, np.nan, np.nan]])
    assert row.shape == (30, 10)
    assert row[0].tolist() == [5, 4, -1, -1, -1, 500_000_000, 1_000_000_000, -1, -1, -1]
    assert (row[1:] == -1).all()
    with pytest.raises(ValueError, match="at most 30 rows of 5"):
        keypoint_row(np.zeros((31, 5)), np.zeros((31, 5)))
    with pytest.raises(ValueError, match=r"\(top, 5\)"):
        point_matches(np.zeros((3, 4)))


def test_spaces() -> None:
    space = matches_space(PARENT, "scannet")
    assert space.identity["ops"] == [{"op": "resize", "edge": "both", "size": [480, 640]}]
    others = [matches_space(PARENT, "scannet", 1000), matches_space(PARENT, "navi"), matches_space(PARENT, "spair")]
    assert len({space.id, *(other.id for other in others)}) == 4
