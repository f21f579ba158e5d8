"""Never an answer from the wrong numbers (the failure of lm-evaluation-harness issue 4063: a cache keyed by a path).

Somebody retrains into the same file, gives one name to two models, or changes the data under a dataset's name. Each
time the answer is either that of the numbers which belong to the question, or an error that names both.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from cache.requests import Request
from cache.store import Store
from cache.texts import read_classes
from tests.extract.command_line import Done, analyze, cache, extract
from tests.extract.pictures import draw

ARCH = "test_resnet"
CLASSES = ("ant", "bee", "cat")


def train(path: Path, seed: int) -> Path:
    """Write a checkpoint; another seed stands for another training."""
    torch.manual_seed(seed)
    save_file(timm.create_model(ARCH, num_classes=3).state_dict(), path)
    return path


@pytest.fixture
def bench(tmp_path: Path) -> Any:
    """A folder of three classes, indexed, with a checkpoint run over it."""
    for at, name in enumerate(CLASSES):
        draw(tmp_path / "insects" / name, 6, first=6 * at)
    (tmp_path / "classes.txt").write_text("\n".join(CLASSES))
    train(tmp_path / "model.safetensors", seed=1)
    assert extract(tmp_path / "store", "index", "insects", "--root", tmp_path / "insects").code == 0
    first = run(tmp_path)
    assert first.code == 0, first.err
    return tmp_path


def run(folder: Path, *more: object, weights: str = "model.safetensors", name: str = "mine") -> Done:
    return extract(folder / "store", "run", "--model", f"timm:{ARCH}", "--weights", folder / weights, "--as", name,
                   "--classes", folder / "classes.txt", "--dataset", "insects", *more)  # fmt: skip


def score(folder: Path, *more: object) -> Done:
    return analyze(folder / "store", "score", *more)


def top1(done: Done) -> float:
    assert done.code == 0, done.err
    (row,) = [row for row in csv.DictReader(io.StringIO(done.out)) if row["metric"] == "accuracy_top1"]
    return float(row["value"])


def bound(folder: Path) -> list[Request]:
    """Return what binds a name to a space; `score` keeps requests of its own, which do not."""
    return [request for request in Store(folder / "store").requests().live if request.binds]


def spaces(folder: Path) -> list[str]:
    return sorted({request.label for request in bound(folder)})


def truth(folder: Path, space: str) -> float:
    """The accuracy of a space, counted from its rows."""
    store = Store(folder / "store")
    view = store.view("insects")
    logits = store.rows("logits", space, view["image_id"].to_list())
    return float((logits.argmax(1) == view["label"].to_numpy()).mean())


def expect_both_named(folder: Path) -> tuple[str, str]:
    """Two spaces are bound to one name; the question without a space is refused, and names them."""
    first, second = spaces(folder)
    refused = score(folder)
    assert refused.code == 2
    assert refused.out == ""
    assert first in refused.err
    assert second in refused.err
    assert "--space" in refused.err
    assert "assay-cache retire" in refused.err
    return first, second


# --- another model under the same name ---------------------------------------------------------------------------


def test_retraining_into_the_same_file(bench: Path) -> None:
    before, (old,) = top1(score(bench)), spaces(bench)
    train(bench / "model.safetensors", seed=2)
    again = run(bench)
    assert again.code == 0, again.err
    assert again.out.startswith("1 units, 18 images"), "retrained weights are never a hit"
    assert "now bound to more than one space" in again.err
    first, second = expect_both_named(bench)
    new = second if first == old else first
    # Either can be asked for, and each answers with its own numbers.
    assert not np.array_equal(
        *(
            Store(bench / "store").rows("logits", s, Store(bench / "store").view("insects")["image_id"].to_list())
            for s in (old, new)
        )
    )
    assert top1(score(bench, "--space", old)) == truth(bench, old) == before
    assert top1(score(bench, "--space", new)) == truth(bench, new)
    # Retiring the old one settles it for good.
    (request,) = [request for request in bound(bench) if request.label == old]
    assert cache(bench / "store", "retire", request.digest[:16]).code == 0
    assert top1(score(bench)) == truth(bench, new)


def test_a_file_swapped_within_one_tick_of_the_clock(bench: Path) -> None:
    """Same path, same size, same modification time: the sha256 of the weights still tells."""
    path = bench / "model.safetensors"
    stamp = path.stat()
    train(path, seed=2)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (stamp.st_size, stamp.st_mtime_ns)
    assert run(bench).out.startswith("1 units, 18 images")
    expect_both_named(bench)


@pytest.mark.parametrize(
    "option",
    [("--image-size", 96), ("--interpolation", "nearest"), ("--dtype", "bfloat16")],
    ids=lambda option: str(option[0]),
)
def test_another_size_interpolation_or_dtype_is_another_space(option: tuple[str, object], bench: Path) -> None:
    again = run(bench, *option)
    assert again.code == 0, again.err
    assert again.out.startswith("1 units, 18 images")
    assert "now bound to more than one space" in again.err
    expect_both_named(bench)


def test_other_columns_under_the_same_weights(bench: Path) -> None:
    """The same numbers, but the columns are said to mean other classes: two answers, so neither is given unasked."""
    before = top1(score(bench))
    (bench / "classes.txt").write_text("\n".join(reversed(CLASSES)))
    again = run(bench)
    assert again.out.startswith("0 units"), "the numbers are the same; only their meaning is not"
    refused = score(bench)
    assert refused.code == 2
    assert "is bound 2 times" in refused.err
    # A space cannot tell the two apart; retiring one can.
    old = next(request for request in bound(bench) if _keys(bench, request.classes) == CLASSES)
    assert cache(bench / "store", "retire", old.digest[:16]).code == 0
    store = Store(bench / "store")
    view = store.view("insects")
    logits = store.rows("logits", old.label, view["image_id"].to_list())
    assert top1(score(bench)) == (2 - logits.argmax(1) == view["label"].to_numpy()).mean()
    assert before == truth(bench, old.label)


def _keys(folder: Path, classes: str) -> tuple[str, ...]:
    store = Store(folder / "store")
    return read_classes(store.disk, store.layout, classes).keys


# --- the same model under another name ---------------------------------------------------------------------------


def test_the_same_bytes_at_another_path_are_a_hit(bench: Path) -> None:
    (bench / "elsewhere").mkdir()
    shutil.copy(bench / "model.safetensors", bench / "elsewhere" / "renamed.safetensors")
    again = run(bench, weights="elsewhere/renamed.safetensors")
    assert again.out.startswith("0 units, 0 images"), again.err
    assert len(spaces(bench)) == 1
    assert top1(score(bench)) == truth(bench, spaces(bench)[0])


def test_a_renamed_model_computes_nothing_and_answers_under_both_names(bench: Path) -> None:
    again = run(bench, name="better-name")
    assert again.out.startswith("0 units, 0 images"), again.err
    table = list(csv.DictReader(io.StringIO(score(bench).out)))
    by_name = {row["model"]: row["value"] for row in table if row["metric"] == "accuracy_top1"}
    assert set(by_name) == {"mine", "better-name"}
    assert len(set(by_name.values())) == 1
    # The old name can be given up; the data stay, since the new one uses them.
    assert cache(bench / "store", "retire", "--model", "mine").code == 0
    assert {row["model"] for row in csv.DictReader(io.StringIO(score(bench).out))} == {"better-name"}


def test_an_old_name_given_to_a_new_model(bench: Path) -> None:
    train(bench / "second.safetensors", seed=2)
    assert run(bench, weights="second.safetensors", name="second").code == 0
    values = {
        name: truth(bench, label) for name, label in zip(("mine", "second"), (s for s in _labels(bench)), strict=True)
    }
    # Somebody retires `mine` and gives its name to the second model.
    assert cache(bench / "store", "retire", "--model", "mine").code == 0
    assert run(bench, weights="second.safetensors", name="mine").out.startswith("0 units")
    assert top1(score(bench, "--model", "mine")) == values["second"]


def _labels(folder: Path) -> list[str]:
    return [next(r.label for r in bound(folder) if r.model == name) for name in ("mine", "second")]


# --- other data under the same name ------------------------------------------------------------------------------


def index(folder: Path, *more: object) -> Done:
    done = extract(folder / "store", "index", "insects", "--root", folder / "insects", *more)
    assert done.code in (0, 5), done.err
    return done


def test_other_labels_are_what_the_answer_is_about(bench: Path) -> None:
    before = top1(score(bench))
    files = sorted(path.relative_to(bench / "insects").as_posix() for path in (bench / "insects").rglob("*.*"))
    rows = [
        f"{name},{'cat' if name.startswith('ant') else 'ant' if name.startswith('cat') else 'bee'}" for name in files
    ]
    (bench / "labels.csv").write_text("file,label\n" + "\n".join(rows) + "\n")
    index(bench, "--labels", bench / "labels.csv")
    after = top1(score(bench))  # no new run: the images are the same, and so are their numbers
    assert after == truth(bench, spaces(bench)[0])
    store = Store(bench / "store")
    logits = store.rows("logits", "mine", store.view("insects")["image_id"].to_list())
    swapped = logits.argmax(1) == np.array([2 - label for label in store.view("insects")["label"]])
    assert before == swapped.mean()


def test_fewer_images_are_answered_from_what_is_there(bench: Path) -> None:
    for path in sorted((bench / "insects" / "ant").iterdir())[:3]:
        path.unlink()
    index(bench)
    done = score(bench)
    assert top1(done) == truth(bench, spaces(bench)[0])
    assert {row["n"] for row in csv.DictReader(io.StringIO(done.out)) if row["metric"] == "accuracy_top1"} == {"15"}


def test_more_images_are_missing_until_they_are_extracted(bench: Path) -> None:
    draw(bench / "insects" / "cat", 4, first=500)
    index(bench)
    partial = score(bench)
    assert partial.code == 3
    assert "accuracy" not in partial.out
    mend = "assay-extract run --model timm:test_resnet --weights model.safetensors --as mine --dataset insects"
    assert mend in partial.err
    again = run(bench)
    assert again.out.startswith("1 units, 4 images"), again.out + again.err
    assert top1(score(bench)) == truth(bench, spaces(bench)[0])


def test_a_replaced_photograph_is_not_answered_for_by_the_old_one(bench: Path) -> None:
    (victim, *_) = sorted((bench / "insects" / "bee").iterdir())
    draw(bench / "spare", 1, first=900)
    shutil.copy(bench / "spare" / "0900.png", victim)
    index(bench)
    assert score(bench).code == 3
    assert run(bench).out.startswith("1 units, 1 images")
    assert top1(score(bench)) == truth(bench, spaces(bench)[0])


def test_a_dataset_that_is_indexed_over_another_folder(bench: Path) -> None:
    """Same name, other images: nothing of the old ones leaks into the answer."""
    for at, name in enumerate(CLASSES):
        draw(bench / "others" / name, 2, first=700 + 2 * at)
    assert extract(bench / "store", "index", "insects", "--root", bench / "others").code == 0
    assert score(bench).code == 3
    assert run(bench).out.startswith("1 units, 6 images")
    done = score(bench)
    assert top1(done) == truth(bench, spaces(bench)[0])
    assert {row["n"] for row in csv.DictReader(io.StringIO(done.out)) if row["metric"] == "accuracy_top1"} == {"6"}
