"""Keypoint transfer: the two rules on hand-made pairs."""

from __future__ import annotations

import numpy as np
import pytest

from analyze.metrics.keypoints import class_mean, pair_mean, spair_correct, spair_pck

SQUARE = {"grid": (10, 10), "box": [0.0, 0.0, 100.0, 60.0], "image_size": (100, 100)}


def test_the_rules_differ_by_half_a_cell() -> None:
    """Cells of 10 pixels, 10 allowed. The answer of cell 4 is 45 for its centre, 40 for its corner, in x alone."""
    targets = np.array([[x, 45.0] for x in range(101)])
    wide = {**SQUARE, "grid": (10, 10)}
    centre = spair_correct([[4, 4]] * 101, targets=targets, rule="hpf", **wide)
    # Row 4's corner is 5 above the target, so that its reach is sqrt(100 - 25) in x, and strict.
    corner = spair_correct([[4, 4]] * 101, targets=targets, rule="probe3d", **wide)
    assert np.flatnonzero(centre).tolist() == list(range(35, 56))
    assert np.flatnonzero(corner).tolist() == list(range(32, 49))
    assert np.flatnonzero(centre).mean() - np.flatnonzero(corner).mean() == 5.0


def test_equality_is_right_for_one_rule_only() -> None:
    assert spair_correct([[4, 4]], targets=[[55.0, 45.0]], rule="hpf", **SQUARE).all()
    assert not spair_correct([[4, 4]], targets=[[50.0, 40.0]], rule="probe3d", **SQUARE).any()


def test_probe3d_cuts_keypoints_to_whole_pixels() -> None:
    assert spair_correct([[4, 4]], targets=[[49.9, 40.9]], rule="probe3d", **SQUARE).all()
    assert not spair_correct([[4, 4]], targets=[[50.0, 40.0]], rule="probe3d", **SQUARE).any()


def test_the_grid_covers_the_padded_square() -> None:
    """A picture of 100 x 50 is padded below: row 4 of 10 is still at 45."""
    assert spair_correct([[4, 4]], (10, 10), [[45.0, 45.0]], [0, 0, 50, 50], (100, 50), alpha=0.01).all()


def test_pooling() -> None:
    pairs = [np.array([True, True]), np.array([False]), np.array([True])]
    assert pair_mean(pairs) == pytest.approx(2 / 3)
    assert class_mean(pairs, ["cat", "cat", "dog"]) == pytest.approx((2 / 3 + 1) / 2)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rule": "other"}, "expected hpf or probe3d"),
        ({"cells": [[10, 0]]}, "inside"),
        ({"cells": np.zeros((0, 2))}, "without an empty axis"),
        ({"box": [5.0, 0.0, 5.0, 0.0]}, "right > left"),
    ],
)
def test_bad_input_is_named(change: dict[str, object], said: str) -> None:
    given = {"cells": [[0, 0]], "targets": [[0.0, 0.0]], **SQUARE, **change}
    with pytest.raises(ValueError, match=said):
        spair_pck(**given)
    with pytest.raises(ValueError, match="at least one pair"):
        pair_mean([])
