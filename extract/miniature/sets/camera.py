"""A camera in whole numbers: where each of its pixels meets a wall, exactly, on every machine.

A rotation is a quaternion of whole numbers, so its matrix is a matrix of whole numbers over one whole number; places
are whole millimetres, x to the right, y down, z away from the viewer. Knows no picture and no file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Whole = NDArray[np.int64]
Quaternion = tuple[int, int, int, int]

UNIT = 32
"""A turn of k is 2 atan(k / 32): 1 is 3.6 degrees, 32 is 90."""


def turned(roll: int, yaw: int = 0, pitch: int = 0) -> Quaternion:
    """Return the rotation that tilts by pitch (about x), then by yaw (about y), then rolls (about the viewing axis).

    Examples
    --------
    >>> turned(0), turned(UNIT), turned(0, 0, 8)
    ((1, 0, 0, 0), (1, 0, 0, 1), (4, 1, 0, 0))
    """
    product = _times(_times((UNIT, 0, 0, roll), (UNIT, 0, yaw, 0)), (UNIT, pitch, 0, 0))
    shared = math.gcd(*product)
    w, x, y, z = (part // shared for part in product)
    return w, x, y, z


def _times(a: Quaternion, b: Quaternion) -> Quaternion:
    return (
        a[0] * b[0] - a[1] * b[1] - a[2] * b[2] - a[3] * b[3],
        a[0] * b[1] + a[1] * b[0] + a[2] * b[3] - a[3] * b[2],
        a[0] * b[2] - a[1] * b[3] + a[2] * b[0] + a[3] * b[1],
        a[0] * b[3] + a[1] * b[2] - a[2] * b[1] + a[3] * b[0],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """A view.

    Attributes
    ----------
    turn
        Rotation from the world to the camera, (w, x, y, z) of any length.
    centre
        Where it stands, in millimetres.
    focal
        Pixels.
    width, height
        Pixels; the principal point is the middle.
    """

    turn: Quaternion
    centre: tuple[int, int, int]
    focal: int
    width: int
    height: int

    @property
    def rotation(self) -> tuple[tuple[tuple[int, int, int], ...], int]:
        """Rows of the rotation from the world to the camera, and what they are to be divided by."""
        return _matrix(self.turn)

    @property
    def translation(self) -> tuple[float, float, float]:
        """The world's origin in the camera's frame, in millimetres."""
        rows, length = self.rotation
        # Sums of whole numbers and one division: rounded the same everywhere.
        x, y, z = (-sum(a * b for a, b in zip(row, self.centre, strict=True)) / length for row in rows)
        return x, y, z

    def _rays(self, fine: int) -> tuple[Whole, Whole, Whole]:
        """Directions in the world through the middles of the pixels, or of finer ones."""
        x = 2 * np.arange(self.width * fine, dtype=np.int64)[None, :] + 1 - self.width * fine
        y = 2 * np.arange(self.height * fine, dtype=np.int64)[:, None] + 1 - self.height * fine
        z = 2 * self.focal * fine
        (a, b, c), _ = self.rotation
        across, down, away = (a[axis] * x + b[axis] * y + c[axis] * z for axis in range(3))
        if away.min() <= 0:
            raise ValueError("the camera looks past the wall; expected a smaller turn")
        return across, down, away

    def cells(self, z: int, corner: tuple[int, int], cell: int, fine: int = 1) -> tuple[Whole, Whole]:
        """Return column and row of the cell of a wall that each pixel meets, (height * fine, width * fine).

        Parameters
        ----------
        z
            Where the wall is.
        corner
            x and y of the first cell's corner, in millimetres.
        cell
            Millimetres a cell.
        fine
            Pixels a pixel, in each direction.

        Raises
        ------
        ValueError
            When a pixel looks away from the wall.

        Examples
        --------
        Two metres from a wall, with a focal length of two pixels: a pixel is a metre.

        >>> view = Camera(turn=(1, 0, 0, 0), centre=(0, 0, -2000), focal=2, width=2, height=1)
        >>> column, row = view.cells(0, (-1000, -1000), 500)
        >>> column.tolist(), row.tolist()
        ([[1, 3]], [[2, 2]])
        """
        across, down, away = self._rays(fine)
        far = z - self.centre[2]
        column = (across * far + (self.centre[0] - corner[0]) * away) // (away * cell)
        row = (down * far + (self.centre[1] - corner[1]) * away) // (away * cell)
        return column, row

    def depth(self, z: int) -> tuple[Whole, Whole]:
        """Return how far the wall at `z` is along the viewing axis, in millimetres, as numerator and denominator.

        Examples
        --------
        >>> top, bottom = Camera(turn=(1, 0, 0, 0), centre=(0, 0, -2000), focal=2, width=2, height=1).depth(-500)
        >>> (top / bottom).tolist()
        [[1500.0, 1500.0]]
        """
        _, _, away = self._rays(1)
        _, length = self.rotation
        return np.full_like(away, 2 * self.focal * length * (z - self.centre[2])), away


def _matrix(turn: Quaternion) -> tuple[tuple[tuple[int, int, int], ...], int]:
    w, x, y, z = turn
    rows = (
        (w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z),
    )
    return rows, w * w + x * x + y * y + z * z


def looking_at(
    target: tuple[int, int, int], distance: int, turn: Quaternion, *, focal: int, width: int, height: int
) -> Camera:
    """Return the camera that sees a place in its middle, from so many millimetres away.

    Examples
    --------
    >>> looking_at((0, 0, 0), 700, turned(0, 32), focal=10, width=4, height=4).centre
    (700, 0, 0)
    """
    rows, length = _matrix(turn)
    x, y, z = (at - (2 * distance * axis + length) // (2 * length) for at, axis in zip(target, rows[2], strict=True))
    return Camera(turn=turn, centre=(x, y, z), focal=focal, width=width, height=height)
