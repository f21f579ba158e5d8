"""The captions of a dataset version: which strings, and which sample each belongs to.

Tables only; nothing here encodes a string or reads a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .key import text_id

COLUMN = "caption"
"""The column of a dataset version that holds the captions of each sample, a list of strings."""

TRUNCATED = "truncated"
"""Among the stats of a unit of text: how many of its strings are longer than the text tower reads."""


@dataclass(frozen=True, slots=True)
class Captions:
    """Every caption of a dataset, in the order of its samples.

    texts
        The strings as they stand in the annotations; nothing is put before them.
    sample
        `(t,)` position in the view of the sample that each belongs to.
    """

    texts: tuple[str, ...]
    sample: NDArray[np.int64]

    @property
    def ids(self) -> tuple[str, ...]:
        """The text id of each."""
        return tuple(text_id(text) for text in self.texts)


def has_captions(table: pl.DataFrame) -> bool:
    """Tell whether a dataset version has captions.

    Examples
    --------
    >>> has_captions(pl.DataFrame({"caption": [["a cat", "an animal"]]})), has_captions(pl.DataFrame({"label": [1]}))
    (True, False)
    """
    return table.schema.get(COLUMN) == pl.List(pl.String)


def captions_of(table: pl.DataFrame) -> Captions:
    """Return the captions of a dataset version; none where it has none.

    Examples
    --------
    >>> found = captions_of(pl.DataFrame({"caption": [["a cat", "an animal"], ["a dog"]]}))
    >>> found.texts, found.sample.tolist()
    (('a cat', 'an animal', 'a dog'), [0, 0, 1])
    """
    pairs = list(_pairs(table)) if has_captions(table) else []
    return Captions(tuple(text for text, _ in pairs), np.array([row for _, row in pairs], np.int64))


def _pairs(table: pl.DataFrame) -> Iterator[tuple[str, int]]:
    for row, texts in enumerate(table[COLUMN].to_list()):
        yield from ((text, row) for text in texts or () if text is not None)
