"""The results table under the protocols of the manifests, from a store to its rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from analyze.applicable import default_rows
from analyze.asked import Ask
from analyze.score import Scored, score
from cache.errors import IntegrityError
from cache.texts import ClassList
from cache.views import write_version
from tests.analyze.made import CATALOGUE, Made, ZeroShot, catalogue_with

LABELS = CATALOGUE.labels


def classes(name: str) -> ClassList:
    return ClassList(tuple(LABELS[name].keys), tuple(LABELS[name].names))


IMAGENET = classes("imagenet-1k")


def dataset(made: Made, name: str, space: str, label: Sequence[int | None], **columns: Any) -> None:
    """Index a dataset of the manifests, with columns of its own."""
    made.dataset(name, label, classes=classes(space))
    if not columns:
        return
    view = made.store.version(name)
    table = view.table.with_columns(pl.Series(key, values) for key, values in columns.items())
    with made.store.stage() as staged:
        write_version(staged, name, table, view.classes, list(view.packs), view.facts)


def peaks(*columns: int, height: float = 9.0, width: int = 1000) -> np.ndarray[Any, Any]:
    logits = np.zeros((len(columns), width), np.float32)
    logits[np.arange(len(columns)), columns] = height
    return logits


def ask(made: Made, what: Ask | None = None, **more: object) -> Scored:
    return score(made.store, CATALOGUE, what or Ask(), **more)  # type: ignore[arg-type]


def rows(scored: Scored, metric: str) -> dict[str, tuple[float, int]]:
    found = scored.table.filter(pl.col("metric") == metric)
    return {row["protocol"]: (row["value"], row["n"]) for row in found.to_dicts()}


def test_renditions_are_scored_over_200_classes_and_over_all(tmp_path: Path) -> None:
    made = Made(tmp_path / "s", pack=3)
    dataset(made, "imagenet-r", "imagenet-r-200", [0, 1, 2, 3])  # columns 1, 2, 4, 6
    logits = peaks(1, 2, 0, 500)
    logits[2, 4], logits[3, 8] = 5.0, 5.0  # best of the 200: column 4, and column 8, another class
    made.model("net", "imagenet-r", logits, classes=IMAGENET)
    scored = ask(made)
    assert rows(scored, "accuracy_top1") == {"subset-200": (0.75, 4), "1000-way": (0.5, 4)}
    assert rows(scored, "nll")["subset-200"][0] < rows(scored, "nll")["1000-way"][0]
    assert scored.table["protocol"].unique().sort().to_list() == ["1000-way", "subset-200"]
    (note,) = scored.notes
    assert note.startswith("no temperature scaling: imagenet-val has no labelled logits here")


def test_a_zero_shot_head_of_the_200_names_is_the_same_protocol(tmp_path: Path) -> None:
    made = Made(tmp_path / "s")
    dataset(made, "imagenet-r", "imagenet-r-200", [0, 1])
    weights = np.eye(8, 200, dtype=np.float32)
    weights[0, 8:] = 1
    head = ZeroShot("single", weights, classes("imagenet-r-200"))
    made.model("clip", "imagenet-r", np.eye(8, dtype=np.float32)[[0, 1]], kind="embeddings", heads=[head])
    scored = ask(made)
    assert rows(scored, "accuracy_top1") == {"subset-200": (1.0, 2)}
    assert scored.table["prompt_set"].unique().to_list() == ["single"]


def test_objectnet_has_two_merges_and_the_official_rule(tmp_path: Path) -> None:
    space = LABELS["objectnet-113"]
    clock, chair = space.index_of("alarm_clock"), space.index_of("chair")
    made = Made(tmp_path / "s")
    dataset(made, "objectnet", "objectnet-113", [clock, clock, chair, None])
    logits = peaks(530, 0, 414, 1)
    logits[1, 409] = 5.0  # an alarm clock behind a tench: right among the 113, wrong officially
    logits[2, [423, 559, 765]] = 8.5  # three chairs that together outweigh the backpack
    made.model("net", "objectnet", logits, classes=IMAGENET)
    scored = ask(made)
    assert rows(scored, "accuracy_top1") == {
        "objectnet-113": (pytest.approx(2 / 3), 3),
        "objectnet-113-lse": (1.0, 3),
        "objectnet-official-313": (0.25, 4),
    }
    # Probabilities are sums over the columns of a class, whichever column decides.
    assert rows(scored, "nll")["objectnet-113"] == rows(scored, "nll")["objectnet-113-lse"]
    assert "objectnet-official-313" not in rows(scored, "ece_15")
    own = Made(tmp_path / "own")
    dataset(own, "objectnet", "objectnet-113", [clock, chair])
    own.model("net", "objectnet", peaks(clock, 0, width=113), classes=classes("objectnet-113"))
    assert rows(ask(own), "accuracy_top1") == {"objectnet-113-names": (0.5, 2)}


def video(made: Made) -> np.ndarray[Any, Any]:
    space = LABELS["vid-robust-30"]
    dog, fox, zebra = (space.index_of(name) for name in ("dog", "fox", "zebra"))
    dataset(
        made,
        "imagenet-vid-robust",
        "vid-robust-30",
        [dog, dog, fox, zebra],
        labels=[[dog, fox], [dog], [fox], [zebra]],
        anchor=["00000.jpg", "00000.jpg", "00002.jpg", "00002.jpg"],
    )
    return peaks(277, 200, 277, 0)


def test_video_frames_count_by_anchor(tmp_path: Path) -> None:
    made = Made(tmp_path / "s")
    made.model("net", "imagenet-vid-robust", video(made), classes=IMAGENET)
    scored = ask(made)
    assert rows(scored, "accuracy_top1") == {"vid-pm0": (1.0, 2), "vid-pm10": (0.5, 2)}
    assert set(rows(scored, "ece_15")) == {"vid-pm0"}


def test_a_frame_that_could_not_be_read_fails_its_anchor_under_pm10_only(tmp_path: Path) -> None:
    made = Made(tmp_path / "s")
    made.model("net", "imagenet-vid-robust", video(made), classes=IMAGENET, failed={1: "decode_error"})
    excluded = rows(ask(made, on_failure="exclude"), "accuracy_top1")
    assert excluded == {"vid-pm0": (1.0, 2), "vid-pm10": (0.0, 1)}
    wrong = rows(ask(made, on_failure="count-wrong"), "accuracy_top1")
    assert wrong == {"vid-pm0": (1.0, 2), "vid-pm10": (0.0, 2)}


def test_a_part_of_the_frames_has_no_pm10(tmp_path: Path) -> None:
    made = Made(tmp_path / "s", pack=1)
    made.model("net", "imagenet-vid-robust", video(made), classes=IMAGENET)
    made.remove_data("logits", "imagenet-vid-robust", "net", pack=2)
    scored = ask(made, Ask(allow_partial=True))
    assert rows(scored, "accuracy_top1") == {"vid-pm0": (1.0, 1)}


def test_reassessed_labels_and_cue_classes(tmp_path: Path) -> None:
    made = Made(tmp_path / "s")
    dataset(made, "imagenet-real", "imagenet-1k", [5, 6, 7], labels=[[5, 900], [7], []])
    made.model("net", "imagenet-real", peaks(900, 6, 7), classes=IMAGENET)
    cue = LABELS["cue-16"]
    cat, dog = cue.index_of("cat"), cue.index_of("dog")
    dataset(made, "cue-conflict", "cue-16", [cat, dog], shape=[cat, dog], texture=[dog, cat])
    made.model("net", "cue-conflict", peaks(281, 281), classes=IMAGENET)
    scored = ask(made)
    cues = dict.fromkeys(("cue-16", "cue-16-sum", "cue-16-max"), (0.5, 2))
    assert rows(scored, "accuracy_top1") == {"real": (0.5, 2), **cues}
    assert rows(scored, "nll").keys() == {"real"}


def test_a_dataset_whose_protocols_do_not_fit_is_scored_as_its_logits_stand(tmp_path: Path) -> None:
    made = Made(tmp_path / "s").dataset("imagenet-r", [0, 1])
    made.model("net", "imagenet-r", np.eye(3, dtype=np.float32)[:2])
    scored = ask(made)
    assert rows(scored, "accuracy_top1") == {"3-way": (1.0, 2)}
    assert "protocol subset-200 needs a column for every class of imagenet-1k that counts" in scored.notes[0]


def test_a_protocol_that_nobody_knows_is_noted_and_the_others_are_scored(tmp_path: Path) -> None:
    text = """id = "mine"
