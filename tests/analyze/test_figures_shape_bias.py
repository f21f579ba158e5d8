"""The shape-bias figure: a row a model, every category and interval drawn, humans where they are known."""

from __future__ import annotations

import re

import polars as pl
import pytest
import vl_convert

from analyze.figures.shape_bias import chart, describe
from analyze.figures.theme import Medium
from analyze.report.page import vega_lite_version

MEDIA: tuple[Medium, ...] = ("screen", "narrow", "paper")


@pytest.fixture
def table() -> pl.DataFrame:
    models = [
        ("low", "standard", "ImageNet", 0.2),
        ("high", "zero-shot-clip", "LAION", 0.6),
        ("mid", "mine", None, 0.4),
    ]
    rows = [
        {
            "model": model,
            "group": group,
            "source": source,
            "category": category,
            "value": value + shift,
            "lo": value - 0.05 if category == "all" else None,
            "hi": value + 0.05 if category == "all" else None,
            "n": 600,
        }
        for model, group, source, value in models
        for category, shift in (("all", 0.0), ("cat", 0.1), ("dog", -0.1))
    ]
    return pl.DataFrame(rows, schema_overrides={"lo": pl.Float64, "hi": pl.Float64})


def svg(table: pl.DataFrame, medium: Medium, humans: float | None = 0.959) -> str:
    text: str = vl_convert.vegalite_to_svg(
        chart(table, medium, humans=humans).to_dict(), vl_version=vega_lite_version()
    )
    return text


def marks(text: str, kind: str) -> int:
    groups = re.findall(rf'class="mark-{kind} role-mark[^"]*"[^>]*(?<!/)>(.*?)</g>', text, flags=re.S)
    return sum(len(re.findall(r"<(?:path|line) ", group)) for group in groups)


@pytest.mark.parametrize("medium", MEDIA)
def test_every_model_category_and_interval_is_drawn(table: pl.DataFrame, medium: Medium) -> None:
    text = svg(table, medium)
    assert marks(text, "symbol") == 3
    ticks = re.findall(
        r'aria-roledescription="tick"|class="mark-rect role-mark[^"]*"[^>]*(?<!/)>(.*?)</g>', text, flags=re.S
    )
    assert sum(group.count("<path ") for group in ticks) == 6
    assert marks(text, "rule") == 3 + 3 + 1


@pytest.mark.parametrize("medium", MEDIA)
def test_the_most_shape_biased_is_on_top(table: pl.DataFrame, medium: Medium) -> None:
    words = re.findall(r"<text[^>]*>([^<]*)</text>", svg(table, medium))
    assert [word for word in words if word in {"low", "mid", "high"}] == ["high", "mid", "low"]


def test_humans_are_a_line_where_they_are_known(table: pl.DataFrame) -> None:
    assert "humans 96 %" in svg(table, "screen")
    assert "humans" not in svg(table, "screen", humans=None)


def test_words(table: pl.DataFrame) -> None:
    said = describe(table, humans=0.9587)
    assert said == (
        "Shape bias of 3 models, from the most to the least shape-biased: high 60.0 %, mid 40.0 %, low 20.0 %. "
        "Humans: 95.9 %."
    )


def test_a_model_needs_one_pooled_value(table: pl.DataFrame) -> None:
    with pytest.raises(ValueError, match="one row of category 'all'"):
        chart(table.filter(pl.col("category") != "all"))
    with pytest.raises(ValueError, match="one row of category 'all'"):
        chart(pl.concat([table, table.head(1)]))
