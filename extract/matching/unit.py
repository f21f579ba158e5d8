"""One unit of matching: the pairs of a pack, from patch features and stored depths to rows of the kind `matches`.

Knows pairs, features and points; knows nothing of records, requests or spaces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from cache.commits import RowFailure
from cache.image_pairs import ImagePair, Scheme
from cache.match_rows import BEST, DEPTH_GRIDS, KEYPOINTS, UNUSED, keypoint_row, point_row
from cache.patch_grid import PatchGrid, point_pixels

from .features import PatchSource
from .nearest import at_places, best_cells, ratio_matches, unit

HOLE = np.iinfo(np.int32).min

Depths = Callable[[int], NDArray[np.float32] | str]
"""Row of the view -> depths on the grid of points, or why there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matcher:
    """What is the same for every pair of a dataset.

    images
        Image id of every row of the view.
    grids
        Patch grid of every row of the view that takes part.
    turned
        Rows of the view whose pixels do not lie as their camera and depth map say, and what was expected.
    """

    scheme: Scheme
    images: Sequence[str]
    grids: Mapping[int, PatchGrid]
    depths: Depths
    source: PatchSource
    device: str
    top: int
    turned: Mapping[int, str] = field(default_factory=dict)

    def blank(self, rows: int) -> NDArray[np.int32]:
        """Return rows without any match."""
        width = (KEYPOINTS, 2 * BEST) if self.scheme == "spair" else (self.top, 5)
        return np.full((rows, *width), HOLE, np.int32)

    def unit(
        self, pairs: Sequence[ImagePair], progress: Callable[[int], None] = lambda done: None
    ) -> tuple[NDArray[np.int32], list[RowFailure]]:
        """Return the rows of the pairs of a pack, and those without matches."""
        rows = self.blank(len(pairs))
        failures: list[RowFailure] = []
        for start, stop in self._stretches(pairs):
            part = pairs[start:stop]
            self.source.hold([self.images[at] for pair in part for at in (pair.first, pair.second)])
            for row, pair in enumerate(part, start):
                found = self.pair(pair)
                if isinstance(found, tuple):
                    failures.append(RowFailure(row, pair.item, *found))
                else:
                    rows[row] = found
                progress(row + 1)
        return rows, failures

    def pair(self, pair: ImagePair) -> NDArray[np.int32] | tuple[str, str]:
        """Return the stored row of one pair, or status and detail."""
        features = []
        for at in (pair.first, pair.second):
            held = self.source.of(self.images[at])
            if held is None:
                status, detail = self.source.failure(self.images[at])
                return status, f"{'second' if at == pair.second else 'first'} image: {detail}"
            features.append(torch.from_numpy(held).to(self.device))
        if self.scheme == "spair":
            return self._keypoints(pair, features[0], features[1])
        for at in (pair.first, pair.second):
            if (said := self.turned.get(at)) is not None:
                return "wrong_size", said
        sides = []
        for at, one in zip((pair.first, pair.second), features, strict=True):
            depth = self.depths(at)
            if isinstance(depth, str):
                return "no_depth", depth
            numbers, places = self._points(depth, self.grids[at])
            if len(numbers) < 2:
                return "no_points", "fewer than two points with a depth that the model sees"
            sides.append((numbers, at_places(one, self.grids[at], places)))
        (first, ours), (second, theirs) = sides
        found = ratio_matches(ours, theirs, self.top)
        return point_row(
            type(found)(first[found.first], second[found.second], found.distance, found.runner_up, found.mutual),
            self.top,
        )

    def _points(self, depth: NDArray[np.float32], grid: PatchGrid) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the numbers of the points that count in an image, and their places on the patch grid."""
        places = grid.of_pixels(point_pixels(DEPTH_GRIDS[self.scheme], grid.image))
        usable = np.flatnonzero((depth.ravel() > 0) & grid.inside(places))
        return usable, places[usable]

    def _keypoints(
        self, pair: ImagePair, ours: torch.Tensor, theirs: torch.Tensor
    ) -> NDArray[np.int32] | tuple[str, str]:
        points = np.asarray(pair.facts["source_points"], np.float64).reshape(-1, 2)
        if not 1 <= len(points) <= KEYPOINTS:
            return "no_points", f"{len(points)} keypoints; expected 1 to {KEYPOINTS}"
        grid = self.grids[pair.first]
        places = grid.of_pixels(points)
        cells, distances = best_cells(
            at_places(ours, grid, places), unit(theirs.reshape(-1, theirs.shape[-1])), self.grids[pair.second].seen()
        )
        # What a crop took away cannot be looked for.
        cells[~grid.inside(places)] = UNUSED
        return keypoint_row(cells, distances)

    def _stretches(self, pairs: Sequence[ImagePair]) -> Iterator[tuple[int, int]]:
        """Yield stretches of pairs whose images fit into memory together."""
        start, held = 0, set[str]()
        for at, pair in enumerate(pairs):
            both = {self.images[pair.first], self.images[pair.second]}
            if len(held | both) > self.source.capacity and at > start:
                yield start, at
                start, held = at, set()
            held |= both
        yield start, len(pairs)
