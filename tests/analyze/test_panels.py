"""Marks of trend panels: places, lines by group and series, what is missing, and who enters a line."""

from __future__ import annotations

import statistics
from typing import Any

import polars as pl
import pytest

from analyze.commands.drawing import with_keys
from analyze.deviation_rows import Fitting
from analyze.figures import trend_marks
from analyze.panels import LINE_PLACES, Spec, make_panels
from analyze.trend_rows import FACTS
from manifests.errors import UsageError

NORMAL = statistics.NormalDist()
QUICK = Fitting(draws=9)
SPEC = Spec(title="r", x="imagenet-val", y="imagenet-r")


def rows(count: int = 6, **more: Any) -> pl.DataFrame:
    """Models whose probit on imagenet-r is half of that on imagenet-val plus 0.25."""
    given = []
    for at in range(count):
        z = -0.5 + 0.3 * at
        for dataset, height in (("imagenet-val", z), ("imagenet-r", 0.25 + 0.5 * z)):
            own = {"dataset": dataset, "metric": "accuracy_top1", "value": NORMAL.cdf(height), "n": 50_000}
            given.append({"model": f"m{at}", "group": "standard", "encoder_family": f"f{at}", **own, **more})
    table = with_keys(pl.DataFrame(given))
    blank = [name for name in FACTS if name not in table.columns]
    return table.with_columns(pl.lit("").alias(name) for name in blank).with_columns(
        parameters_m=pl.lit(None, pl.Float64), dataset_size=pl.lit(None, pl.Int64)
    )


def test_models_and_their_line_stand_where_they_should() -> None:
    made = make_panels(rows(), [SPEC], QUICK)
    models = made.table.filter(pl.col("mark") == "model").sort("model")
    assert models["zx"].to_list() == pytest.approx([-0.5 + 0.3 * at for at in range(6)])
    assert models["zy"].to_list() == pytest.approx([0.25 + 0.5 * z for z in models["zx"]])
    fit = made.table.filter(pl.col("part") == "fit").sort("zx")
    assert fit.height == LINE_PLACES
    assert fit["zy"].to_list() == pytest.approx([0.25 + 0.5 * z for z in fit["zx"]], abs=1e-9)
    assert made.missing == ()
    assert made.panels[0].images == 50_000


def test_two_models_make_no_line() -> None:
    made = make_panels(rows(2), [SPEC], QUICK)
    assert set(made.table["mark"]) == {"model"}


def test_a_panel_without_models_is_kept_and_its_dataset_named() -> None:
    other = Spec(title="sketch", x="imagenet-val", y="imagenet-sketch:all:nll")
    made = make_panels(rows(), [other, SPEC], QUICK)
    assert [panel.title for panel in made.panels] == ["sketch", "r"]
    assert set(made.table["panel"]) == {1}
    assert [(one.title, one.why, one.dataset) for one in made.missing] == [
        ("sketch", "no nll of imagenet-sketch", "imagenet-sketch")
    ]


def test_models_on_one_axis_only_are_missing_too() -> None:
    table = rows().filter((pl.col("dataset") == "imagenet-val") == (pl.col("model") < "m3"))
    made = make_panels(table, [SPEC], QUICK)
    assert [one.why for one in made.missing] == ["no model has both imagenet-val and imagenet-r"]


def test_every_series_has_its_line_and_its_name_at_the_end() -> None:
    twice = pl.concat([rows().with_columns(series=pl.lit("CNN")), rows().with_columns(series=pl.lit("ViT"))])
    made = make_panels(twice, [SPEC], QUICK)
    lines = made.table.filter(pl.col("part") == "fit")
    assert lines.group_by("series").len().sort("series").rows() == [("CNN", LINE_PLACES), ("ViT", LINE_PLACES)]
    ends = lines.filter(pl.col("label") != "")
    assert sorted(ends["label"]) == ["CNN", "ViT"]
    assert set(ends["zx"]) == {lines["zx"].max()}
    assert made.table.filter(pl.col("mark") == "model").height == 12


def test_lines_go_through_the_rows_that_are_fitted() -> None:
    fitted = rows().with_columns(series=pl.lit("usual"), value=pl.col("value"))
    made = make_panels(rows(1), [SPEC], QUICK, fitted)
    assert made.table.filter(pl.col("mark") == "model").height == 1
    assert made.table.filter(pl.col("part") == "fit")["series"].unique().to_list() == ["usual"]


def test_copies_are_drawn_and_enter_no_line() -> None:
    copies = rows().with_columns(model=pl.col("model") + "-copy", duplicate_of=pl.col("model"))
    alone, both = (make_panels(table, [SPEC], QUICK).table for table in (rows(), pl.concat([rows(), copies])))
    line = pl.col("mark") == "line"
    assert both.filter(~line).height == 2 * alone.filter(~line).height
    assert both.filter(line).equals(alone.filter(line))


def test_groups_that_a_panel_does_not_show_are_left_out() -> None:
    mixed = rows().with_columns(group=pl.when(pl.col("model") < "m3").then(pl.lit("mae")).otherwise("group"))
    spec = Spec(title="r", x="imagenet-val", y="imagenet-r", groups=("mae",))
    assert set(make_panels(mixed, [spec], QUICK).table["group"]) == {"mae"}


def test_a_rate_of_1_is_moved_inward_and_marked() -> None:
    perfect = rows().with_columns(
        value=pl.when((pl.col("model") == "m5") & (pl.col("dataset") == "imagenet-r")).then(1.0).otherwise("value")
    )
    models = make_panels(perfect, [SPEC], QUICK).table.filter(pl.col("mark") == "model")
    assert models.filter("clipped")["model"].to_list() == ["m5"]
    assert models.filter("clipped")["zy"].item() == pytest.approx(NORMAL.inv_cdf(1 - 0.5 / 50_000))


def test_axes_that_are_no_probits_have_no_line() -> None:
    spec = Spec(title="nll", x="imagenet-val", y="imagenet-r", x_scale="rate", y_scale="number")
    made = make_panels(rows(), [spec], QUICK)
    assert set(made.table["mark"]) == {"model"}
    assert made.table["zy"].to_list() == made.table["y"].to_list()


def test_two_rows_of_a_model_are_an_error() -> None:
    twice = pl.concat([rows(), rows().with_columns(protocol=pl.lit("other"))])
    with pytest.raises(UsageError, match="one a model is expected"):
        make_panels(twice, [SPEC], QUICK)


def test_side_by_side_holds_the_same_numbers() -> None:
    specs = [SPEC, Spec(title="val", x="imagenet-val", y="imagenet-val")]
    long = make_panels(rows(), specs, QUICK).table
    wide = trend_marks.side_by_side(long)
    models = wide.filter(pl.col("mark") == "model")
    assert models.height == 6
    for panel in (0, 1):
        there = long.filter(pl.col("panel") == panel, pl.col("mark") == "model").sort("model")["zy"]
        assert models.sort("model")[f"zy_{panel}"].to_list() == there.to_list()
    assert wide.filter(pl.col("mark") == "line").height == long.filter(pl.col("mark") == "line").height
