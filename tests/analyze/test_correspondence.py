"""Correspondence by construction: scenes whose matches are known, and what recall must not depend on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyze.metrics import correspondence
from analyze.metrics.camera import back_project, match_errors, project, relative_pose
from analyze.metrics.correspondence import angle_bin, geometric_recall, nearest_neighbours, pooled_recall

K = np.array([[40.0, 0.0, 15.5], [0.0, 40.0, 15.5], [0.0, 0.0, 1.0]])


def pose(angle: float, shift: tuple[float, float, float]) -> np.ndarray:
    matrix = np.eye(4)
    matrix[0, 0] = matrix[2, 2] = np.cos(angle)
    matrix[0, 2], matrix[2, 0] = np.sin(angle), -np.sin(angle)
    matrix[:3, 3] = shift
    return matrix


def test_identical_features_match_themselves() -> None:
    features = np.random.default_rng(0).standard_normal((3000, 16)).astype(np.float16)
    found = nearest_neighbours(features, features, top=3000)
    np.testing.assert_array_equal(found.first, found.second)
    assert found.mutual.all()
    assert found.distance.max() < 1e-5


def test_a_planar_scene_under_a_homography() -> None:
    """Features that name the point of the plane find its image exactly."""
    h = np.array([[0.9, 0.2, 3.0], [-0.1, 1.1, 1.0], [0.001, 0.002, 1.0]])
    u, v = np.meshgrid(np.arange(24.0), np.arange(24.0))
    here = np.stack([u.ravel(), v.ravel(), np.ones(u.size)], axis=1)
    there = here @ h.T
    there = there[:, :2] / there[:, 2:]
    # A unit vector that turns with the position: nearest in angle is nearest in the plane.
    features = here / np.linalg.norm(here, axis=1, keepdims=True)
    order = np.random.default_rng(1).permutation(len(here))
    found = nearest_neighbours(features, features[order], top=len(here))
    errors = np.linalg.norm(there[order][found.second] - there[found.first], axis=1)
    assert geometric_recall(errors, 0.5) == 1.0


def rendered(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points of a slanted plane seen by two cameras, in each camera's frame, and the pose between them."""
    u, v = np.meshgrid(np.arange(32.0), np.arange(32.0))
    first, second = pose(0.1, (0.1, 0.0, 0.0)), pose(-0.2, (-0.1, 0.05, 0.1))
    points, pixels = back_project(2.0 + 0.01 * u + 0.02 * v, K)
    world = (points - first[:3, 3]) @ first[:3, :3]
    assert len(pixels) == 32 * 32
    return points, world @ second[:3, :3].T + second[:3, 3], relative_pose(first, second)


def test_a_depth_scene_under_a_known_pose() -> None:
    here, there, between = rendered(0)
    order = np.random.default_rng(2).permutation(len(here))
    found = nearest_neighbours(np.c_[here, np.ones(len(here))], np.c_[here, np.ones(len(here))][order], top=1000)
    metres, pixels = match_errors(here[found.first], there[order][found.second], between, K)
    assert geometric_recall(metres, 0.02) == geometric_recall(pixels, 5.0) == 1.0


def test_random_features_are_at_chance() -> None:
    here, there, between = rendered(0)
    rng = np.random.default_rng(3)
    found = nearest_neighbours(rng.standard_normal((1024, 64)), rng.standard_normal((1024, 64)), top=1000)
    _, pixels = match_errors(here[found.first], there[found.second], between, K)
    every = np.linalg.norm(project(there, K)[:, None] - project(there, K)[None], axis=2)
    assert geometric_recall(pixels, 5.0) == pytest.approx(float((every < 5.0).mean()), abs=0.03)


@given(seed=st.integers(0, 2**32 - 1))
def test_scale_of_features_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    f0, f1 = rng.standard_normal((12, 4)), rng.standard_normal((9, 4))
    plain = nearest_neighbours(f0, f1, top=8)
    scaled = nearest_neighbours(f0 * rng.uniform(0.1, 50.0, (12, 1)), f1 * rng.uniform(0.1, 50.0, (9, 1)), top=8)
    np.testing.assert_array_equal(plain.first, scaled.first)
    np.testing.assert_array_equal(plain.second, scaled.second)


@given(seed=st.integers(0, 2**32 - 1), low=st.floats(0.01, 5.0), more=st.floats(0.0, 5.0))
def test_recall_grows_with_the_threshold(seed: int, low: float, more: float) -> None:
    errors = np.random.default_rng(seed).exponential(2.0, 50)
    assert geometric_recall(errors, low) <= geometric_recall(errors, low + more)


def test_matches_equal_a_plain_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(correspondence, "_ROWS_A_BLOCK", 7)
    rng = np.random.default_rng(5)
    f0, f1 = rng.standard_normal((40, 8)), rng.standard_normal((30, 8))
    unit = [part / np.linalg.norm(part, axis=1, keepdims=True) for part in (f0, f1)]
    distance = 1.0 - unit[0] @ unit[1].T
    ordered = np.sort(distance, axis=1)
    weight = 1.0 - ordered[:, 0] / ordered[:, 1]
    found = nearest_neighbours(f0, f1, top=25)
    np.testing.assert_array_equal(found.first, np.argsort(-weight, kind="stable")[:25])
    np.testing.assert_array_equal(found.second, distance.argmin(axis=1)[found.first])
    np.testing.assert_allclose(found.weight, weight[found.first], atol=1e-12)
    np.testing.assert_array_equal(found.mutual, distance.argmin(axis=0)[found.second] == found.first)


def test_fewer_points_than_asked_for_are_all_kept() -> None:
    assert len(nearest_neighbours(np.eye(3), np.eye(3), top=1000)) == 3


def test_micro_and_macro_differ_by_the_size_of_pairs() -> None:
    pooled = pooled_recall([np.zeros(9), np.full(1, 9.0)], 1.0)
    assert (pooled.micro, pooled.macro, pooled.pairs, pooled.matches) == (0.9, 0.5, 2, 10)


def test_bins_are_half_open() -> None:
    edges = (0.0, 15.0, 30.0, 60.0, 180.0)
    assert [angle_bin(angle, edges) for angle in (14.999, 15.0, 60.0, 180.0)] == [0, 1, 3, 3]
    with pytest.raises(ValueError, match=r"expected 0\.0 to 180\.0, got 181"):
        angle_bin(181.0, edges)


@pytest.mark.parametrize(
    ("f0", "f1", "top", "said"),
    [
        ([[1.0, 0.0]], [[1.0, 0.0]], 1, "at least two points"),
        ([[1.0, 0.0]], [[1.0], [1.0]], 1, "expected 2 columns"),
        ([[0.0, 0.0]], np.eye(2), 1, "f0: row 0 has length zero"),
        ([[np.inf, 0.0]], np.eye(2), 1, "f0: expected finite"),
        ([[1.0, 0.0]], np.eye(2), 0, "top: expected at least 1"),
    ],
)
def test_bad_features_are_named(f0: object, f1: object, top: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        nearest_neighbours(f0, f1, top)


def test_bad_errors_are_named() -> None:
    for errors, said in (([], "without an empty axis"), ([np.nan], "NaN"), ([-1.0], "negative")):
        with pytest.raises(ValueError, match=said):
            geometric_recall(errors, 1.0)
    with pytest.raises(ValueError, match="more than 0"):
        geometric_recall([0.0], 0.0)
    with pytest.raises(ValueError, match="at least one pair"):
        pooled_recall([], 1.0)
