"""What a file of numbers says, before any dataset is asked: rows, and which sample each belongs to.

Values only; knows no file and no store.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from manifests.errors import UsageError

ArrayKind: TypeAlias = Literal["logits", "embeddings"]
Kind: TypeAlias = Literal["logits", "embeddings", "predictions", "records"]
Match: TypeAlias = Literal["sample", "file name", "cue"]
"""By what rows meet samples: the whole name, what stands after its last slash, or after its last underscore too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows of one model.

    where
        How messages name the file.
    samples
        What each row is of; None: the order of the dataset's samples.
    values
        `(n, c)` logits or `(n, d)` embeddings; None for predictions.
    classes
        `(n,)` predictions, NaN where there is no number and -1 for none of the classes; None for arrays.
    probability
        `(n,)` of the predictions; None where it is not known.
    columns
        Names of the columns of values, where they have names.
    truth
        What the file says the right answer is, for a comparison with the dataset; None where it says nothing.
    """

    where: str
    samples: tuple[str, ...] | None
    values: NDArray[Any] | None = None
    classes: NDArray[np.float64] | None = None
    probability: NDArray[np.float64] | None = None
    columns: tuple[str, ...] = ()
    truth: tuple[str, ...] | None = None

    @property
    def n(self) -> int:
        """The number of rows."""
        return len(self.values if self.values is not None else self.classes if self.classes is not None else ())

    def ordered(self, order: Sequence[int]) -> Rows:
        """Return its columns of values in another order."""
        if self.values is None:
            return self
        return replace(self, values=self.values[:, list(order)], columns=())


def join(parts: Sequence[Rows]) -> Rows:
    """Return the rows of several files of one model, one after the other.

    Raises
    ------
    UsageError
        When they do not have the same columns, or only some name their samples.
    """
    first = parts[0]
    if len(parts) == 1:
        return first
    for part in parts[1:]:
        shapes = [None if one.values is None else one.values.shape[1:] for one in (first, part)]
        odd = (
            ("samples", (first.samples is None, part.samples is None)),
            ("columns", (first.columns, part.columns)),
            ("the shape of a row", tuple(shapes)),
            ("probabilities", (first.probability is None, part.probability is None)),
        )
        for what, (ours, theirs) in odd:
            if ours != theirs:
                raise UsageError(
                    f"{first.where} and {part.where} differ in {what}; files of one model are of one form."
                )

    def joined(name: str) -> Any:
        values = [getattr(part, name) for part in parts]
        if values[0] is None:
            return None
        return np.concatenate(values) if isinstance(values[0], np.ndarray) else tuple(x for v in values for x in v)

    return Rows(
        where=f"{first.where} and {len(parts) - 1} more",
        columns=first.columns,
        **{name: joined(name) for name in ("samples", "values", "classes", "probability", "truth")},
    )


def said(rows: Sequence[int], samples: Sequence[str] | None = None) -> str:
    """Name rows for a message; the first row of numbers is row 1, whatever header stands above it.

    Examples
    --------
    >>> said([0, 4], ["a", "b", "c", "d", "e"])
    'rows 1 (a), 5 (e)'
    >>> said([2])
    'row 3'
    """
    shown = ", ".join(f"{row + 1} ({samples[row]})" if samples is not None else f"{row + 1}" for row in rows[:5])
    more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
    return f"row{'s' if len(rows) > 1 else ''} {shown}{more}"
