"""Per-image numbers of one cell, in one pass over its packs.

Reads a pack at a time and keeps a few numbers an image; memory is bounded by one segment, whatever the dataset.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cache.commits import RowFailure
from cache.documents import damaged
from cache.reader import Reader
from cache.requests import Request
from cache.spaces import Space
from cache.stored_text import build_head
from cache.zero_shot import Head, cosines

from .calibrated import Forecast, Sink
from .cell import Cell
from .judged import Judge, Judged
from .metrics.classwise import ClasswiseSums
from .metrics.ood_scores import max_cosine, mcm
from .metrics.softmax import LogitSummary, See, summarize
from .predicted import Decided, read_decisions
from .scores import OF_COSINES, ImageNumbers, Keeper, Source, numbers_of, read_scores, scores_space


@dataclass(frozen=True, slots=True)
class Measured:
    """What every image of a cell has, in the order of the view.

    ok
        `(n,)` whether the image has numbers; the other arrays hold NaN (or -1) where it is False.
    failures
        Position in the view -> why there are no numbers.
    labels
        `(n,)` column of the true class, -1 where there is none.
    numbers
        What needs no label.
    nll, brier
        `(n,)`, NaN where there is no label; None where only stored scores are here, which cannot tell.
    judged
        What the images have under each scoring protocol; empty where only stored scores are here.
    classwise
        Sums of all probabilities of the labelled images; None where only stored scores are here, or no label is.
    scaled
        Forecasts of the logits as they stand under other temperatures.
    probabilities
        Whether the confidences are known; decisions that were made elsewhere may come without.
    """

    ok: NDArray[np.bool_]
    failures: Mapping[int, RowFailure]
    labels: NDArray[np.int64]
    numbers: ImageNumbers
    nll: NDArray[np.float64] | None
    brier: NDArray[np.float64] | None
    judged: tuple[Judged, ...] = ()
    classwise: ClasswiseSums | None = None
    scaled: tuple[Forecast, ...] = ()
    probabilities: bool = True

    @property
    def confidence(self) -> NDArray[np.float64] | None:
        """`(n,)` the largest probability, where it is known."""
        return self.numbers.confidence if self.probabilities else None

    @property
    def prediction(self) -> NDArray[np.int64]:
        """`(n,)` the best column."""
        return self.numbers.top5_index[:, 0]


@dataclass(frozen=True, slots=True)
class _Logits:
    """Logits of a whole pack, its rows without numbers, and scores of the cosines where a head makes them."""

    values: NDArray[Any]
    failures: Mapping[int, RowFailure]
    of_cosines: Mapping[str, NDArray[np.float64]] | None

    def ok(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        return ~np.isin(rows, list(self.failures))

    def summary(
        self, rows: NDArray[np.int64], labels: NDArray[np.int64] | None = None, see: See | None = None
    ) -> tuple[LogitSummary, ImageNumbers]:
        summary = summarize(self.values[rows], labels, see=see)
        picked = None if self.of_cosines is None else {name: one[rows] for name, one in self.of_cosines.items()}
        return summary, numbers_of(summary, picked)


def measure(
    reader: Reader,
    cell: Cell,
    columns: NDArray[np.int64],
    ways: int = 0,
    keeper: Keeper | None = None,
    judges: Sequence[Judge] = (),
    sinks: Sequence[Sink] = (),
) -> Measured:
    """Measure a cell.

    Parameters
    ----------
    columns
        `(n,)` the logit column of each sample's class, -1 where it has none.
    ways
        How many columns the class list says there are; 0 where there is no list.
    keeper
        What stores the numbers of whole packs, where wanted.
    judges
        Scoring protocols that are to see the logits, made for this cell.
    sinks
        What else is to see them.

    Raises
    ------
    IntegrityError
        When data are damaged, or have another number of columns.
    """
    if cell.predicted:
        return _decided(read_decisions(reader, cell, ways, judges), columns)
    n = cell.view.table.height
    space = reader.store.space(cell.binding.label)
    head = _head(reader, cell, space) if cell.head and set(cell.parents) - cell.from_scores else None
    scored = scores_space(space, cell.head)
    numbers = ImageNumbers.blank(n, bool(cell.head))
    ok = np.zeros(n, bool)
    losses = {name: np.full(n, np.nan) for name in ("nll", "brier")}
    sums = ClasswiseSums(ways) if ways and (columns >= 0).any() else None
    failures: dict[int, RowFailure] = {}
    for pack, (index, rows) in reader.positions(cell.view).items():
        if pack in cell.from_scores:
            unit = reader.unit("scores", scored, pack)
            found, failed = read_scores(reader, unit, cell.parents[pack], rows, bool(cell.head))
            numbers.put(index, found)
        else:
            logits = _read(reader, cell, space, head, pack)
            ways = ways or logits.values.shape[1]
            if logits.values.shape[1] != ways:
                where = reader.store.layout.relative(reader.store.layout.record(cell.kind, space.label, pack))
                raise damaged(where, f"{logits.values.shape[1]} columns, expected {ways}")
            failed = logits.failures
            usable = logits.ok(rows)
            _put(logits, index[usable], rows[usable], columns, numbers, losses, sums)
            for sink in (*judges, *sinks):
                sink.put(index[usable], logits.values[rows[usable]])
            if keeper is not None:
                _keep(keeper, reader, cell, scored, pack, logits)
        at_failed = [(int(at), failed[int(row)]) for at, row in zip(index, rows, strict=True) if int(row) in failed]
        failures.update(at_failed)
        ok[index] = True
        ok[[at for at, _ in at_failed]] = False
    whole = not cell.from_scores
    return Measured(
        ok=ok,
        failures=failures,
        labels=columns,
        numbers=numbers,
        nll=losses["nll"] if whole else None,
        brier=losses["brier"] if whole else None,
        judged=tuple(judge.judged(ok) for judge in judges) if whole else (),
        classwise=sums if whole else None,
    )


def head_of(reader: Reader, cell: Cell) -> Head | None:
    """Return the head that makes the logits of a cell, None where they are stored."""
    return _head(reader, cell, reader.store.space(cell.binding.label)) if cell.head else None


def _decided(found: Decided, columns: NDArray[np.int64]) -> Measured:
    """Return what decisions tell: answers, and confidences where they come with them."""
    return Measured(
        ok=found.ok,
        failures=found.failures,
        labels=columns,
        numbers=found.numbers,
        nll=None,
        brier=None,
        judged=found.judged,
        probabilities=found.probabilities,
    )


def show(reader: Reader, cell: Cell, sinks: Sequence[Sink]) -> None:
    """Hand the logits of a cell to sinks once more, pack by pack.

    Raises
    ------
    IntegrityError
        When data are damaged.
    """
    space, head = reader.store.space(cell.binding.label), head_of(reader, cell)
    for pack, (index, rows) in reader.positions(cell.view).items():
        logits = _read(reader, cell, space, head, pack)
        usable = logits.ok(rows)
        picked = logits.values[rows[usable]]
        for sink in sinks:
            sink.put(index[usable], picked)


def _head(reader: Reader, cell: Cell, space: Space) -> Head:
    return reader.head(space, cell.head) if cell.words is None else build_head(reader, space, *cell.words)


def _put(
    logits: _Logits,
    index: NDArray[np.int64],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    numbers: ImageNumbers,
    losses: Mapping[str, NDArray[np.float64]],
    sums: ClasswiseSums | None,
) -> None:
    """Write the numbers of some rows of a pack to their places in the view."""
    labelled = columns[index] >= 0
    if labelled.any():
        at = index[labelled]
        see = None if sums is None else sums.seer(columns[at], at)
        summary, found = logits.summary(rows[labelled], columns[at], see)
        numbers.put(at, found)
        losses["nll"][at], losses["brier"][at] = summary.nll, summary.brier
    if not labelled.all():
        numbers.put(index[~labelled], logits.summary(rows[~labelled])[1])


def _read(reader: Reader, cell: Cell, space: Space, head: Head | None, pack: str) -> _Logits:
    """Return the logits of a whole pack: a row's numbers then do not depend on which rows were asked for."""
    unit = reader.unit(cell.kind, space, pack)
    parts = [values for _, values in reader.segments(unit)]
    stored = parts[0] if len(parts) == 1 else np.concatenate(parts)
    commit = reader.commit(unit)
    failures = {} if commit is None else {failure.row: failure for failure in commit.failures}
    if head is None:
        return _Logits(stored, failures, None)
    with np.errstate(invalid="ignore"):
        similarity = cosines(stored, head)
    usable = np.isfinite(similarity).all(axis=1)
    items = reader.pack(pack).items
    for row in np.flatnonzero(~usable):
        nothing = RowFailure(int(row), items[row], "not_finite", "its embedding has no direction, so no cosine")
        failures.setdefault(int(row), nothing)
    scores = {name: np.full(len(similarity), np.nan) for name in OF_COSINES}
    if usable.any():
        picked = similarity if usable.all() else similarity[usable]
        scores["mcm"][usable], scores["max_cosine"][usable] = mcm(picked), max_cosine(picked)
    return _Logits(np.float32(head.scale) * similarity + np.float32(head.bias), failures, scores)


def _keep(keeper: Keeper, reader: Reader, cell: Cell, scored: Space, pack: str, logits: _Logits) -> None:
    binding, parents = cell.binding, cell.parents[pack]
    request = Request(
        verb="score",
        model=binding.model,
        facts=binding.facts,
        dataset=binding.dataset,
        version=cell.view.id,
        kinds=("scores",),
        space=scored.id,
        label=scored.label,
        packs=tuple(cell.parents),
        classes=cell.classes,
    )
    source = Source(request, scored)
    if not keeper.wants(source, pack, parents):
        return
    every = np.arange(len(logits.values))
    good = every[logits.ok(every)]
    numbers = ImageNumbers.blank(len(every), logits.of_cosines is not None)
    if len(good):
        numbers.put(good, logits.summary(good)[1])
    keeper.keep(source, pack, parents, numbers, [logits.failures[row] for row in sorted(logits.failures)])
