"""Groups off and on, search, the rectangle, the select of panels: each is tested in every panel of every figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.browser.opened import Opened, opened

FIGURE = "holistic-fig-1"
PANELS = 10


def press(found: Opened, group: str, **how: Any) -> None:
    found.page.click(f"#filter [data-group={group}]", **how)
    found.page.evaluate("new Promise((done) => setTimeout(done, 300))")


def told(found: Opened, words: str) -> None:
    """Wait until the status says so, and the figures have followed."""
    found.page.locator("#found", has_text=words).wait_for()
    found.page.evaluate("new Promise((done) => setTimeout(done, 500))")


def filtered(found: Opened) -> list[str]:
    """Sections whose figures the reader can filter."""
    names: list[str] = found.page.evaluate(
        """Array.from(document.querySelectorAll(".chart")).map((one) => one.dataset.chart).filter((name) =>
             (assay.json(`${name}-spec`).params || []).some((param) => param.name === "off"))"""
    )
    return names


def test_a_group_that_is_off_loses_points_lines_and_bands_in_every_panel(browser: Any, report_file: Path) -> None:
    with opened(browser, report_file) as found:
        found.draw_all()
        names = filtered(found)
        assert len(names) >= 10
        before = {name: found.colours(name) for name in names}
        # Points, a line and a band in each of ten panels.
        assert before[FIGURE]["clip-ft"] >= 3 * PANELS
        press(found, "clip-ft")
        after = {name: found.colours(name) for name in names}
        for name in names:
            assert "clip-ft" not in after[name], name
            kept = {group: count for group, count in before[name].items() if group != "clip-ft"}
            assert after[name] == kept, name
        assert sum("clip-ft" in counts for counts in before.values()) >= 5
        press(found, "clip-ft")
        assert {name: found.colours(name) for name in names} == before
        assert found.said == []


def test_shift_and_click_leaves_one_group_and_a_second_one_brings_all_back(browser: Any, report_file: Path) -> None:
    with opened(browser, report_file) as found:
        found.draw_all()
        before = found.colours(FIGURE)
        press(found, "standard", modifiers=["Shift"])
        assert set(found.colours(FIGURE)) == {"standard"}
        press(found, "standard", modifiers=["Shift"])
        assert found.colours(FIGURE) == before


def test_buttons_count_their_models(browser: Any, report_file: Path) -> None:
    with opened(browser, report_file) as found:
        counts = found.page.locator("#filter .count").all_inner_texts()
        assert sum(map(int, counts)) == found.page.locator("#model-names option").count() == 43


def test_search_highlights_in_every_panel_and_says_how_many(browser: Any, report_file: Path) -> None:
    with opened(browser, report_file) as found:
        found.draw_all()
        dim = "path[opacity='0.08']"
        points = "path[opacity='0.6']"
        assert found.marks(FIGURE, dim) == 0
        before = found.marks(FIGURE, points)
        found.page.fill("#filter input", "resnet50.tv")
        told(found, "1 model matches")
        # One point a panel stays, and has an outline; all others are dim.
        assert found.marks(FIGURE, points) == PANELS
        assert found.marks(FIGURE, dim) == before - PANELS
        assert found.marks(FIGURE, "path[stroke-width='2.2']") == PANELS
        found.page.click("#clear")
        found.page.evaluate("new Promise((done) => setTimeout(done, 300))")
        assert found.marks(FIGURE, dim) == 0
        assert found.page.inner_text("#found") == ""
        found.page.fill("#filter input", "no such model")
        told(found, "0 models match")


def test_a_rectangle_picks_the_same_models_in_all_panels(browser: Any, report_file: Path) -> None:
    with opened(browser, report_file) as found:
        found.draw_all()
        found.page.locator(f"#{FIGURE} .panel").first.scroll_into_view_if_needed()
        box = found.page.locator(f"#{FIGURE} .panel").first.bounding_box()
        mouse = found.page.mouse
        mouse.move(box["x"] + 0.35 * box["width"], box["y"] + 0.3 * box["height"])
        mouse.down()
        mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.6 * box["height"], steps=4)
        mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.75 * box["height"], steps=4)
        mouse.up()
        told(found, "in the rectangle")
        count = int(found.page.inner_text("#found").split()[0])
        assert 0 < count < 40
        assert found.marks(FIGURE, "path[stroke-width='2.2']") == count * PANELS
        assert (found.said, found.asked) == ([], [])


def test_on_a_phone_one_panel_is_chosen_or_all(browser: Any, report_file: Path) -> None:
    with opened(browser, report_file, 360, 740) as found:
        found.draw_all()
        panels = found.page.locator(f"#{FIGURE} .panel")
        assert panels.count() == 1
        select = found.page.locator(f"#{FIGURE} .picker select")
        assert select.locator("option").count() == PANELS + 1
        for value, expected in (("3", 1), ("all", PANELS)):
            select.select_option(value)
            found.page.evaluate("assay.drawn()")
            found.page.evaluate("assay.drawn()")
            assert panels.count() == expected
        assert found.said == []
