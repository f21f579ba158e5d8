"""What a page costs: size, rows, marks, and how long it takes until it can be read, drawn and filtered.

`measure(browser, file)` is for the bench; the budgets beside the figures are for the holistic study on two cores.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.browser.opened import opened

GROUP = "standard"


@dataclass(frozen=True, kw_only=True)
class Budget:
    """One page, measured.

    file_mb, gzip_mb : at most 4 and 1.2.
    most_rows : of one figure's table, at most 5,000.
    most_marks : of one figure, at most 8,000.
    ready_ms : until the answers can be read and the controls live, under 1,000.
    slowest_draw_ms, slowest_figure : under 1,500.
    toggle_ms : a group off, in all figures, under 500.
    """

    file_mb: float
    gzip_mb: float
    most_rows: int
    most_marks: int
    ready_ms: float
    slowest_draw_ms: float
    slowest_figure: str
    draw_all_ms: float
    toggle_ms: float


def measure(browser: Any, file: Path) -> Budget:
    """Open a page at 1280 px, draw every figure one by one, and switch a group off."""
    data = file.read_bytes()
    with opened(browser, file) as found:
        page = found.page
        ready = page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
        times: dict[str, float] = page.evaluate(
            """async () => {
              await assay.drawn();
              const times = {};
              for (const chart of document.querySelectorAll(".chart")) {
                const start = performance.now();
                await assay.redraw(chart);
                times[chart.dataset.chart] = performance.now() - start;
              }
              return times;
            }"""
        )
        rows, marks = page.evaluate(
            """() => {
              const charts = Array.from(document.querySelectorAll(".chart"));
              const rows = charts.map((chart) =>
                Object.values(assay.columns(assay.json(`${chart.dataset.chart}-data`)))[0].length);
              const marks = charts.map((chart) => chart.querySelectorAll("svg path").length);
              return [Math.max(...rows), Math.max(...marks)];
            }"""
        )
        toggle = page.evaluate(
            """async (group) => {
              const start = performance.now();
              await assay.set("off", [group]);
              return performance.now() - start;
            }""",
            GROUP,
        )
    slowest = max(times, key=lambda name: times[name])
    return Budget(
        file_mb=round(len(data) / 1e6, 2),
        gzip_mb=round(len(gzip.compress(data)) / 1e6, 2),
        most_rows=rows,
        most_marks=marks,
        ready_ms=round(ready),
        slowest_draw_ms=round(times[slowest]),
        slowest_figure=slowest,
        draw_all_ms=round(sum(times.values())),
        toggle_ms=round(toggle),
    )
