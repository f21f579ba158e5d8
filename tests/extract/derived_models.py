"""A small store of a zero-shot model from which models are derived, and what a test asks of it."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np

from cache.bindings import bindings
from cache.key import head_id
from cache.reader import Reader
from cache.store import Store
from tests.extract.command_line import Done, analyze, extract
from tests.extract.pictures import draw

INSECTS = ("ant", "bee", "cat")
BASE = "open_clip:tiny-vit"
WIDTH = 24


def write_store(folder: Path) -> None:
    """Write a store of a zero-shot model on test images, on shots, and on images of no class."""
    for at, name in enumerate(INSECTS):
        draw(folder / "insects" / name, 5, first=10 * at)
        draw(folder / "shots" / name, 2, first=200 + 10 * at)
    draw(folder / "noise", 4, first=100)
    (folder / "classes.txt").write_text("\n".join(INSECTS))
    for dataset in ("insects", "shots", "noise"):
        ok(extract(folder / "store", "index", dataset, "--root", folder / dataset, "--pack-size", 8))
    for dataset in ("insects", "shots", "noise"):
        ok(extract(folder / "store", "run", "--model", BASE, "--weights", "random:3", "--dataset", dataset,
                   "--classes", folder / "classes.txt"))  # fmt: skip


def ok(done: Done) -> Done:
    assert done.code == 0, done.err
    return done


def convert(store: Path, adapter: str, *arguments: object, model: str = "new", code: int = 0) -> Done:
    done = extract(store, "convert", adapter, *arguments, "--base", BASE, "--model", model)
    assert done.code == code, done.err
    return done


def base_rows(store: Path, dataset: str) -> tuple[Any, Any, Any]:
    """Return embeddings `(n, d)`, the head and labels of the base on a dataset."""
    opened = Store(store)
    (binding,) = bindings(opened, [BASE], [dataset])
    view, reader = opened.version(dataset), Reader(opened)
    ((prompts, classes),) = binding.heads
    space = opened.space(binding.label)
    images = view.table["image_id"].to_list()
    return reader.rows("embeddings", space, images), reader.head(space, head_id(classes, prompts)), view.table


def derived_logits(store: Path, dataset: str, model: str = "new") -> np.ndarray:
    opened = Store(store)
    images = opened.view(dataset)["image_id"].to_list()
    (binding,) = bindings(opened, [model], [dataset])
    return Reader(opened).rows("logits", opened.space(binding.label), images)


def identity(store: Path, dataset: str, model: str = "new") -> Any:
    opened = Store(store)
    (binding,) = bindings(opened, [model], [dataset])
    return opened.space(binding.label).identity


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def table(store: Path, *arguments: object) -> list[dict[str, str]]:
    out = store.parent / "table.csv"
    ok(analyze(store, "score", "--id-dataset", "insects", "--ood-dataset", "noise", "--out", out, *arguments))
    return list(csv.DictReader(io.StringIO(out.read_text())))


def accuracy(rows: list[dict[str, str]], model: str, dataset: str = "insects") -> float:
    (value,) = {
        float(row["value"])
        for row in rows
        if (row["model"], row["dataset"], row["metric"]) == (model, dataset, "accuracy_top1")
    }
    return value


def stored_head(store: Path, dataset: str, model: str) -> Any:
    """Return the one head of a model on a dataset."""
    opened = Store(store)
    (binding,) = bindings(opened, [model], [dataset])
    ((prompts, classes),) = binding.heads
    return Reader(opened).head(opened.space(binding.label), head_id(classes, prompts))
