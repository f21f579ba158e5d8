"""The four import names are generic: that they lead to this project is checked, not hoped."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("manifests", "cache", "extract", "analyze")


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_resolves_to_this_project(name: str) -> None:
    found = importlib.util.find_spec(name)
    assert found is not None
    assert found.origin is not None
    assert Path(found.origin).resolve() == REPOSITORY / name / "__init__.py"


def test_no_room_is_called_what_says_nothing() -> None:
    banned = {"utils", "helpers", "common", "misc", "base", "manager"}
    names = {path.stem for package in PACKAGES for path in (REPOSITORY / package).rglob("*.py")}
    assert len(names) > 50
    assert names & banned == set()
