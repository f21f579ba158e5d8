"""Forms in which projects publish predictions: ImageNet-X's CSV and the trials of model-vs-human."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from cache.texts import ClassList
from manifests.errors import UsageError

from .rows import Rows, said
from .sources import Source
from .tables import CLASS, prediction_rows, read_table

NONE = "na"
"""How a trial spells that the subject named no class."""

_TRIAL = ("subj", "object_response", "category", "imagename")


def imagenet_x_rows(source: Source) -> Rows:
    """Return predictions in ImageNet-X's form: `file_name, predicted_class, predicted_probability`."""
    table = read_table(source, ("file_name",), ("file_name", CLASS))
    return prediction_rows(source, table, tuple(table["file_name"].to_list()))


def trial_rows(sources: Sequence[Source], classes: ClassList) -> dict[str, Rows]:
    """Return the answers of each subject of trials in model-vs-human's form, sorted by subject.

    Columns: `subj, session, trial, rt, object_response, category, condition, imagename`. A response is the key of a
    class, or `na`: an answer that is none of them.

    Raises
    ------
    UsageError
        For a response or category that is no class.
    """
    column = {key: index for index, key in enumerate(classes.keys)}
    parts = []
    for source in sources:
        if source.suffix != ".csv":
            raise UsageError(f"{source.name}: trials are CSV files.")
        table = read_table(source, _TRIAL, _TRIAL).select(pl.col(name).str.strip_chars() for name in _TRIAL)
        for name, allowed in (("object_response", {*column, NONE}), ("category", set(column))):
            odd = [row for row, value in enumerate(table[name].to_list()) if value not in allowed]
            if odd:
                raise UsageError(
                    f"{source.name}: {name} of {said(odd, table[name].to_list())} is no class; expected one of "
                    f"{', '.join(classes.keys[:16])}{', ...' if len(column) > 16 else ''}, or {NONE}."
                )
        parts.append(table)
    trials = pl.concat(parts)
    found = {}
    for (subject,), part in trials.group_by("subj", maintain_order=True):
        answers = np.array([column.get(answer, -1) for answer in part["object_response"]], np.float64)
        found[str(subject)] = Rows(
            where=f"trials of {subject}",
            samples=tuple(part["imagename"].to_list()),
            classes=answers,
            truth=tuple(part["category"].to_list()),
        )
    return dict(sorted(found.items()))
