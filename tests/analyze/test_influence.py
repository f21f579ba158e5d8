"""Factors of influence: planted effects, statsmodels as oracle, and what the table cannot tell apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from statsmodels.stats.outliers_influence import variance_inflation_factor

from analyze.influence import FACTORS, INFLUENCE, influence
from analyze.robust_regression import generalised_vif, robust_regression


def models(
    seed: int = 0, n_families: int = 24, each: int = 4, *, source: float = 0.2, size: float = 0.05
) -> pl.DataFrame:
    """Two sources in every family; the source and the amount of data move the deviation."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for k in range(n_families):
        effect = rng.normal(0, 0.02)
        for i in range(each):
            where, amount = ("LAION", "WIT")[i % 2], int(10 ** rng.uniform(7, 10))
            rows.append(
                {
                    "model": f"m{k}-{i}", "y_axis": "r", "family": f"f{k}", "architecture": f"f{k}",
                    "training_source": where, "encoder_family": ("vit", "resnet")[k % 2], "dataset_size": amount,
                    "loss": "contrastive", "fine_tuning": "", "curation": ("none", "filter")[rng.integers(2)],
                    "deviation_probit": source * (where == "LAION") + size * np.log10(amount) + effect
                    + 0.02 * rng.standard_t(5),
                }
            )  # fmt: skip
    return pl.DataFrame(rows)


def row(table: pl.DataFrame, reading: str, factor: str, level: str) -> dict[str, Any]:
    found = table.filter(pl.col("reading") == reading, pl.col("factor") == factor, pl.col("level") == level)
    return found.row(0, named=True)


@pytest.fixture(scope="module")
def found() -> pl.DataFrame:
    return influence(models())


def test_columns_and_what_does_not_vary_is_left_out(found: pl.DataFrame) -> None:
    assert dict(found.schema) == INFLUENCE
    assert set(found["factor"]) == {"source", "architecture", "data-size", "curation"}
    assert {factor.id for factor in FACTORS} >= set(found["factor"])


@pytest.mark.parametrize("reading", ["one-factor", "joint", "pairs"])
def test_a_planted_source_effect_is_found(found: pl.DataFrame, reading: str) -> None:
    level = "WIT" if reading == "joint" and found.filter(reading="joint", level="LAION").is_empty() else "LAION"
    one = row(found, reading, "source", level)
    sign = -1 if level == "WIT" else 1
    assert sign * one["estimate"] == pytest.approx(0.2, abs=0.03)
    assert one["p_holm"] < 0.001
    assert min(one["lo"], one["hi"]) <= sign * 0.2 <= max(one["lo"], one["hi"])


def test_a_planted_slope_is_found(found: pl.DataFrame) -> None:
    one = row(found, "joint", "data-size", "tenfold")
    assert one["estimate"] == pytest.approx(0.05, abs=0.01)
    assert one["lo"] < 0.05 < one["hi"]


def test_what_was_not_planted_is_not_found(found: pl.DataFrame) -> None:
    assert found.filter(pl.col("factor") == "curation", pl.col("reading") == "joint")["p_holm"].max() > 0.05


def test_joint_intervals_cover() -> None:
    truth = {"source": 0.2, "data-size": 0.05}
    hits = dict.fromkeys(truth, 0)
    for seed in range(60):
        joint = influence(models(seed + 100)).filter(reading="joint")
        for name, value in truth.items():
            one = joint.filter(factor=name).row(0, named=True)
            sign = -1 if one["level"] == "WIT" else 1
            hits[name] += one["lo"] <= sign * value <= one["hi"]
    assert min(hits.values()) >= 52  # of 60; 95 % would be 57


def test_regression_equals_statsmodels() -> None:
    rng = np.random.default_rng(3)
    design = np.column_stack([np.ones(80), rng.normal(size=(80, 3))])
    y = design @ [0.1, 0.2, -0.3, 0.0] + 0.1 * rng.standard_t(3, 80)
    coefficient, error, families = robust_regression(design, y, np.arange(80) % 20)
    theirs = sm.RLM(y, design, M=sm.robust.norms.HuberT()).fit()
    np.testing.assert_allclose(coefficient, theirs.params, atol=1e-9)
    np.testing.assert_allclose(error, theirs.bse, rtol=0.6)
    assert families == 20


def test_variance_inflation_equals_statsmodels_for_single_columns() -> None:
    rng = np.random.default_rng(4)
    columns = rng.normal(size=(50, 3))
    columns[:, 2] += columns[:, 0]
    design = np.column_stack([np.ones(50), columns])
    mine = generalised_vif(columns, ["a", "b", "c"])
    assert list(mine.values()) == pytest.approx([variance_inflation_factor(design, i) for i in (1, 2, 3)])


def test_a_factor_that_another_tells_is_said_to() -> None:
    same = models().with_columns(curation=pl.col("training_source"))
    joint = influence(same).filter(reading="joint", factor="curation")
    assert joint["flag"].to_list() == ["the factors before it tell it"]
    assert joint["estimate"].null_count() == 1


def test_a_level_of_one_family_has_no_error() -> None:
    lone = models().with_columns(loss=pl.when(pl.col("family") == "f3").then(pl.lit("sigmoid")).otherwise("loss"))
    joint = influence(lone).filter(reading="joint", factor="loss")
    assert joint["flag"].to_list() == ["one family alone has this level"]
    assert joint["lo"].null_count() == 1


def test_few_families_have_no_contrast() -> None:
    flags = influence(models(n_families=4)).filter(reading="one-factor", factor="source")["flag"]
    assert set(flags) == {"too few families: 4 against 4 of 5"}


def test_unknown_amounts_are_left_out() -> None:
    some = models().with_columns(dataset_size=pl.when(pl.col("family") != "f0").then("dataset_size"))
    found = influence(some)
    assert row(found, "one-factor", "data-size", "tenfold")["n"] == 92
    assert set(found.filter(reading="joint")["n"]) == {92}


def test_each_outcome_by_itself() -> None:
    two = pl.concat([models(), models(1).with_columns(y_axis=pl.lit("a"))])
    alone = influence(models(1).with_columns(y_axis=pl.lit("a"))).filter(reading="joint")
    both = influence(two).filter(reading="joint", y="a")
    assert both["estimate"].to_list() == alone["estimate"].to_list()
    assert (both["p_holm"] >= alone["p_holm"]).all()
