from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from analyze.intervals import clopper_pearson
from analyze.measure import Measured
from analyze.metrics.calibration import expected_calibration_error
from analyze.metrics.softmax import summarize
from analyze.results import Key, OnFailure, classification
from analyze.scores import numbers_of
from analyze.table import Result
from cache.commits import RowFailure

FAMILY = {
    "ece_equal_mass_15", "ece_debiased", "ks", "mce", "rms_calibration", "ece_15_null", "sharpness",
    "brier_top_label", "brier_reliability", "brier_resolution", "brier_uncertainty",
}  # fmt: skip
KEY = Key("net-a", "standard", "toys", "3-way", "", "in", 10)


def measured(logits: Any, labels: list[int], failed: tuple[int, ...] = ()) -> Measured:
    rows = np.asarray(logits, np.float64)
    summary = summarize(rows, np.maximum(labels, 0))
    ok = ~np.isin(np.arange(len(rows)), failed)
    numbers = numbers_of(summary, None)
    for at in failed:
        numbers.confidence[at] = numbers.log_sum_exp[at] = numbers.max_logit[at] = np.nan
    failures = {at: RowFailure(at, "i", "decode_error", "cut") for at in failed}
    return Measured(ok, failures, np.array(labels), numbers, summary.nll, summary.brier)


def rows(found: Measured, policy: OnFailure = "exclude") -> dict[str, Result]:
    return {row.metric: row for row in classification(KEY, found, policy)}


P = np.log([[0.7, 0.2, 0.1], [0.5, 0.3, 0.2], [0.1, 0.3, 0.6], [0.2, 0.2, 0.6]])


def test_hand_worked_rows() -> None:
    found = rows(measured(P, [0, 1, 2, -1]))
    assert set(found) == {"accuracy_top1", "nll", "brier", "confidence_gap", "ece_15", "ece_25", *FAMILY}
    top1 = found["accuracy_top1"]
    assert (top1.value, top1.lo, top1.hi, top1.n, top1.n_total, top1.n_failed) == (
        pytest.approx(2 / 3), *map(pytest.approx, clopper_pearson(2, 3)), 3, 10, 0,
    )  # fmt: skip
    assert found["nll"].value == pytest.approx(-np.log(0.7 * 0.3 * 0.6) / 3)
    assert found["brier"].value == pytest.approx((0.14 + 0.78 + 0.26) / 3)
    assert found["confidence_gap"].value == pytest.approx((0.7 + 0.5 + 0.6 - 2) / 3)
    assert found["ece_15"].value == pytest.approx((0.3 + 0.5 + 0.4) / 3)
    assert found["ece_25"].value == pytest.approx(expected_calibration_error([0.7, 0.5, 0.6], [1, 0, 1], 25))


def test_five_best_classes_say_nothing_of_fewer_than_five() -> None:
    assert "accuracy_top5" not in rows(measured(np.eye(4), [0, 1, 2, 3]))
    assert rows(measured(np.eye(5), [0, 1, 2, 3, 4]))["accuracy_top5"].value == 1.0
    assert rows(measured(np.tile(np.arange(6.0), (3, 1)), [5, 1, 0]))["accuracy_top5"].value == pytest.approx(2 / 3)


def test_one_image_has_no_interval_of_a_mean() -> None:
    found = rows(measured(P[:1], [0]))
    assert (found["nll"].lo, found["nll"].hi) == (-np.inf, np.inf)
    assert found["accuracy_top1"].lo == pytest.approx(0.025)
    assert found["ece_15"].lo <= found["ece_15"].value <= found["ece_15"].hi


def test_policies() -> None:
    found = measured(P, [0, 1, 2, -1], failed=(2,))
    left_out, wrong = rows(found), rows(found, "count-wrong")
    assert (left_out["accuracy_top1"].value, left_out["accuracy_top1"].n) == (0.5, 2)
    assert (wrong["accuracy_top1"].value, wrong["accuracy_top1"].n) == (pytest.approx(1 / 3), 3)
    assert wrong["accuracy_top1"].n_failed == left_out["accuracy_top1"].n_failed == 1
    assert wrong["ece_15"] == left_out["ece_15"]


def test_failed_images_alone_are_all_wrong_or_nothing() -> None:
    found = measured(P[:2], [0, 1], failed=(0, 1))
    assert rows(found) == {}
    alone = rows(found, "count-wrong")
    assert set(alone) == {"accuracy_top1"}
    assert (alone["accuracy_top1"].value, alone["accuracy_top1"].n) == (0.0, 2)


def test_nothing_labelled_gives_no_row() -> None:
    assert rows(measured(P, [-1] * 4)) == {}


def test_scores_alone_know_no_losses() -> None:
    whole = measured(P, [0, 1, 2, 0])
    part = Measured(whole.ok, {}, whole.labels, whole.numbers, None, None)
    assert {k: v for k, v in rows(whole).items() if k not in ("nll", "brier")} == rows(part)
