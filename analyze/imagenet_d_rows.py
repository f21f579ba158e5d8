"""Rows of questions with four options on ImageNet-D: how often a model that scores every class picks the right one.

The options of an image are the right class and the three wrong ones that a selection model finds most likely
(`variant` is `list:<model>`). The order of options cannot matter here: each is scored for itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from manifests.canonical import digest

from .calibrated import Sink
from .cell import Cell
from .intervals import clopper_pearson
from .judged import Judge
from .metrics.options import listed_correct
from .option_lists import ClassLogits, OptionList, OptionLists, asking, select
from .results import OnFailure
from .row_key import Key
from .slices import Slice, column_slices
from .table import Result

METRIC = "accuracy_4way"


@dataclass(slots=True)
class ImagenetDRows:
    """Rows of each cell as it comes, without holding any model's logits longer than its own cell."""

    lists: OptionLists
    policy: OnFailure
    _judge: Judge | None = None
    _logits: ClassLogits | None = None

    def sinks(self, cell: Cell, judges: Sequence[Judge]) -> tuple[Sink, ...]:
        """Return what is to see the logits of a cell that has questions, before it is measured."""
        self._judge = asking(self.lists.catalogue.datasets.get(cell.binding.dataset), judges)
        self._logits = None
        if self._judge is None or cell.predicted or cell.from_scores:
            return ()
        self._logits = ClassLogits(cell.view.table.height, self._judge.members)
        return (self._logits,)

    def rows(self, key: Key, cell: Cell, ok: NDArray[np.bool_]) -> Iterator[Result]:
        """Yield the rows of the cell whose logits were just seen.

        Parameters
        ----------
        ok
            `(n,)` which images have numbers.
        """
        if self._judge is None or self._logits is None:
            return
        table, labels = cell.view.table, self._judge.labels
        samples, logits = table["sample"].to_list(), self._logits.values
        self._logits = None
        own = select(key.model, samples, logits, labels, key.inputs)
        others = [one for one in self.lists.of(key.dataset) if one.model != key.model]
        manifest = self.lists.catalogue.datasets.get(key.dataset)
        parts = (Slice("all", np.arange(len(samples))), *column_slices(table, manifest))
        chosen = (own, *others) if not self.lists.names or key.model in self.lists.names else tuple(others)
        for one in chosen:
            yield from self._under(
                replace(key, protocol=self._judge.protocol.id), one, samples, logits, labels, ok, parts
            )

    def _under(
        self,
        key: Key,
        lists: OptionList,
        samples: Sequence[str],
        logits: NDArray[np.float32],
        labels: NDArray[np.int64],
        ok: NDArray[np.bool_],
        parts: Sequence[Slice],
    ) -> Iterator[Result]:
        offered = lists.of(samples)
        asked = labels >= 0
        used = asked & ok & (offered[:, 0] >= 0)
        right = np.zeros(len(samples), bool)
        if used.any():
            right[used] = listed_correct(logits[used], offered[used])
        if lists.model != key.model:
            key = replace(key, inputs=digest("inputs", [key.inputs, lists.inputs]))
        for part in parts:
            rows = part.rows
            failed = int((asked & ~used)[rows].sum())
            n = int(used[rows].sum()) + (failed if self.policy == "count-wrong" else 0)
            if n:
                k = int(right[rows].sum())
                more = {"slice": part.name, "variant": f"list:{lists.model}"}
                yield key.row(METRIC, k / n, clopper_pearson(k, n), n, failed, **more)
