"""Matches made on this machine from stored patches, where `assay-extract match` was not run.

Candidates are the cells of the model's own patch grid, not the finer grid of points that `match` takes, so rows of
views of one scene say `patch-grid`. Keypoints need no such word: their candidates are the cells in both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cache.bindings import Binding
from cache.commits import RowFailure
from cache.image_pairs import ImagePair, pairs_of
from cache.match_rows import BEST, KEYPOINTS, TOP, UNUSED, PointMatches, keypoint_row, matches_space, point_row
from cache.patch_grid import PatchGrid
from cache.positions import Place
from cache.reader import Reader, State
from cache.spaces import Space
from manifests.canonical import digest

from .cell import Missing
from .correspondence_rows import grids_of, truth_of, variant_of
from .matched import MatchedCell, find_depths, geometry_word
from .metrics.correspondence import nearest_neighbours
from .pair_truth import PairTruth

PATCH_GRID = "patch-grid"
_HELD = 4
"""Segments of patches that are held at a time, 256 MiB each at most."""


def features_at(features: ArrayLike, grid: PatchGrid, places: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return features at places (n, 2) on the grid, bilinear between the middles of cells: float32 (n, d).

    Parameters
    ----------
    features : float (rows, columns, d)

    Examples
    --------
    >>> from cache.patch_grid import patch_grid
    >>> grid = patch_grid([], (2, 1), (1, 2))
    >>> features_at([[[0.0], [4.0]]], grid, np.array([[0.75, 0.5]])).tolist()
    [[1.0]]
    """
    flat = np.asarray(features, np.float32)
    flat = flat.reshape(-1, flat.shape[-1])
    cells, weights = grid.corners(places)
    mixed = np.zeros((len(cells), flat.shape[1]), np.float32)
    for corner in range(4):
        mixed += flat[cells[:, corner]] * weights[:, corner, None]
    return mixed


