"""Every claim in a world where it holds, one where it does not, one with too few models, and one without numbers."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from analyze.claims.answers_table import ANSWERS, claim_rows
from manifests.catalogue import load
from manifests.claim import ESTIMATORS, Claim
from manifests.published_numbers import SOURCES, read_published, usable
from tests.analyze.claim_worlds import World, build

CATALOGUE = load()
CLAIMS = tuple(CATALOGUE.claims.values())
DIRECTED = tuple(claim for claim in CLAIMS if claim.direction != "zero")
every_claim = pytest.mark.parametrize("claim", CLAIMS, ids=[claim.id for claim in CLAIMS])


def answer(claim: Claim, world: World, keep: pl.Expr | None = None) -> dict[str, object]:
    table = build(claim, world, CATALOGUE)
    return claim_rows(table if keep is None else table.filter(keep), CATALOGUE, [claim]).row(0, named=True)


@every_claim
def test_supported_where_it_holds_and_contradicted_where_it_does_not(claim: Claim) -> None:
    true, false = answer(claim, "true"), answer(claim, "false")
    assert (true["answer"], false["answer"]) == ("supported", "contradicted"), (true, false)
    for row in (true, false):
        assert row["lo"] <= row["effect"] <= row["hi"]
        assert row["models"]
        assert not row["missing"]
    assert true["p"] < 0.05 < (false["p"] if claim.direction == "zero" else 1)


@pytest.mark.parametrize("claim", DIRECTED, ids=[claim.id for claim in DIRECTED])
def test_the_opposite_of_a_claim_fails_where_it_holds(claim: Claim) -> None:
    """The worlds tell directions apart: were they alike, or the answer fixed, this would pass nowhere."""
    opposite = replace(claim, direction="negative" if claim.direction == "positive" else "positive")
    row = claim_rows(build(claim, "true", CATALOGUE), CATALOGUE, [opposite]).row(0, named=True)
    assert row["answer"] == "contradicted", row


@every_claim
def test_undecided_with_too_few_families_and_says_what_would_help(claim: Claim) -> None:
    row = answer(claim, "few")
    assert row["answer"] == "undecided", row
    assert "too few" in str(row["reason"])
    assert "`assay-" in str(row["missing"])
    assert row["lo"] is row["hi"] is row["p"] is None


@every_claim
def test_no_data_without_numbers_on_an_axis_and_names_the_command(claim: Claim) -> None:
    dataset, _, rest = claim.y[0].partition(":")
    gone = pl.col("dataset") == dataset
    if dataset == claim.x.partition(":")[0]:
        gone &= pl.col("slice") == rest.partition(":")[0] if ":" not in rest else pl.col("metric") == rest.split(":")[1]
    row = answer(claim, "true", ~gone)
    assert (row["answer"], row["effect"]) == ("no data", None), row
    assert f"--dataset {dataset}" in str(row["missing"])


@every_claim
def test_a_statement_of_an_effect_is_not_supported_where_there_is_none(claim: Claim) -> None:
    row = answer(claim, "neutral")
    assert (row["answer"] == "supported") == (claim.direction == "zero"), row


def test_there_is_a_claim_for_every_section_of_both_papers() -> None:
    told = {(claim.paper, claim.section.split(",")[0].partition("(")[0]) for claim in CLAIMS}
    conference = {("closer-look", section) for section in ("1", "4.1", "4.2", "5", "6.1", "6.2", "7", "B", "C", "E")}
    sections = ("IV-A", "IV-B", "V", "VI-A", "VII", "VIII-A", "VIII-B", "IX", "X-A", "X-B", "X-C")
    assert conference | {("holistic", section) for section in sections} <= told
    also = " ".join(claim.also for claim in CLAIMS)
    assert "holistic VI-B" in also
    assert "closer-look F" in also


def test_every_estimator_answers_some_claim() -> None:
    assert {claim.estimator for claim in CLAIMS} == set(ESTIMATORS)


@pytest.fixture(scope="module")
def published() -> pl.DataFrame:
    return claim_rows(usable(read_published(SOURCES)), CATALOGUE, CLAIMS)


def of(table: pl.DataFrame, claim: str) -> dict[str, object]:
    return table.row(by_predicate=pl.col("claim") == claim, named=True)


def test_the_columns_are_the_promised_ones(published: pl.DataFrame) -> None:
    promised = (
        "claim paper section answer effect lo hi unit n_models n_families p p_holm reason missing models sentence"
    )
    assert published.columns[:16] == promised.split()
    assert dict(published.schema) == ANSWERS
    assert published["claim"].to_list() == [claim.id for claim in CLAIMS]
    assert not published.filter(pl.col("answer") == "no data", pl.col("missing") == "").height


def test_the_published_retrieval_has_no_outliers(published: pl.DataFrame) -> None:
    """The journal's section VII; the four stand with their twins, and above the line rather than below."""
    row = of(published, "retrieval-convnext-outliers")
    assert row["answer"] in ("contradicted", "undecided")
    assert -0.2 < row["effect"] < 0.2
    assert set(CATALOGUE.claims["retrieval-convnext-outliers"].models.ids) <= set(str(row["models"]).split(","))


def test_what_the_published_accuracies_bear_out(published: pl.DataFrame) -> None:
    for claim in ("overall-clip-above-standard", "retrieval-accuracy-predicts", "curation-more-accurate"):
        assert of(published, claim)["answer"] == "supported"
    # Table 1 of the conference paper prints 0.89, 0.88, 0.87... : all seven rise or stay.
    pairs = of(published, "resolution-raises-accuracy")
    assert (pairs["effect"], pairs["n_families"]) == (1.0, 7)


def test_holm_is_over_the_claims_of_the_run(published: pl.DataFrame) -> None:
    told = published.drop_nulls("p")
    assert told["p_holm"].min() == pytest.approx(min(told["p"].min() * told.height, 1))
    one = claim_rows(usable(read_published(SOURCES)), CATALOGUE, [CATALOGUE.claims["overall-source-influences"]])
    assert one["p"].item() == one["p_holm"].item() == of(published, "overall-source-influences")["p"]
