"""The page in a browser without a network: nothing asked for, nothing said, nothing sideways, nothing inaccessible."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser.opened import opened
from tests.browser.pages import HOSTILE

WIDTHS = (320, 420, 1280, 2560)


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_asked_for_nothing_is_said_and_nothing_scrolls_sideways(
    browser: Any, report_file: Path, width: int
) -> None:
    with opened(browser, report_file, width) as found:
        found.draw_all()
        drawn, all_ = found.page.evaluate(
            "[document.querySelectorAll('.chart[data-drawn]').length, document.querySelectorAll('.chart').length]"
        )
        assert drawn == all_ > 10
        wide, inner = found.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= inner
        assert found.page.evaluate("document.querySelectorAll('.chart svg path').length") > 500
        assert (found.said, found.asked) == ([], [])


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (420, "light"), (320, "dark")])
def test_axe_finds_nothing_serious(
    browser: Any, report_file: Path, axe_script: str, pictures: Path, width: int, scheme: str
) -> None:
    # The page allows three scripts, by their hashes; axe is none of them.
    with opened(browser, report_file, width, color_scheme=scheme, bypass_csp=True) as found:
        found.draw_all()
        found.page.screenshot(path=pictures / f"{width}-{scheme}.png", full_page=True)
        found.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        # Rows of a table are alike, and drawings are hidden from readers as a whole: axe would look at 60,000 nodes.
        found.page.evaluate(
            "document.querySelectorAll('tbody tr:nth-child(n+4), .panel > *').forEach((x) => x.remove())"
        )
        found.page.evaluate(axe_script)
        result = found.page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
        grave = [
            (one["id"], [node["target"] for node in one["nodes"]][:3])
            for one in result["violations"]
            if one["impact"] in ("serious", "critical")
        ]
        assert grave == []


def test_a_model_called_like_an_attack_stays_text(browser: Any, report_file: Path) -> None:
    with opened(browser, report_file) as found:
        dialogs: list[str] = []
        found.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        found.draw_all()
        found.page.select_option("#card-model", HOSTILE)
        found.page.fill("#filter input", "<script>")
        found.page.wait_for_selector("#matches a")
        assert found.page.locator("#matches a").all_inner_texts() == [HOSTILE]
        assert HOSTILE in found.page.locator("#card-table thead").inner_text()
        assert found.page.locator("script:not([type])").count() == 3
        assert found.page.locator("img").count() == 0
        assert dialogs == []
        assert (found.said, found.asked) == ([], [])


def test_the_theme_button_turns_the_page_and_redraws_nothing(browser: Any, report_file: Path) -> None:
    with opened(browser, report_file) as found:
        paint = "getComputedStyle(document.documentElement).backgroundColor"
        before = found.page.evaluate(paint)
        found.page.click("#theme")
        assert found.page.evaluate(paint) != before
        assert found.said == []


def test_the_keyboard_reaches_content_filter_and_tables(browser: Any, report_file: Path) -> None:
    with opened(browser, report_file) as found:
        found.page.keyboard.press("Tab")
        assert found.page.evaluate("document.activeElement.className") == "skip"
        found.page.keyboard.press("Enter")
        assert found.page.evaluate("document.activeElement.id") == "main"
        found.page.focus("#filter button")
        found.page.keyboard.press("Space")
        assert found.page.locator("#filter button").first.get_attribute("aria-pressed") == "false"
        found.page.focus("section .scroll")
        assert "scroll" in found.page.evaluate("document.activeElement.className")


def test_without_scripts_answers_and_tables_are_there(browser: Any, report_file: Path) -> None:
    with opened(browser, report_file, java_script_enabled=False) as found:
        assert found.page.locator("#answers .badge").count() > 10
        assert found.page.locator("#numbers tbody tr").count() > 100
        assert found.page.locator("noscript").first.is_visible()
        assert found.page.locator("#filter").is_hidden()


def test_it_prints_every_figure_in_light_colours(browser: Any, report_file: Path, pictures: Path) -> None:
    with opened(browser, report_file, color_scheme="dark") as found:
        found.draw_all()
        found.page.emulate_media(media="print")
        assert found.page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
        assert found.page.locator("nav").is_hidden()
        assert found.page.locator("#filter").is_hidden()
        paper = found.page.pdf(path=pictures / "print.pdf", format="A4")
        assert paper.startswith(b"%PDF")
        assert len(paper) < 30_000_000
