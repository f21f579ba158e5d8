"""Which scoring protocols a model on a dataset is scored under, as the dataset's manifest says.

Joins manifests and class lists; measures nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from cache.texts import ClassList
from manifests.schema import Dataset, LabelSpace

from .judged import Judge, judge
from .protocols import BY_ID


@dataclass(frozen=True, slots=True)
class Applicable:
    """What applies.

    judges
        Protocols that restrict, merge or judge otherwise than column by column.
    as_they_stand
        Whether the logits are also scored as they stand: every column a class, found by key.
    notes
        What a reader should know: protocols of the manifest that nobody knows, and why none of them applies.
    """

    judges: tuple[Judge, ...] = ()
    as_they_stand: bool = True
    notes: tuple[str, ...] = ()


def applicable(
    dataset: Dataset | None,
    spaces: Mapping[str, LabelSpace],
    view: pl.DataFrame,
    ours: ClassList,
    theirs: ClassList,
    whole: bool = True,
) -> Applicable:
    """Return what applies.

    A dataset without manifest, or one of which no protocol applies, is scored as the logits stand: the protocol is
    then `{c}-way`, c being the number of columns.

    Parameters
    ----------
    spaces
        Label spaces by id.
    view
        Table of the dataset.
    ours, theirs
        What the dataset's labels, and the model's columns, stand for.
    whole
        Whether the table is the whole dataset: frames that are not here would count as right.
    """
    if dataset is None or not ours.keys or not theirs.keys:
        return Applicable()
    plain = f"{len(theirs.keys)}-way"
    judges: list[Judge] = []
    reasons: list[str] = []
    notes: list[str] = []
    for name in dataset.protocols:
        if name == plain:
            continue
        if name not in BY_ID:
            notes.append(f"{dataset.id}: protocol {name} is unknown; known are {', '.join(BY_ID)}.")
            continue
        if BY_ID[name].rule == "anchor-and-neighbours" and not whole:
            reasons.append(f"protocol {name} asks for all frames around an anchor, and some are not here")
            continue
        found = judge(BY_ID[name], spaces, dataset.label_space, view, ours.keys, theirs.keys)
        if isinstance(found, str):
            reasons.append(found)
        else:
            judges.append(found)
    if not judges and reasons and plain not in dataset.protocols:
        notes.append(f"{dataset.id} is scored as the logits stand ({plain}): {'; '.join(reasons)}.")
    return Applicable(tuple(judges), plain in dataset.protocols or not judges, tuple(notes))


def default_rows(table: pl.DataFrame, datasets: Mapping[str, Dataset]) -> pl.DataFrame:
    """Return the rows of each model and dataset under the dataset's default protocol: one row where there were several.

    The default is the first protocol of the manifest that the model has rows under; rows of a dataset without a
    manifest, or under none of its protocols, all stay.

    Parameters
    ----------
    table
        Results, or any table with the columns model, dataset, prompt_set and protocol.
    """
    ranks = [
        {"dataset": name, "protocol": protocol, "_rank": rank}
        for name, dataset in datasets.items()
        for rank, protocol in enumerate(dataset.protocols)
    ]
    schema = {"dataset": pl.String, "protocol": pl.String, "_rank": pl.Int64}
    ranked = table.join(
        pl.DataFrame(ranks, schema=schema), on=["dataset", "protocol"], how="left", maintain_order="left"
    )
    best = pl.col("_rank").min().over("model", "dataset", "prompt_set")
    return ranked.filter(best.is_null() | (pl.col("_rank") == best)).drop("_rank")
