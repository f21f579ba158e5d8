from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from analyze.judged import Judged
from analyze.metrics.calibration import expected_calibration_error
from analyze.results import Key, OnFailure
from analyze.slice_rows import factor_rows, slice_accuracies
from analyze.slices import Slice
from analyze.table import INTERVALS, Result, to_table

KEY = Key("net", "standard", "imagenet-x", "", "", "digest", 8)
RIGHT = np.array([1, 1, 0, 1, 0, 1, 1, 0], bool)
POSE, STYLE = Slice("pose", np.array([0, 1, 2, 3])), Slice("style", np.array([4]))


def judged(**more: Any) -> Judged:
    every = np.ones(8, bool)
    given = {"protocol": "1000-way", "classes": (), "counted": every, "ok": every, "top1": RIGHT, "top5": every}
    return Judged(**{**given, **more})


def rows(answers: Judged, policy: OnFailure = "error", notes: list[str] | None = None) -> list[Result]:
    found = list(factor_rows(KEY, answers, [POSE, STYLE], policy, [] if notes is None else notes))
    assert to_table(found).height == len(found)  # keys are unique
    assert all(np.isfinite([row.value, row.lo, row.hi]).all() for row in found)
    assert all(row.lo <= row.value <= row.hi and row.protocol == "1000-way" for row in found)
    assert {row.metric for row in found} <= set(INTERVALS)
    return found


def by_name(found: list[Result]) -> dict[tuple[str, str], tuple[float, int, int]]:
    return {(row.metric, row.slice): (row.value, row.n, row.n_failed) for row in found}


def test_by_hand() -> None:
    found = rows(judged())
    assert by_name(found) == {
        ("accuracy_top1", "pose"): (3 / 4, 4, 0),
        ("accuracy_top5", "pose"): (1, 4, 0),
        ("accuracy_top1", "style"): (0, 1, 0),
        ("accuracy_top5", "style"): (1, 1, 0),
        ("accuracy_top1", "not-pose"): (2 / 4, 4, 0),
        ("accuracy_top1", "not-style"): (pytest.approx(5 / 7), 7, 0),
        ("factor_gap", "pose"): (3 / 4 - 5 / 8, 4, 0),
        ("factor_gap", "style"): (-5 / 8, 1, 0),
        ("error_ratio", "pose"): (pytest.approx((1 / 4) / (3 / 8)), 4, 0),
        ("error_ratio", "style"): (pytest.approx(8 / 3), 1, 0),
        ("worst_factor", "all"): (0, 1, 0),
    }
    assert [row.variant for row in found if row.metric == "worst_factor"] == ["style"]
    assert {row.n_total for row in found} == {8}


def test_lost_images_by_policy() -> None:
    ok = np.ones(8, bool)
    ok[[0, 4]] = False
    out = by_name(rows(judged(ok=ok), "exclude"))
    assert out["accuracy_top1", "pose"] == (pytest.approx(2 / 3), 3, 1)
    assert ("accuracy_top1", "style") not in out  # its only image is lost
    assert out["factor_gap", "pose"] == (pytest.approx(2 / 3 - 4 / 6), 3, 1)
    wrong = by_name(rows(judged(ok=ok), "count-wrong"))
    assert wrong["accuracy_top1", "pose"] == (2 / 4, 4, 1)
    assert wrong["accuracy_top1", "style"] == (0, 1, 1)
    assert wrong["factor_gap", "pose"] == (2 / 4 - 4 / 8, 4, 1)
    assert wrong["accuracy_top1", "not-pose"] == (2 / 4, 4, 1)


def test_images_that_do_not_count_are_in_no_slice() -> None:
    counted = np.ones(8, bool)
    counted[[2, 7]] = False
    found = by_name(rows(judged(counted=counted)))
    assert found["accuracy_top1", "pose"] == (1, 3, 0)
    assert found["error_ratio", "pose"] == (0, 3, 0)
    none = judged(counted=np.zeros(8, bool))
    assert rows(none) == []


def test_calibration_where_there_are_confidences() -> None:
    confidence = np.linspace(0.3, 0.9, 8)
    found = by_name(rows(judged(confidence=confidence, sure=RIGHT)))
    assert found["ece_15", "pose"][0] == pytest.approx(expected_calibration_error(confidence[:4], RIGHT[:4]))
    assert found["ece_15", "style"][1] == found["ece_15_null", "style"][1] == 1
    assert 0 < found["ece_15_null", "pose"][0] < 1
    assert ("ece_15", "not-pose") not in found


def test_without_errors_there_is_no_ratio_and_a_note() -> None:
    notes: list[str] = []
    found = by_name(rows(judged(top1=np.ones(8, bool)), notes=notes))
    assert not any(metric == "error_ratio" for metric, _ in found)
    assert found["factor_gap", "pose"][0] == 0
    assert notes == ["net on imagenet-x (1000-way) makes no error, so it has no error ratios."]


def test_a_factor_of_every_image_has_no_complement() -> None:
    every = Slice("pose", np.arange(8))
    found = by_name(list(factor_rows(KEY, judged(), [every], "error", [])))
    assert found["factor_gap", "pose"][0] == 0
    assert not any(part == "not-pose" for _, part in found)


def test_the_hundred_worst_classes_need_more_than_a_hundred() -> None:
    labels = np.repeat(np.arange(101), 4)
    right = np.ones(404, bool)
    right[4:8] = False
    every = np.ones(404, bool)
    answers = Judged("1000-way", (), every, every, right, labels=labels)
    part = Slice("pose", np.arange(40))
    found = by_name(list(factor_rows(KEY, answers, [part], "error", [])))
    assert found["worst_100_classes", "all"] == (pytest.approx(396 / 400), 404, 0)
    fewer = Judged("1000-way", (), every, every, right, labels=np.minimum(labels, 99))
    assert not any(row.metric == "worst_100_classes" for row in factor_rows(KEY, fewer, [part], "error", []))


def test_slices_without_top5() -> None:
    found = list(slice_accuracies(KEY, judged(top5=None), POSE, "error"))
    assert [(row.metric, row.slice, row.value) for row in found] == [("accuracy_top1", "pose", 0.75)]
    lost = judged(ok=np.zeros(8, bool))
    assert list(slice_accuracies(KEY, lost, POSE, "exclude")) == []
    found = list(slice_accuracies(KEY, lost, POSE, "count-wrong"))
    assert [(row.metric, row.value, row.n, row.n_failed) for row in found] == [("accuracy_top1", 0, 4, 4)]
