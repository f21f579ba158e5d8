"""Where the cells of a patch grid lie in the image as it was before preprocessing.

Points are (x, y) in pixels of the original image, its first pixel covering 0 to 1, or in cells of the grid, the first
cell covering 0 to 1. Knows the operations of a preprocessing as described, and arithmetic; no image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Points = NDArray[np.float64]

_WITHOUT_EFFECT = frozenset({"ignore-exif", "convert", "ready-made", "scale", "normalize"})
MOVING = frozenset({"trim-border", "resize", "center-crop", "center-crop-or-pad", "pad"})
"""Operations that move pixels: the others say nothing of places."""


@dataclass(frozen=True, slots=True)
class PatchGrid:
    """The grid of a model over one image.

    scale, shift
        (x, y): a pixel p of the image is the pixel p * scale + shift of the model's input.
    cells
        (columns, rows).
    step
        (x, y): input pixels a cell.
    image
        (width, height) of the image.
    """

    scale: tuple[float, float]
    shift: tuple[float, float]
    cells: tuple[int, int]
    step: tuple[float, float]
    image: tuple[int, int]

    def of_pixels(self, points: ArrayLike) -> Points:
        """Return points (n, 2) of the image in cells."""
        return (np.asarray(points, np.float64) * self.scale + self.shift) / self.step

    def to_pixels(self, places: ArrayLike) -> Points:
        """Return places (n, 2) on the grid in pixels of the image."""
        return (np.asarray(places, np.float64) * self.step - self.shift) / self.scale

    def inside(self, places: ArrayLike) -> NDArray[np.bool_]:
        """Tell which places on the grid (n, 2) the model sees."""
        at = np.asarray(places, np.float64)
        return np.asarray(((at >= 0) & (at <= self.cells)).all(axis=1))

    def centres(self) -> Points:
        """Return the middles of the cells in cells, (rows * columns, 2), row by row."""
        columns, rows = self.cells
        y, x = np.mgrid[0:rows, 0:columns]
        return np.stack([x.ravel(), y.ravel()], axis=1) + 0.5

    def seen(self) -> NDArray[np.int64]:
        """Return the numbers of the cells whose middle shows the image, and not a frame that was put around it."""
        pixels = self.to_pixels(self.centres())
        return np.flatnonzero(((pixels >= 0) & (pixels <= self.image)).all(axis=1))

    def corners(self, places: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the four cells (n, 4) around each place and their bilinear weights (n, 4), which add up to 1.

        A cell's features stand at its middle; beyond the outer middles the outermost cell counts.

        Examples
        --------
        >>> grid = patch_grid([], (2, 1), (1, 2))
        >>> cells, weights = grid.corners([[0.75, 0.5]])
        >>> (cells.tolist(), weights.tolist())
        ([[0, 1, 0, 1]], [[0.75, 0.25, 0.0, 0.0]])
        """
        columns, rows = self.cells
        at = np.clip(np.asarray(places, np.float64) - 0.5, 0.0, (columns - 1.0, rows - 1.0))
        low = np.floor(at).astype(np.int64)
        high = np.minimum(low + 1, (columns - 1, rows - 1))
        (x, y), (x0, y0), (x1, y1) = (at - low).T, low.T, high.T
        cells = np.stack([y0 * columns + x0, y0 * columns + x1, y1 * columns + x0, y1 * columns + x1], axis=1)
        weights = np.stack([(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y], axis=1)
        return cells, weights.astype(np.float32)


def moving(ops: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the operations that move pixels.

    Raises
    ------
    ValueError
        For one that is not known.
    """
    for op in ops:
        if op["op"] not in MOVING | _WITHOUT_EFFECT:
            raise ValueError(f"operation {op['op']!r}: expected one of {', '.join(sorted(MOVING | _WITHOUT_EFFECT))}")
    return [dict(op) for op in ops if op["op"] in MOVING]


def patch_grid(ops: Sequence[Mapping[str, Any]], image: tuple[int, int], grid: tuple[int, int]) -> PatchGrid:
    """Return where a model's cells lie in an image.

    Parameters
    ----------
    ops
        The preprocessing as a space describes it.
    image
        (width, height) before it.
    grid
        (rows, columns), as `outputs.patches.grid` says.

    Raises
    ------
    ValueError
        For an operation that is not known, or an image without pixels.

    Examples
    --------
    80 x 40 pixels, resized to 20 x 20 and cut into 2 x 2 cells: a cell is 40 x 20 pixels.

    >>> there = patch_grid([{"op": "resize", "edge": "both", "size": [20, 20]}], (80, 40), (2, 2))
    >>> there.to_pixels(there.centres()).tolist()
    [[20.0, 10.0], [60.0, 10.0], [20.0, 30.0], [60.0, 30.0]]

    The shorter side at 20, then the middle: the left and right quarters of the image are not seen.

    >>> crop = [{"op": "resize", "edge": "shortest", "size": 20}, {"op": "center-crop", "size": [20, 20]}]
    >>> patch_grid(crop, (80, 40), (2, 2)).to_pixels([[0, 0], [2, 2]]).tolist()
    [[20.0, 0.0], [60.0, 40.0]]
    """
    size = np.asarray(image, np.float64)
    if size.shape != (2,) or (size < 1).any():
        raise ValueError(f"image: expected (width, height) of at least 1 pixel each, got {image}")
    scale, shift = np.ones(2), np.zeros(2)
    for op in moving(ops):
        if op["op"] == "trim-border":
            border = float(op["pixels"])
            if size.min() > 2 * border:
                size, shift = size - 2 * border, shift - border
        elif op["op"] == "resize":
            new = _resized(op, size)
            scale, shift, size = scale * new / size, shift * new / size, new
        else:
            new = np.asarray(op["size"][::-1], np.float64)
            shift, size = shift + _moved(op["op"], size, new), new
    columns_rows = np.asarray(grid[::-1], np.float64)
    x, y = (size / columns_rows).tolist()
    return PatchGrid(
        scale=(float(scale[0]), float(scale[1])),
        shift=(float(shift[0]), float(shift[1])),
        cells=(int(grid[1]), int(grid[0])),
        step=(x, y),
        image=(int(image[0]), int(image[1])),
    )


def point_pixels(points: tuple[int, int], image: tuple[int, int]) -> NDArray[np.float64]:
    """Return the points of an image, (rows * columns, 2) in pixels: the middles of the cells of a grid over all of it.

    Differs from probe3d, which crops NAVI to the object first, and takes the upper left pixel of a cell of ScanNet.

    Examples
    --------
    >>> point_pixels((1, 2), (8, 4)).tolist()
    [[2.0, 2.0], [6.0, 2.0]]
    """
    rows, columns = points
    y, x = np.mgrid[0:rows, 0:columns]
    share = np.stack([(x.ravel() + 0.5) / columns, (y.ravel() + 0.5) / rows], axis=1)
    return np.asarray(share * np.asarray(image, np.float64))


def _resized(op: Mapping[str, Any], size: Points) -> Points:
    wanted = op["size"]
    if op["edge"] == "both":
        return np.asarray(wanted[::-1], np.float64)
    target = np.asarray([wanted, wanted] if isinstance(wanted, int) else wanted[::-1], np.float64)
    ratios = target / size
    exact = size * (ratios.max() if op["edge"] == "shortest" else ratios.min())
    # torchvision cuts the longer side down, timm and open_clip round both.
    return np.asarray(np.floor(exact + 1e-6) if op.get("rounding") == "down" else np.rint(exact))


def _moved(op: str, size: Points, new: Points) -> Points:
    before = np.maximum(0, new - size) // 2
    if op == "pad":
        return np.asarray(before)
    framed = np.maximum(size, new)
    return before - np.rint((framed - new) / 2.0)
