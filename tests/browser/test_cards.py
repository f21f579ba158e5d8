"""One model against its group, two models with paired tests, and their address."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.browser.opened import opened

FIRST, SECOND = "RN101-quickgelu.openai", "ViT-B-16.openai"
UNPAIRED = "convnext_base_w.laion2b_s13b_b82k"


def test_a_card_has_every_measure_of_its_model(browser: Any, report_file: Path) -> None:
    with opened(browser, report_file) as found:
        found.page.select_option("#card-model", FIRST)
        rows = found.page.locator("#card-table tbody tr")
        assert rows.count() > 20
        words = rows.filter(has_text="imagenet-val · top-1").first.inner_text()
        assert "of 16" in words
        assert "[" in words
        assert found.page.evaluate("location.hash") == f"#model={FIRST}"
        assert found.page.inner_text("#cards-caption").startswith(f"{FIRST}: ")


def test_two_models_are_compared_on_the_same_images(browser: Any, report_file: Path) -> None:
    with opened(browser, report_file) as found:
        found.page.goto(f"{report_file.as_uri()}#model={quote(FIRST)}&with={quote(SECOND)}")
        row = found.page.locator("#card-table tbody tr").filter(has_text="imagenet-val · top-1").first
        forth = row.locator("td").nth(4).inner_text()
        assert forth.count(", ") == 1
        number = float(row.locator("td").nth(5).inner_text().removeprefix("< "))
        assert 0 <= number <= 1
        # The other way round: the same numbers with the other sign.
        found.page.select_option("#card-model", SECOND)
        found.page.select_option("#card-with", FIRST)
        back = row.locator("td").nth(4).inner_text()
        flip = str.maketrans("+−", "−+")
        value, ends = back.translate(flip).split(" [")
        lo, hi = ends.removesuffix("]").split(", ")
        assert forth == f"{value} [{hi}, {lo}]"


def test_what_is_not_paired_says_so(browser: Any, report_file: Path) -> None:
    with opened(browser, report_file) as found:
        cards = found.page.evaluate("assay.json('cards-data')")
        members = {cards["models"][at] for axis in cards["axes"] for at in axis.get("pairs", {}).get("members", ())}
        alone = next(name for name in cards["models"] if name not in members)
        found.page.select_option("#card-model", alone)
        found.page.select_option("#card-with", FIRST)
        note = found.page.locator("#card-note")
        assert note.is_visible()
        assert "assay-analyze report --study holistic" in note.inner_text()
        found.page.select_option("#card-with", "")
        assert note.is_hidden()
