"""Fixtures that several packages' tests share."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# A slow machine is no failure, and a run that failed has to fail again: no deadlines, fixed examples.
settings.register_profile("assay", deadline=None, derandomize=True)
settings.load_profile("assay")

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real photographs and reference data that may stand beside a checkout."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"no reference data at {folder}; these checks compare against real photographs")
    return folder
