"""`run --root DIR --model M` then `report`: a folder, a model, a page."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import timm
import torch
from safetensors.torch import save_file

from cache.store import Store
from tests.extract.command_line import Done, analyze, extract
from tests.extract.pictures import draw

NAMES = ("ant", "bee", "cat")


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    for at, name in enumerate(NAMES):
        draw(tmp_path / "My Pets (2024)" / name, 4, first=4 * at)
    return tmp_path / "My Pets (2024)"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A checkpoint that somebody trained on three classes of their own."""
    torch.manual_seed(3)
    save_file(timm.create_model("test_resnet", num_classes=3).state_dict(), tmp_path / "mine.safetensors")
    return tmp_path / "mine.safetensors"


def scores(store: Path, out: Path) -> dict[str, float]:
    done = analyze(store, "score", "--out", out)
    assert done.code == 0, done.err
    table = pl.read_csv(out)
    return dict(zip(table["metric"], table["value"], strict=True))


def test_a_folder_and_a_checkpoint_give_a_page(pets: Path, checkpoint: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    (tmp_path / "classes.txt").write_text("\n".join(NAMES))
    done = extract(store, "run", "--root", pets, "--model", "timm:test_resnet", "--weights", checkpoint,
                   "--classes", tmp_path / "classes.txt", "--as", "mine")  # fmt: skip
    assert done.code == 0, done.err
    assert f"created a store at {store}" in done.err
    assert "indexed My-Pets-2024: 12 images, 12 labelled" in done.err
    assert done.out == "1 units, 12 images, 0 without numbers\n"
    # The rate is the one that a plain loop counts.
    view = Store(store).view("My-Pets-2024")
    logits = Store(store).rows("logits", "mine", view["image_id"].to_list())
    assert logits.shape == (12, 3)
    assert view["label"].to_list() == [0] * 4 + [1] * 4 + [2] * 4
    found = scores(store, tmp_path / "s.csv")
    assert found["accuracy_top1"] == (logits.argmax(1) == view["label"].to_numpy()).mean()
    # With three classes every answer is among the first five, which says nothing.
    assert "accuracy_top5" not in found
    page = analyze(store, "report", "--out", tmp_path / "report")
    assert page.code == 0, page.err
    assert "mine" in (tmp_path / "report" / "report.html").read_text("utf-8")


def test_class_files_may_be_in_another_order_than_the_folders(pets: Path, checkpoint: Path, tmp_path: Path) -> None:
    """Classes meet by name: `ant` is the third column here and the first folder there."""
    (tmp_path / "reversed.txt").write_text("\n".join(reversed(NAMES)))
    command = ("run", "--root", pets, "--model", "timm:test_resnet", "--weights", checkpoint, "--classes")
    assert extract(tmp_path / "store", *command, tmp_path / "reversed.txt").code == 0
    store = Store(tmp_path / "store")
    view = store.view("My-Pets-2024")
    logits = store.rows("logits", "timm:test_resnet", view["image_id"].to_list())
    right = 2 - logits.argmax(1) == view["label"].to_numpy()
    assert scores(tmp_path / "store", tmp_path / "s.csv")["accuracy_top1"] == right.mean()


def expect_usage(done: Done, *words: str) -> None:
    assert done.code == 2, done.err
    for word in words:
        assert word in done.err


def test_a_width_mismatch_is_explained(pets: Path, checkpoint: Path, tmp_path: Path) -> None:
    command = ("run", "--root", pets, "--model", "timm:test_resnet", "--weights", checkpoint)
    # Without --classes ImageNet's thousand are expected; the checkpoint has three rows.
    expect_usage(extract(tmp_path / "a", *command), "has 3 rows", "1000", "--classes FILE with 3 names")
    (tmp_path / "four.txt").write_text("ant\nbee\ncat\ndog\n")
    four = extract(tmp_path / "b", *command, "--classes", tmp_path / "four.txt")
    expect_usage(four, "has 3 rows", "4 classes", "--classes FILE with 3 names")
    # Nothing was committed by either.
    assert not list(tmp_path.glob("[ab]/commits/*/*/*.json"))


def test_labels_that_the_model_lacks_are_said_and_not_guessed(pets: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    done = extract(store, "run", "--root", pets, "--model", "timm:test_resnet", "--weights", "random:1")
    assert done.code == 0, done.err
    scored = analyze(store, "score", "--out", tmp_path / "s.csv")
    assert "timm:test_resnet has no class for" in scored.err
    assert "accuracy_top1" not in pl.read_csv(tmp_path / "s.csv")["metric"].to_list()


def test_photographs_without_labels_still_make_a_page(tmp_path: Path) -> None:
    draw(tmp_path / "holiday", 3)
    store = tmp_path / "store"
    command = ("run", "--root", tmp_path / "holiday", "--model", "timm:test_resnet", "--weights", "random:1")
    assert extract(store, *command).code == 0
    page = analyze(store, "report", "--out", tmp_path / "report")
    assert page.code == 0, page.err
    assert "0000.png" in (tmp_path / "report" / "report.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("", "it is empty"), ("ant\n\ncat\n", "lines [2] are empty"), ("ant\nbee\nant\n", "['ant'] stand twice")],
)
def test_a_classes_file_is_read_strictly(text: str, complaint: str, pets: Path, tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text(text)
    command = ("run", "--root", pets, "--model", "timm:test_resnet", "--classes", tmp_path / "classes.txt")
    expect_usage(extract(tmp_path / "store", *command), complaint)


def test_a_folder_is_given_a_legal_name(tmp_path: Path) -> None:
    for folder, dataset in (("фото", "folder"), ("x" * 120, "x" * 80), ("..odd..", "odd")):
        draw(tmp_path / folder, 1)
        store = tmp_path / f"store-{dataset[:5]}"
        command = ("run", "--root", tmp_path / folder, "--model", "timm:test_resnet", "--weights", "random:1")
        done = extract(store, *command)
        assert done.code == 0, done.err
        assert Store(store).datasets() == [dataset]
