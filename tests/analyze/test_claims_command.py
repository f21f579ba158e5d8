"""`assay-analyze claims`: published numbers, tables, stores, studies, mistakes; and which rows a claim reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from analyze.claims.answers_table import claim_rows
from analyze.cli import app
from cache.console import run_app
from manifests.catalogue import load
from manifests.claim import Claim, Models, Reading
from manifests.errors import UsageError
from manifests.published_numbers import SOURCES, read_published, usable
from tests.analyze.claim_worlds import build
from tests.analyze.made import Made, user_manifests

CATALOGUE = load()
MINE = """
paper = "holistic"
section = "mine"
sentence = "What is right on one set is right on the other."
id = "mine"
estimator = "rank-correlation"
direction = "positive"
x = "imagenet-val"
y = ["imagenet-r"]
cluster = "model"
[models]
group = ["standard"]
"""


def run(*words: str) -> int:
    return run_app(app, ["claims", *words])


def test_published_numbers_as_a_table_and_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "claims.csv"
    words = ["--published", "--claim", "overall-*,retrieval-convnext-outliers"]
    assert run(*words, "--out", str(out)) == 0
    table = pl.read_csv(out)
    assert table.height == 4
    about = json.loads((tmp_path / "claims.csv.json").read_text("utf-8"))
    assert "Holm" in about["intervals_by"]
    capsys.readouterr()
    assert run(*words, "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["claim"] for row in rows] == table["claim"].to_list()
    assert rows[0]["effect"] == pytest.approx(table["effect"][0])


def test_encoder_families_are_the_strictest_reading(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--published", "--claim", "overall-clip-above-standard", "--cluster", "encoder_family", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["answer"], row["reason"]) == ("undecided", "too few families: 4 of 5")
    assert row["cluster"] == "encoder_family"


def test_a_study_limits_the_models(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--published", "--claim", "retrieval-accuracy-predicts", "--json"]
    counts = []
    for more in ([], ["--study", "holistic"]):
        assert run(*words, *more) == 0
        counts.append(json.loads(capsys.readouterr().out)[0]["n_models"])
    assert 60 < counts[1] < counts[0]


def test_a_table_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    claim = CATALOGUE.claims["factor-pose-clip-below"]
    path = tmp_path / "t.csv"
    build(claim, "true", CATALOGUE).write_csv(path)
    assert run("--table", str(path), "--claim", claim.id, "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["answer"], row["unit"]) == ("supported", "probit")
    assert row["effect"] == pytest.approx(-0.42, abs=0.03)


def test_a_claim_of_ones_own_on_a_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    labels = [int(label) for label in rng.integers(0, 3, 60)]
    made = Made(tmp_path / "s", pack=60).dataset("imagenet-val", labels).dataset("imagenet-r", labels)
    for i in range(8):
        for name in ("imagenet-val", "imagenet-r"):
            made.model(f"net-{i}", name, rng.normal(0, 1, (60, 3)) + 0.5 * i * np.eye(3)[labels])
    folder = user_manifests(tmp_path, claims__mine=MINE)
    words = ["claims", "--claim", "mine", "--manifests", str(folder)]
    assert made.cli(*words, "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["answer"], row["n_models"]) == ("supported", 8)
    made.remove_data("logits", "imagenet-r", "net-1")
    assert made.cli(*words) == 3
    capsys.readouterr()
    assert made.cli(*words, "--allow-missing", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["n_models"] == 7


def test_an_empty_answer_for_every_claim_of_a_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Made(tmp_path / "s").dataset("toys", [0, 1, 2, 0]).model("net", "toys", np.eye(4, 3))
    assert made.cli("claims", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["claim"] for row in rows] == list(CATALOGUE.claims)
    assert {row["answer"] for row in rows} == {"no data"}
    assert all(row["missing"] and row["reason"] for row in rows)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--published", "--claim", "nonsense"], "no claims match 'nonsense'"),
        (["--published", "--study", "nobody"], "no study 'nobody'"),
        (["--published", "--source", "nobody"], "no published source nobody"),
        (["--published", "--table", "t.csv"], "two sources of rows"),
        (["--published", "--out", "t.xlsx"], ".csv or .parquet"),
        (["--published", "--cluster", "nobody"], "nobody"),
        (["--source", "timm", "--table", "t.csv"], "it goes with --published"),
        (["--table", "nothing.csv"], "nothing.csv cannot be read"),
    ],
)
def test_mistakes_are_told_with_exit_2(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*words) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def one(claim: Claim, table: pl.DataFrame, **options: Any) -> dict[str, Any]:
    return claim_rows(table, CATALOGUE, [claim], **options).row(0, named=True)


def test_two_rows_of_a_model_are_an_error_that_names_the_claim() -> None:
    claim = CATALOGUE.claims["factor-pose-clip-below"]
    table = build(claim, "true", CATALOGUE)
    again = table.head(1).with_columns(value=pl.lit(0.5))
    with pytest.raises(UsageError, match=r"claim factor-pose-clip-below: axis imagenet-x: 2 rows of 1 model"):
        one(claim, pl.concat([table, again]))


def test_a_model_with_other_prompts_alone_does_not_count_under_named_ones() -> None:
    claim = CATALOGUE.claims["prompts-single-lower-accuracy"]
    table = build(claim, "true", CATALOGUE)
    other = table.filter(pl.col("prompt_set") == "openai-80").with_columns(model=pl.lit("late-") + pl.col("model"))
    assert one(claim, pl.concat([table, other]))["n_models"] == one(claim, table)["n_models"]
    assert one(claim, table.filter(pl.col("prompt_set") == "openai-80"))["answer"] == "no data"


def test_equal_models_count_once() -> None:
    claim = CATALOGUE.claims["ood-accuracy-predicts-laion"]
    table = build(claim, "true", CATALOGUE).with_columns(duplicate_of=pl.lit(""))
    copies = table.with_columns(duplicate_of=pl.col("model"), model=pl.lit("copy-of-") + pl.col("model"))
    assert one(claim, pl.concat([table, copies])) == one(claim, table)


def test_a_parent_is_found_under_the_name_of_its_twin() -> None:
    """CoOp's RN50 was made of RN50-quickgelu.openai; a store may hold RN50.openai, with the same outputs."""
    claim = CATALOGUE.claims["ft-algorithms-more-accurate"]
    table = build(claim, "true", CATALOGUE).with_columns(duplicate_of=pl.lit(""))
    parents = pl.col("model").str.starts_with("parent-of-")
    twins = table.with_columns(
        duplicate_of=pl.when(parents).then("model").otherwise(pl.lit("")),
        model=pl.when(parents).then(pl.lit("twin-") + pl.col("model")).otherwise("model"),
    )
    found, before = one(claim, twins), one(claim, table)
    assert (found["answer"], found["effect"]) == ("supported", before["effect"])


