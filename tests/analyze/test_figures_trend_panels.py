"""Trend panels: every mark of the table is drawn, labels below 50 % are there, a group goes with its line."""

from __future__ import annotations

import itertools
import re
import statistics
from typing import Any

import polars as pl
import pytest
import vl_convert

from analyze.figures import trend_panels
from analyze.figures.scales import TICKS, domain, probit_ticks
from analyze.figures.theme import Medium
from analyze.figures.trend_marks import COLUMNS, Panel
from analyze.figures.trend_panels import chart, describe
from analyze.report.page import vega_lite_version
from manifests.errors import UsageError

MEDIA: tuple[Medium, ...] = ("screen", "narrow", "paper")
NORMAL = statistics.NormalDist()
PANELS = (
    Panel(title="pose", images=16_080, x_title="ImageNet-X top-1", y_title="factor top-1", ideal=True),
    Panel(title="style", images=45, x_title="ImageNet-X top-1", y_title="factor top-1", ideal=True),
    Panel(title="nll", x_title="top-1", y_title="negative log-likelihood", y_scale="number"),
)


def row(panel: int, **given: Any) -> dict[str, Any]:
    blank: dict[str, Any] = dict.fromkeys(COLUMNS)
    return {**blank, "panel": panel, "n": 100, "clipped": False, "part": "", **given}


def model(
    panel: int, name: str, group: str, source: str | None, x: float, y: float, size: float | None
) -> dict[str, Any]:
    zx, zy = NORMAL.inv_cdf(x), NORMAL.inv_cdf(y)
    return row(panel, mark="model", model=name, group=group, source=source, x=x, y=y, zx=zx, zy=zy, parameters_m=size)


def line(panel: int, group: str, ends: tuple[float, float], part: str, band: bool) -> list[dict[str, Any]]:
    return [
        row(
            panel,
            mark="line",
            model="",
            group=group,
            x=0.5,
            y=0.5,
            zx=z,
            zy=0.9 * z,
            part=part,
            band_lo=0.9 * z - 0.1 if band else None,
            band_hi=0.9 * z + 0.1 if band else None,
        )
        for z in ends
    ]


@pytest.fixture
def table() -> pl.DataFrame:
    rows = []
    for panel in range(3):
        rows += [
            model(panel, "resnet", "standard", "ImageNet", 0.7, 0.2, 25.0),
            model(panel, "vit", "standard", "ImageNet", 0.8, 0.4, None),
            model(panel, "clip", "zero-shot-clip", "LAION", 0.6, 0.1, 150.0),
            model(panel, "mine", "my-group", "elsewhere", 0.65, 0.3, 9000.0),
            *line(panel, "standard", (0.4, 0.9), "fit", True),
            *line(panel, "standard", (0.9, 1.2), "above", True),
            *line(panel, "zero-shot-clip", (0.2, 0.9), "fit", False),
        ]
    types = dict.fromkeys(("lo", "hi", "band_lo", "band_hi", "parameters_m"), pl.Float64)
    return pl.DataFrame(rows, schema_overrides=types).select(COLUMNS)


def svg(table: pl.DataFrame, panels: tuple[Panel, ...], medium: Medium = "screen", **settings: Any) -> str:
    spec = chart(table, panels, medium).to_dict()
    for param in spec["params"]:
        param["value"] = settings.get(param["name"], [])
    text: str = vl_convert.vegalite_to_svg(spec, vl_version=vega_lite_version())
    return text


def drawn(text: str, kind: str) -> int:
    """Marks of a kind in mark groups, so that the symbols of a legend do not count."""
    groups = re.findall(rf'class="mark-{kind} role-mark[^"]*"[^>]*(?<!/)>(.*?)</g>', text, flags=re.S)
    return sum(group.count("<path ") for group in groups)


@pytest.mark.parametrize("medium", MEDIA)
def test_every_model_is_drawn_also_without_size_or_known_source(table: pl.DataFrame, medium: Medium) -> None:
    assert drawn(svg(table, PANELS, medium), "symbol") == table.filter(pl.col("mark") == "model").height == 12


def test_every_line_and_band_is_drawn(table: pl.DataFrame) -> None:
    text = svg(table, PANELS)
    assert drawn(text, "line") == 9
    assert drawn(text, "area") == 3


def test_a_group_that_is_off_takes_its_line_and_band_along(table: pl.DataFrame) -> None:
    text = svg(table, PANELS, off=["standard"])
    assert (drawn(text, "symbol"), drawn(text, "line"), drawn(text, "area")) == (6, 3, 0)


def test_a_search_outlines_what_it_found_and_dims_the_rest(table: pl.DataFrame) -> None:
    text = svg(table, PANELS, hits=["clip"])
    assert drawn(text, "symbol") == 12 + 3
    assert text.count('opacity="0.08"') == 9


