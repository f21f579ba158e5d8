"""Lines over steps: every model's line and every middle is drawn, in the order of the steps."""

from __future__ import annotations

import re
from typing import Any

import polars as pl
import pytest
import vl_convert

from analyze.figures.step_lines import COLUMNS, StepPanel, chart, describe
from analyze.figures.theme import Medium
from analyze.report.page import vega_lite_version

PANELS = (
    StepPanel(title="fog", x_title="severity", y_title="top-1 accuracy"),
    StepPanel(title="flash", x_title="severity", y_title="top-1 accuracy"),
)
# Alphabetical order would put 10 before 2.
STEPS = ("clean", "1", "2", "10")


def row(panel: int, mark: str, line: str, encoder: str, step: int, y: float) -> dict[str, Any]:
    spread = 0.05 if mark == "middle" else None
    return {
        "panel": panel,
        "mark": mark,
        "line": line,
        "group": "zero-shot-clip",
        "encoder": encoder,
        "step": step,
        "step_label": STEPS[step],
        "y": y,
        "lo": None if spread is None else y - spread,
        "hi": None if spread is None else y + spread,
        "n": 50_000,
    }


@pytest.fixture
def table() -> pl.DataFrame:
    rows = [
        row(panel, mark, line, encoder, step, 0.8 - 0.1 * step)
        for panel in range(2)
        for mark, line, encoder in (
            ("model", "resnet", "CNN"),
            ("model", "vit", "ViT"),
            ("model", "mixer", "MLP"),
            ("middle", "CNN", "CNN"),
            ("middle", "ViT", "ViT"),
        )
        for step in range(4)
    ]
    return pl.DataFrame(rows, schema_overrides={"lo": pl.Float64, "hi": pl.Float64})


def svg(table: pl.DataFrame, medium: Medium = "screen", **settings: Any) -> str:
    spec = chart(table, PANELS, medium).to_dict()
    for param in spec["params"]:
        param["value"] = settings.get(param["name"], [])
    text: str = vl_convert.vegalite_to_svg(spec, vl_version=vega_lite_version())
    return text


def drawn(text: str, kind: str) -> int:
    groups = re.findall(rf'class="mark-{kind} role-mark[^"]*"[^>]*(?<!/)>(.*?)</g>', text, flags=re.S)
    return sum(group.count("<path ") for group in groups)


@pytest.mark.parametrize("medium", ["screen", "paper"])
def test_every_line_band_and_place_is_drawn(table: pl.DataFrame, medium: Medium) -> None:
    text = svg(table, medium)
    assert (drawn(text, "line"), drawn(text, "area"), drawn(text, "symbol")) == (10, 4, 40)


def test_steps_keep_their_order(table: pl.DataFrame) -> None:
    text = svg(table.sample(fraction=1.0, shuffle=True, seed=1))
    groups = re.findall(r'role-axis-label"[^>]*>(.*?)</g>', text, flags=re.S)
    labels = [re.findall(r"<text[^>]*>([^<]*)</text>", group) for group in groups]
    assert labels.count(list(STEPS)) == 2


def test_a_group_that_is_off_leaves_nothing(table: pl.DataFrame) -> None:
    text = svg(table, off=["zero-shot-clip"])
    assert (drawn(text, "line"), drawn(text, "area"), drawn(text, "symbol")) == (0, 0, 0)


def test_encoders_differ_in_dash_and_symbol(table: pl.DataFrame) -> None:
    assert table.select(COLUMNS).height == table.height
    encodings = chart(table, PANELS).to_dict()["concat"][0]["layer"]
    assert any("strokeDash" in layer["encoding"] for layer in encodings)
    assert any("shape" in layer["encoding"] for layer in encodings)


def test_words_say_where_lines_begin_and_end(table: pl.DataFrame) -> None:
    assert "fog: CNN from 0.8 to 0.5, ViT from 0.8 to 0.5." in describe(table, PANELS)


def test_bad_tables_are_refused(table: pl.DataFrame) -> None:
    with pytest.raises(ValueError, match="expected panels 0 to 0"):
        chart(table, PANELS[:1])
    with pytest.raises(ValueError, match="null"):
        chart(table.with_columns(y=pl.lit(None, pl.Float64)), PANELS)
