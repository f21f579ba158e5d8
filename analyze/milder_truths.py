"""Answers judged by a milder truth than the one label: reassessed labels (ReaL), and groups of classes (metaclasses).

Arrays and a dataset's own columns in, answers out. Told of datasets with annotated factors, beside their labels.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .judged import Judged
from .metrics.factors import metaclass_correct

REAL, METACLASS = "real", "metaclass-17"
LISTS, GROUPS, UNSEEN = "labels", "metaclass", "metaclass_unseen"
"""Columns of a dataset: the classes that count as right; the group of an image's class; others of that group, of which
there is no image."""


def milder_truths(
    answers: Judged, table: pl.DataFrame, class_columns: NDArray[np.int64], notes: list[str]
) -> Iterator[Judged]:
    """Yield the same answers under every milder truth that the dataset has; accuracies are all that they tell.

    Parameters
    ----------
    answers
        Of the logits as they stand: decisions between columns.
    table
        The dataset, in the order of the answers.
    class_columns
        `(k,)` column of each class of the dataset, -1 where the model lacks it.
    notes
        Gets a line for what is left out.
    """
    decisions = answers.predictions
    if decisions is None:
        return
    if table.schema.get(LISTS) == pl.List(pl.Int64):
        yield _accuracy_only(REAL, answers, *reassessed_correct(decisions, table[LISTS], class_columns))
    if table.schema.get(GROUPS) == pl.String and answers.labels is not None:
        groups, labels = column_groups(table, class_columns), answers.labels
        known = answers.counted & answers.ok & (decisions >= 0)
        if (groups[decisions[known]] == "").any() or (groups[labels[known]] == "").any():
            notes.append(
                f"no {METACLASS}: some answers are classes of which the dataset has no image here, so their metaclass "
                "is not known."
            )
            return
        right = np.zeros(len(known), bool)
        right[known] = metaclass_correct(decisions[known], labels[known], groups)
        yield _accuracy_only(METACLASS, answers, right, answers.counted)


def reassessed_correct(
    decisions: NDArray[np.int64], lists: pl.Series, class_columns: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether each decision is among the classes that count as right, and whether any does.

    An image without such a class leaves the denominator. Differs from the package imagenet-x, where it counts as wrong.

    Parameters
    ----------
    decisions
        `(n,)` columns, -1 for none of them.
    lists
        `(n,)` lists of classes of the dataset.
    class_columns
        `(k,)` column of each class, -1 where the model lacks it.

    Returns
    -------
    right, counted : bool (n,)

    Notes
    -----
    Beyer et al., Are we done with ImageNet?, arXiv:2006.07159.

    Examples
    --------
    >>> right, counted = reassessed_correct(np.array([5, 5, 7]), pl.Series([[0, 1], [], [0]]), np.array([7, 5]))
    >>> right.tolist(), counted.tolist()
    ([True, False, True], [True, False, True])
    """
    right = np.zeros(len(decisions), bool)
    sizes = lists.list.len().fill_null(0).to_numpy().astype(np.int64)
    rows = np.repeat(np.arange(len(decisions)), sizes)
    accepted = class_columns[lists.explode().drop_nulls().to_numpy().astype(np.int64)]
    hit = (accepted >= 0) & (accepted == decisions[rows])
    right[rows[hit]] = True
    return right, sizes > 0


def column_groups(table: pl.DataFrame, class_columns: NDArray[np.int64]) -> NDArray[np.str_]:
    """Name of the group of each column, from the images of the dataset; "" where no image tells.

    Examples
    --------
    >>> table = pl.DataFrame({"label": [1, 0, 1], "metaclass": ["dog", "bird", "dog"]})
    >>> column_groups(table, np.array([2, 0])).tolist()
    ['dog', '', 'bird']
    """
    told = table.select("label", GROUPS)
    if table.schema.get(UNSEEN) == pl.List(pl.Int64):
        unseen = table.unique(GROUPS, keep="first", maintain_order=True).select(pl.col(UNSEEN).alias("label"), GROUPS)
        told = pl.concat([told, unseen.explode("label")])
    told = told.drop_nulls().unique("label", keep="first", maintain_order=True)
    columns = class_columns[told["label"].to_numpy()]
    groups = np.full(int(class_columns.max(initial=-1)) + 1, "", dtype="U64")
    groups[columns[columns >= 0]] = told[GROUPS].to_numpy()[columns >= 0]
    return groups


def _accuracy_only(protocol: str, answers: Judged, right: NDArray[np.bool_], counted: NDArray[np.bool_]) -> Judged:
    return Judged(protocol=protocol, classes=(), counted=counted, ok=answers.ok, top1=right)
