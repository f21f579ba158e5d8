"""What a table says beyond the whole of a dataset: slices, factors, cues, and how far confidence can be trusted.

Joins the rows of those modules for one cell at a time; computes nothing itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from manifests.schema import Dataset, FactorSet

from .cue_rows import CueRows
from .judged import Judged
from .milder_truths import milder_truths
from .results import Key, OnFailure, under_protocol
from .selective_rows import selective_rows
from .slice_rows import factor_rows, slice_accuracies
from .slices import column_slices, factor_slices
from .table import Result


@dataclass(slots=True)
class Breakdown:
    """The further rows of every cell, and at the end those that need several models.

    notes
        What was left out, and why.
    """

    datasets: Mapping[str, Dataset]
    factors: Mapping[str, FactorSet]
    policy: OnFailure
    notes: list[str]
    cues: CueRows = field(init=False)

    def __post_init__(self) -> None:
        self.cues = CueRows(self.notes)

    def rows(
        self,
        key: Key,
        table: pl.DataFrame,
        protocols: tuple[Judged, ...],
        class_columns: NDArray[np.int64] | None = None,
    ) -> Iterator[Result]:
        """Yield the rows of one cell under each of its protocols, that of the logits as they stand being the first.

        Parameters
        ----------
        table
            The dataset, one row an image, in the order of what was judged.
        class_columns
            `(k,)` column of each class of the dataset, where there are classes.
        """
        parts = column_slices(table, self.datasets.get(key.dataset))
        # Two sets of factors may have the same columns: the one that reads this dataset goes first.
        sets = sorted(self.factors.values(), key=lambda entry: key.dataset not in entry.readings)
        factors = factor_slices(table, sets)
        for answers in protocols:
            yield from selective_rows(key, answers, self.notes)
            for part in parts:
                yield from slice_accuracies(key, answers, part, self.policy)
            if factors:
                yield from factor_rows(key, answers, factors, self.policy, self.notes)
            yield from self.cues.one(key, answers, table)
        if factors and class_columns is not None:
            told = {answers.protocol for answers in protocols}
            for answers in milder_truths(protocols[0], table, class_columns, self.notes):
                if answers.protocol not in told:
                    yield from under_protocol(key, answers, self.policy)
                    yield from factor_rows(key, answers, factors, self.policy, self.notes)

    def across(self) -> Iterator[Result]:
        """Yield the rows that compare models, once all cells have been seen."""
        yield from self.cues.across()
