from __future__ import annotations

import re

import polars as pl
import pytest
import vl_convert

from analyze.figures import metric_dots
from analyze.figures.theme import Medium
from analyze.report.page import vega_lite_version

MEDIA: tuple[Medium, ...] = ("screen", "narrow", "paper")


def svg(table: pl.DataFrame, metric: str, medium: Medium) -> str:
    spec = metric_dots.chart(table, metric, medium).to_dict()
    text: str = vl_convert.vegalite_to_svg(spec, vl_version=vega_lite_version())
    return text


def words(text: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", text)


@pytest.mark.parametrize("medium", MEDIA)
def test_every_model_has_a_row_in_every_panel(result_rows: pl.DataFrame, medium: Medium) -> None:
    text = svg(result_rows, "accuracy_top1", medium)
    found = words(text)
    for model in set(result_rows["model"]):
        assert found.count(model) == 2
    assert found.count("not measured") == 1
    # In a mark group, so that the symbols of a legend do not count.
    dots = re.findall(r'class="mark-symbol role-mark[^"]*"[^>]*>(.*?)</g>', text, flags=re.S)
    assert sum(group.count("<path ") for group in dots) == 5


def test_readings_of_a_model_stand_only_where_they_were_measured(result_rows: pl.DataFrame) -> None:
    """Prompts that were asked of one test set are no gap on another; a model without any number keeps one row."""
    one = result_rows.row(0, named=True)

    def reading(dataset: str, prompts: str, metric: str = "accuracy_top1", of: str = "clip") -> dict[str, object]:
        return one | {"model": f"{of} · {prompts}", "of": of, "dataset": dataset, "metric": metric}

    rows = [reading("val", "a"), reading("val", "b"), reading("x", "a"), reading("val", "a", of="other")]
    rows.append(reading("x", "b", metric="nll", of="other"))
    chart = metric_dots.chart(pl.DataFrame(rows), "accuracy_top1").to_dict()
    shown = [(row["dataset"], row["model"], row["value"] is not None) for row in chart["data"]["values"]]
    assert sorted(shown) == [
        ("val", "clip · a", True),
        ("val", "clip · b", True),
        ("val", "other · a", True),
        ("x", "clip · a", True),
        ("x", "other · a", False),
    ]
    tall, low = (panel["height"] for panel in chart["concat"])
    assert tall * 2 == low * 3


@pytest.mark.parametrize("medium", MEDIA)
def test_tick_labels_are_drawn_in_per_cent(result_rows: pl.DataFrame, medium: Medium) -> None:
    groups = re.findall(r'role-axis-label"[^>]*>(.*?)</g>', svg(result_rows, "accuracy_top1", medium), flags=re.S)
    labels = [word for group in groups for word in words(group) if word not in set(result_rows["model"])]
    assert labels == ["30", "40", "50", "60", "70", "80", "90"] * 2


def test_negative_ticks_keep_their_labels(result_rows: pl.DataFrame) -> None:
    below = result_rows.with_columns(pl.col("value", "lo", "hi") - 0.5).with_columns(
        metric=pl.col("metric").replace({"accuracy_top1": "confidence_gap"})
    )
    groups = re.findall(r'role-axis-label"[^>]*>(.*?)</g>', svg(below, "confidence_gap", "screen"), flags=re.S)
    labels = [word for group in groups for word in words(group)]
    assert labels.count("−10") == 2
    assert "" not in labels


@pytest.mark.parametrize("medium", MEDIA)
def test_rows_stand_from_the_largest_value(result_rows: pl.DataFrame, medium: Medium) -> None:
    data = metric_dots.chart(result_rows, "accuracy_top1", medium).to_dict()["data"]["values"]
    assert [row["model"] for row in data if row["dataset"] == "imagenet-val"] == [
        "vit_base_patch16_clip_224.laion2b_ft_in12k_in1k",
        "resnet50.a1_in1k",
        "ViT-B-32.laion2b_s34b_b79k",
    ]
    assert data[-1]["model"] == "resnet50.a1_in1k"
    assert data[-1]["value"] is None
    # The drawing has the same order as the data: Vega-Lite drops sorts that it cannot join, silently.
    found = words(svg(result_rows, "accuracy_top1", medium))
    drawn = [word for word in found if word in set(result_rows["model"])]
    assert drawn == [row["model"] for row in data]


def test_a_missing_interval_leaves_the_dot(result_rows: pl.DataFrame) -> None:
    bare = result_rows.with_columns(lo=pl.lit(None, dtype=pl.Float64), hi=pl.lit(None, dtype=pl.Float64))
    text = svg(bare, "accuracy_top1", "screen")
    dots = re.findall(r'class="mark-symbol role-mark[^"]*"[^>]*>(.*?)</g>', text, flags=re.S)
    assert sum(group.count("<path ") for group in dots) == 5
    assert text.count('stroke-width="2.4"') == 0
    assert svg(result_rows, "accuracy_top1", "screen").count('stroke-width="2.4"') == 5


def test_all_panels_share_one_axis(result_rows: pl.DataFrame) -> None:
    parts = metric_dots.chart(result_rows, "nll", "screen").to_dict()["concat"]
    domains = [
        layer["encoding"]["x"]["scale"]["domain"]
        for part in parts
        for layer in part["layer"]
        if "scale" in layer["encoding"].get("x", {})
    ]
    assert len(domains) == 2
    assert domains[0] == domains[1]
    assert domains[0][0] < 1.21 < 3.29 < domains[0][1]


def test_two_rows_in_one_place_are_refused_by_name(result_rows: pl.DataFrame) -> None:
    scaled = result_rows.with_columns(calibration=pl.lit("ts"))
    with pytest.raises(ValueError, match=r"got 2, which differ in calibration; filter"):
        metric_dots.chart(pl.concat([result_rows, scaled]), "accuracy_top1", "screen")
    with pytest.raises(ValueError, match="equal rows"):
        metric_dots.chart(pl.concat([result_rows, result_rows]), "accuracy_top1", "screen")


def test_an_unknown_metric_is_answered_with_those_there_are(result_rows: pl.DataFrame) -> None:
    with pytest.raises(ValueError, match="the table holds: accuracy_top1, nll"):
        metric_dots.chart(result_rows, "ece_15", "screen")


def test_the_description_has_every_number(result_rows: pl.DataFrame) -> None:
    said = metric_dots.describe(result_rows, "accuracy_top1")
    assert "resnet50.a1_in1k 70.0 [66.0, 74.0]" in said
    assert "resnet50.a1_in1k not measured" in said
    assert "1.25 [1.21, 1.29]" in metric_dots.describe(result_rows, "nll")


def test_a_single_value_still_has_an_axis(result_rows: pl.DataFrame) -> None:
    one = result_rows.head(1).with_columns(
        value=0.5, lo=pl.lit(None, dtype=pl.Float64), hi=pl.lit(None, dtype=pl.Float64)
    )
    assert "50" in words(svg(one, "accuracy_top1", "paper"))
