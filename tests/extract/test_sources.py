"""The memo of dear facts: what is damaged is forgotten, never believed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cache.store import Store
from extract.sources import Memo


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")[0]


def only_note(store: Store) -> Path:
    (path,) = (store.layout.local / "memo").glob("*.json")
    return path


def test_a_fact_outlives_the_process(store: Store) -> None:
    key = ("architecture", "timm", "test_resnet", 160, 160)
    assert Memo(store).get(key) is None
    Memo(store).put(key, {"skeleton": "abc", "size": [1, 2]})
    assert Memo(Store(store.layout.root)).get(key) == {"skeleton": "abc", "size": [1, 2]}
    assert Memo(store).get(("architecture", "timm", "test_resnet", 160, 161)) is None
    Memo(store).put(key, "other")
    assert Memo(store).get(key) == "other"


@pytest.mark.parametrize("damage", ["truncate", "not json", "swap", "change", "list"])
def test_a_damaged_fact_is_forgotten(damage: str, store: Store) -> None:
    Memo(store).put("sha", "a" * 64)
    path = only_note(store)
    note: Any = json.loads(path.read_text())
    if damage == "truncate":
        path.write_bytes(path.read_bytes()[:-3])
    elif damage == "not json":
        path.write_bytes(b"\xff\xfe")
    elif damage == "swap":
        other = Store.create(store.layout.root.parent / "other")[0]
        Memo(other).put("another key", "b" * 64)
        path.write_bytes(only_note(other).read_bytes())
    elif damage == "change":
        path.write_text(json.dumps({**note, "value": "c" * 64}))
    else:
        path.write_text("[]")
    assert Memo(store).get("sha") is None
    Memo(store).put("sha", "d" * 64)
    assert Memo(store).get("sha") == "d" * 64
