from __future__ import annotations

import re

import polars as pl
import pytest
import vl_convert

from analyze.figures import reliability
from analyze.figures.theme import GROUPS, Medium
from analyze.report.page import vega_lite_version
from manifests.errors import UsageError


def svg(table: pl.DataFrame, medium: Medium) -> str:
    text: str = vl_convert.vegalite_to_svg(reliability.chart(table, medium).to_dict(), vl_version=vega_lite_version())
    return text


def ticks(text: str) -> list[str]:
    """Words of every axis label, panel after panel."""
    groups = re.findall(r'role-axis-label"[^>]*>(.*?)</g>', text, flags=re.S)
    return [word for group in groups for word in re.findall(r"<text[^>]*>([^<]*)</text>", group)]


@pytest.mark.parametrize("medium", ["screen", "paper"])
def test_every_tick_label_is_drawn(reliability_bins: pl.DataFrame, medium: Medium) -> None:
    found = ticks(svg(reliability_bins, medium))
    expected = ["0", "25", "50", "75", "100"] if medium == "screen" else ["0", "50", "100"]
    assert found == expected * 2 * 6


@pytest.mark.parametrize("medium", ["screen", "paper"])
def test_every_bin_has_its_bar_interval_and_circle(reliability_bins: pl.DataFrame, medium: Medium) -> None:
    text = svg(reliability_bins, medium)

    def drawn(kind: str, tag: str) -> int:
        groups = re.findall(rf'class="mark-{kind} role-mark[^"]*"[^>]*>(.*?)</g>', text, flags=re.S)
        return sum(group.count(f"<{tag} ") for group in groups)

    assert drawn("rect", "path") == reliability_bins.height == 84
    assert drawn("symbol", "path") == 84
    assert drawn("rule", "line") == 84 + 6  # intervals, and one diagonal a panel


def test_bins_with_few_images_are_hollow(reliability_bins: pl.DataFrame) -> None:
    text = svg(reliability_bins, "screen")
    circles = "".join(re.findall(r'class="mark-symbol role-mark[^"]*"[^>]*>(.*?)</g>', text, flags=re.S))
    assert circles.count('fill="#ffffff"') == 6  # one bin of four images in each of six panels
    assert circles.count(f'fill="{GROUPS["standard"].shade.light}"') == 26


def test_panels_keep_test_sets_together_and_say_their_error(reliability_bins: pl.DataFrame) -> None:
    parts = reliability.chart(reliability_bins, "screen").to_dict()["concat"]
    assert [part["title"]["subtitle"][0] for part in parts] == ["imagenet-val"] * 3 + ["imagenet-r"] * 3
    assert parts[1]["title"]["subtitle"][1] == "ECE 5.1 %, n = 746"
    assert parts[0]["title"]["text"] == ["ViT-B-32.", "laion2b_s34b_b79k"]


def test_order_of_the_rows_inside_a_panel_does_not_matter(reliability_bins: pl.DataFrame) -> None:
    shuffled = pl.concat(
        [reliability_bins.filter(pl.col("lower") > 0.5), reliability_bins.filter(pl.col("lower") <= 0.5)]
    )
    assert reliability.chart(shuffled, "screen").to_dict() == reliability.chart(reliability_bins, "screen").to_dict()


def test_paper_fits_two_printed_columns(reliability_bins: pl.DataFrame) -> None:
    width = re.search(r'width="(\d+)"', svg(reliability_bins, "paper"))
    assert width is not None
    assert 400 <= int(width.group(1)) <= 504
    one = reliability_bins.filter((pl.col("model") == "resnet50.a1_in1k") & (pl.col("dataset") == "imagenet-r"))
    width = re.search(r'width="(\d+)"', svg(one, "paper"))
    assert width is not None
    assert int(width.group(1)) <= 234


def test_an_unknown_group_is_drawn_as_other(reliability_bins: pl.DataFrame) -> None:
    table = reliability_bins.with_columns(group=pl.lit(None, dtype=pl.String))
    assert svg(table, "screen").count(f'fill="{GROUPS["other"].shade.light}"') == 84 + 78


def test_the_description_has_every_number(reliability_bins: pl.DataFrame) -> None:
    words = reliability.describe(reliability_bins)
    assert "resnet50.a1_in1k on imagenet-r: expected calibration error 5.1 % over 746 images" in words
    assert words.count("expected calibration error") == 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (pl.lit(None, dtype=pl.Int64).alias("n"), "column n holds 84 null"),
        (pl.lit(float("nan")).alias("accuracy"), "column accuracy holds 84 NaN"),
        (pl.lit(71.2).alias("accuracy"), r"fractions in \[0, 1\]; got 71.2"),
    ],
)
def test_bins_that_would_vanish_are_refused(reliability_bins: pl.DataFrame, change: pl.Expr, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        reliability.chart(reliability_bins.with_columns(change), "screen")


def test_empty_and_incomplete_tables_are_refused(reliability_bins: pl.DataFrame) -> None:
    with pytest.raises(ValueError, match="empty table"):
        reliability.chart(reliability_bins.clear(), "screen")
    with pytest.raises(ValueError, match="missing: ece"):
        reliability.chart(reliability_bins.drop("ece"), "screen")


def test_more_than_5000_rows_are_refused(reliability_bins: pl.DataFrame) -> None:
    many = pl.concat([reliability_bins] * 60)
    with pytest.raises(UsageError, match=r"at most 5,000 rows in one figure, got 5,040"):
        reliability.chart(many, "screen")
