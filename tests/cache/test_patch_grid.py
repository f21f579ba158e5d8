"""Places of cells: by hand, and there and back. tests/extract/test_match_geometry.py holds them to real pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.patch_grid import patch_grid, point_pixels

STRAIGHT = {"op": "resize", "edge": "both", "size": [480, 640]}
SHORT = {"op": "resize", "edge": "shortest", "size": 256, "rounding": "down"}
CROP = {"op": "center-crop", "size": [224, 224]}


def test_a_frame_of_zeros_is_not_seen() -> None:
    """480 x 640 framed to 490 x 644 for patches of 14: five rows above, two columns before."""
    grid = patch_grid([STRAIGHT, {"op": "pad", "size": [490, 644]}], (1296, 968), (35, 46))
    assert grid.of_pixels([[0.0, 0.0]])[0].tolist() == pytest.approx([2 / 14, 5 / 14])
    assert len(grid.seen()) == 35 * 46
    # A frame of more than half a cell hides the cells whose middles lie in it.
    wide = patch_grid(
        [{"op": "resize", "edge": "both", "size": [8, 8]}, {"op": "pad", "size": [16, 16]}], (8, 8), (4, 4)
    )
    assert wide.seen().tolist() == [5, 6, 9, 10]


def test_a_border_is_cut_first() -> None:
    grid = patch_grid(
        [{"op": "trim-border", "pixels": 2}, {"op": "resize", "edge": "both", "size": [10, 10]}], (24, 14), (2, 2)
    )
    assert grid.to_pixels([[0, 0], [2, 2]]).tolist() == [[2.0, 2.0], [22.0, 12.0]]


@given(
    st.integers(230, 2000),
    st.integers(230, 2000),
    st.lists(st.floats(0, 1), min_size=2, max_size=2),
    st.sampled_from([[SHORT, CROP], [STRAIGHT], [STRAIGHT, {"op": "pad", "size": [490, 644]}]]),
)
def test_there_and_back(width: int, height: int, share: list[float], ops: list[dict[str, object]]) -> None:
    grid = patch_grid(ops, (width, height), (7, 9))
    point = np.array([share]) * (width, height)
    np.testing.assert_allclose(grid.to_pixels(grid.of_pixels(point)), point, atol=1e-6)
    cells, weights = grid.corners(grid.of_pixels(point))
    assert ((cells >= 0) & (cells < 63)).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)


def test_the_middle_of_a_cell_is_that_cell() -> None:
    grid = patch_grid([], (12, 9), (3, 4))
    cells, weights = grid.corners(grid.centres())
    assert cells[:, 0].tolist() == list(range(12))
    assert (weights == [1, 0, 0, 0]).all()


def test_points_lie_in_the_middles_of_their_cells() -> None:
    points = point_pixels((120, 160), (640, 480))
    assert (points[0].tolist(), points[-1].tolist(), points[1].tolist()) == ([2, 2], [638, 478], [6, 2])


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="operation 'rotate'"):
        patch_grid([{"op": "rotate"}], (8, 8), (2, 2))
    with pytest.raises(ValueError, match="at least 1 pixel"):
        patch_grid([], (0, 8), (2, 2))
