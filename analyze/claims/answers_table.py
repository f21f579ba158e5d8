"""The table of answers: one row a claim.

Reads every claim over one table of results, and adjusts for their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from analyze.deviations import holm
from analyze.stand_ins import cast_of
from manifests.catalogue import Catalogue
from manifests.claim import Claim, Cluster
from manifests.errors import UsageError
from manifests.schema import Study
from manifests.selection import select

from .in_parts import in_parts
from .judging import Answer, judge
from .missing import missing
from .places import Source
from .selecting import with_claim_facts

ANSWERS: dict[str, pl.DataType] = {
    **dict.fromkeys(("claim", "paper", "section", "answer"), pl.String()),
    **dict.fromkeys(("effect", "lo", "hi"), pl.Float64()),
    "unit": pl.String(),
    **dict.fromkeys(("n_models", "n_families"), pl.Int64()),
    **dict.fromkeys(("p", "p_holm"), pl.Float64()),
    **dict.fromkeys(("reason", "missing", "models", "sentence"), pl.String()),
    # What the contract does not ask for.
    **dict.fromkeys(("direction", "estimator", "cluster"), pl.String()),
    "threshold": pl.Float64(),
}

ABOUT = (
    "95 % intervals: means of families with Student's t, after Welch between groups, plus the reference line's own "
    "spread over families; rank correlations by the jackknife over families on Fisher's scale; shares Clopper-Pearson; "
    "slopes with their spread over families. p: of no effect, two-sided; for claims of no effect of an effect beyond "
    "the margin (two one-sided tests). p_holm: Holm's adjustment over all claims of this run."
)
"""How intervals and tests were made, for the file beside the table."""


def claim_rows(
    table: pl.DataFrame,
    catalogue: Catalogue,
    claims: Sequence[Claim],
    *,
    study: Study | None = None,
    cluster: Cluster | None = None,
) -> pl.DataFrame:
    """Answer claims from a table.

    Parameters
    ----------
    table
        Results of a store, published numbers, or a tidy table: ``model, dataset, slice, metric, protocol, value, n``
        and any further key of results or fact of models.
    catalogue
        Manifests: facts of models, protocols of datasets.
    claims
        Which to answer, in this order.
    study
        Models are limited to those that it names; those that it keeps out of fits enter only where a claim names them.
        Where its sets stand in for those of the claims, the table is recast first.
    cluster
        What counts as a family, instead of what each claim says.

    Returns
    -------
    polars frame
        Columns of `ANSWERS`.

    Raises
    ------
    UsageError
        Several rows of one model fit an axis.
    """
    cast = cast_of(study)
    known = cast.recast_facts(with_claim_facts(cast.recast(table), catalogue))
    known = _of_study(known, catalogue, study).with_columns(pl.col("source").fill_null(""))
    source = Source(table=known, datasets=cast.manifests(catalogue.datasets))
    asked = [in_parts(claim if cluster is None else replace(claim, cluster=cluster), cast) for claim in claims]
    answers = [_judged(claim, source) for claim in asked]
    here = set(known["dataset"])
    p = np.array([_p(answer) for answer in answers], np.float64)
    rows = [
        _row(answer, missing(answer, here, cast), float(one), float(adjusted))
        for answer, one, adjusted in zip(answers, p, holm(p), strict=True)
    ]
    return pl.DataFrame(rows, schema=ANSWERS).fill_nan(None)


def _judged(claim: Claim, source: Source) -> Answer:
    try:
        return judge(claim, source)
    except UsageError as error:
        raise UsageError(f"claim {claim.id}: {error}") from error


def _of_study(table: pl.DataFrame, catalogue: Catalogue, study: Study | None) -> pl.DataFrame:
    if study is None:
        return table.with_columns(beside=pl.lit(value=False))
    named = {model.id for block in study.blocks for model in select(catalogue.models, block.models, "models")}
    fitted = {
        model.id
        for block in study.blocks
        if block.in_fits
        for model in select(catalogue.models, block.models, "models")
    }
    groups = {catalogue.models[name].group for name in fitted}
    beside = {name for name in named - fitted if catalogue.models[name].group in groups}
    return table.filter(pl.col("model").is_in(sorted(named))).with_columns(beside=pl.col("model").is_in(sorted(beside)))


def _p(answer: Answer) -> float:
    return answer.found.p_outside if answer.claim.direction == "zero" else answer.found.p


def _row(answer: Answer, lacks: str, p: float, p_holm: float) -> dict[str, object]:
    claim, found = answer.claim, answer.found
    return {
        "claim": claim.id,
        "paper": claim.paper,
        "section": claim.section,
        "answer": answer.verdict,
        "effect": found.effect,
        "lo": found.lo,
        "hi": found.hi,
        "unit": answer.unit,
        "n_models": found.n_models,
        "n_families": found.n_families,
        "p": p,
        "p_holm": p_holm,
        "reason": answer.reason,
        "missing": lacks,
        "models": ",".join(answer.models),
        "sentence": claim.sentence,
        "direction": claim.direction,
        "estimator": claim.estimator,
        "cluster": claim.cluster,
        "threshold": claim.threshold,
    }
