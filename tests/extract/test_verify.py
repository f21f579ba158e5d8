"""`verify`: a number that moved is seen, and so is a model that is no longer the one stored."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cache.commits import Unit, read_commit, write_commit
from cache.segments import array_segments
from cache.store import Store
from tests.extract.command_line import cache, extract
from tests.extract.pictures import draw

TINY = ("--model", "timm:test_resnet", "--weights", "random:0")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verify")
    draw(folder / "photos", 8)
    done = extract(folder / "store", "run", "--root", folder / "photos", *TINY, "--kinds", "logits,embeddings,patches")
    assert done.code == 0, done.err
    return folder


@pytest.fixture
def store(original: Path, tmp_path: Path) -> Path:
    shutil.copytree(original / "store", tmp_path / "store")
    return tmp_path / "store"


def verify(store: Path, *more: object, weights: str = "random:0") -> Any:
    return extract(store, "verify", "--model", "timm:test_resnet", "--weights", weights, "--json", *more)


def test_equal_numbers_are_called_equal(store: Path) -> None:
    done = verify(store, "--recompute", 5)
    assert done.code == 0, done.err
    assert [(row["kind"], row["images"], row["result"]) for row in done.json] == [
        (kind, 5, "equal") for kind in ("logits", "embeddings", "patches")
    ]
    assert done.json[0]["top1_flips"] == 0
    # It asks for no more than there is.
    assert verify(store, "--recompute", 100).json[0]["images"] == 8


def test_another_seed_draws_other_images(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from extract import verify as verifying

    drawn = []
    compute = verifying.compute_unit

    def spy(*arguments: Any, **options: Any) -> Any:
        drawn.append(tuple(arguments[3]))
        return compute(*arguments, **options)

    monkeypatch.setattr(verifying, "compute_unit", spy)
    for seed in (0, 0, 1):
        assert verify(store, "--recompute", 3, "--seed", seed).code == 0
    assert drawn[0] == drawn[1] != drawn[2]


def forge(store: Path, kind: str, change: Any) -> None:
    """Replace a unit by other numbers, with records and sums that agree: damage that only a model can see."""
    opened = Store(store)
    (request,) = [request for request in opened.requests().live if request.binds]
    (pack,) = request.packs
    space = opened.space(request.label)
    place = Unit(kind, space.id, space.label, pack)
    old = read_commit(opened.disk, opened.layout, place)
    assert old is not None
    items = opened.view("photos")["image_id"].to_list()
    values = change(opened.rows(kind, space.id, items).copy())
    opened.layout.record(kind, space.label, pack).unlink()
    with opened.stage() as staged:
        write_commit(staged, place, list(array_segments(kind, space.id, pack, values)), [], "forged")
    cache(store, "gc", "--grace", 0)


def test_one_changed_number_is_seen(store: Path) -> None:
    def change(values: np.ndarray) -> np.ndarray:
        values[3, 17] += 1.0
        return values

    forge(store, "logits", change)
    # The store itself cannot tell: every sum agrees.
    assert cache(store, "check", "--read-data").code == 0
    done = verify(store, "--recompute", 8)
    assert done.code == 4
    assert {row["kind"]: row["result"] for row in done.json} == {
        "logits": "differs",
        "embeddings": "equal",
        "patches": "equal",
    }
    assert done.json[0]["largest_difference"] == pytest.approx(1.0, abs=1e-4)


def test_shifted_columns_flip_every_decision(store: Path) -> None:
    forge(store, "logits", lambda values: np.roll(values, 1, axis=1))
    done = verify(store, "--recompute", 8)
    assert done.code == 4
    assert done.json[0]["top1_flips"] == 8


def test_a_difference_within_the_tolerance_is_none(store: Path) -> None:
    forge(store, "embeddings", lambda values: values * np.float32(1 + 1e-5))
    assert verify(store, "--recompute", 8).code == 0
    assert verify(store, "--recompute", 8, "--tolerance", 1e-7).code == 4


def test_other_weights_are_not_compared(store: Path) -> None:
    done = verify(store, weights="random:1")
    assert done.code == 2
    assert "describes itself otherwise" in done.err


def test_images_that_are_gone_are_left_out_or_said_to_be_missing(original: Path, store: Path) -> None:
    victim = original / "photos" / "0003.jpg"
    data = victim.read_bytes()
    victim.unlink()
    try:
        done = verify(store, "--recompute", 8)
        assert done.code == 0
        assert "1 of the 8 images drawn cannot be read here now" in done.err
        assert done.json[0]["images"] == 7
    finally:
        victim.write_bytes(data)
    (original / "photos").rename(original / "away")
    try:
        gone = verify(store)
        assert gone.code == 3
        assert "there is nothing to compare" in gone.err
    finally:
        (original / "away").rename(original / "photos")


def test_a_model_is_verified_as_it_was_built(tmp_path: Path) -> None:
    """With a name and classes of its own and another input size, as `run` was told."""
    draw(tmp_path / "photos", 6)
    (tmp_path / "classes.txt").write_text("ant\nbee\ncat\n")
    store = tmp_path / "store"
    built = ("--classes", tmp_path / "classes.txt", "--as", "mine", "--image-size", 96)
    assert extract(store, "run", "--root", tmp_path / "photos", *TINY, *built).code == 0
    done = extract(store, "verify", *TINY, *built, "--kinds", "logits", "--recompute", 3, "--json")
    assert done.code == 0, done.err
    assert [(row["model"], row["kind"], row["images"], row["result"]) for row in done.json] == [
        ("mine", "logits", 3, "equal")
    ]
    other = extract(store, "verify", *TINY, *built[:-1], 128)
    assert other.code == 2
    assert "pass the options that `run` was given" in other.err
