"""Which rows a trend may use: the facts of each model, one source a group, equal models once.

Between a table of results (published, a user's, a store's) and the fits. Knows manifests and columns; no statistics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import polars as pl

from manifests.architecture_family import architecture_family
from manifests.catalogue import Catalogue
from manifests.errors import UsageError
from manifests.model import Model
from manifests.published_numbers import SOURCES

FACTS = (
    "group",
    "source",
    "architecture",
    "encoder_family",
    "training_source",
    "training_dataset",
    "dataset_size",
    "loss",
    "curation",
    "fine_tuning",
    "duplicate_of",
)
"""What is known of a model, as far as fits and factors of influence ask for it."""

_FROM_MANIFEST = {"training_dataset": "dataset", "architecture": "arch"}


def with_facts(table: pl.DataFrame, catalogue: Catalogue) -> pl.DataFrame:
    """Fill the facts of models from the manifests, where a table has none.

    Parameters
    ----------
    table
        Rows with ``model``; any of `FACTS`.
    catalogue
        The manifests.

    Returns
    -------
    polars frame
        With all of `FACTS`: strings empty and numbers null where nothing is known; ``group`` then is ``other``, and
        ``encoder_family`` is read off the architecture or the model's name.
    """
    names = table["model"].unique().to_list()
    known = {name: _facts(name, catalogue.models.get(name)) for name in names}
    for fact in FACTS:
        number = fact == "dataset_size"
        kind = pl.Int64 if number else pl.String
        filled = pl.col("model").replace_strict({name: known[name].get(fact) for name in names}, return_dtype=kind)
        if fact in table.columns:
            own = pl.col(fact).cast(kind)
            filled = pl.coalesce(own if number else pl.when(own != "").then(own), filled)
        table = table.with_columns(filled.alias(fact) if number else filled.fill_null("").alias(fact))
    family = pl.coalesce(pl.when(pl.col("architecture") != "").then("architecture"), "model")
    guessed = family.map_elements(architecture_family, return_dtype=pl.String)
    return table.with_columns(
        pl.when(pl.col("encoder_family") == "").then(guessed).otherwise("encoder_family").alias("encoder_family"),
        pl.when(pl.col("group") == "").then(pl.lit("other")).otherwise("group").alias("group"),
    )


def _facts(name: str, model: Model | None) -> dict[str, object]:
    if model is None:
        return {}
    own = {field.name for field in fields(model)}
    return {fact: getattr(model, key) for fact in FACTS if (key := _FROM_MANIFEST.get(fact, fact)) in own}


def one_source_a_group(points: pl.DataFrame) -> tuple[pl.DataFrame, str]:
    """Take each group's models from the first source that has any on both axes.

    Sources publish the same weights under different names, and test them with different code: a group from two would
    hold models twice. Order: `manifests.published_numbers.SOURCES`.

    Parameters
    ----------
    points
        ``group, source``.

    Returns
    -------
    tuple
        The points, and a note of what was taken from where; empty if nothing was left out.
    """
    order = {source: i for i, source in enumerate(SOURCES)}
    rank = pl.col("source").replace_strict(order, default=len(order), return_dtype=pl.Int64)
    kept = points.filter(rank == rank.min().over("group"))
    if kept.height == points.height:
        return kept, ""
    taken = kept.select("source", "group").unique().sort("source", "group")
    words = "; ".join(
        f"{source}: {', '.join(rows['group'])}" for (source,), rows in taken.group_by("source", maintain_order=True)
    )
    left = points.height - kept.height
    return (
        kept,
        f"each group from one source ({words}); {left} models of other sources left out, partly the same weights",
    )


def equal_models_once(points: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Leave out models that are copies of another model that is there; one whose original is missing stands for it.

    Of several copies without their original the first by name stays.

    Examples
    --------
    >>> models = pl.DataFrame({"model": ["a", "b", "c", "d"], "duplicate_of": ["", "a", "z", "z"]})
    >>> kept, left_out = equal_models_once(models)
    >>> kept["model"].to_list(), left_out
    (['a', 'c'], 2)
    """
    stands_for = pl.when(pl.col("duplicate_of") == "").then("model").otherwise("duplicate_of")
    ordered = points.with_columns(stands_for.alias("_original"), (pl.col("duplicate_of") != "").alias("_copy"))
    kept = ordered.sort("_original", "_copy", "model").unique("_original", keep="first", maintain_order=True)
    return kept.drop("_original", "_copy").sort("model"), points.height - kept.height


def choose_cluster(points: pl.DataFrame, column: str) -> pl.DataFrame:
    """Name the family of each model, by which intervals count: the column ``family``.

    Raises
    ------
    UsageError
        A column that is not there.
    """
    if column not in points.columns or points.schema[column] != pl.String:
        words = ", ".join(name for name, kind in points.schema.items() if kind == pl.String)
        raise UsageError(f"--cluster {column}: expected one of {words}.")
    own = pl.when(pl.col(column) == "").then("model").otherwise(column)
    return points.with_columns(own.alias("family"))


def check_groups(points: pl.DataFrame, asked: Sequence[str], option: str) -> None:
    """Raise unless every asked-for group has models on both axes."""
    there = sorted(set(points["group"]))
    if unknown := [group for group in asked if group not in there]:
        raise UsageError(f"{option} {', '.join(unknown)}: no such models on both axes; there are {', '.join(there)}.")
