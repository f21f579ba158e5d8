"""Images whose files were away: every later run says so, and redoes them once they are back; nothing is deleted."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cache.bindings import bindings
from cache.store import Store
from tests.extract.command_line import Done, analyze, cache, extract
from tests.extract.pictures import draw

TINY = ("--model", "timm:test_resnet", "--weights", "random:0")
RUN = ("run", *TINY, "--dataset", "photos", "--json")


@pytest.fixture
def away(tmp_path: Path) -> Path:
    """A store of twelve images in packs of four; one file was away when they were extracted, one is no image."""
    draw(tmp_path / "photos", 11)
    (tmp_path / "photos" / "9999.png").write_bytes(b"no image")
    store = tmp_path / "store"
    assert extract(store, "index", "photos", "--root", tmp_path / "photos", "--pack-size", 4).code == 0
    (tmp_path / "photos" / "0001.jpg").rename(tmp_path / "0001.jpg")
    assert extract(store, *RUN).code == 5
    return tmp_path


def again(folder: Path, *more: object) -> Done:
    return extract(folder / "store", *RUN, *more)


def failed(rows: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(row["sample"], row["status"]) for row in rows}


def test_a_run_with_nothing_to_do_still_says_what_failed(away: Path) -> None:
    done = again(away)
    assert done.code == 5
    assert (done.json["units"], done.json["failures"]) == (0, [])
    assert failed(done.json["failures_before"]) == {("0001.jpg", "missing"), ("9999.png", "decode_error")}
    assert "2 images of units that were done before have no numbers" in done.err
    assert "--retry-failed" in done.err


def test_a_run_over_sound_images_of_the_same_packs_succeeds(away: Path) -> None:
    assert (
        extract(away / "store", "index", "sound", "--root", away / "photos", "--packs", "reuse", "--limit", 8).code == 0
    )
    assert set(Store(away / "store").version("sound").packs) <= set(Store(away / "store").version("photos").packs)
    done = extract(away / "store", "run", *TINY, "--dataset", "sound", "--json")
    assert done.code == 0, done.err
    assert (done.json["units"], done.json["failures_before"]) == (0, [])


def test_a_file_that_is_back_is_extracted_and_the_old_record_kept(away: Path) -> None:
    records = sorted(path.name for path in (away / "store" / "commits").rglob("*.json"))
    still = again(away, "--retry-failed")
    assert (still.code, still.json["units"]) == (5, 0)
    (away / "0001.jpg").rename(away / "photos" / "0001.jpg")
    done = again(away, "--retry-failed")
    # One unit of three: the broken image's will be as broken as before.
    assert (done.code, done.json["units"], done.json["images"]) == (5, 1, 4)
    assert failed(done.json["failures_before"]) == {("9999.png", "decode_error")}
    store = Store(away / "store")
    (binding,) = bindings(store)
    view = store.view("photos")
    logits = store.rows("logits", binding.label, view["image_id"].to_list())
    names = dict(zip(view["sample"], np.isnan(logits).any(axis=1), strict=True))
    assert [name for name, blank in names.items() if blank] == ["9999.png"]
    kept = [path.name for path in (away / "store" / "local" / "quarantine").rglob("*.json") if path.name in records]
    assert len(kept) == 2  # logits and embeddings of one pack
    assert sorted(path.name for path in (away / "store" / "commits").rglob("*.json")) == records
    assert cache(away / "store", "check", "--read-data").code == 0


def test_scores_of_the_old_rows_are_not_used_for_the_new_ones(away: Path, tmp_path: Path) -> None:
    (away / "classes.csv").write_text(
        "file,class_index\n" + "".join(f"{at:04d}{'.jpg' if at % 2 else '.png'},{at}\n" for at in range(11))
    )
    index = ("index", "photos", "--root", away / "photos", "--layout", "folder", "--labels", away / "classes.csv")
    (away / "photos" / "9999.png").unlink()
    shutil.copy(away / "0001.jpg", away / "photos" / "0001.jpg")
    assert extract(away / "store", *index).code == 0
    score = ("score", "--on-failure", "exclude", "--out", tmp_path / "s.csv")
    assert analyze(away / "store", *score).code == 0
    assert ",10,11,1," in (tmp_path / "s.csv").read_text()
    assert again(away, "--retry-failed").code == 0
    assert analyze(away / "store", *score).code == 0
    assert ",11,11,0," in (tmp_path / "s.csv").read_text()
