"""A filled store, made once and copied for each test that changes it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cache.store import Store
from tests.cache.synthetic import fill


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished store; nobody changes it."""
    path = tmp_path_factory.mktemp("filled") / "store"
    fill(path)
    return path


@pytest.fixture
def path(filled: Path, tmp_path: Path) -> Path:
    """A finished store of the test's own."""
    shutil.copytree(filled, tmp_path / "store")
    return tmp_path / "store"


@pytest.fixture
def store(path: Path) -> Store:
    """The same, opened."""
    return Store(path)
