"""One unit of work: the images of a pack through one model, every kind in one forward pass.

Knows bytes, pixels and a backbone; knows nothing of records, requests or datasets.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cache.commits import RowFailure
from cache.key import image_id
from cache.segments import rows_a_segment
from cache.store import Store

from .augmentation import augmented
from .backbones.protocol import Backbone
from .containers.places import NotThereError, read_place
from .intake import decode
from .row_ranges import RowRanges
from .size_limits import unfit
from .sources import Sources

log = logging.getLogger("assay")

Progress = Callable[[int], None]
Take = Callable[[str, int, NDArray[Any]], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """What may change speed but never numbers beyond rounding; recorded with the run, not in the space."""

    batch_size: int = 64
    workers: int = 2
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class Prepared:
    """One image ready for the model, or why it is not."""

    tensor: torch.Tensor | None
    status: str
    detail: str


@dataclass(frozen=True, slots=True)
class UnitResult:
    """What came out of a pack.

    arrays
        Kind -> `(rows, ...)`; rows without numbers are NaN.
    failures
        Kind -> the rows without numbers, and why.
    """

    arrays: dict[str, NDArray[Any]]
    failures: dict[str, list[RowFailure]]


def read_item(store: Store, sources: Sources, item: str) -> tuple[bytes | None, str, str]:
    """Return the bytes of an image, or a status and what was found instead.

    The bytes are hashed here, since these are the ones that will be decoded.
    """
    places = sources.places(item)
    if not places:
        return None, "no_source", "this machine has no note of the file; `assay-extract index` it here"
    problems = []
    for place in places:
        name = Path(place.path).name
        try:
            data = read_place(store.disk, place)
        except NotThereError as error:
            problems.append(("changed", f"{name} changed since it was indexed: {error}"))
            continue
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
            # Other errors (a failing disk, a lost mount) say nothing of the image and stop the unit: a status that
            # is committed would stay although the next attempt could read the file.
            problems.append(("missing", f"{name}: {error.strerror or error}"))
            continue
        if image_id(data) == item:
            return data, "ok", ""
        problems.append(("changed", f"{name} changed since it was indexed"))
    return None, *problems[-1]


def prepare(
    store: Store, sources: Sources, backbone: Backbone, item: str, ops: Sequence[Mapping[str, Any]] = ()
) -> Prepared:
    """Turn an image id into the model's input.

    Parameters
    ----------
    ops
        The preprocessing as described, which says what sizes it can take, and whether a crop goes by the image's name.
    """
    data, status, detail = read_item(store, sources, item)
    if data is None:
        return Prepared(None, status, detail)
    decoded = decode(data)
    if decoded.image is None:
        return Prepared(None, decoded.status, decoded.detail)
    refused = unfit(ops, decoded.width, decoded.height)
    if refused is not None:
        return Prepared(None, *refused)
    return Prepared(backbone.transform(augmented(ops, item, decoded.image)), "ok", "")


def prefetch(load: Callable[[str], Prepared], items: Sequence[str], workers: int, window: int) -> Iterator[Prepared]:
    """Yield prepared images in order, at most `window` of them ahead of the reader."""
    if workers == 0:
        yield from map(load, items)
        return
    # Threads: decoding and resizing release the interpreter lock, and nothing has to be pickled.
    pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="decode")
    try:
        waiting: deque[Future[Prepared]] = deque()
        for item in items:
            waiting.append(pool.submit(load, item))
            if len(waiting) >= window:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def compute_unit(
    store: Store,
    sources: Sources,
    backbone: Backbone,
    items: Sequence[str],
    kinds: Sequence[str],
    settings: Settings,
    progress: Progress = lambda done: None,
    take: Take | None = None,
) -> UnitResult:
    """Run a model over the images of a pack.

    Parameters
    ----------
    take
        Receives kind, first row and rows of every range of rows as soon as it is whole, cut as segments are; then
        `arrays` of the result is empty, and what is held at once is one range of each kind.
    """
    arrays: dict[str, NDArray[Any]] = {}
    strange: dict[str, list[int]] = {kind: [] for kind in kinds}

    def receive(kind: str, start: int, part: NDArray[Any]) -> None:
        bad = np.flatnonzero(~np.isfinite(part.reshape(len(part), -1)).all(axis=1))
        strange[kind] += [start + int(row) for row in bad]
        if take is None:
            arrays[kind] = part
        else:
            take(kind, start, part)

    ranges = {
        kind: RowRanges(
            len(items),
            partial(rows_a_segment, kind) if take is not None else lambda row_bytes: len(items),
            partial(receive, kind),
        )
        for kind in kinds
    }
    failed: list[RowFailure] = []
    rows: list[int] = []
    batch: list[torch.Tensor] = []
    ops = backbone.identity().get("preprocess", {}).get("ops", ())
    prepared = prefetch(
        lambda item: prepare(store, sources, backbone, item, ops), items, settings.workers, 2 * settings.batch_size
    )
    dtypes: dict[str, str] = {}
    for row, image in enumerate(prepared):
        if image.tensor is None:
            failed.append(RowFailure(row, items[row], image.status, image.detail))
        else:
            rows.append(row)
            batch.append(image.tensor)
        if len(batch) == settings.batch_size or (row == len(items) - 1 and batch):
            for kind, values in forward(backbone, torch.stack(batch), kinds).items():
                dtypes[kind] = values.dtype.name
                ranges[kind].put(rows, values)
            rows, batch = [], []
            progress(row + 1)
    for kind, waiting in ranges.items():
        if not waiting.shaped:
            # Not one image could be read: the shape still has to be that of the other packs.
            waiting.shape(forward(backbone, backbone.blank(), [kind])[kind])
        waiting.close()
    progress(len(items))
    known = {failure.row for failure in failed}
    return UnitResult(
        arrays,
        {
            kind: failed
            + [
                RowFailure(row, items[row], "not_finite", f"the model's output overflows {dtypes[kind]}")
                for row in strange[kind]
                if row not in known
            ]
            for kind in kinds
        },
    )


def forward(backbone: Backbone, batch: torch.Tensor, kinds: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Run one batch; where the device's memory does not hold it, run its halves."""
    try:
        return backbone.forward(batch, kinds)
    except torch.OutOfMemoryError:
        if len(batch) == 1:
            raise
    # Outside the except block, since the traceback keeps the failed attempt's tensors alive.
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    half = -(-len(batch) // 2)
    log.warning("the device's memory does not hold a batch of %d; going on with %d", len(batch), half)
    parts = [forward(backbone, part, kinds) for part in batch.split(half)]
    return {kind: np.concatenate([part[kind] for part in parts]) for kind in kinds}
