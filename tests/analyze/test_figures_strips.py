"""Strips: every dot and middle is drawn, a row without data stays, a group that is off leaves nothing."""

from __future__ import annotations

import re
from typing import Any

import polars as pl
import pytest
import vl_convert

from analyze.figures.strips import COLUMNS, Strip, chart, describe
from analyze.figures.theme import PAPER_COLUMN_PT, Medium, stacked_legends
from analyze.report.page import vega_lite_version

PANELS = (
    Strip(title="R", x_title="deviation", x_scale="number", zero=True),
    Strip(title="bias", x_title="shape bias", line=0.96, line_words="humans 96 %"),
)


def row(panel: int, mark: str, name: str, group: str, **more: Any) -> dict[str, Any]:
    blank: dict[str, Any] = dict.fromkeys(COLUMNS)
    return {**blank, "panel": panel, "mark": mark, "row": name, "group": group, "model": "", "text": "", **more}


@pytest.fixture
def table() -> pl.DataFrame:
    rows = [
        one
        for panel in (0, 1)
        for one in (
            row(panel, "model", "CLIP", "zero-shot-clip", model="a", value=0.2, parameters_m=None),
            row(panel, "model", "CLIP", "zero-shot-clip", model="b", value=0.4, parameters_m=400.0),
            row(panel, "middle", "CLIP", "zero-shot-clip", value=0.3, lo=0.1, hi=0.5, text="+0.3 [+0.1, +0.5]"),
            row(panel, "none", "MAE", "mae", text="not measured"),
        )
    ]
    return pl.DataFrame(rows, schema_overrides=dict.fromkeys(("parameters_m", "value", "lo", "hi"), pl.Float64))


def svg(table: pl.DataFrame, medium: Medium = "screen", **settings: Any) -> str:
    spec = chart(table, PANELS, medium).to_dict()
    for param in spec["params"]:
        param["value"] = settings.get(param["name"], [])
    text: str = vl_convert.vegalite_to_svg(spec, vl_version=vega_lite_version())
    return text


def symbols(text: str) -> int:
    groups = re.findall(r'class="mark-symbol role-mark[^"]*"[^>]*(?<!/)>(.*?)</g>', text, flags=re.S)
    return sum(group.count("<path ") for group in groups)


@pytest.mark.parametrize("medium", ["screen", "narrow", "paper"])
def test_every_dot_and_middle_is_drawn_and_empty_rows_stay(table: pl.DataFrame, medium: Medium) -> None:
    text = svg(table, medium)
    assert symbols(text) == 6
    assert text.count(">not measured<") == 2
    # On paper two panels have their names beside the rows: these are short.
    assert text.count(">MAE<") >= 2
    assert text.count(">humans 96 %<") == 1


def test_one_panel_fits_a_column_of_a_page_whatever_its_groups() -> None:
    """Side by side, the words of five groups would be wider than the column."""
    groups = ("zero-shot-clip", "clip-ft", "more-data", "standard", "contrastive")
    rows = [row(0, "middle", f"{group}, CNN", group, value=0.3, text="34.1 (n = 12)") for group in groups]
    table = pl.DataFrame(rows, schema_overrides=dict.fromkeys(("parameters_m", "value", "lo", "hi"), pl.Float64))
    spec = stacked_legends(chart(table, PANELS[1:], "paper").to_dict())
    drawn = vl_convert.vegalite_to_svg(spec, vl_version=vega_lite_version())
    width = re.search(r'<svg[^>]* width="([\d.]+)"', drawn)
    assert width is not None
    # Five points of margin on both sides.
    assert float(width[1]) <= PAPER_COLUMN_PT + 10


def test_a_group_that_is_off_leaves_nothing(table: pl.DataFrame) -> None:
    text = svg(table, off=["zero-shot-clip"])
    assert symbols(text) == 0
    assert "+0.3" not in text


def test_words_hold_the_numbers(table: pl.DataFrame) -> None:
    assert "R: CLIP +0.3 [+0.1, +0.5], MAE not measured." in describe(table, PANELS)


def test_bad_tables_are_refused(table: pl.DataFrame) -> None:
    with pytest.raises(ValueError, match="expected panels 0 to 0"):
        chart(table, PANELS[:1])
    with pytest.raises(ValueError, match="expected marks model, middle, none"):
        chart(table.with_columns(mark=pl.lit("dot"), value=pl.lit(0.1)), PANELS)
    with pytest.raises(ValueError, match="column value holds 2 null"):
        chart(table.with_columns(value=pl.when(pl.col("model") != "a").then("value")), PANELS)
