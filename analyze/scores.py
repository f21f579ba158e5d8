"""Per-image numbers that need no label, and their stored form: the kind `scores`.

A few numbers an image stand for a row of logits: the five best classes, log-sum-exp, confidence, detectors. They are
found through the data that they were computed from, their parents, and count only while the parents' records name
the same segments. Nothing depends on their being there.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cache.commits import RowFailure, Unit, read_commit, write_commit
from cache.documents import damaged
from cache.errors import AssayError
from cache.reader import Reader, State
from cache.requests import Request, write_request
from cache.runs import new_run_id, write_end, write_start
from cache.segments import table_segment
from cache.spaces import Space, write_space
from cache.store import Store
from cache.writing import quarantine
from manifests.canonical import digest

from .metrics.softmax import TOP, LogitSummary

log = logging.getLogger("assay")

SCHEMA = 2
"""Bumped by hand when a number of `ImageNumbers` changes or joins; scores of another schema are another space."""

PLAIN = ("log_sum_exp", "confidence", "max_logit", "entropy", "gen")
"""Numbers of every classifier."""

OF_COSINES = ("mcm", "max_cosine")
"""Numbers of classifiers whose logits are scaled cosines."""

OF_LOGITS = "nll, brier, ece_classwise and whatever takes a temperature or a fitted detector"
"""What stored scores cannot tell."""

_COLUMNS = {
    "item_id": pl.String(),
    "parents": pl.String(),
    "status": pl.String(),
    **{f"class_{rank}": pl.Int32() for rank in range(1, TOP + 1)},
    **{f"logit_{rank}": pl.Float64() for rank in range(1, TOP + 1)},
    **dict.fromkeys((*PLAIN, *OF_COSINES), pl.Float64()),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageNumbers:
    """What images have without a label; every field has one row an image.

    top5_index, top5_logit
        `(n, 5)` best columns, the first index among ties; -1 and NaN beyond the number of classes.
    entropy
        Of the softmax, in nats.
    gen
        Minus the generalized entropy of the 100 largest probabilities.
    mcm, max_cosine
        Maximum concept matching and largest cosine; None for models without a text head.
    """

    top5_index: NDArray[np.int64]
    top5_logit: NDArray[np.float64]
    log_sum_exp: NDArray[np.float64]
    confidence: NDArray[np.float64]
    max_logit: NDArray[np.float64]
    entropy: NDArray[np.float64]
    gen: NDArray[np.float64]
    mcm: NDArray[np.float64] | None
    max_cosine: NDArray[np.float64] | None

    @classmethod
    def blank(cls, n: int, with_cosines: bool) -> ImageNumbers:
        """Return room for n images, without numbers yet."""
        plain = {name: np.full(n, np.nan) for name in PLAIN}
        return cls(
            top5_index=np.full((n, TOP), -1, np.int64),
            top5_logit=np.full((n, TOP), np.nan),
            **plain,
            mcm=np.full(n, np.nan) if with_cosines else None,
            max_cosine=np.full(n, np.nan) if with_cosines else None,
        )

    def put(self, rows: NDArray[Any], other: ImageNumbers) -> None:
        """Write the numbers of some images into their rows."""
        for field in fields(self):
            ours, theirs = getattr(self, field.name), getattr(other, field.name)
            if ours is not None:
                ours[rows] = theirs


def numbers_of(summary: LogitSummary, of_cosines: Mapping[str, NDArray[np.float64]] | None) -> ImageNumbers:
    """Return the numbers of summarized rows of logits, `of_cosines` giving mcm and max_cosine where there are cosines.

    Examples
    --------
    >>> from analyze.metrics.softmax import summarize
    >>> numbers_of(summarize(np.log([[1.0, 3.0]])), None).confidence.round(12).tolist()
    [0.75]
    """
    found = ImageNumbers.blank(len(summary.confidence), of_cosines is not None)
    width = summary.top5_index.shape[1]
    found.top5_index[:, :width] = summary.top5_index
    found.top5_logit[:, :width] = summary.top5_logit
    for name in PLAIN:
        getattr(found, name)[:] = getattr(summary, name)
    for name, values in (of_cosines or {}).items():
        getattr(found, name)[:] = values
    return found


def scores_space(parent: Space, head: str) -> Space:
    """Return the space of the scores of a space's logits, or of its embeddings under a head."""
    identity = {
        "library": "scores",
        "architecture": {"name": parent.label},
        "parent": parent.id,
        "head": head,
        "protocol": "all columns",
        "scores_schema": SCHEMA,
    }
    return Space(identity, {})


def usable(reader: Reader, unit: Unit, parents: Sequence[str]) -> bool:
    """Tell whether scores are here and were computed from these segments."""
    commit = reader.commit(unit)
    return commit is not None and commit.parents == tuple(parents) and reader.state(unit) is State.HERE


