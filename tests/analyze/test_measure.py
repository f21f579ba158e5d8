from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from analyze.asked import Ask
from analyze.cell import Cell
from analyze.cells import find_cells
from analyze.measure import Measured, measure
from analyze.metrics.ood_scores import mcm
from analyze.metrics.softmax import summarize
from analyze.view_labels import label_columns, unknown_classes
from cache.errors import IntegrityError
from cache.reader import Reader
from cache.texts import ClassList
from cache.views import write_version
from cache.zero_shot import Head, cosines, zero_shot_logits
from tests.analyze.made import CATALOGUE, SHAPES, Made, ZeroShot, images, tiny


def cells(made: Made, ask: Ask | None = None) -> tuple[Reader, list[Cell]]:
    store = made.store
    reader = Reader(store)
    return reader, list(find_cells(store, reader, CATALOGUE, ask or Ask()).cells)


def measured(made: Made, columns: list[int], ask: Ask | None = None) -> Measured:
    reader, (cell,) = cells(made, ask)
    return measure(reader, cell, np.array(columns), 3)


def test_hand_worked_numbers(tmp_path: Path) -> None:
    found = measured(tiny(tmp_path / "s"), [0, 1, 2, -1])
    assert found.prediction.tolist() == [0, 0, 2, 2]
    assert found.numbers.confidence.round(6).tolist() == [0.7, 0.5, 0.6, 0.6]
    assert found.numbers.top5_index.tolist() == [
        [0, 1, 2, -1, -1],
        [0, 1, 2, -1, -1],
        [2, 1, 0, -1, -1],
        [2, 0, 1, -1, -1],
    ]
    assert found.nll is not None
    assert found.brier is not None
    assert found.nll[:3].round(5).tolist() == (-np.log([0.7, 0.3, 0.6])).round(5).tolist()
    assert found.brier[:3].round(5).tolist() == [0.14, 0.78, 0.26]
    assert np.isnan(found.nll[3])
    # The logits are log p of a p that sums to 1.
    assert np.abs(found.numbers.log_sum_exp).max() < 1e-6


def test_equal_to_the_metrics_on_the_whole_array(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(23, 7)).astype(np.float32)
    classes = ClassList(tuple("abcdefg"), tuple("ABCDEFG"))
    labels = rng.integers(0, 7, 23)
    made = Made(tmp_path / "s", pack=5).dataset("toys", labels.tolist(), classes=classes)
    made.model("net-a", "toys", logits, classes=classes)
    reader, (cell,) = cells(made)
    found = measure(reader, cell, labels, 7)
    direct = summarize(logits, labels)
    for name in ("confidence", "log_sum_exp", "max_logit", "top5_index", "top5_logit"):
        assert np.array_equal(getattr(found.numbers, name), getattr(direct, name)), name
    assert found.nll is not None
    assert direct.nll is not None
    assert np.array_equal(found.nll, direct.nll)
    assert np.array_equal(found.brier, direct.brier)  # type: ignore[arg-type]


def test_order_of_packs_and_of_samples_does_not_matter(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(8, 3)).astype(np.float32)
    ids = images("toys", 8)
    answers = []
    for name, order, cut in (("a", range(8), [3, 5]), ("b", [5, 1, 7, 0, 2, 6, 4, 3], [1, 6, 1])):
        made = Made(tmp_path / name).dataset("toys", [0] * 8, items=[ids[at] for at in order], cut=cut)
        made.model("net-a", "toys", logits[list(order)])
        found = measured(made, [0] * 8)
        answers.append({ids[at]: found.numbers.confidence[row] for row, at in enumerate(order)})
    assert answers[0] == answers[1]


def test_an_image_under_two_samples_has_its_numbers_twice(tmp_path: Path) -> None:
    first, second = images("toys", 2)
    made = Made(tmp_path / "s").dataset("toys", [0, 1, 1], items=[first, first, second])
    made.model("net-a", "toys", np.array([[2, 1, 0], [0, 3, 0]]))
    found = measured(made, [0, 1, 1])
    assert found.prediction.tolist() == [0, 0, 1]
    assert found.numbers.confidence[0] == found.numbers.confidence[1]
    assert found.nll is not None
    assert found.nll[0] < found.nll[1]


