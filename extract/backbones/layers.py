"""Which feature maps of a network become patches, and how several become one grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import torch
from torch.nn.functional import adaptive_avg_pool2d

from manifests.errors import UsageError

COUNT: Final = 4


def four_of(maps: Sequence[Sequence[int]]) -> list[int]:
    """Return the positions of four maps: of equal blocks those at n/4, n/2, 3n/4 and n; of a pyramid the last four.

    Parameters
    ----------
    maps
        Shapes `(c, h, w)` in the order of the network.

    Raises
    ------
    UsageError
        When there are fewer than four.

    Examples
    --------
    >>> four_of([(768, 14, 14)] * 12)
    [2, 5, 8, 11]
    >>> four_of([(64, 112, 112), (256, 56, 56), (512, 28, 28), (1024, 14, 14), (2048, 7, 7)])
    [1, 2, 3, 4]
    """
    n = len(maps)
    if n < COUNT:
        raise UsageError(f"--layers four: this network has {n} blocks, expected at least {COUNT}; use --layers last")
    if len({tuple(shape) for shape in maps}) == 1:
        return [part * n // COUNT - 1 for part in range(1, COUNT + 1)]
    return list(range(n - COUNT, n))


def joined(maps: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return maps `(n, c, h, w)` as one `(n, h, w, sum of c)` on the last one's grid, finer ones averaged over area."""
    grid = maps[-1].shape[-2:]
    # Differs from probe3d, which stores coarse maps enlarged to a stride of 16: that is four times the bytes and
    # nothing new, and can be done to what is stored.
    same = [one if one.shape[-2:] == grid else adaptive_avg_pool2d(one, tuple(grid)) for one in maps]
    return torch.cat(same, dim=1).permute(0, 2, 3, 1)


def describe_patches(grid: tuple[int, int], widths: Sequence[int], chosen: Sequence[int] | None) -> dict[str, Any]:
    """Return what the identity says of patches whatever library they come from.

    Parameters
    ----------
    chosen
        Positions of several maps; None for the last alone.
    """
    facts = {"layer": "last stage", "norm": False, "grid": list(grid), "order": "row-major", "width": sum(widths)}
    if chosen is not None:
        facts |= {"layer": "four", "layers": list(chosen), "widths": list(widths), "finer": "mean over area"}
    return facts
