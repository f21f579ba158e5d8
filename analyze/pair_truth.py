"""What is true of pairs of views: cameras and depths, and how far a match lies from where it should.

Reads columns of the view and depths through a function; knows no store, no model and no match.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cache.image_pairs import ImagePair, Scheme
from cache.match_rows import DEPTH_GRIDS
from manifests.errors import UsageError

from .metrics.camera import match_errors, quaternion_rotation, relative_pose, rotation_angle

Points = NDArray[np.float64]

NAVI_SIDE = 512.0
"""Pixels of the shorter side at which errors on NAVI are measured, as in probe3d."""

SCANNET_SIZE = (640.0, 480.0)
"""(width, height) that the intrinsics of ScanNet-1500 are for."""

ANGLE_BINS: Mapping[str, tuple[float, ...]] = {"navi": (0.0, 30.0, 60.0, 90.0, 120.0), "scannet": (0, 15, 30, 60, 180)}
"""Degrees between the two views."""


@dataclass(frozen=True, slots=True)
class Camera:
    """A view.

    intrinsics
        (3, 3), the middle of the first pixel at (0, 0).
    pose
        (4, 4), from the scene or object to the camera, in metres.
    size
        (width, height) that the intrinsics are for.
    """

    intrinsics: Points
    pose: Points
    size: tuple[float, float]


def camera_of(row: Mapping[str, Any], scheme: Scheme) -> Camera:
    """Return the camera of a row of a view of NAVI or ScanNet.

    NAVI: focal length in pixels of the full image, principal point in its middle, scaled to 512 pixels of the shorter
    side; q and t (millimetres) from object to camera. ScanNet: the pose is camera to world, so it is inverted.

    Raises
    ------
    UsageError
        When the numbers are no camera.

    Examples
    --------
    >>> pose = {"rotation": [1, 0, 0, 0], "translation": [0, 0, 500]}
    >>> camera = camera_of({"image_size": [1024, 2048], "focal_length": 1000.0, **pose}, "navi")
    >>> camera.intrinsics[0].tolist(), camera.pose[2, 3].item(), camera.size
    ([500.0, 0.0, 511.5], 0.5, (1024.0, 512.0))
    """
    sample = row.get("sample", "")
    pose: Points = np.eye(4)
    try:
        if scheme == "navi":
            height, width = (float(side) for side in row["image_size"])
            scale = NAVI_SIDE / min(height, width)
            focal = float(row["focal_length"]) * scale
            size = (width * scale, height * scale)
            intrinsics = np.array([[focal, 0, size[0] / 2 - 0.5], [0, focal, size[1] / 2 - 0.5], [0, 0, 1.0]])
            pose[:3, :3] = quaternion_rotation(row["rotation"])
            pose[:3, 3] = np.asarray(row["translation"], np.float64) / 1000.0
        else:
            size = SCANNET_SIZE
            intrinsics = np.asarray(row["intrinsics"], np.float64).reshape(3, 3)
            pose[:] = np.linalg.inv(np.asarray(row["pose"], np.float64).reshape(4, 4))
        rotation_angle(pose[:3, :3])
    except (ValueError, TypeError, ZeroDivisionError, np.linalg.LinAlgError) as error:
        raise UsageError(f"{sample}: its columns describe no camera ({error}); index the dataset again.") from error
    return Camera(intrinsics, pose, size)


class PairTruth:
    """Answers for the pairs of one view, which is given by its rows."""

    def __init__(
        self, rows: Sequence[Mapping[str, Any]], scheme: Scheme, depths: Callable[[int], NDArray[Any]]
    ) -> None:
        self._rows = rows
        self._scheme: Scheme = scheme
        self._depths = depths
        self._cameras: dict[int, Camera] = {}

    def camera(self, row: int) -> Camera:
        """Return the camera of a row."""
        if row not in self._cameras:
            self._cameras[row] = camera_of(self._rows[row], self._scheme)
        return self._cameras[row]

    def angle(self, pair: ImagePair) -> float:
        """Return the angle between the two views, in degrees."""
        return rotation_angle(self._relative(pair)[:3, :3])

    def errors(
        self, pair: ImagePair, first: NDArray[np.float64], second: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return how far matched points lie apart, in metres and in pixels of the second view.

        Parameters
        ----------
        first, second
            (m, 2) shares of width and height, in [0, 1].
        """
        ours, theirs = self.points(pair.first, first), self.points(pair.second, second)
        return match_errors(ours, theirs, self._relative(pair), self.camera(pair.second).intrinsics)

    def points(self, row: int, shares: NDArray[np.float64]) -> Points:
        """Return points (m, 3) in the camera's frame, in metres; without a depth they are NaN."""
        rows, columns = DEPTH_GRIDS[self._scheme]
        at_column = np.clip((shares[:, 0] * columns).astype(np.int64), 0, columns - 1)
        at_row = np.clip((shares[:, 1] * rows).astype(np.int64), 0, rows - 1)
        z = np.asarray(self._depths(row), np.float64)[at_row, at_column]
        z = np.where(z > 0, z, np.nan)
        camera = self.camera(row)
        u, v = (shares * camera.size - 0.5).T
        k = camera.intrinsics
        return np.stack([(u - k[0, 2]) * z / k[0, 0], (v - k[1, 2]) * z / k[1, 1], z], axis=1)

    def _relative(self, pair: ImagePair) -> Points:
        return relative_pose(self.camera(pair.first).pose, self.camera(pair.second).pose)


def shares_of(numbers: NDArray[np.int64], grid: tuple[int, int]) -> NDArray[np.float64]:
    """Return where points of a grid (rows, columns) lie, as shares of width and height, (m, 2).

    Examples
    --------
    >>> shares_of(np.array([0, 3]), (2, 2)).tolist()
    [[0.25, 0.25], [0.75, 0.75]]
    """
    rows, columns = grid
    return np.stack([(numbers % columns + 0.5) / columns, (numbers // columns + 0.5) / rows], axis=1)
