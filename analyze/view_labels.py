"""The classes of a dataset's samples, and the logit columns that they are for one model.

Classes meet by key (a wnid, say), never by position. Knows views and class lists, no numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cache.documents import damaged
from cache.texts import ClassList
from cache.views import View


def view_labels(view: View, classes: int) -> NDArray[np.int64]:
    """Return the class of every sample of a dataset, -1 where it has none.

    Raises
    ------
    IntegrityError
        When the dataset does not have such a class, in its labels or in its lists of labels.
    """
    labels = view.table["label"].fill_null(-1).to_numpy().astype(np.int64)
    every = [labels]
    if view.table.schema.get("labels") == pl.List(pl.Int64):
        every.append(view.table["labels"].explode().drop_nulls().to_numpy())
    largest = max(int(part.max(initial=-1)) for part in every)
    if view.classes and largest >= classes:
        raise damaged(f"datasets/{view.reference}.json", f"label {largest} of a dataset with {classes} classes")
    return labels


def label_columns(view: ClassList, model: ClassList) -> NDArray[np.int64]:
    """Return the logit column of each class of a dataset, -1 where the model lacks it.

    Classes meet by key (a wnid, say), never by position.

    Examples
    --------
    >>> label_columns(ClassList(("b", "z"), ("B", "Z")), ClassList(("a", "b"), ("A", "B")))
    array([ 1, -1])
    """
    column = {key: at for at, key in enumerate(model.keys)}
    return np.array([column.get(key, -1) for key in view.keys], np.int64)


def unknown_classes(view: ClassList, columns: NDArray[np.int64], labels: Sequence[int]) -> tuple[str, ...]:
    """Return the names of those classes that occur among labels and that the model lacks."""
    return tuple(view.names[label] for label in sorted(set(labels)) if columns[label] < 0)
