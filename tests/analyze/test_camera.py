"""Cameras: against scipy's rotations, there and back again, and at the edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from analyze.metrics.camera import (
    back_project,
    match_errors,
    project,
    quaternion_rotation,
    relative_pose,
    rotation_angle,
    transform,
)

K = np.array([[50.0, 0.0, 7.0], [0.0, 60.0, 5.0], [0.0, 0.0, 1.0]])


@given(seed=st.integers(0, 2**32 - 1))
def test_rotations_equal_scipys(seed: int) -> None:
    rotation = Rotation.random(random_state=seed)
    x, y, z, w = rotation.as_quat()
    np.testing.assert_allclose(quaternion_rotation([3 * w, 3 * x, 3 * y, 3 * z]), rotation.as_matrix(), atol=1e-12)
    assert rotation_angle(rotation.as_matrix()) == pytest.approx(np.degrees(rotation.magnitude()), abs=1e-5)


@given(seed=st.integers(0, 2**32 - 1))
def test_projection_undoes_back_projection(seed: int) -> None:
    depth = np.random.default_rng(seed).uniform(0.5, 4.0, (6, 9))
    depth[0, 0], depth[1, 1], depth[2, 2] = 0.0, np.nan, np.inf
    points, pixels = back_project(depth, K)
    assert len(points) == depth.size - 3
    np.testing.assert_allclose(project(points, K), pixels, atol=1e-9)
    np.testing.assert_allclose(points[:, 2], depth[pixels[:, 1], pixels[:, 0]])


def test_relative_pose_takes_one_frame_to_the_other() -> None:
    first, second = np.eye(4), np.eye(4)
    first[:3, :3], second[:3, :3] = (Rotation.random(random_state=seed).as_matrix() for seed in (1, 2))
    first[:3, 3], second[:3, 3] = [1.0, 2.0, 3.0], [-1.0, 0.5, 0.0]
    world = np.random.default_rng(0).standard_normal((5, 3))
    moved = transform(transform(world, first), relative_pose(first, second))
    np.testing.assert_allclose(moved, transform(world, second), atol=1e-12)


def test_points_behind_the_camera_are_infinitely_wrong_in_pixels() -> None:
    metres, pixels = match_errors([[0.0, 0.0, -1.0]], [[0.0, 0.0, -1.0]], np.eye(4), K)
    assert metres.tolist() == [0.0]
    assert pixels.tolist() == [np.inf]


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="proper rotation"):
        rotation_angle(np.diag([1.0, 1.0, -1.0]))
    with pytest.raises(ValueError, match="not all zero"):
        quaternion_rotation([0.0, 0.0, 0.0, 0.0])
    with pytest.raises(ValueError, match="positive focal"):
        back_project(np.ones((2, 2)), np.zeros((3, 3)))
    with pytest.raises(ValueError, match=r"shape \(h, w\)"):
        back_project(np.ones(2), K)
    with pytest.raises(ValueError, match=r"shape \(4, 4\)"):
        transform([[0.0, 0.0, 1.0]], np.eye(3))
    with pytest.raises(ValueError, match=r"expected shape \(1, 3\)"):
        match_errors([[0.0, 0.0, 1.0]], np.ones((2, 3)), np.eye(4), K)