title = "t"
paper = "p"
obtain = "o"
role = "generic"
label_space = "imagenet-r-200"
protocols = ["subset-200", "subset-2000"]
"""
    made = Made(tmp_path / "s")
    dataset(made, "mine", "imagenet-r-200", [0, 1])
    made.model("net", "mine", peaks(1, 2), classes=IMAGENET)
    scored = score(made.store, catalogue_with(tmp_path, datasets__mine=text), Ask())
    assert rows(scored, "accuracy_top1") == {"subset-200": (1.0, 2)}
    assert scored.notes[0].startswith("mine: protocol subset-2000 is unknown; known are 1000-way, subset-200")


def test_stored_scores_cannot_tell_what_a_protocol_asks(tmp_path: Path) -> None:
    made = Made(tmp_path / "s")
    dataset(made, "imagenet-r", "imagenet-r-200", [0, 1])
    made.model("net", "imagenet-r", peaks(1, 2), classes=IMAGENET)
    ask(made, keep_scores=True)
    made.remove_data("logits", "imagenet-r", "net")
    scored = ask(made)
    assert rows(scored, "accuracy_top1") == {"1000-way": (1.0, 2)}
    assert any("they need its logits" in note for note in scored.notes)


def test_labels_in_another_order_are_noted_with_the_evidence(tmp_path: Path) -> None:
    made = Made(tmp_path / "s", pack=64)
    truth = np.arange(0, 1000, 5)
    as_read = np.argsort(sorted(range(1000), key=str))[truth]
    dataset(made, "imagenet-v2-threshold", "imagenet-1k", as_read.tolist())
    made.model("net", "imagenet-v2-threshold", peaks(*truth.tolist()), classes=IMAGENET)
    (note,) = (one for one in ask(made).notes if "temperature" not in one)
    assert note.startswith("net on imagenet-v2-threshold (1000-way): probable label-order error.")
    assert "sorted as text" in note
    assert "it is 1.000" in note


def test_a_label_that_the_dataset_does_not_have_is_damage(tmp_path: Path) -> None:
    made = Made(tmp_path / "s")
    dataset(made, "imagenet-r", "imagenet-r-200", [0, 200])
    made.model("net", "imagenet-r", peaks(1, 2), classes=IMAGENET)
    with pytest.raises(IntegrityError, match="label 200 of a dataset with 200 classes"):
        ask(made)
    several = Made(tmp_path / "t")
    dataset(several, "imagenet-real", "imagenet-1k", [0, 1], labels=[[0], [1, 1000]])
    several.model("net", "imagenet-real", peaks(0, 1), classes=IMAGENET)
    with pytest.raises(IntegrityError, match="label 1000 of a dataset with 1000 classes"):
        ask(several)


def test_one_row_is_left_under_the_default_protocol(tmp_path: Path) -> None:
    made = Made(tmp_path / "s").dataset("toys", [0, 1])
    dataset(made, "imagenet-r", "imagenet-r-200", [0, 1])
    dataset(made, "imagenet-val", "imagenet-1k", [0, 1])
    made.model("net", "imagenet-r", peaks(1, 2), classes=IMAGENET)
    made.model("net", "imagenet-val", peaks(0, 1), classes=IMAGENET)
    made.model("other", "toys", np.eye(3, dtype=np.float32)[:2])
    table = ask(made).table.filter(pl.col("metric") == "accuracy_top1")
    assert table.height == 4
    left = default_rows(table, CATALOGUE.datasets)
    assert left.columns == table.columns
    assert left["dataset", "protocol"].rows() == [
        ("imagenet-r", "subset-200"),
        ("imagenet-val", "1000-way"),
        ("toys", "3-way"),
    ]
