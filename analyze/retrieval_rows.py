"""Rows of zero-shot retrieval: recall, median rank and mean reciprocal rank, of images for captions and of captions
for images.

Intervals draw images with all their captions, since captions of one image succeed and fail together. Memory stays at
the embeddings and one block of scores.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cache.commits import RowFailure
from cache.reader import Reader

from .caption_cells import CaptionCell
from .checks import Matrix
from .intervals import clopper_pearson
from .metrics.retrieval import hit_rate, mean_reciprocal_rank, median_rank, retrieval_ranks
from .resampling import Interval, percentiles
from .results import OnFailure
from .row_key import Key
from .table import Result

PROTOCOL = "retrieval"
"""All captions of all images of the dataset, a hit or none a query, no words before a caption."""

RECALLS = (1, 5, 10)
DRAWS = 1000
_DRAWS_A_BLOCK = 32


@dataclass(frozen=True, slots=True)
class _Direction:
    """Queries of one direction: the rank of each, 0 = first, and the image that it belongs to."""

    name: str
    ranks: NDArray[np.int64]
    image: NDArray[np.int64]
    total: int


def retrieval_rows(
    reader: Reader, cells: Iterable[CaptionCell], policy: OnFailure, notes: list[str], failed: list[str]
) -> Iterator[Result]:
    """Yield the rows of every cell.

    Parameters
    ----------
    policy
        What to do with images and captions that have no numbers: with `count-wrong` their queries come last, with
        `exclude` they are no queries and in no gallery.
    notes
        Gets a line for captions that were cut and for what was left out.
    failed
        Gets a line for a cell that is left out as a whole.

    Raises
    ------
    IntegrityError
        When data are damaged.
    """
    for cell in cells:
        binding, table = cell.binding, cell.view.table
        where = f"{binding.model} on {binding.dataset}"
        if not len(cell.captions.texts):
            notes.append(f"{where}: the dataset has no caption, so there is nothing to retrieve.")
            continue
        space = reader.store.space(binding.label)
        images, lost_images = _images(reader, cell)
        texts = reader.gather("text", space, cell.places)
        with_numbers = np.isfinite(texts).all(axis=1) & texts.any(axis=1)
        if lost_images or not with_numbers.all():
            said = _say_lost(table["sample"].to_list(), lost_images, int((~with_numbers).sum()), len(texts))
            if policy == "error":
                failed.append(
                    f"{where}: {said} --on-failure exclude leaves them out, --on-failure count-wrong counts them as "
                    "wrong."
                )
                continue
            notes.append(f"{where}: {said}")
        if cell.truncated:
            notes.append(
                f"{where}: {cell.truncated} captions are longer than the text tower reads and were cut to its length."
            )
        here = np.ones(len(images), bool)
        here[list(lost_images)] = False
        key = Key(binding.model, binding.group, binding.dataset, PROTOCOL, "", cell.inputs, 0)
        yield from gallery_rows(key, images, here, texts, with_numbers, cell.captions.sample, policy)


def gallery_rows(
    key: Key,
    images: Matrix,
    images_ok: NDArray[np.bool_],
    texts: Matrix,
    texts_ok: NDArray[np.bool_],
    image_of_text: NDArray[np.int64],
    policy: OnFailure,
) -> Iterator[Result]:
    """Yield the rows of one gallery.

    Parameters
    ----------
    images : float (n, d)
    images_ok, texts_ok : bool (n,), (t,)
        Which have numbers.
    texts : float (t, d)
    image_of_text : int (t,)
    """
    captioned = np.zeros(len(images), bool)
    captioned[image_of_text] = True
    text_used = texts_ok & images_ok[image_of_text]
    image_used = np.zeros(len(images), bool)
    image_used[image_of_text[text_used]] = True
    if not image_used.any():
        return
    place = np.cumsum(image_used) - 1
    ranks = retrieval_ranks(images[image_used], texts[text_used], place[image_of_text[text_used]])
    directions = (
        _direction("image", ranks.image, text_used, np.ones(len(texts), bool), image_of_text, policy),
        _direction("text", ranks.text, image_used, captioned, np.arange(len(images)), policy),
    )
    drawn = _intervals(directions, len(images))
    for direction, ends in zip(directions, drawn, strict=True):
        yield from _rows(key, direction, ends, text_used, image_used, captioned)


def _direction(
    name: str,
    ranks: NDArray[np.int64],
    used: NDArray[np.bool_],
    asked: NDArray[np.bool_],
    image: NDArray[np.int64],
    policy: OnFailure,
) -> _Direction:
    """Return the queries that count; those without numbers stand behind every candidate where they count as wrong."""
    every = np.full(len(used), np.iinfo(np.int32).max, np.int64)
    every[used] = ranks
    counted = asked if policy == "count-wrong" else used
    return _Direction(name, every[counted], image[counted], int(asked.sum()))


def _rows(
    key: Key,
    direction: _Direction,
    ends: dict[str, Interval],
    text_used: NDArray[np.bool_],
    image_used: NDArray[np.bool_],
    captioned: NDArray[np.bool_],
) -> Iterator[Result]:
    key = replace(key, n_total=direction.total)
    n = len(direction.ranks)
    answered = int(text_used.sum()) if direction.name == "image" else int((image_used & captioned).sum())
    for metric, value in _values(direction).items():
        lo, hi = ends[metric]
        if "recall" in metric:
            exact = clopper_pearson(round(value * n), n)
            lo, hi = min(lo, exact[0]), max(hi, exact[1])
        yield key.row(metric, value, (min(lo, value), max(hi, value)), n, direction.total - answered)


def _values(direction: _Direction) -> dict[str, float]:
    found = {f"{direction.name}_recall_at_{k}": hit_rate(direction.ranks, k) for k in RECALLS}
    found[f"{direction.name}_median_rank"] = median_rank(direction.ranks)
    return found | {f"{direction.name}_mrr": mean_reciprocal_rank(direction.ranks)}


def _intervals(directions: Sequence[_Direction], images: int) -> list[dict[str, Interval]]:
    """Percentile bootstrap over images, the same draws for both directions."""
    used = np.zeros(images, bool)
    for direction in directions:
        used[direction.image] = True
    place, n = np.cumsum(used) - 1, int(used.sum())
    sums = [_sums(direction, place[direction.image], n) for direction in directions]
    order = [np.argsort(direction.ranks, kind="stable") for direction in directions]
    drawn: list[list[NDArray[np.float64]]] = [[] for _ in directions]
    rng = np.random.default_rng(0)
    for start in range(0, DRAWS, _DRAWS_A_BLOCK):
        times = rng.multinomial(n, np.full(n, 1 / n), size=min(_DRAWS_A_BLOCK, DRAWS - start))
        for at, direction in enumerate(directions):
            totals = times @ sums[at]
            # An image brings all its queries, and every image drawn has one at least.
            rates = totals[:, 1:] / totals[:, :1]
            weights = times[:, place[direction.image[order[at]]]]
            middle = _medians(direction.ranks[order[at]], weights) + 1.0
            drawn[at].append(np.column_stack([rates, middle]))
    found = []
    for direction, blocks in zip(directions, drawn, strict=True):
        draws = np.concatenate(blocks)
        names = [f"{direction.name}_{what}" for what in (*(f"recall_at_{k}" for k in RECALLS), "mrr", "median_rank")]
        found.append({name: percentiles(draws[:, column], 0.95) for column, name in enumerate(names)})
    return found


def _sums(direction: _Direction, image: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    """Queries, hits at each k and reciprocal ranks of every image, `(n, 2 + len(RECALLS))`."""
    columns = [np.ones(len(image)), *(direction.ranks < k for k in RECALLS), 1.0 / (direction.ranks + 1.0)]
    return np.column_stack([np.bincount(image, weights=column, minlength=n) for column in columns])


def _medians(ranks: NDArray[np.int64], weights: NDArray[np.int64]) -> NDArray[np.float64]:
    """Median of sorted ranks, each as often as its weight says, one a row of weights.

    Examples
    --------
    >>> _medians(np.array([0, 4, 9]), np.array([[1, 1, 1], [2, 2, 0]])).tolist()
    [4.0, 2.0]
    """
    until = np.cumsum(weights, axis=1)
    total = until[:, -1:]
    low, high = ((until > at).argmax(axis=1) for at in ((total - 1) // 2, total // 2))
    return np.asarray((ranks[low] + ranks[high]) / 2.0)


def _images(reader: Reader, cell: CaptionCell) -> tuple[Matrix, dict[int, RowFailure]]:
    """Return the embeddings of the dataset's images in their order, and why some have none."""
    out: Matrix | None = None
    failures: dict[int, RowFailure] = {}
    for block in reader.blocks("embeddings", reader.store.space(cell.binding.label), cell.view):
        if out is None:
            out = np.empty((cell.view.table.height, *block.values.shape[1:]), block.values.dtype)
        out[block.index] = block.values
        failures |= block.failures
    assert out is not None
    items = cell.view.table["image_id"]
    for row in np.flatnonzero(~out.any(axis=1)).tolist():
        failures.setdefault(row, RowFailure(row, items[row], "not_finite", "its embedding has no direction"))
    return out, failures


def _say_lost(samples: Sequence[str], images: dict[int, RowFailure], captions: int, total: int) -> str:
    said = []
    if images:
        first = min(images)
        why = f"{images[first].status}: {images[first].detail}"
        said.append(f"{len(images)} of {len(samples)} images have no numbers, the first is {samples[first]!r} ({why})")
    if captions:
        said.append(f"{captions} of {total} captions have no numbers")
    return f"{'; '.join(said)}."
