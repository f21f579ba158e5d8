from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from analyze.asked import Ask
from analyze.cell import Cell
from analyze.figure_data import distinct_rows, first_predictions, predictions_rows, reliability_rows, shown_model
from analyze.measure import Measured
from analyze.metrics.calibration import expected_calibration_error
from analyze.score import score
from cache.texts import ClassList
from tests.analyze.made import CATALOGUE, Made, ZeroShot, log_probabilities, tiny


def seen(made: Made, **more: object) -> list[tuple[Cell, Measured]]:
    found: list[tuple[Cell, Measured]] = []
    score(made.store, CATALOGUE, Ask(), on_failure="exclude", visit=lambda *pair: found.append(pair))
    return found


def test_bins_by_hand(tmp_path: Path) -> None:
    ((cell, measured),) = seen(tiny(tmp_path / "s"))
    bins = reliability_rows(cell, measured)
    # Confidences 0.7, 0.5, 0.6 (float32) in fifteenths: the unlabelled image is in none.
    assert bins["n"].to_list() == [1, 1, 1]
    assert bins["accuracy"].to_list() == [0.0, 1.0, 1.0]
    assert bins["mean_confidence"].round(6).to_list() == [0.5, 0.6, 0.7]
    assert bins["ece"].unique().to_list() == [
        expected_calibration_error(measured.numbers.confidence[:3], [True, False, True], 15)
    ]
    assert bins["model"].unique().to_list() == ["net-a"]


def test_nothing_labelled_has_no_bins(tmp_path: Path) -> None:
    made = Made(tmp_path / "s").dataset("toys", [None, None]).model("net-a", "toys", np.eye(2, 3))
    ((cell, measured),) = seen(made)
    assert reliability_rows(cell, measured).is_empty()


def test_predictions_by_hand(tmp_path: Path) -> None:
    made = Made(tmp_path / "s").dataset("toys", [0, 1, None, 0])
    rows = log_probabilities([0.7, 0.2, 0.1], [0.5, 0.3, 0.2], [0.1, 0.3, 0.6], [0.2, 0.2, 0.6])
    made.model("net-a", "toys", rows, failed={3: "truncated"})
    ((cell, measured),) = seen(made)
    table = predictions_rows(made.store, cell, measured)
    assert table["label"].to_list() == ["circle (n01)", "square (n02)", None, "circle (n01)"]
    assert table["correct"].to_list() == [True, False, None, None]
    assert table["status"].to_list() == ["ok", "ok", "ok", "truncated"]
    assert table["class_1"].to_list() == ["circle (n01)", "circle (n01)", "star (n03)", None]
    assert table["class_4"].null_count() == table["probability_4"].null_count() == 4
    assert table["probability_2"].round(6).to_list() == [0.2, 0.3, 0.3, None]
    assert table["margin"].round(6).to_list() == [0.5, 0.2, 0.3, None]
    short = first_predictions(made.store, cell, measured, 3)
    assert short["1"].to_list() == ["circle 70 %", "circle 50 %", "star 60 %"]
    assert short["image"].to_list() == ["00000.jpg", "00001.jpg", "00002.jpg"]


def test_the_key_shows_where_two_classes_share_a_name(tmp_path: Path) -> None:
    cranes = ClassList(("n1", "n2", "n3"), ("crane", "crane", "tench"))
    made = Made(tmp_path / "s").dataset("toys", [0, 2], classes=cranes)
    made.model("net-a", "toys", log_probabilities([0.98, 0.019, 0.001], [0.001, 0.001, 0.998]), classes=cranes)
    ((cell, measured),) = seen(made)
    short = first_predictions(made.store, cell, measured, 9)
    assert short.row(0, named=True)["1"] == "crane (n1) 98 %"
    assert [short.row(1, named=True)[rank] for rank in "123"] == ["tench 100 %", "crane (n1) <1 %", "crane (n2) <1 %"]
    assert short["label"].to_list() == ["crane (n1)", "tench"]


def test_columns_without_a_class_list_are_numbers(tmp_path: Path) -> None:
    made = Made(tmp_path / "s").dataset("toys", [None, None], classes=None)
    made.model("net-a", "toys", np.eye(2, 7), classes=None)
    ((cell, measured),) = seen(made)
    assert predictions_rows(made.store, cell, measured)["class_1"].to_list() == ["0", "1"]


def test_one_class_has_a_margin_of_one(tmp_path: Path) -> None:
    one = ClassList(("k",), ("k",))
    made = Made(tmp_path / "s").dataset("toys", [0], classes=one).model("net-a", "toys", np.eye(1), classes=one)
    ((cell, measured),) = seen(made)
    assert predictions_rows(made.store, cell, measured)["margin"].to_list() == [1.0]


RESULT = {"metric": "auroc", "model": "m", "dataset": "d", "prompt_set": "", "id_dataset": "i", "slice": "all",
          "protocol": "p", "variant": "", "detector": "msp", "calibration": "raw"}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "models"),
    [
        ([{}, {"dataset": "e"}], ["m", "m"]),
        ([{"prompt_set": "a"}, {"prompt_set": "b"}], ["m · a", "m · b"]),
        ([{}, {"detector": "energy"}], ["m · msp", "m · energy"]),
        ([{}, {"calibration": "ts", "detector": "energy"}], ["m · msp", "m · energy"]),
        ([{}, {"calibration": "ts"}, {"detector": "energy"}], ["m · msp · raw", "m · msp · ts", "m · energy · raw"]),
        ([], []),
    ],
)
def test_rows_that_share_a_place_get_names_of_their_own(changes: list[dict[str, str]], models: list[str]) -> None:
    table = pl.DataFrame([RESULT | change for change in changes], schema=dict.fromkeys(RESULT, pl.String))
    found = distinct_rows(table)
    assert found["model"].to_list() == models
    assert not found.height or not found.select("metric", "model", "dataset").is_duplicated().any()


def test_prompt_sets_are_shown_with_their_model(tmp_path: Path) -> None:
    made = Made(tmp_path / "s").dataset("toys", [0, 1, 2])
    heads = [ZeroShot("one", np.eye(3)), ZeroShot("two", np.eye(3)[::-1])]
    made.model("clip", "toys", np.eye(3) + 0.1, kind="embeddings", classes=None, heads=heads)
    bins = pl.concat(reliability_rows(*pair) for pair in seen(made))
    assert sorted(set(bins["model"])) == [shown_model("clip", "one"), shown_model("clip", "two")]
