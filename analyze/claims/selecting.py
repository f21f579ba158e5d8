"""Which models of a table a claim means, and the facts by which it tells them.

Knows columns and manifests; no statistics.
"""

from __future__ import annotations

from dataclasses import fields
from fnmatch import fnmatchcase

import polars as pl

from analyze.trend_rows import with_facts
from manifests.catalogue import Catalogue
from manifests.claim import Cluster, Models
from manifests.encoder_kind import encoder_kind

_NUMBERS = {"parameters_m": pl.Float64, "resolution": pl.Int64}
_DEFAULTS = {"prompt_set": "", "variant": "", "detector": "", "calibration": "raw", "id_dataset": "", "protocol": ""}
DUPLICATE_SUFFIX = "-quickgelu"


def with_claim_facts(table: pl.DataFrame, catalogue: Catalogue) -> pl.DataFrame:
    """Give a table every column that claims ask for: keys of results, and facts of models.

    Parameters
    ----------
    table
        Results, published numbers or a tidy table; columns that it has win over the manifests.

    Returns
    -------
    polars frame
        With the facts of `trend_rows.with_facts`, ``derived_from, parameters_m, resolution, encoder_kind``, and
        ``n`` as a number.
    """
    if "params_m" in table.columns and "parameters_m" not in table.columns:
        table = table.rename({"params_m": "parameters_m"})
    table = with_facts(table, catalogue)
    names = table["model"].unique().to_list()
    for fact in ("derived_from", *_NUMBERS):
        kind = _NUMBERS.get(fact, pl.String)
        known = {name: getattr(catalogue.models.get(name), fact, None) for name in names}
        filled = pl.col("model").replace_strict(known, return_dtype=kind)
        own = pl.col(fact).cast(kind, strict=False) if fact in table.columns else pl.lit(None, kind)
        table = table.with_columns((pl.when(own != "").then(own) if kind == pl.String else own).alias("_own"))
        table = table.with_columns(pl.coalesce("_own", filled).alias(fact)).drop("_own")
    missing = [pl.lit(value).alias(name) for name, value in _DEFAULTS.items() if name not in table.columns]
    kinds = {name: encoder_kind(name) for name in table["encoder_family"].unique()}
    return table.with_columns(
        *missing,
        pl.col("encoder_family").replace_strict(kinds, return_dtype=pl.String).alias("encoder_kind"),
        pl.col("derived_from").fill_null(""),
        pl.col("n").cast(pl.Int64),
    )


def chosen(table: pl.DataFrame, who: Models) -> pl.DataFrame:
    """Return the rows of the models that are meant; those marked ``beside`` only where ids are named.

    Examples
    --------
    >>> table = pl.DataFrame({"model": ["a.x", "b.x", "b.y"], "group": ["standard", "standard", "mae"]})
    >>> chosen(table, Models(ids=("b*",), group=("standard",)))["model"].to_list()
    ['b.x']
    """
    if not who.ids and "beside" in table.columns:
        table = table.filter(~pl.col("beside"))
    for field in fields(who):
        patterns = getattr(who, field.name)
        if not patterns:
            continue
        column = "model" if field.name in ("ids", "without") else field.name
        values = table[column].unique().to_list()
        kept = [value for value in values if any(fnmatchcase(value, pattern) for pattern in patterns)]
        fits = pl.col(column).is_in(kept)
        table = table.filter(~fits if field.name == "without" else fits)
    return table


def families(models: pl.DataFrame, cluster: Cluster) -> pl.Series:
    """Return what each model counts as in an interval; one of which that is not known counts as itself.

    An architecture that differs by its activation alone is the same.

    Examples
    --------
    >>> models = pl.DataFrame({"model": ["a", "b", "c"], "architecture": ["ViT-B-32", "ViT-B-32-quickgelu", ""]})
    >>> families(models, "architecture").to_list()
    ['ViT-B-32', 'ViT-B-32', 'c']
    """
    own = pl.col(cluster).str.strip_suffix(DUPLICATE_SUFFIX)
    return models.select(pl.when(own == "").then("model").otherwise(own).alias("family"))["family"]


def words(who: Models) -> str:
    """Say which models are meant, for messages.

    Examples
    --------
    >>> words(Models(group=("zero-shot-clip",), training_source=("WIT",)))
    'zero-shot-clip, training_source WIT'
    """
    parts = []
    for field in fields(who):
        if values := getattr(who, field.name):
            name = {"group": "", "ids": "", "without": "without "}.get(field.name, f"{field.name} ")
            parts.append(name + (f"{len(values)} named models" if field.name == "ids" else " or ".join(values)))
    return ", ".join(parts) or "the named pairs"
