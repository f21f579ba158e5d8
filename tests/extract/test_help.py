"""`--help` answers at once: it imports none of the heavy libraries. And this test would notice if it did."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from tests.extract.command_line import REPOSITORY

HEAVY = ("torch", "torchvision", "timm", "open_clip", "zarr", "polars", "altair", "scipy", "statsmodels", "pyarrow")

SCRIPT = """
import importlib, sys
from cache.console import run_app
app = importlib.import_module(f"{sys.argv[1]}.cli").app
codes = [run_app(app, words) for words in ([], ["--help"], ["--version"], ["no-such-command"])]
assert codes == [0, 0, 0, 2], codes
for name in app:
    if not name.startswith("-"):
        assert run_app(app, [name, "--help"]) == 0, name
        assert run_app(app, [name, "--no-such-option"]) == 2, name
PLANT
print("HEAVY", *sorted(set(sys.modules) & set(sys.argv[2:])))
"""


def heavy_after_help(program: str, plant: str = "") -> set[str]:
    command = [sys.executable, "-c", SCRIPT.replace("PLANT", plant), program, *HEAVY]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Usage: assay-" in done.stdout
    last = done.stdout.splitlines()[-1]
    assert last.startswith("HEAVY")
    return set(last.split()[1:])


@pytest.mark.parametrize("program", ["extract", "cache", "analyze"])
def test_help_imports_nothing_heavy(program: str) -> None:
    assert heavy_after_help(program) == set()


@pytest.mark.parametrize("library", ["polars", "scipy"])
def test_the_test_above_can_fail(library: str) -> None:
    assert importlib.util.find_spec(library), f"{library} is not installed, so that nothing could import it"
    assert library in heavy_after_help("cache", plant=f"import {library}")


def test_all_of_them_are_installed_here() -> None:
    """Where a library is absent, not importing it proves nothing."""
    optional = {"pyarrow"}
    assert [name for name in HEAVY if name not in optional and importlib.util.find_spec(name) is None] == []