def test_failures_keep_their_row_and_reason(tmp_path: Path) -> None:
    made = Made(tmp_path / "s").dataset("toys", [0, 1, 2])
    made.model("net-a", "toys", np.eye(3), failed={1: "decode_error"})
    found = measured(made, [0, 1, 2])
    assert found.ok.tolist() == [True, False, True]
    assert found.failures[1].status == "decode_error"
    assert np.isnan(found.numbers.confidence[1])
    assert found.numbers.top5_index[1].tolist() == [-1] * 5


def test_zero_shot_logits_are_those_of_whole_packs(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    embeddings = rng.normal(size=(9, 6)).astype(np.float32)
    weights = rng.normal(size=(6, 3)).astype(np.float32)
    weights /= np.linalg.norm(weights, axis=0)
    head = ZeroShot("one", weights, scale=50.0, bias=-1.0)
    every, some = images("toys", 9), images("toys", 9)[2:7:2]
    made = Made(tmp_path / "s", pack=9).dataset("toys", [0] * 9, items=every)
    made.model("clip", "toys", embeddings, kind="embeddings", classes=None, heads=[head])
    whole = measured(made, [0] * 9)
    stored = Head(weights, 50.0, -1.0)
    direct = summarize(zero_shot_logits(embeddings, stored), [0] * 9)
    assert np.array_equal(whole.numbers.confidence, direct.confidence)
    assert whole.numbers.mcm is not None
    assert np.array_equal(whole.numbers.mcm, mcm(cosines(embeddings, stored)))
    # A dataset of three of these images reads the same pack, and gets the same bits.
    store = made.store
    table = pl.DataFrame({"sample": ["a", "b", "c"], "image_id": some, "label": [0, 0, 0]})
    with store.stage() as staged:
        write_version(staged, "few", table, SHAPES.id, list(store.version("toys").packs), {})
    made.packs["few"] = made.packs["toys"]
    made.model("clip", "few", embeddings, kind="embeddings", classes=None, heads=[head])
    few = measured(made, [0] * 3, Ask(datasets=("few",)))
    assert np.array_equal(few.numbers.confidence, whole.numbers.confidence[2:7:2])
    assert few.numbers.mcm is not None
    assert np.array_equal(few.numbers.mcm, whole.numbers.mcm[2:7:2])


def test_an_embedding_of_length_zero_has_no_numbers(tmp_path: Path) -> None:
    made = Made(tmp_path / "s").dataset("toys", [0, 1])
    made.model("clip", "toys", np.array([[0, 0], [1, 0]]), kind="embeddings", classes=None,
               heads=[ZeroShot("one", np.eye(2, 3))])  # fmt: skip
    found = measured(made, [0, 0])
    assert found.ok.tolist() == [False, True]
    assert "no direction" in found.failures[0].detail


def test_one_class_is_always_sure(tmp_path: Path) -> None:
    one = ClassList(("n01",), ("circle",))
    made = Made(tmp_path / "s").dataset("toys", [0, 0], classes=one)
    made.model("net-a", "toys", np.array([[3.0], [-1.0]]), classes=one)
    reader, (cell,) = cells(made)
    found = measure(reader, cell, np.array([0, 0]), 1)
    assert found.numbers.confidence.tolist() == [1.0, 1.0]
    assert found.numbers.top5_index[:, 1].tolist() == [-1, -1]


def test_columns_other_than_the_class_list_says(tmp_path: Path) -> None:
    made = Made(tmp_path / "s").dataset("toys", [0, 1, 2, 0]).model("net-a", "toys", np.eye(4, 5))
    with pytest.raises(IntegrityError, match="5 columns, expected 3"):
        measured(made, [0, 1, 2, 0])


def test_classes_meet_by_key() -> None:
    model = ClassList(("n03", "n01"), ("star", "circle"))
    columns = label_columns(SHAPES, model)
    assert columns.tolist() == [1, -1, 0]
    assert unknown_classes(SHAPES, columns, [0, 2, 2]) == ()
    assert unknown_classes(SHAPES, columns, [0, 1, 1]) == ("square",)
