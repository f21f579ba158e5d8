"""What named figures are made of, and what one of them gives.

Holds tables; chooses and draws nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import altair as alt
import polars as pl

from analyze.asked import has_numbers
from analyze.figures.theme import Medium
from analyze.headline import headline_rows
from analyze.report.tables import HtmlTable
from analyze.stand_ins import NOBODY, Cast, cast_of
from analyze.trend_rows import with_facts
from manifests.catalogue import Catalogue
from manifests.encoder_kind import encoder_kind
from manifests.schema import Dataset, Model
from manifests.study import Block, Study

EXPECTED = {"model": pl.String, "group": pl.String, "dataset": pl.String}
OVERLAPS = {
    **dict.fromkeys(("first", "second"), pl.String),
    "shared": pl.Int64,
    **dict.fromkeys(("of_first", "of_second"), pl.Float64),
    "labels_differ": pl.Int64,
}
NUMBERS = {"parameters_m": pl.Float64, "resolution": pl.Int64}


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Everything that a named figure may look at.

    Attributes
    ----------
    results
        The results table, with the facts of each model (`trend_rows.FACTS`, ``parameters_m``, ``resolution``,
        ``encoder``: CNN, ViT or other).
    datasets
        Manifests of datasets; a part that another set plays has that set's.
    bins
        Bins of reliability diagrams (`figure_data.RELIABILITY`); empty where no per-image numbers were seen.
    factor_counts
        Images of each factor of ImageNet-X as its authors count them.
    beside
        Models that are shown beside and enter no fit.
    expected
        What was asked for, ``model, group, dataset``; empty where nothing says.
    overlaps
        Pairs of datasets that share images (`cache.overlaps`); empty without a store.
    models
        Manifests of models.
    cast
        Who plays the parts that figures name. Tables are in the names of the parts.
    """

    results: pl.DataFrame
    datasets: Mapping[str, Dataset]
    bins: pl.DataFrame
    factor_counts: Mapping[str, int] = field(default_factory=dict)
    beside: frozenset[str] = frozenset()
    expected: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=EXPECTED))
    overlaps: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=OVERLAPS))
    models: Mapping[str, Model] = field(default_factory=dict)
    cast: Cast = NOBODY

    def headline(self, **which: str) -> pl.DataFrame:
        """Return the rows that stand for their models; see `headline.headline_rows`."""
        return headline_rows(self.results, self.datasets, **which)

    def player(self, part: str) -> str | None:
        """Return the model that plays one that a figure names; None where its place stays out (`Cast.model`)."""
        return self.cast.model(part, self.results["model"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A named figure or table of some results.

    A figure has a `chart`, a table has `html`; with neither there is nothing to show, and `missing` says why.

    Attributes
    ----------
    table
        The data behind it, one row a mark, or the numbers of the table.
    label
        The figure in words, with its numbers.
    chart
        Draws it for a medium; None for a table.
    html
        The table as it is read; None for a figure.
    missing
        What it should show and cannot: (what, why and the command that gets it). Drawn as missing, too.
    """

    table: pl.DataFrame
    label: str
    chart: Callable[[Medium], alt.TopLevelMixin] | None = None
    html: HtmlTable | None = None
    missing: tuple[tuple[str, str], ...] = field(default=())


def material_of(
    results: pl.DataFrame,
    catalogue: Catalogue,
    bins: pl.DataFrame,
    *,
    study: Study | None = None,
    overlaps: pl.DataFrame | None = None,
) -> Material:
    """Join results with what manifests know of their models, and with what a study asks for."""
    cast = cast_of(study)
    known = cast.recast_facts(with_facts(cast.recast(results), catalogue))
    names = known["model"].unique().to_list()
    models = catalogue.models
    for fact, kind in NUMBERS.items():
        facts = {name: getattr(models[name], fact) if name in models else None for name in names}
        told = pl.col("model").replace_strict(facts, return_dtype=kind, default=None)
        own = [
            pl.col(name).cast(kind) for name in (fact, fact.replace("parameters", "params")) if name in known.columns
        ]
        known = known.with_columns(pl.coalesce(*own, told).alias(fact))
    encoder = pl.col("encoder_family").map_elements(encoder_kind, return_dtype=pl.String, skip_nulls=False)
    return Material(
        results=known.with_columns(encoder=encoder),
        datasets=cast.manifests(catalogue.datasets),
        bins=cast.recast(bins),
        factor_counts=_factor_counts(cast.dataset("imagenet-x"), catalogue),
        beside=frozenset() if study is None else _beside(study, catalogue),
        expected=pl.DataFrame(schema=EXPECTED) if study is None else cast.recast(_expected(study, catalogue)),
        overlaps=pl.DataFrame(schema=OVERLAPS) if overlaps is None else cast.recast(overlaps),
        models=catalogue.models,
        cast=cast,
    )


def _factor_counts(dataset: str, catalogue: Catalogue) -> dict[str, int]:
    """Images of each factor as the annotations of a dataset count them; of several sets the one of its name."""
    read = [one for one in catalogue.factors.values() if dataset in one.readings]
    read.sort(key=lambda one: one.id != dataset)
    return dict(read[0].readings[dataset].counts) if read else {}


def _models(block: Block, catalogue: Catalogue) -> set[str]:
    return {name for pattern in block.models for name in catalogue.models if fnmatchcase(name, pattern)}


def _beside(study: Study, catalogue: Catalogue) -> frozenset[str]:
    inside = {name for block in study.blocks if block.in_fits for name in _models(block, catalogue)}
    return frozenset(name for block in study.blocks for name in _models(block, catalogue) if name not in inside)


def _expected(study: Study, catalogue: Catalogue) -> pl.DataFrame:
    rows = {
        (model, catalogue.models[model].group, dataset)
        for block in study.blocks
        if has_numbers(block)
        for model in _models(block, catalogue)
        for pattern in block.datasets
        for dataset in _datasets(pattern.partition(":")[0], catalogue)
    }
    return pl.DataFrame(sorted(rows), schema=EXPECTED, orient="row")


def _datasets(pattern: str, catalogue: Catalogue) -> list[str]:
    # An id without a manifest is a folder of the user's own.
    return [name for name in catalogue.datasets if fnmatchcase(name, pattern)] or [pattern]
