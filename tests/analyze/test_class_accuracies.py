"""Accuracy of each class, by hand and from the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import recall_score

from analyze.intervals import clopper_pearson
from cache.texts import ClassList
from tests.analyze.made import CATALOGUE, Made

THREE = ClassList(("k0", "k1", "k2"), ("crane", "crane", "k2"))
LABELS = [0, 1, 1, 0, 0, 1]
ANSWERS = [0, 1, 0, 2, 0, 1]


def test_by_hand_and_as_scikit_learn_counts(tmp_path: Path) -> None:
    made = Made(tmp_path / "s", pack=4).dataset("toys", LABELS, classes=THREE)
    made.model("net", "toys", np.eye(3)[ANSWERS] * 4, classes=THREE, failed={3: "decode_error"})
    assert made.cli("export", "--by-class", "--out", str(tmp_path / "c.parquet")) == 0
    table = pl.read_parquet(tmp_path / "c.parquet")
    p = np.exp(4) / (np.exp(4) + 2)
    # Two classes of one name are told apart by their keys; the third has no image.
    assert table["class"].to_list() == ["crane (k0)", "crane (k1)"]
    assert table.select("protocol", "accuracy_top1", "accuracy_top5", "n", "n_failed").rows() == [
        ("3-way", 1.0, None, 2, 1),
        ("3-way", 2 / 3, None, 3, 0),
    ]
    assert table["mean_confidence"].to_list() == pytest.approx([p, p])
    assert table.select("lo", "hi").rows() == [clopper_pearson(2, 2), clopper_pearson(2, 3)]
    kept = [at for at in range(6) if at != 3]
    recall = recall_score(np.take(LABELS, kept), np.take(ANSWERS, kept), labels=[0, 1], average=None)
    assert table["accuracy_top1"].to_list() == pytest.approx(recall.tolist())


def test_under_every_protocol_with_one_right_class(tmp_path: Path) -> None:
    space, names = CATALOGUE.labels["imagenet-1k"], CATALOGUE.labels["imagenet-r-200"]
    every = ClassList(tuple(space.keys), tuple(space.names))
    few = ClassList(tuple(names.keys), tuple(names.names))
    members = [column for (column,) in names.members]
    made = Made(tmp_path / "s").dataset("imagenet-r", [0, 0, 1], classes=few)
    logits = np.zeros((3, 1000), np.float32)
    # The second is wrong among all columns only: column 0 is none of the 200.
    logits[[0, 1, 2], [members[0], members[0], members[1]]] = 5
    logits[1, 0] = 9
    made.model("net", "imagenet-r", logits, classes=every)
    assert made.cli("export", "--by-class", "--out", str(tmp_path / "c.csv")) == 0
    table = pl.read_csv(tmp_path / "c.csv")
    found = {(row["protocol"], row["n"]): row["accuracy_top1"] for row in table.to_dicts()}
    assert found == {("1000-way", 2): 0.5, ("1000-way", 1): 1.0, ("subset-200", 2): 1.0, ("subset-200", 1): 1.0}


def test_without_labels_there_is_no_row(tmp_path: Path) -> None:
    made = Made(tmp_path / "s").dataset("toys", [None, None], classes=None)
    made.model("net", "toys", np.eye(3)[:2], classes=THREE)
    assert made.cli("export", "--by-class", "--out", str(tmp_path / "c.parquet")) == 0
    assert pl.read_parquet(tmp_path / "c.parquet").height == 0
