"""Fixtures that several packages' tests share."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# A slow machine is no failure, and a run that failed has to fail again: no deadlines, fixed examples.
settings.register_profile("assay", deadline=None, derandomize=True)
settings.load_profile("assay")

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _levels_stay_in_their_test() -> Iterator[None]:
    """Undo what a command under test asked of logging: `--quiet` in one test would silence the warnings of the next."""
    log, root = logging.getLogger("assay"), logging.getLogger()
    levels, handlers = (log.level, root.level), list(root.handlers)
    yield
    log.setLevel(levels[0])
    root.setLevel(levels[1])
    root.handlers[:] = handlers


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real photographs and reference data that may stand beside a checkout."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"no reference data at {folder}; these checks compare against real photographs")
    return folder
