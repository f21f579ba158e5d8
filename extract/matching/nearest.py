"""Nearest neighbours between patch features, in blocks, on whatever device the model runs on.

Tensors in, arrays out. The same matches as `analyze.metrics.correspondence.nearest_neighbours` makes on a laptop: a
test holds the two together.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from cache.match_rows import BEST, UNUSED, PointMatches
from cache.patch_grid import PatchGrid

BLOCK_BYTES = 256 << 20
"""Similarities of a block of rows."""

_LEAST = 1e-9


def at_places(features: torch.Tensor, grid: PatchGrid, places: NDArray[np.float64]) -> torch.Tensor:
    """Return features at places (n, 2) on the grid, bilinear and of unit length: float32 (n, d).

    Parameters
    ----------
    features
        (rows, columns, d).
    """
    cells, weights = grid.corners(places)
    flat = features.reshape(-1, features.shape[-1]).float()
    at = torch.from_numpy(cells).to(flat.device)
    share = torch.from_numpy(weights).to(flat.device)
    # Corner by corner: all four at once would be four times the largest array here.
    mixed = sum((flat[at[:, corner]] * share[:, corner, None] for corner in range(1, 4)), flat[at[:, 0]] * share[:, :1])
    return unit(mixed)


def unit(rows: torch.Tensor) -> torch.Tensor:
    """Return rows (n, d) at length 1, in float32; a row of zeros stays one and is alike to nothing."""
    return torch.nn.functional.normalize(rows.float(), dim=1)


def ratio_matches(ours: torch.Tensor, theirs: torch.Tensor, top: int) -> PointMatches:
    """Match every row of the first to its nearest in the second, and keep the `top` that a ratio test trusts most.

    Parameters
    ----------
    ours, theirs
        Unit rows, float32 (n0, d) and (n1, d), n1 at least 2.

    Raises
    ------
    ValueError
        Fewer than two rows to choose from.

    Notes
    -----
    probe3d: cosine distances, weight 1 - d1 / d2, one direction. Equal ones go to the lower row.

    Examples
    --------
    >>> found = ratio_matches(torch.tensor([[1.0, 0.0], [0.6, 0.8]]), torch.tensor([[0.0, 1.0], [1.0, 0.0]]), 1)
    >>> found.first.tolist(), found.second.tolist(), found.mutual.tolist()
    ([0], [1], [True])
    """
    n0, n1 = len(ours), len(theirs)
    if n1 < 2:
        raise ValueError(f"theirs: expected at least two points, for the ratio of two distances; got {n1}")
    second, nearest, runner_up = [], [], []
    back = torch.zeros(n1, dtype=torch.int64, device=ours.device)
    back_best = torch.full((n1,), -torch.inf, device=ours.device)
    rows = max(1, BLOCK_BYTES // (4 * n1))
    for start in range(0, n0, rows):
        similarity = ours[start : start + rows] @ theirs.T
        column_best, column_at = similarity.max(dim=0)[0], similarity.argmax(dim=0)
        better = column_best > back_best
        back = torch.where(better, start + column_at, back)
        back_best = torch.where(better, column_best, back_best)
        at = similarity.argmax(dim=1, keepdim=True)
        second.append(at[:, 0])
        nearest.append(similarity.gather(1, at)[:, 0])
        runner_up.append(similarity.scatter_(1, at, -torch.inf).max(dim=1)[0])
    best = torch.cat(second).cpu().numpy()
    d1 = np.maximum(1.0 - torch.cat(nearest).double().cpu().numpy(), _LEAST)
    d2 = np.maximum(1.0 - torch.cat(runner_up).double().cpu().numpy(), _LEAST)
    kept = np.argsort(-(1.0 - d1 / d2), kind="stable")[:top]
    mutual = back.cpu().numpy()[best[kept]] == kept
    return PointMatches(kept.astype(np.int64), best[kept], d1[kept], d2[kept], mutual)


def best_cells(
    ours: torch.Tensor, theirs: torch.Tensor, allowed: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return, for each row, the five nearest cells and their cosine distances, (k, 5) both; -1 where there are fewer.

    Parameters
    ----------
    ours, theirs
        Unit rows: keypoints (k, d), all cells (n, d).
    allowed
        Cells that count.
    """
    count = min(BEST, len(allowed))
    cells = np.full((len(ours), BEST), UNUSED, np.int64)
    distances = np.full((len(ours), BEST), np.nan)
    if not count or not len(ours):
        return cells, distances
    similarity = (ours @ theirs[torch.from_numpy(allowed).to(theirs.device)].T).double().cpu().numpy()
    order = np.argsort(-similarity, axis=1, kind="stable")[:, :count]
    cells[:, :count] = allowed[order]
    distances[:, :count] = 1.0 - np.take_along_axis(similarity, order, axis=1)
    return cells, distances
