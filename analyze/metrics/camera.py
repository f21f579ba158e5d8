"""Pinhole cameras: depth to points, points to another view, and how far a match lies from where it should.

Arrays in, arrays out; lengths in metres, pixels with the centre of the first pixel at (0, 0), angles in degrees.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Points = NDArray[np.float64]


def rotation_angle(rotation: ArrayLike) -> float:
    """Return the angle of a rotation in degrees, arccos((trace - 1) / 2), in [0, 180].

    Parameters
    ----------
    rotation : float (3, 3)

    Raises
    ------
    ValueError
        When it is not a rotation to within 1e-3.

    Examples
    --------
    >>> rotation_angle([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    90.0
    """
    matrix = np.asarray(rotation, np.float64)
    if matrix.shape != (3, 3) or not np.allclose(matrix @ matrix.T, np.eye(3), atol=1e-3) or np.linalg.det(matrix) < 0:
        raise ValueError(f"rotation: expected a proper rotation of shape (3, 3), got {matrix.tolist()}")
    return float(np.degrees(np.arccos(np.clip((np.trace(matrix) - 1.0) / 2.0, -1.0, 1.0))))


def quaternion_rotation(quaternion: ArrayLike) -> Points:
    """Return the rotation of a quaternion (w, x, y, z) of any length but zero.

    Raises
    ------
    ValueError
        Wrong shape or length zero.

    Examples
    --------
    >>> quaternion_rotation([0.0, 0.0, 0.0, 2.0]).tolist()  # half a turn about z
    [[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    q = np.asarray(quaternion, np.float64)
    norm = np.linalg.norm(q)
    if q.shape != (4,) or not norm > 0:
        raise ValueError(f"quaternion: expected four numbers (w, x, y, z), not all zero; got {q.tolist()}")
    w, x, y, z = (float(part) for part in q / norm)
    return np.array(
        [
            [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
            [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
            [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
        ]
    )


def relative_pose(first: ArrayLike, second: ArrayLike) -> Points:
    """Return the transform from the first camera's frame to the second's, from object-to-camera poses: P1 P0^-1.

    Parameters
    ----------
    first, second : float (4, 4)

    Examples
    --------
    >>> one, two = np.eye(4), np.eye(4)
    >>> one[0, 3], two[0, 3] = 1.0, 3.0
    >>> relative_pose(one, two)[0, 3]
    np.float64(2.0)
    """
    return np.asarray(second, np.float64) @ np.linalg.inv(np.asarray(first, np.float64))


def back_project(depth: ArrayLike, intrinsics: ArrayLike) -> tuple[Points, NDArray[np.int64]]:
    """Return the points that a depth map shows.

    x = (u - cx) z / fx, y = (v - cy) z / fy for every pixel (u, v) with z > 0.

    Parameters
    ----------
    depth : float (h, w)
        Metres along the viewing axis; 0 or less, NaN and infinity mean no data.
    intrinsics : float (3, 3)

    Returns
    -------
    points : float64 (m, 3)
    pixels : int (m, 2)
        Their (u, v).

    Raises
    ------
    ValueError
        Wrong shapes, or a focal length that is not positive.

    Examples
    --------
    >>> points, pixels = back_project([[0.0, 2.0]], [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1.0]])
    >>> points.tolist(), pixels.tolist()
    ([[1.0, 0.0, 2.0]], [[1, 0]])
    """
    z, k = np.asarray(depth, np.float64), _intrinsics(intrinsics)
    if z.ndim != 2:
        raise ValueError(f"depth: expected shape (h, w), got {z.shape}")
    v, u = np.nonzero(np.isfinite(z) & (z > 0))
    along = z[v, u]
    points = np.stack([(u - k[0, 2]) * along / k[0, 0], (v - k[1, 2]) * along / k[1, 1], along], axis=1)
    return points, np.stack([u, v], axis=1).astype(np.int64)


def transform(points: ArrayLike, pose: ArrayLike) -> Points:
    """Move points (m, 3) by a pose (4, 4).

    Examples
    --------
    >>> pose = np.eye(4)
    >>> pose[2, 3] = 1.0
    >>> transform([[0.0, 0.0, 1.0]], pose).tolist()
    [[0.0, 0.0, 2.0]]
    """
    matrix = np.asarray(pose, np.float64)
    if matrix.shape != (4, 4):
        raise ValueError(f"pose: expected shape (4, 4), got {matrix.shape}")
    return np.asarray(points, np.float64) @ matrix[:3, :3].T + matrix[:3, 3]


def project(points: ArrayLike, intrinsics: ArrayLike) -> Points:
    """Return where points fall on the image, (m, 2); infinite for points at or behind the camera.

    Examples
    --------
    >>> project([[1.0, 0.0, 2.0], [0.0, 0.0, -1.0]], [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1.0]]).tolist()
    [[1.0, 0.0], [inf, inf]]
    """
    xyz, k = np.asarray(points, np.float64), _intrinsics(intrinsics)
    front = xyz[:, 2] > 0
    pixels = np.full((len(xyz), 2), np.inf)
    pixels[front] = xyz[front, :2] / xyz[front, 2:] * k[[0, 1], [0, 1]] + k[:2, 2]
    return pixels


def match_errors(
    first: ArrayLike, second: ArrayLike, pose: ArrayLike, intrinsics: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how far matched points lie apart, in metres and in pixels of the second view.

    e3d = |P x0 - x1|, e2d = |project(P x0) - project(x1)|.

    Parameters
    ----------
    first, second : float (m, 3)
        Matched points, each in its own camera's frame.
    pose : float (4, 4)
        From the first camera's frame to the second's.
    intrinsics : float (3, 3)
        Of the second camera.

    Returns
    -------
    metres, pixels : float64 (m,)
        Pixels are infinite where a point falls behind the camera.

    Examples
    --------
    >>> k = [[100.0, 0.0, 0.0], [0.0, 100.0, 0.0], [0.0, 0.0, 1.0]]
    >>> metres, pixels = match_errors([[0.0, 0.0, 2.0]], [[0.02, 0.0, 2.0]], np.eye(4), k)
    >>> metres.round(12).tolist(), pixels.round(12).tolist()
    ([0.02], [1.0])
    """
    moved, there = transform(first, pose), np.asarray(second, np.float64)
    if moved.shape != there.shape:
        raise ValueError(f"second: expected shape {moved.shape} as first, got {there.shape}")
    ours, theirs = project(moved, intrinsics), project(there, intrinsics)
    seen = np.isfinite(ours).all(axis=1) & np.isfinite(theirs).all(axis=1)
    pixels = np.full(len(moved), np.inf)
    pixels[seen] = np.linalg.norm(ours[seen] - theirs[seen], axis=1)
    return np.linalg.norm(moved - there, axis=1), pixels


def _intrinsics(intrinsics: ArrayLike) -> Points:
    k = np.asarray(intrinsics, np.float64)
    if k.shape != (3, 3) or not (k[0, 0] > 0 and k[1, 1] > 0):
        raise ValueError(f"intrinsics: expected shape (3, 3) with positive focal lengths, got {k.tolist()}")
    return k