def read_scores(
    reader: Reader, unit: Unit, parents: Sequence[str], rows: NDArray[np.int64], with_cosines: bool
) -> tuple[ImageNumbers, Mapping[int, RowFailure]]:
    """Return the numbers of some rows of a pack, and those of the rows that have none (by row of the pack).

    Raises
    ------
    IntegrityError
        When the table is damaged, of other parents or of other items.
    """
    table = reader.table(unit)
    commit = reader.commit(unit)
    where = reader.store.layout.relative(reader.store.layout.record(unit.kind, unit.label, unit.pack))
    if dict(table.schema) != _COLUMNS or table["item_id"].to_list() != list(reader.pack(unit.pack).items):
        raise damaged(where, "its table has other columns or other items than its pack")
    # The record repeats the parents, and could have been edited; the table is covered by the segment's name.
    if set(table["parents"].to_list()) != {digest("parents", list(parents))}:
        raise damaged(where, "its table was computed from other data than its record says")
    failures = {} if commit is None else {failure.row: failure for failure in commit.failures}
    failed = np.flatnonzero((table["status"] != "ok").to_numpy())
    if sorted(failures) != failed.tolist():
        raise damaged(where, f"gives failures for rows {sorted(failures)[:5]}, its table for {failed[:5].tolist()}")
    picked = table[rows.tolist()]
    numbers = ImageNumbers(
        top5_index=picked.select(pl.col(f"class_{rank}").fill_null(-1).cast(pl.Int64) for rank in range(1, TOP + 1))
        .to_numpy()
        .astype(np.int64),
        top5_logit=picked.select(pl.col(f"logit_{rank}").fill_null(np.nan) for rank in range(1, TOP + 1)).to_numpy(),
        mcm=_column(picked, "mcm") if with_cosines else None,
        max_cosine=_column(picked, "max_cosine") if with_cosines else None,
        **{name: _column(picked, name) for name in PLAIN},
    )
    return numbers, failures


def _column(table: pl.DataFrame, name: str) -> NDArray[np.float64]:
    return np.asarray(table[name].fill_null(np.nan).to_numpy(), np.float64)


def scores_table(
    items: Sequence[str], parents: Sequence[str], numbers: ImageNumbers, failures: Iterable[RowFailure]
) -> pl.DataFrame:
    """Return the numbers of a whole pack as the table that is stored."""
    status = ["ok"] * len(items)
    for failure in failures:
        status[failure.row] = failure.status
    none = np.full(len(items), np.nan)
    plain = {name: getattr(numbers, name) for name in (*PLAIN, *OF_COSINES)}
    columns: dict[str, Any] = {
        "item_id": list(items),
        "parents": [digest("parents", list(parents))] * len(items),
        "status": status,
        **{f"class_{rank + 1}": numbers.top5_index[:, rank] for rank in range(TOP)},
        **{f"logit_{rank + 1}": numbers.top5_logit[:, rank] for rank in range(TOP)},
        **{name: none if values is None else values for name, values in plain.items()},
    }
    table = pl.DataFrame(columns, schema=_COLUMNS).fill_nan(None)
    classes = pl.col("^class_.*$")
    return table.with_columns(pl.when(classes >= 0).then(classes))


@dataclass(frozen=True, slots=True)
class Source:
    """Whose scores are kept: the request that will explain them, and the space that they were computed in."""

    request: Request
    space: Space


class Keeper:
    """Writes scores beside the data that they were computed from.

    Whatever stands in the way (a store that cannot be written to, a damaged record of older scores) is logged, and the
    answer is the same without them.
    """

    def __init__(self, store: Store, reader: Reader) -> None:
        self.store = store
        self.reader = reader
        self.written = 0
        self._run = ""
        self._asked: list[str] = []
        self._stopped = False

    def wants(self, source: Source, pack: str, parents: Sequence[str]) -> bool:
        """Tell whether a pack has no scores of these parents yet."""
        if self._stopped:
            return False
        unit = self.reader.unit("scores", source.space, pack)
        try:
            commit = self.reader.commit(unit)
        except AssayError as error:
            log.warning("stored scores are not used: %s", error)
            return False
        return commit is None or commit.parents != tuple(parents)

    def keep(
        self,
        source: Source,
        pack: str,
        parents: Sequence[str],
        numbers: ImageNumbers,
        failures: Sequence[RowFailure],
    ) -> None:
        """Write the scores of one pack; the request comes first."""
        unit = self.reader.unit("scores", source.space, pack)
        items = self.reader.pack(pack).items
        try:
            self._begin(source)
            self._clear(unit, parents)
            segment = table_segment("scores", unit.space, pack, scores_table(items, parents, numbers, failures))
            with self.store.stage() as staged:
                write_commit(staged, unit, [segment], failures, self._run, parents)
            self.written += 1
        except OSError as error:
            self._stopped = True
            log.info("the store cannot be written to (%s); scores are not kept, the table is the same", error)
        except AssayError as error:
            self._stopped = True
            log.warning("scores are not kept: %s", error)

    def _clear(self, unit: Unit, parents: Sequence[str]) -> None:
        # Read anew: another process may just have written what is wanted.
        there = read_commit(self.store.disk, self.store.layout, unit)
        if there is not None and there.parents != tuple(parents):
            record = self.store.layout.record(unit.kind, unit.label, unit.pack)
            quarantine(self.store.disk, self.store.layout, record, "scores of data that were replaced since")

    def _begin(self, source: Source) -> None:
        if source.request.digest in self._asked:
            return
        with self.store.stage() as staged:
            write_space(staged, source.space)
            self._asked.append(write_request(staged, source.request))
            if not self._run:
                run = new_run_id(self.store.disk)
                write_start(staged, run, [], {"verb": "score", "scores_schema": SCHEMA})
                self._run = run
        self.store.forget()

    def close(self) -> None:
        """Say what was written."""
        if not self._run or self._stopped:
            return
        try:
            with self.store.stage() as staged:
                write_end(staged, self._run, {"scores": self.written, "requests": sorted(self._asked)})
        except OSError as error:
            log.info("the end of this run cannot be written to the store (%s)", error)
        log.info("kept scores of %d packs in the store (--no-write-scores leaves it alone)", self.written)
