"""A store of format version 1, made once, stays readable with the same numbers for ever."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cache.check import check
from cache.store import Store
from tests.cache.make_golden import ANSWER, SIZE, STORE
from tests.cache.synthetic import Job, answer, fill, run, space_of


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    shutil.copytree(STORE, tmp_path / "store")
    return tmp_path / "store"


def test_it_reads_as_it_did() -> None:
    assert answer(STORE) == json.loads(ANSWER.read_text(encoding="utf-8"))


def test_it_is_whole() -> None:
    assert check(Store(STORE), read_data=True) == []


def test_todays_writers_make_the_same_names_and_data(golden: Path, tmp_path: Path) -> None:
    fill(tmp_path / "today", SIZE)
    for folder in ("requests", "datasets", "packs", "spaces", "texts", "commits", "data"):
        names = [
            {path.relative_to(root).as_posix() for path in (root / folder).rglob("*")}
            for root in (golden, tmp_path / "today")
        ]
        assert names[0] == names[1]
    for chunk in golden.glob("data/**/c/**/*"):
        if chunk.is_file():
            assert (tmp_path / "today" / chunk.relative_to(golden)).read_bytes() == chunk.read_bytes()
    for text in ("requests", "texts"):
        for path in (golden / text).iterdir():
            assert (tmp_path / "today" / path.relative_to(golden)).read_bytes() == path.read_bytes()


def test_todays_writers_go_on_where_it_ends(golden: Path) -> None:
    before = answer(golden)
    store = Store(golden)
    run(store, SIZE, Job("net-c", space_of("new"), ("logits",), SIZE.second))
    after = answer(golden)
    assert {key: after[key] for key in before} == before
    assert len(after) > len(before)
    assert check(store, read_data=True) == []


def test_it_is_small_and_of_no_machine() -> None:
    files = [path for path in STORE.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 60_000
    for path in files:
        if path.suffix == ".json":
            assert "linux" not in path.read_text(encoding="utf-8").lower(), path
