"""The kind `predictions`: one decision an image, made elsewhere, and its probability where it is known.

A Parquet table a pack. A decision without a class ("none of them") is class -1: an answer, and a wrong one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .commits import RowFailure, Unit
from .documents import damaged
from .reader import Reader

NO_CLASS = -1
"""An answer that is none of the classes."""

COLUMNS = {
    "item_id": pl.String(),
    "status": pl.String(),
    "predicted_class": pl.Int32(),
    "predicted_probability": pl.Float64(),
}


@dataclass(frozen=True, slots=True)
class Decisions:
    """Decisions about some images.

    classes
        `(n,)` index into the class list, `NO_CLASS` for none of them or where there is no answer.
    probability
        `(n,)` in [0, 1], NaN where it is not known.
    """

    classes: NDArray[np.int64]
    probability: NDArray[np.float64]

    @classmethod
    def blank(cls, n: int) -> Decisions:
        """Return room for n decisions."""
        return cls(np.full(n, NO_CLASS, np.int64), np.full(n, np.nan))

    def put(self, rows: NDArray[np.int64], other: Decisions) -> None:
        """Write decisions into their rows."""
        self.classes[rows] = other.classes
        self.probability[rows] = other.probability


def predictions_table(items: Sequence[str], decisions: Decisions, failures: Iterable[RowFailure]) -> pl.DataFrame:
    """Return the decisions of a whole pack as the table that is stored.

    Examples
    --------
    >>> held = Decisions(np.array([3, -1]), np.array([0.5, np.nan]))
    >>> predictions_table(["a", "b"], held, [RowFailure(1, "b", "not_given", "")]).rows()
    [('a', 'ok', 3, 0.5), ('b', 'not_given', None, None)]
    """
    status = ["ok"] * len(items)
    for failure in failures:
        status[failure.row] = failure.status
    columns = {
        "item_id": list(items),
        "status": status,
        "predicted_class": decisions.classes,
        "predicted_probability": decisions.probability,
    }
    ok = pl.col("status") == "ok"
    return (
        pl.DataFrame(columns, schema=COLUMNS)
        .with_columns(pl.col("predicted_probability").fill_nan(None))
        .with_columns(pl.when(ok).then(pl.col(name)) for name in ("predicted_class", "predicted_probability"))
    )


def read_predictions(reader: Reader, unit: Unit, rows: NDArray[np.int64]) -> tuple[Decisions, Mapping[int, RowFailure]]:
    """Return the decisions of some rows of a pack, and why rows of the pack have none.

    Raises
    ------
    IntegrityError
        When the table is damaged or of other items.
    IncompleteError
        When it is not here.
    """
    table = reader.table(unit)
    commit = reader.commit(unit)
    where = reader.store.layout.relative(reader.store.layout.record(unit.kind, unit.label, unit.pack))
    if dict(table.schema) != COLUMNS or table["item_id"].to_list() != list(reader.pack(unit.pack).items):
        raise damaged(where, "its table has other columns or other items than its pack")
    failures = {} if commit is None else {failure.row: failure for failure in commit.failures}
    failed = np.flatnonzero((table["status"] != "ok").to_numpy()).tolist()
    said = [table["status"][row] for row in failed]
    if sorted(failures) != failed or said != [failures[row].status for row in failed]:
        raise damaged(where, f"gives failures for rows {sorted(failures)[:5]}, its table for {failed[:5]}")
    if table["predicted_class"].is_null().to_numpy().nonzero()[0].tolist() != failed:
        raise damaged(where, "its table has rows without a class and without a reason")
    picked = table[rows.tolist()]
    classes = picked["predicted_class"].fill_null(NO_CLASS).to_numpy().astype(np.int64)
    probability = np.asarray(picked["predicted_probability"].fill_null(np.nan).to_numpy(), np.float64)
    return Decisions(classes, probability), failures