def test_rates_of_none_or_all_without_a_number_of_images_are_left_out() -> None:
    claim = CATALOGUE.claims["ood-accuracy-predicts-laion"]
    table = build(claim, "true", CATALOGUE)
    spoiled = table.with_columns(
        n=pl.when(pl.col("model") == "m-0a").then(None).otherwise("n"),
        value=pl.when((pl.col("model") == "m-0a") & (pl.col("dataset") == "sun")).then(1.0).otherwise("value"),
    )
    assert one(claim, spoiled)["n_models"] == one(claim, table)["n_models"] - 1


def test_a_line_is_that_of_the_reference_under_the_first_reading() -> None:
    """Prompts that move models along the line of 80 prompts are no deviation, however far they move them."""
    claim = CATALOGUE.claims["prompts-pattern-trend-kept"]
    table = build(claim, "true", CATALOGUE)
    assert set(table["prompt_set"]) == {"single", "openai-80"}
    found = one(claim, table)
    assert (found["answer"], found["n_models"]) == ("supported", 24)
    assert abs(found["effect"]) < 0.02


def test_models_beside_a_study_enter_only_where_they_are_named() -> None:
    table, study = usable(read_published(SOURCES)), CATALOGUE.studies["holistic"]
    group = one(CATALOGUE.claims["retrieval-accuracy-predicts"], table, study=study)
    named = one(CATALOGUE.claims["curation-better-retrieval"], table, study=study)
    assert "ViT-L-14-quickgelu.dfn2b" not in group["models"].split(",")
    assert "ViT-L-14-quickgelu.dfn2b" in named["models"].split(",")
    everybody = one(CATALOGUE.claims["retrieval-accuracy-predicts"], table)
    assert set(group["models"].split(",")) < set(everybody["models"].split(","))


def test_a_difference_of_axes_needs_no_pairs() -> None:
    claim = Claim(
        id="c",
        paper="holistic",
        section="s",
        sentence="More right answers on one set than on the other.",
        estimator="paired-difference",
        direction="positive",
        y=("imagenet-v2-threshold",),
        minus=("imagenet-v2-matched-frequency",),
        models=Models(group=("standard",)),
        reading=Reading(),
    )
    for world, expected in (("true", "supported"), ("false", "contradicted")):
        assert one(claim, build(claim, world, CATALOGUE))["answer"] == expected  # type: ignore[arg-type]
