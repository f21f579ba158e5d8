"""A browser without a network, and one page with everything on it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.pages import write_page

STRICT = "ASSAY_STRICT_BROWSER"
"""Set by the session whose business these tests are: there a skipped test is a failed one."""

ARGUMENTS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    # Whatever a page asks for goes nowhere.
    *("--proxy-server=127.0.0.1:9", "--host-resolver-rules=MAP * ~NOTFOUND"),
)


def _missing(why: str) -> None:
    if os.environ.get(STRICT):
        pytest.fail(f"{STRICT} is set, and {why}")
    pytest.skip(f"{why}; `nox -s report_browser` says what it needs")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium, or $ASSAY_CHROMIUM, driven by Playwright."""
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        _missing("the package playwright is not installed")
    program = os.environ.get("ASSAY_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        _missing("there is no chromium on the path")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        yield running
        running.close()


@pytest.fixture(scope="session")
def report_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page; made once."""
    return write_page(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="session")
def axe_script() -> str:
    """The script of axe-core."""
    try:
        import axe_playwright_python
    except ModuleNotFoundError:
        _missing("the package axe-playwright-python, which brings axe-core, is not installed")
    (script,) = Path(axe_playwright_python.__file__).parent.rglob("axe.min.js")
    return script.read_text("utf-8")


@pytest.fixture(scope="session")
def pictures() -> Path:
    """Where pictures of the page go: for people, not compared."""
    folder = Path(os.environ.get("ASSAY_PICTURES", "build/report-pictures"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
