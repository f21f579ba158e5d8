"""Matches as stored: int32 rows of fixed width, one a pair of images, and the space that says how they were made.

Points (navi, scannet): `(top, 5)` a pair, the surest first: number of the point in the first image, in the second,
cosine distance to the nearest and to the second nearest, both in billionths, and whether the match is mutual. Points
are numbered row by row on the grid of stored depths. Keypoints (spair): `(30, 10)` a pair: for each source keypoint in
the order of the annotation the five best cells of the target's patch grid, then their distances. Unused rows hold -1.

Whatever is asked of matches (thresholds, fewer of them, bins) is a function of these rows and of the view.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .image_pairs import Scheme
from .patch_grid import moving
from .spaces import Space

MATCHES_SCHEMA: Final = 1
"""Bumped by hand when our own matches change for equal features."""

BILLION: Final = 1_000_000_000
TOP: Final = 2000
KEYPOINTS: Final = 30
BEST: Final = 5
UNUSED: Final = -1

GEOMETRIES: Final[Mapping[str, str]] = {"navi": "512x512", "scannet": "480x640", "spair": "800x800"}
"""The size that images of a dataset are taken at unless another is asked for: that of probe3d."""

DEPTH_MODEL: Final = "depth-maps"
"""What requests call the depths of a dataset, which are no model's."""

DEPTH_GRIDS: Final[Mapping[str, tuple[int, int]]] = {"navi": (128, 128), "scannet": (120, 160)}
"""Rows and columns of the points of an image: as many as probe3d takes."""


@dataclass(frozen=True, slots=True)
class PointMatches:
    """Matches of one pair: ints (m,) `first` and `second`, float64 (m,) distances, bool (m,) `mutual`."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    distance: NDArray[np.float64]
    runner_up: NDArray[np.float64]
    mutual: NDArray[np.bool_]


def billionths(distances: ArrayLike) -> NDArray[np.int32]:
    """Return cosine distances in [0, 2] as integers; an exact copy is one billionth away, as in probe3d.

    Examples
    --------
    >>> billionths([0.0, 0.25, 2.0]).tolist()
    [1, 250000000, 2000000000]
    """
    return np.clip(np.rint(np.asarray(distances, np.float64) * BILLION), 1, 2 * BILLION).astype(np.int32)


def point_row(matches: PointMatches, top: int) -> NDArray[np.int32]:
    """Return the matches of one pair as stored, `(top, 5)`."""
    row = np.full((top, 5), UNUSED, np.int32)
    n = len(matches.first)
    row[:n, 0], row[:n, 1] = matches.first, matches.second
    row[:n, 2], row[:n, 3] = billionths(matches.distance), billionths(matches.runner_up)
    row[:n, 4] = matches.mutual
    return row


def point_matches(row: ArrayLike) -> PointMatches:
    """Return the matches of one pair from a stored row.

    Raises
    ------
    ValueError
        When it is no such row.

    Examples
    --------
    >>> point_matches([[7, 8, 500_000_000, 1_000_000_000, 1], [-1, -1, -1, -1, -1]]).distance.tolist()
    [0.5]
    """
    stored = np.asarray(row)
    if stored.ndim != 2 or stored.shape[1] != 5:
        raise ValueError(f"row: expected shape (top, 5), got {stored.shape}")
    used = stored[stored[:, 0] != UNUSED]
    return PointMatches(
        used[:, 0].astype(np.int64),
        used[:, 1].astype(np.int64),
        used[:, 2] / BILLION,
        used[:, 3] / BILLION,
        used[:, 4] > 0,
    )


def keypoint_row(cells: ArrayLike, distances: ArrayLike) -> NDArray[np.int32]:
    """Return best cells and distances (k, 5) of one pair's keypoints as stored, `(30, 10)`.

    Raises
    ------
    ValueError
        For more keypoints than a row holds.
    """
    best = np.asarray(cells)
    if best.ndim != 2 or best.shape[1] != BEST or len(best) > KEYPOINTS:
        raise ValueError(f"cells: expected at most {KEYPOINTS} rows of {BEST}, got shape {best.shape}")
    row = np.full((KEYPOINTS, 2 * BEST), UNUSED, np.int32)
    row[: len(best), :BEST] = best
    row[: len(best), BEST:] = np.where(best == UNUSED, UNUSED, billionths(np.where(best == UNUSED, 0.0, distances)))
    return row


def matches_space(parent: Space, scheme: Scheme, top: int = TOP) -> Space:
    """Return the space of matches between the patches of a space.

    It repeats where the cells lie, so that matches can be read without their parent.
    """
    patches = parent.identity["outputs"]["patches"]
    identity: dict[str, Any] = {
        "library": "matches",
        "architecture": {"name": parent.label},
        "parent": parent.id,
        "scheme": scheme,
        "grid": list(patches["grid"]),
        "ops": moving(parent.identity["preprocess"]["ops"]),
        "geometry": str(parent.identity.get("variant", "")),
        "features": "bilinear between the middles of cells, unit length",
        "distance": "cosine",
        "matches_schema": MATCHES_SCHEMA,
    }
    if scheme == "spair":
        identity |= {"keypoints": KEYPOINTS, "best": BEST}
    else:
        identity |= {"points": list(DEPTH_GRIDS[scheme]), "top": top, "kept by": "1 - d1 / d2, one direction"}
    return Space(identity, {})


def depth_space(scheme: Scheme) -> Space:
    """Return the space of the depths of a dataset's images on the grid of points; its items are depth files.

    Stored once a dataset, not once a model: with poses and intrinsics of the view they give every point its place.
    """
    rows, columns = DEPTH_GRIDS[scheme]
    name = f"{scheme} {rows}x{columns}"
    identity = {
        "library": "depth", "architecture": {"name": name}, "grid": [rows, columns], "unit": "metre",
        "pixel": "nearest to the middle of a cell, 0 where there is none", "matches_schema": MATCHES_SCHEMA,
    }  # fmt: skip
    return Space(identity, {})
