"""imagenet-train-16shot and -200k: a list of training images, given or drawn."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from extract.layouts.shot_list import SEED, SHOTS, draw_shots
from manifests.errors import UsageError
from tests.extract.official import Miniature, by_sample, indexed, new_store

TENCH = [f"n01440764_{n}.JPEG" for n in (2, 10, 36, 9)]


def train(root: Path) -> Path:
    return (
        Miniature(root).image(*(f"train/n01440764/{name}" for name in TENCH), "train/n15075141/n15075141_7.JPEG").root
    )


@pytest.mark.parametrize("dataset", ["imagenet-train-16shot", "imagenet-train-200k"])
@pytest.mark.parametrize(
    "text",
    [
        "train/n15075141/n15075141_7.JPEG 999\ntrain/n01440764/n01440764_10.JPEG 0\n",
        "n15075141/n15075141_7.JPEG\nn01440764/n01440764_10.JPEG\n",
        "file,class_index\nn15075141_7.JPEG,999\nn01440764_10.JPEG,0\n",
    ],
    ids=["as ViM writes it", "paths", "csv"],
)
def test_a_list_is_taken_in_its_order(dataset: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(text)
    _, view = indexed(new_store(tmp_path), dataset, train(tmp_path / "imagenet"), annotations=tmp_path / "list.txt")
    assert list(by_sample(view, "label").items()) == [("n15075141_7.JPEG", 999), ("n01440764_10.JPEG", 0)]


def test_a_lists_class_must_be_that_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("train/n01440764/n01440764_10.JPEG 1\n")
    with pytest.raises(UsageError, match="class_index '1' is class 1, wnid 'n01440764' is class 0"):
        indexed(new_store(tmp_path), "imagenet-train-200k", train(tmp_path / "i"), annotations=tmp_path / "list.txt")
    moved = Miniature(tmp_path / "moved").image("n15075141/n01440764_10.JPEG").root
    (tmp_path / "list.txt").write_text("n01440764_10.JPEG\n")
    with pytest.raises(UsageError, match="in the folder 'n15075141' is of 2 classes"):
        indexed(new_store(tmp_path), "imagenet-train-200k", moved, annotations=tmp_path / "list.txt")


def test_sixteen_shots_are_drawn_as_tip_adapter_draws_them(tmp_path: Path) -> None:
    names = {wnid: [f"{wnid}_{n}.JPEG" for n in range(1, 31)] for wnid in ("n01440764", "n01443537")}
    files = Miniature(tmp_path / "train").image(*(f"{wnid}/{name}" for wnid, of in names.items() for name in of))
    _, view = indexed(new_store(tmp_path), "imagenet-train-16shot", files.root)
    generator = random.Random(SEED)
    # torchvision sorts file names as text.
    expected = [name for of in names.values() for name in generator.sample(sorted(of), SHOTS)]
    assert view["sample"].to_list() == expected
    assert view["label"].to_list() == [0] * 16 + [1] * 16
    with pytest.raises(UsageError, match="n01440764 has 4 training images here, expected at least 16"):
        draw_shots(TENCH, SHOTS, SEED)


def test_a_draw_needs_the_training_set(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="5 training images are here, expected at least 200000"):
        indexed(new_store(tmp_path), "imagenet-train-200k", train(tmp_path / "imagenet"))
    with pytest.raises(UsageError, match=r"needs --root \(the training set\) or --annotations FILE"):
        indexed(new_store(tmp_path), "imagenet-train-200k", None)


def test_a_list_alone_is_virtual(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("train/n01440764/n01440764_10.JPEG 0\n")
    store = new_store(tmp_path)
    _, view = indexed(store, "imagenet-train-200k", None, annotations=tmp_path / "list.txt")
    assert by_sample(view, "label") == {"n01440764_10.JPEG": 0}
    assert store.version("imagenet-train-200k").facts["virtual"] is True