def best_cells(
    ours: ArrayLike, theirs: ArrayLike, allowed: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return, for each row, its five nearest cells and their cosine distances, (k, 5) both; -1 where there are fewer.

    Parameters
    ----------
    ours : float (k, d)
        Features of keypoints.
    theirs : float (n, d)
        Features of all cells.
    allowed : int (m,)
        Cells that count.

    Examples
    --------
    >>> cells, distances = best_cells([[1.0, 0.0]], [[0.0, 1.0], [1.0, 0.0], [5.0, 0.0]], np.array([0, 2]))
    >>> cells.tolist(), distances[0, :2].tolist()
    ([[2, 0, -1, -1, -1]], [0.0, 1.0])
    """
    u, v = _unit(ours), _unit(np.asarray(theirs)[allowed])
    count = min(BEST, len(allowed))
    cells = np.full((len(u), BEST), UNUSED, np.int64)
    distances = np.full((len(u), BEST), np.nan)
    if count and len(u):
        similarity = (u @ v.T).astype(np.float64)
        order = np.argsort(-similarity, axis=1, kind="stable")[:, :count]
        cells[:, :count] = allowed[order]
        distances[:, :count] = 1.0 - np.take_along_axis(similarity, order, axis=1)
    return cells, distances


def _unit(rows: ArrayLike) -> NDArray[np.float32]:
    array = np.asarray(rows, np.float32)
    norms = np.linalg.norm(array, axis=1, keepdims=True)
    return np.asarray(array / np.where(norms > 0, norms, 1))


def dense_cell(reader: Reader, binding: Binding, usual: str = "") -> tuple[MatchedCell, DenseMatches] | Missing:
    """Return a cell whose matches are made from stored patches, or what is missing of it.

    Parameters
    ----------
    usual
        The dataset's usual geometry, where its manifest names one.

    Raises
    ------
    IntegrityError
        When the store contradicts itself.
    """
    store = reader.store
    view, parent = store.version(binding.dataset), store.space(binding.label)
    listed = pairs_of(view)
    images = view.table["image_id"].to_list()
    word = geometry_word(listed.scheme, str(parent.identity.get("variant", "")), usual)
    taking_part = [images[at] for pair in listed.pairs for at in (pair.first, pair.second)]
    places, segments, state = _patches(reader, parent, taking_part)
    lacking = len(set(taking_part) - set(places))
    run = f"assay-extract run --model {binding.model} --dataset {binding.dataset} --kinds patches"
    if lacking or not listed.pairs:
        before = "`assay-cache repair`, then " if state is State.LOST else ""
        count = (
            f"{state.value} for {lacking} of {len(set(taking_part))} images" if lacking else "have no pairs to match"
        )
        return Missing(binding.model, binding.dataset, "patches", "", count, f"{before}`{run}`")
    depths: dict[str, Place] = {}
    if listed.scheme != "spair":
        files = view.table["depth_sha256"].to_list()
        named = [f for f in dict.fromkeys(files[at] for pair in listed.pairs for at in (pair.first, pair.second)) if f]
        depths, of_depths, _ = find_depths(reader, listed.scheme, named)
        segments += of_depths
        if len(depths) < len(named) or not named:
            again = f"`assay-extract match --model {binding.model} --dataset {binding.dataset}` stores them"
            return Missing(binding.model, binding.dataset, "depths", "", "were never stored for this dataset", again)
    cell = MatchedCell(
        model=binding.model,
        group=binding.group,
        view=view,
        listed=listed,
        space=matches_space(parent, listed.scheme),
        variant=word if listed.scheme == "spair" else variant_of(word, PATCH_GRID),
        places={pair.item: ("", 0) for pair in listed.pairs},
        depths=depths,
        inputs=digest("inputs", {"dataset": view.id, "space": parent.id, "segments": segments}),
    )
    by_item = {pair.item: pair for pair in listed.pairs}
    truth = None if listed.scheme == "spair" else truth_of(reader, cell)
    return cell, DenseMatches(cell, images, grids_of(reader, cell), _Patches(reader, parent, places), by_item, truth)


def _patches(reader: Reader, space: Space, wanted: Sequence[str]) -> tuple[dict[str, Place], list[str], State]:
    asked, places, segments, state = set(wanted), dict[str, Place](), list[str](), State.ABSENT
    for pack in reader.committed("patches", space.label):
        at = {item: row for row, item in enumerate(reader.pack(pack).items) if item in asked and item not in places}
        unit = reader.unit("patches", space, pack)
        commit = reader.commit(unit)
        found = reader.state(unit) if at else State.ABSENT
        if found is State.HERE and commit is not None:
            places |= {item: (pack, row) for item, row in at.items()}
            segments += [segment.id for segment in commit.segments]
        elif found is State.LOST:
            state = found
    return places, segments, state


class _Patches:
    """Patches by image, a few segments at a time."""

    def __init__(self, reader: Reader, space: Space, places: Mapping[str, Place]) -> None:
        self._reader = reader
        self._space = space
        self._places = places
        self._held: dict[str, NDArray[Any]] = {}

    def of(self, image: str) -> NDArray[Any]:
        """Return (rows, columns, d)."""
        pack, row = self._places[image]
        unit = self._reader.unit("patches", self._space, pack)
        commit = self._reader.commit(unit)
        assert commit is not None
        facts = next(one for one in commit.segments if one.rows[0] <= row < one.rows[1])
        if facts.id not in self._held:
            while len(self._held) >= _HELD:
                self._held.pop(next(iter(self._held)))
            self._held[facts.id] = self._reader.segment(unit, facts)
        return np.asarray(self._held[facts.id][row - facts.rows[0]])

    def failures(self) -> dict[str, RowFailure]:
        """Return the images without patches."""
        found: dict[str, RowFailure] = {}
        for pack in {pack for pack, _ in self._places.values()}:
            commit = self._reader.commit(self._reader.unit("patches", self._space, pack))
            found |= {} if commit is None else {one.item: one for one in commit.failures if one.item in self._places}
        return found


@dataclass(frozen=True, slots=True)
class DenseMatches:
    """Matches of the pairs of a cell, made when they are asked for."""

    cell: MatchedCell
    images: Sequence[str]
    grids: Mapping[int, PatchGrid]
    patches: _Patches
    pairs: Mapping[str, ImagePair]
    truth: PairTruth | None

    def failures(self) -> dict[str, RowFailure]:
        """Return the pairs of which an image has no patches, or too few cells with a depth."""
        images = self.patches.failures()
        found: dict[str, RowFailure] = {}
        for row, pair in enumerate(self.cell.listed.pairs):
            for at in (pair.first, pair.second):
                if (failure := images.get(self.images[at])) is not None:
                    found[pair.item] = RowFailure(row, pair.item, failure.status, failure.detail)
                elif self.truth is not None and len(self._cells(at)) < 2:
                    detail = "fewer than two cells with a depth that the model sees"
                    found[pair.item] = RowFailure(row, pair.item, "no_points", detail)
        return found

    def row(self, item: str) -> NDArray[np.int32]:
        """Return the matches of a pair as they would be stored."""
        pair = self.pairs[item]
        return self._keypoints(pair) if self.truth is None else self._points(pair)

    def shares(self, row: int, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return where cells of an image lie as shares of its width and height."""
        grid = self.grids[row]
        return np.asarray(grid.to_pixels(grid.centres()[numbers]) / grid.image)

    def _cells(self, row: int) -> NDArray[np.int64]:
        """Return the cells of an image that show something with a depth."""
        assert self.truth is not None
        seen = self.grids[row].seen()
        return seen[np.isfinite(self.truth.points(row, self.shares(row, seen))[:, 2])] if len(seen) else seen

    def _points(self, pair: ImagePair) -> NDArray[np.int32]:
        (first, ours), (second, theirs) = self._directed(pair.first), self._directed(pair.second)
        found = nearest_neighbours(ours, theirs, TOP)
        runner_up = found.distance / np.maximum(1.0 - found.weight, 1e-9)
        return point_row(
            PointMatches(first[found.first], second[found.second], found.distance, runner_up, found.mutual), TOP
        )

    def _directed(self, row: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the cells of an image that take part, and their features; all zeros have no direction."""
        cells = self._cells(row)
        features = self._flat(row)[cells]
        some = features.any(axis=1)
        return cells[some], features[some]

    def _keypoints(self, pair: ImagePair) -> NDArray[np.int32]:
        points = np.asarray(pair.facts["source_points"], np.float64).reshape(-1, 2)[:KEYPOINTS]
        grid = self.grids[pair.first]
        places = grid.of_pixels(points)
        ours = features_at(self.patches.of(self.images[pair.first]), grid, places)
        cells, distances = best_cells(ours, self._flat(pair.second), self.grids[pair.second].seen())
        cells[~grid.inside(places)] = UNUSED
        return keypoint_row(cells, distances)

    def _flat(self, row: int) -> NDArray[np.float32]:
        features = self.patches.of(self.images[row])
        return features.reshape(-1, features.shape[-1]).astype(np.float32)
