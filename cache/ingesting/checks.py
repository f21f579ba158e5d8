"""What rows must be before they may become units: finite numbers, classes that there are, one answer an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cache.predictions import NO_CLASS, Decisions
from cache.texts import ClassList
from cache.views import View
from manifests.errors import UsageError

from .matching import Matched
from .rows import Rows, said

_ABOVE_ONE = 1e-6
"""A softmax in float32 may sum to a little more than one; that much is taken for 1."""

_NOISE = 1e-3
"""Numbers of byte-identical images may differ by what the batch that they were in does to the last digits."""


Numbers: TypeAlias = NDArray[np.float32] | Decisions
"""Numbers of the samples of a dataset, in its order: `(n, ...)`, or decisions."""


def checked(rows: Rows, matched: Matched, view: View, classes: ClassList | None, none_allowed: bool) -> Numbers:
    """Return the numbers of the samples.

    Parameters
    ----------
    none_allowed
        Whether an answer may be none of the classes.

    Raises
    ------
    UsageError
        Naming the rows that are not finite, or out of range, or that contradict each other or the dataset.
    """
    at = matched.index
    if rows.truth is not None:
        _check_truth(rows, matched, view, classes)
    if rows.values is not None:
        with np.errstate(over="ignore"):
            values: NDArray[np.float32] = rows.values[at].astype(np.float32)
        _refuse(
            rows,
            at,
            np.asarray(~np.isfinite(values).all(axis=1)),
            "not finite (NaN, infinite, empty, or no number)",
        )
        _check_twins(rows, at, view, values)
        return values
    assert rows.classes is not None
    assert classes is not None
    said_classes = rows.classes[at]
    least, most = NO_CLASS if none_allowed else 0, len(classes.keys) - 1
    with np.errstate(invalid="ignore"):
        inside = np.asarray(said_classes >= least) & (said_classes <= most) & (said_classes == np.floor(said_classes))
    _refuse(rows, at, ~inside, f"no class (expected whole numbers from 0 to {most})")
    probability = np.full(len(at), np.nan) if rows.probability is None else rows.probability[at]
    if rows.probability is not None:
        with np.errstate(invalid="ignore"):
            odd = ~((probability >= 0) & (probability <= 1 + _ABOVE_ONE))
        _refuse(rows, at, odd, "no probability from 0 to 1")
        probability = np.minimum(probability, 1.0)
    decided = said_classes.astype(np.int64)
    twins = np.stack([decided.astype(np.float64), np.nan_to_num(probability)], axis=1)
    _check_twins(rows, at, view, twins)
    return Decisions(decided, probability)


def _refuse(rows: Rows, at: NDArray[np.int64], odd: NDArray[np.bool_], what: str) -> None:
    wrong = sorted(at[odd].tolist())
    if wrong:
        raise UsageError(f"{rows.where}: {what} in {said(wrong, rows.samples)}. Nothing was written.")


def _check_twins(rows: Rows, at: NDArray[np.int64], view: View, values: NDArray[Any]) -> None:
    """Refuse two answers for one image: samples of equal bytes have one unit of numbers."""
    first: dict[str, int] = {}
    pairs = [(first.setdefault(image, n), n) for n, image in enumerate(view.table["image_id"].to_list())]
    again = np.array([pair for pair in pairs if pair[0] != pair[1]], np.int64).reshape(-1, 2)
    if len(again):
        equal = np.isclose(values[again[:, 0]], values[again[:, 1]], rtol=_NOISE, atol=_NOISE).all(axis=1)
        wrong = again[~equal]
        if len(wrong):
            one, other = at[wrong[0]].tolist()
            raise UsageError(
                f"{rows.where}: {said([one, other], rows.samples)} are of the same image, byte for byte, and differ. "
                "Nothing was written."
            )


def _check_truth(rows: Rows, matched: Matched, view: View, classes: ClassList | None) -> None:
    """Compare what a file says is right with the dataset's labels: where they differ, rows are mixed up."""
    assert rows.truth is not None
    labels = view.table["label"].to_list()
    keys: Sequence[str] = classes.keys if classes is not None else ()
    wrong = [
        row
        for row, label in zip(matched.index.tolist(), labels, strict=True)
        if label is not None and label < len(keys) and rows.truth[row] != keys[label]
    ]
    if wrong:
        raise UsageError(
            f"{rows.where}: {said(sorted(wrong), rows.samples)} are of another class than {view.name} says "
            f"({rows.truth[wrong[0]]!r}, say). Nothing was written."
        )
