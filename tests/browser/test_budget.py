"""Sizes have budgets here; times are measured by the bench, since a benchmark is never a timed test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.browser.budget import measure


def test_sizes_stay_within_their_budgets(browser: Any, report_file: Path) -> None:
    found = measure(browser, report_file)
    assert found.file_mb < 4
    assert found.gzip_mb < 1.2
    assert found.most_rows <= 5_000
    assert found.most_marks <= 8_000
    assert found.draw_all_ms > 0
