"""Rows of dense correspondence and keypoint transfer, from stored matches and the columns of the view.

Every number is a function of matches that were kept once: thresholds, bins and how many matches count are decided here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cache.commits import RowFailure
from cache.image_pairs import ImagePair, image_sizes
from cache.match_rows import UNUSED, depth_space, point_matches
from cache.patch_grid import PatchGrid, patch_grid
from cache.reader import Reader

from .matched import MatchedCell, StoredRows
from .metrics.correspondence import angle_bin
from .metrics.keypoints import places_correct
from .pair_bootstrap import class_mean_interval, recall_interval
from .pair_truth import ANGLE_BINS, PairTruth, shares_of
from .row_key import Key
from .table import Result

PROTOCOL = "correspondence"
COUNTED = 1000
"""Matches of a pair that count, the surest first, as in probe3d; fewer where there are fewer."""

ALPHA = 0.1

_METRES = (("recall_1cm", 0.01), ("recall_2cm", 0.02), ("recall_5cm", 0.05))
_NAVI_PIXELS = (("recall_5px", 5.0), ("recall_25px", 25.0), ("recall_50px", 50.0))
_SCANNET_PIXELS = (("recall_5px", 5.0), ("recall_10px", 10.0), ("recall_20px", 20.0))
QUARTER = 4.0
"""probe3d measures ScanNet at 160 x 120, so that its 10 px are 40 px of the image."""


@dataclass(frozen=True, slots=True)
class Matched:
    """What became of a cell.

    failed
        Why it is left out as a whole; empty otherwise.
    notes
        Pairs that were left out.
    """

    results: tuple[Result, ...]
    failed: str = ""
    notes: tuple[str, ...] = ()


class Source(Protocol):
    """Where the matches of a cell come from."""

    def failures(self) -> Mapping[str, RowFailure]:
        """Return the pairs without matches."""

    def row(self, item: str) -> NDArray[Any]:
        """Return the matches of a pair, as `cache.match_rows` stores them."""

    def shares(self, row: int, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return where points of an image, by its row of the view, lie as shares of width and height, (m, 2)."""


