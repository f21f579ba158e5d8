"""Fixtures that several packages' tests share."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from hypothesis import settings

# A slow machine is no failure, and a run that failed has to fail again: no deadlines, fixed examples.
settings.register_profile("assay", deadline=None, derandomize=True)
settings.load_profile("assay")

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _nothing_is_silenced_beforehand() -> None:
    """Undo what an earlier command asked of logging: `--quiet` in one test would silence the warnings of the next.

    Before a test, not after it: fixtures of a whole module run commands, too.
    """
    logging.getLogger("assay").setLevel(logging.NOTSET)
    root = logging.getLogger()
    root.setLevel(logging.WARNING)
    root.handlers[:] = [handler for handler in root.handlers if type(handler) is not logging.StreamHandler]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real photographs and reference data that may stand beside a checkout."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"no reference data at {folder}; these checks compare against real photographs")
    return folder
