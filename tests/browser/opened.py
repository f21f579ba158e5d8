"""A page in a browser: what it asked the network for, what it said on the console, what its figures hold."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PATIENCE_MS = 20_000
REMARK = "WARN Conflicting legend property"
"""Of two channels that show one field, one has a legend and the other none, which is what the figure wants."""


@dataclass
class Opened:
    """A page that is open.

    page
        Playwright's page.
    said, asked
        Lines on its console and errors, and addresses that it asked for other than its own.
    """

    page: Any
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def hear(self, message: Any) -> None:
        """Keep a line of the console, but for one remark of Vega-Lite's that changes nothing on the page."""
        if not message.text.startswith(REMARK):
            self.said.append(f"{message.type}: {message.text}")

    def draw_all(self) -> None:
        """Draw every figure, seen or not."""
        self.page.evaluate("assay.drawAll()")

    def marks(self, section: str, selector: str) -> int:
        """Count marks of a figure that can be seen."""
        shown = "(all) => all.filter((m) => m.getAttribute('d') && m.getAttribute('opacity') !== '0').length"
        count: int = self.page.locator(f"#{section} .chart {selector}").evaluate_all(shown)
        return count

    def colours(self, section: str) -> dict[str, int]:
        """Count marks of a figure by the groups' colour variables that they are painted with."""
        found: dict[str, int] = self.page.evaluate(
            """(section) => {
              const counts = {};
              for (const mark of document.querySelectorAll(`#${section} .chart svg path`)) {
                const paint = `${mark.getAttribute("fill")} ${mark.getAttribute("stroke")}`;
                const group = paint.match(/--group-([a-z-]+)/);
                if (group && mark.getAttribute("d")) counts[group[1]] = (counts[group[1]] || 0) + 1;
              }
              return counts;
            }""",
            section,
        )
        return found


@contextmanager
def opened(browser: Any, file: Path, width: int = 1280, height: int = 900, **context: Any) -> Iterator[Opened]:
    """Open a file with the network off."""
    with browser.new_context(viewport={"width": width, "height": height}, offline=True, **context) as own:
        page = own.new_page()
        page.set_default_timeout(PATIENCE_MS)
        found = Opened(page)
        page.on("console", found.hear)
        page.on("pageerror", lambda error: found.said.append(f"error: {error}"))
        page.on("request", lambda asked: None if asked.url == file.as_uri() else found.asked.append(asked.url))
        page.goto(file.as_uri())
        yield found