class StoredMatches(StoredRows):
    """Matches that `assay-extract match` kept, between points of a grid over the whole image."""

    def __init__(self, reader: Reader, cell: MatchedCell) -> None:
        super().__init__(reader, "matches", cell.space, cell.places)
        self._grid = tuple(cell.space.identity.get("points", ()))

    def shares(self, row: int, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return where points lie; the same in every image."""
        rows, columns = self._grid
        return shares_of(numbers, (int(rows), int(columns)))


def correspondence_rows(reader: Reader, cell: MatchedCell, policy: str, source: Source | None = None) -> Matched:
    """Return the rows of a cell.

    Parameters
    ----------
    source
        None for the stored matches.
    policy
        What to do with pairs without matches: error, exclude, or count-wrong (no match of theirs is right).
    """
    stored = source or StoredMatches(reader, cell)
    failures = stored.failures()
    here = [pair for pair in cell.listed.pairs if pair.item in cell.places]
    said = ""
    if failures:
        first = next(pair for pair in here if pair.item in failures)
        samples = cell.view.table["sample"]
        failure = failures[first.item]
        said = (
            f"{cell.model} on {cell.view.name}: {len(failures)} of {len(here)} pairs have no matches, the first is "
            f"{samples[first.first]!r} with {samples[first.second]!r} ({failure.status}: {failure.detail}). "
        )
    used = [pair for pair in here if pair.item not in failures]
    if failures and (policy == "error" or not used):
        remedy = "--on-failure exclude leaves them out, --on-failure count-wrong counts them as wrong."
        return Matched((), said + (remedy if policy == "error" else "None is left to count."))
    key = Key(
        model=cell.model, group=cell.group, dataset=cell.view.name, protocol=PROTOCOL, prompt_set="",
        inputs=cell.inputs, n_total=len(cell.listed.pairs),
    )  # fmt: skip
    judged = used if policy == "exclude" or not failures else here
    rows = _keypoint_rows if cell.listed.scheme == "spair" else _point_rows
    notes = (said.strip(),) if said else ()
    return Matched(tuple(rows(reader, cell, key, judged, stored, set(failures))), notes=notes)


def variant_of(geometry: str, *readings: str) -> str:
    """Return the words of `variant`.

    Examples
    --------
    >>> variant_of("", ""), variant_of("native", "quarter-res", "macro")
    ('', 'native/quarter-res/macro')
    """
    return "/".join(word for word in (geometry, *readings) if word)


# --- points: NAVI, ScanNet ---------------------------------------------------------------------------------------


def _point_rows(
    reader: Reader,
    cell: MatchedCell,
    key: Key,
    pairs: Sequence[ImagePair],
    stored: Source,
    failed: set[str],
) -> Iterator[Result]:
    scheme = cell.listed.scheme
    truth = truth_of(reader, cell)
    readings = list(_readings(scheme))
    hits = np.zeros((len(readings), len(pairs)))
    counts = np.full(len(pairs), float(COUNTED))
    for at, pair in enumerate(pairs):
        if pair.item in failed:
            continue
        found = point_matches(stored.row(pair.item))
        first = stored.shares(pair.first, found.first[:COUNTED])
        second = stored.shares(pair.second, found.second[:COUNTED])
        metres, pixels = truth.errors(pair, first, second)
        counts[at] = len(first)
        for row, (_, _, unit, threshold) in enumerate(readings):
            hits[row, at] = ((metres if unit == "metre" else pixels) < threshold).sum()
    angles = [truth.angle(pair) for pair in pairs]
    lost = np.array([pair.item in failed for pair in pairs], bool)
    for name, chosen in _slices(angles, ANGLE_BINS[scheme]):
        n, without = int(chosen.sum()), int(lost[chosen].sum())
        for row, (metric, reading, _, _) in enumerate(readings):
            won, of = hits[row, chosen], counts[chosen]
            for pooling, top, bottom in (("", won, of), ("macro", won / of, np.ones(n))):
                yield key.row(
                    metric, float(top.sum() / bottom.sum()), recall_interval(top, bottom), n, without,
                    slice=name, variant=variant_of(cell.variant, reading, pooling),
                )  # fmt: skip


def _readings(scheme: str) -> Iterator[tuple[str, str, str, float]]:
    """Yield metric, reading, unit and threshold; strictly below it a match is right."""
    if scheme == "navi":
        yield from ((metric, "", "metre", threshold) for metric, threshold in _METRES)
        yield from ((metric, "", "pixel", threshold) for metric, threshold in _NAVI_PIXELS)
        return
    yield from ((metric, "", "pixel", threshold) for metric, threshold in _SCANNET_PIXELS)
    yield from ((metric, "quarter-res", "pixel", QUARTER * threshold) for metric, threshold in _SCANNET_PIXELS)


def _slices(angles: Sequence[float], edges: tuple[float, ...]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    yield "all", np.ones(len(angles), bool)
    bins = np.array([angle_bin(angle, edges) if edges[0] <= angle <= edges[-1] else -1 for angle in angles])
    for number in range(len(edges) - 1):
        chosen = bins == number
        if chosen.any():
            yield f"view/{edges[number]:g}-{edges[number + 1]:g}", chosen


def truth_of(reader: Reader, cell: MatchedCell) -> PairTruth:
    """Return what is true of the pairs of a cell."""
    scheme = cell.listed.scheme
    depths = StoredRows(reader, "patches", depth_space(scheme), cell.depths)
    files = cell.view.table["depth_sha256"].to_list()
    columns = [name for name in cell.view.table.columns if name != "pairs"]
    return PairTruth(cell.view.table.select(columns).to_dicts(), scheme, lambda row: depths.row(files[row])[:, :, 0])


# --- keypoints: SPair-71k ----------------------------------------------------------------------------------------


def _keypoint_rows(
    reader: Reader,
    cell: MatchedCell,
    key: Key,
    pairs: Sequence[ImagePair],
    stored: Source,
    failed: set[str],
) -> Iterator[Result]:
    grids = grids_of(reader, cell)
    categories = cell.view.table["category"].to_list()
    classes = np.array([categories[pair.first] for pair in pairs])
    views = np.array([int(pair.facts["viewpoint_variation"]) for pair in pairs])
    lost = np.array([pair.item in failed for pair in pairs], bool)
    counts = np.array([float(len(pair.facts["target_points"])) for pair in pairs])
    hits = {"hpf": np.zeros(len(pairs)), "probe3d": np.zeros(len(pairs))}
    for at, pair in enumerate(pairs):
        if pair.item not in failed:
            for rule in hits:
                cells = stored.row(pair.item)[: int(counts[at]), 0]
                hits[rule][at] = _correct(cells, grids[pair.second], pair, rule).sum()
    slices = {"all": np.ones(len(pairs), bool)}
    slices |= {f"view/{step}": views == step for step in (0, 1, 2) if (views == step).any()}
    slices |= {f"class/{name}": classes == name for name in sorted(set(classes.tolist()))}
    metric = f"pck_{ALPHA:g}"
    for name, chosen in slices.items():
        n, without = int(chosen.sum()), int(lost[chosen].sum())
        shares = hits["hpf"][chosen] / counts[chosen]
        more = {"slice": name, "variant": variant_of(cell.variant)}
        yield key.row(metric, float(shares.mean()), recall_interval(shares, np.ones(n)), n, without, **more)
        # Differs from [probe3d]: every pair counts; there at most 200 of a class and view change, in an order that
        # depends on the file system.
        inside = [chosen & (classes == one) for one in sorted(set(classes[chosen].tolist()))]
        won, of = [hits["probe3d"][rows] for rows in inside], [counts[rows] for rows in inside]
        value = float(np.mean([one.sum() / total.sum() for one, total in zip(won, of, strict=True)]))
        more = {"slice": name, "variant": variant_of(cell.variant, "probe3d")}
        yield key.row(metric, value, class_mean_interval(won, of), n, without, **more)


def _correct(cells: NDArray[Any], grid: PatchGrid, pair: ImagePair, rule: str) -> NDArray[np.bool_]:
    """Tell which keypoints of a pair are found. One that the model does not see is not found."""
    columns = grid.cells[0]
    corners = np.stack([cells % columns, cells // columns], axis=1).astype(np.float64)
    answers = grid.to_pixels(corners + (0.5 if rule == "hpf" else 0.0))
    targets = np.asarray(pair.facts["target_points"], np.float64).reshape(-1, 2)
    box = pair.facts["target_box"]
    if rule == "probe3d":
        # There keypoints are whole pixels, before and after the image is scaled to the model's input.
        scaled = np.trunc(np.trunc(targets) * grid.scale + grid.shift)
        targets = (scaled - grid.shift) / grid.scale
    found = places_correct(answers, targets, box, ALPHA, strict=rule == "probe3d")
    return np.asarray(found & (cells != UNUSED))


def grids_of(reader: Reader, cell: MatchedCell) -> dict[int, PatchGrid]:
    """Return where the cells lie in every image that is some pair's first or second."""
    sizes = image_sizes(reader.pack(pack) for pack in cell.view.packs)
    images = cell.view.table["image_id"].to_list()
    identity = cell.space.identity
    rows, columns = (int(cells) for cells in identity["grid"])
    taking_part = {at for pair in cell.listed.pairs for at in (pair.first, pair.second)}
    return {
        at: patch_grid(identity["ops"], sizes[images[at]], (rows, columns))
        for at in sorted(taking_part)
        if min(sizes[images[at]]) > 0
    }
