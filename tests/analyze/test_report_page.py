from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

import polars as pl
import pytest

from analyze.figures import metric_dots, reliability
from analyze.figures.theme import GROUPS
from analyze.report.figure import Figure, figure_of
from analyze.report.page import Report, Section, embedded_json, render, vega_bundle
from analyze.report.tables import Column, html_table, results_table

SCRIPT = "<script>alert(1)</script>"
QUOTES = "a\"b'c\u2028</td>&--><!--{{ 7*7 }}"
VOID = frozenset({"meta", "br", "hr", "img", "input", "link"})


class Page(HTMLParser):
    """What a browser would see: elements, attributes, scripts, and text outside of scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            attrs, text = self.scripts[-1]
            self.scripts[-1] = (attrs, text + data)
        elif not (self.open and self.open[-1] == "style"):
            self.words.append(data)

    def data(self, name: str) -> dict[str, list[Any]]:
        """The table of a figure, of columns that repeat themselves unpacked."""
        packed = self.json(f"{name}-data")
        return {
            column: values if isinstance(values, list) else [values["words"][at] for at in values["at"]]
            for column, values in packed.items()
        }

    def json(self, name: str) -> Any:
        found = [text for attrs, text in self.scripts if attrs.get("id") == name]
        assert len(found) == 1, f"{len(found)} scripts called {name}"
        return json.loads(found[0])


def sample(bins: pl.DataFrame, rows: pl.DataFrame) -> Report:
    accuracy = figure_of(
        metric_dots.chart(rows, "accuracy_top1", "screen"),
        metric_dots.describe(rows, "accuracy_top1"),
        metric_dots.chart(rows, "accuracy_top1", "narrow"),
    )
    calibration = figure_of(reliability.chart(bins, "screen"), reliability.describe(bins))
    return Report(
        title="Three models on two test sets",
        facts=(("Models", "3"), ("Test sets", "2")),
        missing=("resnet50.a1_in1k on imagenet-r: `assay-extract run --model resnet50.a1_in1k`",),
        sections=(
            Section("accuracy", "Accuracy", "One leads.", accuracy, results_table(rows, "All rows"), "Dots.", "How."),
            Section("reliability", "Calibration", "All are close.", calibration),
            Section("all", "All results", "", None, results_table(rows, "All rows")),
        ),
        commands=("assay-analyze report",),
    )


def hostile(bins: pl.DataFrame, rows: pl.DataFrame) -> Report:
    names = {"resnet50.a1_in1k": SCRIPT, "ViT-B-32.laion2b_s34b_b79k": QUOTES}
    bins = bins.with_columns(pl.col("model").replace(names))
    rows = rows.with_columns(pl.col("model").replace(names), slice=pl.lit(QUOTES))
    report = sample(bins, rows)
    return Report(
        title=SCRIPT,
        facts=((SCRIPT, QUOTES),),
        missing=(f"{SCRIPT} `{QUOTES}`",),
        sections=(*report.sections, Section("x", SCRIPT, QUOTES, caption=SCRIPT, method=QUOTES, command=SCRIPT)),
        commands=(SCRIPT,),
    )


def test_a_page_opens_with_title_facts_and_what_is_missing(
    reliability_bins: pl.DataFrame, result_rows: pl.DataFrame
) -> None:
    text = " ".join(Page(render(sample(reliability_bins, result_rows))).words)
    places = [text.index(word) for word in ("Test sets", "What is missing, and how", "One leads.", "All are close.")]
    assert places == sorted(places)
    assert "Nothing that was asked for is missing." in render(Report("Empty", (), (), ()))


def test_nothing_is_fetched_and_exactly_three_scripts_may_run(
    reliability_bins: pl.DataFrame, result_rows: pl.DataFrame
) -> None:
    page = Page(render(sample(reliability_bins, result_rows)))
    for _, attrs in page.elements:
        assert "src" not in attrs
        assert (attrs.get("href") or "#").startswith("#")
        assert not [name for name in attrs if name.startswith("on")]
    policy = next(attrs["content"] for tag, attrs in page.elements if tag == "meta" and "content" in attrs)
    assert policy is not None
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in policy
    assert "http" not in policy
    run = [text for attrs, text in page.scripts if "type" not in attrs]
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in run]
    assert re.findall(r"sha256-([^']+)", policy) == hashes
    assert len(hashes) == 3
    assert run.count(vega_bundle()) == 1
    assert all(attrs["type"] == "application/json" for attrs, _ in page.scripts if "type" in attrs)


def test_a_model_called_script_stays_text(reliability_bins: pl.DataFrame, result_rows: pl.DataFrame) -> None:
    html = render(hostile(reliability_bins, result_rows))
    page = Page(html)
    friendly = Page(render(sample(reliability_bins, result_rows)))
    assert SCRIPT not in html
    assert "\u2028" not in "".join(text for _, text in page.scripts)
    assert [tag for tag, _ in page.elements].count("script") == len(friendly.scripts)
    words = "".join(page.words)
    assert words.count(SCRIPT) >= 5
    assert QUOTES in words
    assert page.open == ["html", "body"][: len(page.open)]
    assert set(page.data("reliability")["model"]) >= {SCRIPT, QUOTES}
    titles = [panel["title"]["text"][0] for panel in page.json("reliability-spec")["concat"]]
    assert SCRIPT in titles


def test_data_are_embedded_once_and_specs_hold_none(reliability_bins: pl.DataFrame, result_rows: pl.DataFrame) -> None:
    page = Page(render(sample(reliability_bins, result_rows)))
    data = page.data("accuracy")
    assert {len(values) for values in data.values()} == {6}
    for name in ("accuracy-spec", "accuracy-narrow", "reliability-spec"):
        spec = page.json(name)
        assert spec["data"] == {"name": "table"}
        assert not {"config", "$schema", "datasets"} & set(spec)
    light = {group.shade.light for group in GROUPS.values()}
    assert not light & set(re.findall(r"#[0-9a-f]{6}", json.dumps(page.json("accuracy-spec"))))
    assert "var(--group-zero-shot-clip)" in json.dumps(page.json("accuracy-spec"))


def test_figures_are_images_with_words_and_a_table(reliability_bins: pl.DataFrame, result_rows: pl.DataFrame) -> None:
    page = Page(render(sample(reliability_bins, result_rows)))
    charts = [attrs for _, attrs in page.elements if attrs.get("role") == "img"]
    assert len(charts) == 2
    assert "70.0 [66.0, 74.0]" in (charts[0]["aria-label"] or "")
    regions = [attrs for _, attrs in page.elements if attrs.get("role") == "region"]
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    for region in regions:
        assert region["tabindex"] == "0"
        assert region["aria-labelledby"] in ids
    assert next(attrs["href"] for tag, attrs in page.elements if tag == "a") == "#main"
    assert "noscript" in [tag for tag, _ in page.elements]


def test_a_page_without_figures_carries_no_drawing_library(result_rows: pl.DataFrame) -> None:
    html = render(Report("T", (), (), (Section("all", "All", "", None, results_table(result_rows, "All rows")),)))
    assert len(html) < 60_000
    assert "70.0 [66.0, 74.0]" in html
    assert "1.25 [1.21, 1.29]" in html


def test_equal_reports_give_equal_pages(reliability_bins: pl.DataFrame, result_rows: pl.DataFrame) -> None:
    first = render(sample(reliability_bins, result_rows))
    assert first == render(sample(reliability_bins, result_rows))
    assert len(first) < 4_000_000


def test_both_colour_schemes_are_there_and_paper_is_white(
    reliability_bins: pl.DataFrame, result_rows: pl.DataFrame
) -> None:
    html = render(sample(reliability_bins, result_rows))
    style = html.split("<style>")[1].split("</style>")[0]
    assert "@media print" in style
    for group in GROUPS.values():
        assert group.shade.light in style
        assert style.count(group.shade.dark) == 2
    used = set(re.findall(r"var\((--[a-z-]+)\)", html.split("<style>")[0] + style + html.split("vega-config")[0]))
    assert used <= set(re.findall(r"(--[a-z-]+):", style))


@pytest.mark.parametrize("name", ["", "1a", "a b", "a#b", "missing", "main", 'x"'])
def test_addresses_that_would_break_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="section id"):
        Section(name, "T", "F")


def test_two_sections_cannot_share_an_address() -> None:
    with pytest.raises(ValueError, match="share an id: a"):
        Report("T", (), (), (Section("a", "T", "F"), Section("a", "T", "F")))


def test_json_closes_nothing_and_refuses_nan() -> None:
    value = {"a": "</script><!--\u2028\u2029&", "b": [1.5, None]}
    text = str(embedded_json(value))
    assert json.loads(text) == value
    assert not set("<>&\u2028\u2029") & set(text)
    with pytest.raises(ValueError, match="JSON"):
        embedded_json({"a": float("nan")})


def test_figures_are_checked() -> None:
    with pytest.raises(ValueError, match="equally long"):
        Figure({}, {"a": [1], "b": []}, "label")
    with pytest.raises(ValueError, match="label"):
        Figure({}, {"a": [1]}, " ")


def test_a_narrow_chart_must_hold_the_same_rows(result_rows: pl.DataFrame) -> None:
    wide = metric_dots.chart(result_rows, "accuracy_top1", "screen")
    with pytest.raises(ValueError, match="narrow chart"):
        figure_of(wide, "label", metric_dots.chart(result_rows, "nll", "narrow"))


def test_tables_show_what_is_missing_and_refuse_what_is_not_a_number(result_rows: pl.DataFrame) -> None:
    rows = result_rows.with_columns(value=pl.when(pl.col("metric") == "nll").then(None).otherwise(pl.col("value")))
    table = results_table(rows, "All rows")
    assert table.head[:3] == ("model", "group", "test set")
    column = table.head.index("value [95 %], rates in %")
    assert [row[column].text for row in table.rows][:2] == ["60.0 [56.0, 64.0]", "–"]
    assert table.rows[1][column].missing
    with pytest.raises(ValueError, match="nan must not be shown"):
        results_table(result_rows.with_columns(value=pl.lit(float("nan"))), "All rows")
    with pytest.raises(ValueError, match="column lo is missing"):
        results_table(result_rows.drop("lo"), "All rows")
    with pytest.raises(ValueError, match="missing: nothing"):
        html_table(result_rows, [Column("t", "nothing")], "c")
