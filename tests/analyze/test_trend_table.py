"""The tables of a trend from small clouds worked by hand."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy import stats

from analyze.axes import Axis
from analyze.trend_table import DEVIATIONS, LINES, Fitting, fit_trends
from manifests.errors import UsageError

X, Y = Axis(dataset="x"), Axis(dataset="y")


def cloud(group: str, x: list[float], y: list[float], *, n: int | None = 10_000, placed: bool = False) -> pl.DataFrame:
    """Models at given probits, each a family of its own."""
    return pl.DataFrame(
        {
            "model": [f"{group}-{i}" for i in range(len(x))],
            "group": group,
            "source": "",
            "family": [f"{group}-{i}" for i in range(len(x))],
            "duplicate_of": "",
            "x": stats.norm.cdf(x),
            "x_n": n,
            "y": stats.norm.cdf(y),
            "y_n": n,
            "placed": placed,
        },
        schema_overrides={"x_n": pl.Int64, "y_n": pl.Int64},
    )


REFERENCE = cloud("standard", [-3 / 4, -1 / 4, 1 / 4, 3 / 4], [-2.9 / 4, -1.1 / 4, 1.1 / 4, 2.9 / 4])


def test_a_line_and_a_deviation_by_hand() -> None:
    """Slope 0.98 through 0, as in the doctest of `trend.huber_line`; a model at (0.5, 1) is 0.51 probits above."""
    found = fit_trends([(X, Y, pl.concat([REFERENCE, cloud("clip", [0.5], [1.0])]))], Fitting())
    line = found.lines.filter(pl.col("group") == "standard").row(0, named=True)
    assert (line["slope"], line["intercept"], line["n"]) == (pytest.approx(0.98), pytest.approx(0, abs=1e-9), 4)
    one = found.deviations.filter(pl.col("group") == "clip").row(0, named=True)
    assert one["deviation_probit"] == pytest.approx(0.51)
    assert one["deviation_accuracy"] == pytest.approx(stats.norm.cdf(1) - stats.norm.cdf(0.49))
    assert not one["extrapolated"]
    assert found.lines.filter(pl.col("group") == "clip")["flag"].item() == "fewer than 3 points"
    assert found.lines.filter(pl.col("group") == "clip")["deviation_flag"].item() == "too few families: 1 of 5"


def test_columns() -> None:
    found = fit_trends([(X, Y, REFERENCE)], Fitting())
    assert dict(found.lines.schema) == LINES
    assert dict(found.deviations.schema) == DEVIATIONS
    assert found.lines["deviation_flag"].item() == "the reference itself"


def test_clipped_models_are_counted() -> None:
    zero = cloud("standard", [0.0], [0.0]).with_columns(model=pl.lit("zero"), family=pl.lit("zero"), y=pl.lit(0.0))
    found = fit_trends([(X, Y, pl.concat([REFERENCE, zero]))], Fitting())
    assert found.lines["n_clipped"].item() == 1
    assert found.deviations.filter("clipped")["model"].to_list() == ["zero"]


def test_a_rate_of_zero_without_n_is_named() -> None:
    zero = cloud("standard", [0.0], [0.0], n=None).with_columns(model=pl.lit("zero"), y=pl.lit(0.0))
    with pytest.raises(
        UsageError, match=r"y: cannot stand on a probit axis: .*not known, got 0 or 1. Look at zero \(0\)"
    ):
        fit_trends([(X, Y, pl.concat([REFERENCE, zero]))], Fitting())


def test_placed_models_enter_no_line() -> None:
    far = cloud("standard", [0.1], [3.0], placed=True).with_columns(model=pl.lit("mine"))
    alone = fit_trends([(X, Y, REFERENCE)], Fitting())
    beside = fit_trends([(X, Y, pl.concat([REFERENCE, far]))], Fitting())
    assert beside.lines.equals(alone.lines)
    assert beside.deviations.filter("placed")["deviation_probit"].item() == pytest.approx(3 - 0.098)


def test_a_reference_without_a_line_gives_no_deviations() -> None:
    flat = cloud("standard", [0.5, 0.5, 0.5], [0.1, 0.2, 0.3])
    found = fit_trends([(X, Y, flat)], Fitting())
    assert found.deviations.height == 0
    assert found.notes == ("y: the reference group 'standard' has no line: all x equal: no slope.",)
    assert found.lines["slope"].null_count() == 1


def test_groups_limit_what_is_shown_and_not_the_reference() -> None:
    both = pl.concat([REFERENCE, cloud("clip", [0.5], [1.0])])
    found = fit_trends([(X, Y, both)], Fitting(), ["clip"])
    assert found.lines["group"].to_list() == ["clip"]
    assert found.deviations["model"].to_list() == ["clip-0"]


def test_tests_are_one_family_over_all_axes() -> None:
    rng = np.random.default_rng(0)
    x = list(rng.normal(0, 0.5, 30))
    standard = cloud("standard", x, [0.9 * v + e for v, e in zip(x, rng.normal(0, 0.05, 30), strict=True)])
    clip = cloud("clip", x[:8], [0.9 * v + 0.06 + e for v, e in zip(x[:8], rng.normal(0, 0.05, 8), strict=True)])
    both = pl.concat([standard, clip])
    one = fit_trends([(X, Y, both)], Fitting()).lines.filter(pl.col("group") == "clip")
    two = fit_trends([(X, Y, both), (X, Axis(dataset="z"), both)], Fitting()).lines.filter(pl.col("group") == "clip")
    assert one["p_holm"].item() == one["p"].item()
    assert two["p_holm"].to_list() == pytest.approx([2 * one["p"].item()] * 2)
    assert two["p_bh"].to_list() == pytest.approx([one["p"].item()] * 2)


def test_probits_of_a_logit_line_have_the_interval_of_its_accuracies() -> None:
    rng = np.random.default_rng(1)
    x = list(rng.normal(0, 0.5, 30))
    standard = cloud("standard", x, [0.9 * v + e for v, e in zip(x, rng.normal(0, 0.05, 30), strict=True)])
    clip = cloud("clip", x[:9], [0.9 * v + 0.3 for v in x[:9]])
    found = fit_trends([(X, Y, pl.concat([standard, clip]))], Fitting(transform="logit"))
    rows = found.deviations.filter(pl.col("group") == "clip")
    height = stats.norm.ppf(rows["y"].to_numpy())
    by_probit = rows["y"].to_numpy() - stats.norm.cdf(height - rows["lo"].to_numpy())
    np.testing.assert_allclose(by_probit, rows["lo_accuracy"], atol=1e-9)
    one = found.lines.filter(pl.col("group") == "clip").row(0, named=True)
    assert one["deviation_lo"] < one["deviation_probit"] == pytest.approx(0.3, abs=0.03)
    assert one["deviation_lo"] < 0.3 < one["deviation_hi"] + 0.03