@pytest.mark.parametrize("medium", MEDIA)
def test_labels_below_a_half_are_there(table: pl.DataFrame, medium: Medium) -> None:
    groups = re.findall(
        r'role-axis-label"[^>]*>(.*?)</g>', svg(table.filter(pl.col("panel") == 0), PANELS[:1], medium), flags=re.S
    )
    labels = [label for group in groups for label in re.findall(r"<text[^>]*>([^<]*)</text>", group)]
    assert {"10", "20"} & set(labels)
    assert "50" in labels
    assert "" not in labels


def test_clipped_models_are_open(table: pl.DataFrame) -> None:
    """The clipped one has the colour of its group around and nothing inside; the other the reverse."""
    clipped = table.with_columns(clipped=(pl.col("model") == "vit") & (pl.col("mark") == "model"))
    groups = re.findall(r'class="mark-symbol role-mark[^"]*"[^>]*(?<!/)>(.*?)</g>', svg(clipped, PANELS), flags=re.S)
    symbols = [symbol for group in groups for symbol in re.findall(r"<path [^>]*>", group)]
    assert sum(" fill=" not in symbol and ' stroke="#8c919c"' in symbol for symbol in symbols) == 3
    assert sum(' fill="#8c919c"' in symbol and " stroke=" not in symbol for symbol in symbols) == 3


def test_few_images_are_marked(table: pl.DataFrame) -> None:
    text = svg(table, PANELS)
    assert "n = 45 † few" in text
    assert "n = 16,080<" in text


def test_the_ideal_line_is_drawn_where_both_axes_are_accuracies(table: pl.DataFrame) -> None:
    rules = re.findall(r'class="mark-rule role-mark[^"]*"[^>]*>(.*?)</g>', svg(table, PANELS), flags=re.S)
    assert sum(group.count("<line ") for group in rules) == 2


def test_shared_axes_are_equal_and_own_axes_are_not(table: pl.DataFrame) -> None:
    higher = table.with_columns(zy=pl.when(pl.col("panel") == 1).then(pl.col("zy") + 1).otherwise("zy"))

    def domains(shared: bool) -> list[list[float]]:
        parts = chart(higher, PANELS, shared=shared).to_dict()["concat"]
        return [part["layer"][-1]["encoding"]["y"]["scale"]["domain"] for part in parts[:2]]

    own, same = domains(False), domains(True)
    assert own[0] != own[1]
    assert same[0] == same[1]


def test_small_multiples_are_circles(table: pl.DataFrame) -> None:
    many = pl.concat([table.filter(pl.col("panel") == 0).with_columns(panel=pl.lit(at, pl.Int64)) for at in range(16)])
    spec = chart(many, [PANELS[0]] * 16).to_dict()
    assert not any("shape" in layer["encoding"] for part in spec["concat"] for layer in part["layer"])
    assert any(
        "shape" in layer["encoding"] for part in chart(table, PANELS).to_dict()["concat"] for layer in part["layer"]
    )


def test_words_say_who_is_there(table: pl.DataFrame) -> None:
    said = describe(table, PANELS)
    assert "pose: 1 zero-shot CLIP, 2 standard, 1 other." in said
    assert "factor top-1 against ImageNet-X top-1" in said


def test_equal_tables_give_equal_specs(table: pl.DataFrame) -> None:
    shuffled = table.sample(fraction=1.0, shuffle=True, seed=0)
    assert chart(table, PANELS).to_dict() == chart(shuffled, PANELS).to_dict()


def test_bad_tables_are_refused(table: pl.DataFrame) -> None:
    with pytest.raises(ValueError, match="missing: zx"):
        chart(table.drop("zx"), PANELS)
    with pytest.raises(ValueError, match="holds 1 NaN"):
        chart(table.with_columns(zy=pl.when(pl.int_range(pl.len()) == 0).then(float("nan")).otherwise("zy")), PANELS)
    with pytest.raises(ValueError, match="expected panels 0 to 1"):
        chart(table, PANELS[:2])
    with pytest.raises(UsageError, match="at most 5,000 rows"):
        chart(pl.concat([table] * 300), PANELS)


def test_ticks_keep_their_distance_and_the_middle() -> None:
    for length in (60, 120, 300, 900):
        ticks = probit_ticks(-2.5, 2.5, length)
        assert 0.0 in ticks
        gaps = [right - left for left, right in itertools.pairwise(ticks)]
        assert min(gaps, default=5.0) * length / 5.0 >= 22
    assert len(probit_ticks(-3.5, 3.5, 10_000)) == len(TICKS)


def test_an_axis_needs_values() -> None:
    with pytest.raises(ValueError, match="at least one value"):
        domain([], "rate")
    assert domain([0.0, 1.0], "rate") == [0.0, 1.0]
    assert domain([-0.1, 0.1], "rate")[0] < -0.1


def test_the_name_is_the_commands() -> None:
    assert trend_panels.NAME == "trend-panels"
