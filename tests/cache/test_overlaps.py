from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest

from cache.cli import app
from cache.console import run_app
from cache.errors import UsageError
from cache.key import image_id
from cache.overlaps import overlaps
from cache.packs import SCHEMA, write_pack
from cache.store import Store
from cache.texts import ClassList, write_text
from cache.views import write_version

PETS = ClassList(("cat", "dog"), ("cat", "dog"))


def add(store: Store, name: str, pictures: Mapping[str, str], labels: Mapping[str, int] | None = None) -> None:
    """Index a dataset of samples with given contents."""
    items = [image_id(content.encode()) for content in pictures.values()]
    table = pl.DataFrame(
        {"sample": list(pictures), "image_id": items, "label": [(labels or {}).get(sample) for sample in pictures]},
        schema={"sample": pl.String, "image_id": pl.String, "label": pl.Int64},
    )
    distinct = list(dict.fromkeys(items))
    pack = pl.DataFrame([(item, 1, 1, 1, "jpeg") for item in distinct], schema=SCHEMA, orient="row")
    with store.stage() as staged:
        classes = write_text(staged, PETS) if labels else ""
        write_version(staged, name, table, classes, [write_pack(staged, "image", pack)], {"layout": "folder"})


@pytest.fixture
def shared_images(tmp_path: Path) -> Store:
    store, _ = Store.create(tmp_path / "store")
    add(store, "b-val", {"1.jpg": "one", "2.jpg": "two", "3.jpg": "three", "4.jpg": "four"}, {"1.jpg": 0, "2.jpg": 1})
    add(store, "a-copy", {"x.jpg": "two", "y.jpg": "one", "z.jpg": "two"}, {"x.jpg": 0, "y.jpg": 0})
    add(store, "c-scenes", {"1.jpg": "five", "2.jpg": "four"})
    add(store, "d-alone", {"1.jpg": "six", "2.jpg": "six"})
    return Store(tmp_path / "store")


def test_images_are_compared_by_content_and_counted_once(shared_images: Store) -> None:
    assert overlaps(shared_images) == [
        {
            "first": "a-copy",
            "second": "b-val",
            "shared": 2,
            "of_first": 1.0,
            "of_second": 0.5,
            "labels_differ": 1,
            "example": ["x.jpg", "2.jpg"],
        },
        {
            "first": "b-val",
            "second": "c-scenes",
            "shared": 1,
            "of_first": 0.25,
            "of_second": 0.5,
            "labels_differ": None,
            "example": ["4.jpg", "2.jpg"],
        },
    ]


def test_patterns_limit_the_pairs(shared_images: Store) -> None:
    assert [(row["first"], row["second"]) for row in overlaps(shared_images, ["c-*"])] == [("b-val", "c-scenes")]
    assert overlaps(shared_images, ["d-alone"]) == []
    with pytest.raises(UsageError):
        overlaps(shared_images, ["e-*"])


def test_an_empty_store_shares_nothing(tmp_path: Path) -> None:
    store, _ = Store.create(tmp_path / "store")
    assert overlaps(store) == []


def test_the_command_lists_them(shared_images: Store, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--store", str(shared_images.layout.root)]
    assert run_app(app, ["ls", "--overlaps", "--json", *where]) == 0
    assert json.loads(capsys.readouterr().out) == overlaps(shared_images)
    assert run_app(app, ["ls", "--overlaps", *where]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert "shared" in shown[0]
    assert [line.split()[:3] for line in shown[1:]] == [["a-copy", "b-val", "2"], ["b-val", "c-scenes", "1"]]
    assert run_app(app, ["ls", "--overlaps", "--dataset", "d-alone", *where]) == 0
    assert capsys.readouterr().out == "no two datasets share an image\n"
