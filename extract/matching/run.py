"""Carry matching out: requests first, then depths, then packs of pairs, each committed as it ends."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cache.commits import Outcome, RowFailure, Unit, write_commit
from cache.errors import IncompleteError
from cache.image_pairs import image_sizes
from cache.match_rows import DEPTH_GRIDS, depth_space
from cache.patch_grid import PatchGrid, patch_grid
from cache.reader import Reader
from cache.requests import write_request
from cache.runs import named_requests, new_run_id, write_end, write_start
from cache.segments import array_segments
from cache.spaces import Space, write_space
from cache.store import Store
from extract.backbones.protocol import Backbone
from extract.progress import meter
from extract.sources import Sources
from extract.unit import Settings, read_item

from .depth import UnreadableDepthError, depth_points
from .features import PatchSource
from .plan import MatchWork
from .unit import Matcher

log = logging.getLogger("assay")

_DEPTH_PACKS = 8
"""Packs of depths that are held at a time, some 40 MB each."""


@dataclass(frozen=True, slots=True)
class MatchReport:
    """What became of it.

    images
        Images that went through a model; those of stored patches did not.
    failures
        Pairs without matches and depth files without depths, of the units of this run.
    """

    run: str
    units: int
    pairs: int
    images: int
    depths: int
    seconds: float
    failures: tuple[RowFailure, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "run": self.run,
            "units": self.units,
            "pairs": self.pairs,
            "images": self.images,
            "depths": self.depths,
            "seconds": round(self.seconds, 3),
            "failures": [{"item": f.item, "status": f.status, "detail": f.detail} for f in self.failures],
        }


def run_match(store: Store, works: Sequence[MatchWork], settings: Settings) -> MatchReport:
    """Write the requests of some works and do what is missing.

    Raises
    ------
    IncompleteError
        When not one image of a pack, or not one depth file, is on this machine.
    """
    start = time.monotonic()
    requests = [request for work in works for request in (work.depth, work.request) if request is not None]
    todo = any(work.missing or work.missing_depth for work in works)
    if not todo and {request.digest for request in requests} <= named_requests(store.disk, store.layout):
        return MatchReport("", 0, 0, 0, 0, 0.0, ())
    run = new_run_id(store.disk)
    with store.stage() as staged:
        for work in works:
            write_space(staged, work.space)
            if work.depth is not None:
                write_space(staged, depth_space(work.listed.scheme))
        for request in requests:
            write_request(staged, request)
    store.forget()
    with store.stage() as staged:
        said = {"batch_size": settings.batch_size, "workers": settings.workers, "device": settings.device}
        write_start(staged, run, [request.digest for request in requests], said)
    worker = _Worker(store, settings, run)
    try:
        total = sum(_pairs_in(store, work.missing) for work in works)
        with meter("matching", total, "pairs") as shown:
            for work in works:
                worker.depths(work)
                worker.matches(work, shown.advance)
    finally:
        report = MatchReport(
            run, worker.units, worker.pairs, worker.images, worker.depth_files, time.monotonic() - start,
            tuple(worker.failures),
        )  # fmt: skip
        with store.stage() as staged:
            write_end(staged, run, report.to_json())
    return report


def _pairs_in(store: Store, packs: Sequence[str]) -> int:
    reader = Reader(store)
    return sum(len(reader.pack(pack).items) for pack in packs)


class _Worker:
    """Does units of one store; holds one model at a time."""

    def __init__(self, store: Store, settings: Settings, run: str) -> None:
        self.store = store
        self.settings = settings
        self.run = run
        self.reader = Reader(store)
        self.units = self.pairs = self.images = self.depth_files = 0
        self.failures: list[RowFailure] = []
        self._done_depths: set[str] = set()

    def depths(self, work: MatchWork) -> None:
        """Commit the depths of a dataset that are not here yet."""
        if work.depth is None:
            return
        space, sources = depth_space(work.listed.scheme), Sources(self.store)
        for pack in work.missing_depth:
            if pack in self._done_depths:
                continue
            items = self.reader.pack(pack).items
            rows = np.full((len(items), *DEPTH_GRIDS[work.listed.scheme], 1), np.nan, np.float32)
            failures = []
            for row, item in enumerate(items):
                data, status, detail = read_item(self.store, sources, item)
                try:
                    if data is not None:
                        rows[row, :, :, 0] = depth_points(data, work.listed.scheme)
                        continue
                except UnreadableDepthError as error:
                    status, detail = "decode_error", str(error)
                failures.append(RowFailure(row, item, status, detail))
            if len(failures) == len(items) and all(one.status in ("missing", "no_source") for one in failures):
                raise IncompleteError(
                    f"not one of {len(items)} depth files of {work.view.name} is on this machine where it was indexed. "
                    f"Mount or copy the folder again, or `assay-extract index {work.view.name} --root DIR` here."
                )
            self._commit("patches", space, pack, rows, failures)
            self._done_depths.add(pack)
            self.depth_files += len(items)

    def matches(self, work: MatchWork, progress: Callable[[int], None]) -> None:
        """Commit the packs of pairs that have no matches yet."""
        if not work.missing:
            return
        loaded: list[Backbone] = []

        def load() -> None:
            if not loaded:
                work.candidate.backbone.load(self.settings.device)
                loaded.append(work.candidate.backbone)

        source = PatchSource(self.store, work.candidate.backbone, work.parent, self.settings, load)
        pairs, images = work.pairs, work.view.table["image_id"].to_list()
        matcher = Matcher(
            scheme=work.listed.scheme,
            images=images,
            grids=self._grids(work),
            depths=self._depths_of(work),
            source=source,
            device=self.settings.device,
            top=work.top,
            turned=turned(work.view.table, image_sizes(self.reader.pack(pack) for pack in work.view.packs)),
        )
        try:
            for pack in work.missing:
                part = [pairs[item] for item in self.reader.pack(pack).items]
                source.check_reachable([images[at] for pair in part for at in (pair.first, pair.second)])
                rows, failures = matcher.unit(part, _steps(progress))
                self._commit("matches", work.space, pack, rows, failures)
                self.pairs += len(part)
        finally:
            self.images += source.computed
            for backbone in loaded:
                backbone.close()

    def _grids(self, work: MatchWork) -> dict[int, PatchGrid]:
        sizes = image_sizes(self.reader.pack(pack) for pack in work.view.packs)
        images = work.view.table["image_id"].to_list()
        identity = work.space.identity
        rows, columns = (int(cells) for cells in identity["grid"])
        taking_part = {at for pair in work.listed.pairs for at in (pair.first, pair.second)}
        return {
            at: patch_grid(identity["ops"], sizes[images[at]], (rows, columns))
            for at in taking_part
            if min(sizes[images[at]]) > 0
        }

    def _depths_of(self, work: MatchWork) -> Callable[[int], NDArray[np.float32] | str]:
        if work.depth is None:
            return lambda row: "no depths here"
        space, files = depth_space(work.listed.scheme), work.view.table["depth_sha256"].to_list()
        reader = Reader(self.store)
        at = {item: (pack, row) for pack in work.depth.packs for row, item in enumerate(reader.pack(pack).items)}
        held: dict[str, NDArray[np.float32]] = {}

        def depth(row: int) -> NDArray[np.float32] | str:
            file = files[row]
            if file is None:
                return "its depth file was not there when the dataset was indexed"
            pack, place = at[file]
            if pack not in held:
                if len(held) > _DEPTH_PACKS:
                    held.clear()
                held[pack] = np.concatenate([rows for _, rows in reader.segments(reader.unit("patches", space, pack))])
            found = held[pack][place, :, :, 0]
            return found if np.isfinite(found).all() else "its depth file cannot be read"

        return depth

    def _commit(self, kind: str, space: Space, pack: str, rows: NDArray[Any], failures: Sequence[RowFailure]) -> None:
        place = Unit(kind, space.id, space.label, pack)
        with self.store.stage() as staged:
            segments = list(array_segments(kind, space.id, pack, rows))
            outcome = write_commit(staged, place, segments, failures, self.run)
        self.units += 1
        self.failures += failures
        log.debug("unit %s of %s is committed: %s", pack[:16], space.label, outcome.value)
        if outcome is Outcome.DIFFERENT:
            log.warning("%s of %s, pack %s: another run committed other numbers; they stay",
                        kind, space.label, pack[:16])  # fmt: skip


def turned(table: pl.DataFrame, sizes: Mapping[str, tuple[int, int]]) -> dict[int, str]:
    """Return rows of a view whose image lies on its side of what its camera says, and how it is to be mended.

    EXIF orientation is ignored everywhere here, so that an image which relies on it has its pixels elsewhere than the
    depth map. A half turn leaves no trace in the size and is not seen.
    """
    if "image_size" not in table.columns:
        return {}
    found = {}
    for row, (image, said) in enumerate(table.select("image_id", "image_size").iter_rows()):
        width, height = sizes.get(image, (0, 0))
        if said and min(width, height) and (width > height) != (said[1] > said[0]) and width != height:
            found[row] = (
                f"{width} x {height} pixels, its camera is for {said[1]} x {said[0]}; EXIF orientation is ignored, so "
                "turn the pixels of the file (exiftran, jpegtran) and index again"
            )
    return found


def _steps(progress: Callable[[int], None]) -> Callable[[int], None]:
    """Turn counts within a pack into steps."""
    done = 0

    def advance(rows: int) -> None:
        nonlocal done
        progress(rows - done)
        done = rows

    return advance
