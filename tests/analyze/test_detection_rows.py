from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from analyze.detection_intervals import aupr_interval, class_mean_auroc, class_mean_fpr
from analyze.detection_rows import Side, detection_rows, own_scores
from analyze.detectors import HELD_OUT, Detector
from analyze.intervals import auroc_interval, clopper_pearson, fpr_interval
from analyze.metrics.detection import RULES, aupr, auroc, fpr_at_tpr
from analyze.metrics.softmax import summarize
from analyze.row_key import Key
from analyze.scores import numbers_of
from analyze.table import to_table

INSIDE = Key("net-a", "standard", "toys", "3-way", "", "in", 10)
OUTSIDE = Key("net-a", "standard", "odd", "3-way", "", "ood", 20)


def side(key: Key, values: Any, failed: tuple[int, ...] = (), name: str = "msp", **more: Any) -> Side:
    scores = np.asarray(values, float)
    ok = ~np.isin(np.arange(len(scores)), failed)
    return Side(key, ok, {Detector(name): np.where(ok, scores, np.nan)}, **more)


def test_rows_are_the_metrics_on_the_usable_scores() -> None:
    rng = np.random.default_rng(0)
    inside, outside = side(INSIDE, rng.normal(1, 1, 30), (3,)), side(OUTSIDE, rng.normal(size=20), (0, 1))
    ours, theirs = (one.scores[Detector("msp")][one.ok] for one in (inside, outside))
    found = list(detection_rows(inside, outside, "msp"))
    assert to_table(found).height == 8
    by_key = {(row.metric, row.variant): row for row in found}
    assert by_key["auroc", ""].value == auroc(ours, theirs)
    assert (by_key["auroc", ""].lo, by_key["auroc", ""].hi) == auroc_interval(ours, theirs)
    for rule in RULES:
        row = by_key["fpr_at_95", "" if rule == "exact" else rule]
        assert row.value == fpr_at_tpr(ours, theirs, rule=rule)
        assert (row.lo, row.hi) == fpr_interval(ours, theirs, rule=rule)
    assert by_key["aupr_in", ""].value == aupr(ours, theirs)
    assert by_key["aupr_out", ""].value == aupr(ours, theirs, "ood")
    for row in found:
        assert (row.n, row.n_total, row.n_failed) == (29 + 18, 10 + 20, 3)
        assert (row.dataset, row.id_dataset, row.slice) == ("odd", "toys", "all")
        assert row.lo <= row.value <= row.hi
    assert len({row.inputs for row in found} - {"in", "ood"}) == 1


def test_other_rules_are_told_of_the_models_own_detector_only() -> None:
    inside, outside = side(INSIDE, [1.0, 2.0], name="energy"), side(OUTSIDE, [0.0], name="energy")
    assert [row.metric for row in detection_rows(inside, outside, "msp")] == [
        "auroc",
        "fpr_at_95",
        "aupr_in",
        "aupr_out",
    ]


def test_images_without_a_score_of_a_fitted_detector_are_left_out() -> None:
    fitted = Detector("kl_matching", "", HELD_OUT)
    inside = Side(INSIDE, np.ones(4, bool), {fitted: np.array([np.nan, 3.0, np.nan, 2.0])})
    outside = Side(OUTSIDE, np.ones(2, bool), {fitted: np.array([1.0, 0.0])})
    found = list(detection_rows(inside, outside, "msp"))
    assert {(row.variant, row.n, row.detector) for row in found} == {(HELD_OUT, 4, "kl_matching")}
    assert list(detection_rows(inside, Side(OUTSIDE, np.ones(1, bool), {fitted: np.array([np.nan])}), "msp")) == []
    assert list(detection_rows(inside, side(OUTSIDE, [1.0]), "msp")) == []


def test_another_protocol_has_its_own_column_value() -> None:
    inside = Side(INSIDE, np.ones(2, bool), {Detector("msp", "imagenet-o-200"): np.array([1.0, 2.0])})
    outside = Side(OUTSIDE, np.ones(1, bool), {Detector("msp", "imagenet-o-200"): np.array([0.0])})
    assert {row.protocol for row in detection_rows(inside, outside, "msp")} == {"imagenet-o-200"}


def test_class_by_class() -> None:
    inside = side(INSIDE, [1.0, 3.0])
    outside = side(OUTSIDE, [0.0, 2.0, 2.0, 4.0], classes=["a", "b", "b", "c"], without={"class-mean-2": ("c",)})
    found = {(row.slice, row.metric): row for row in detection_rows(inside, outside, "msp") if not row.variant}
    assert {name for name, _ in found} == {"all", "a", "b", "c", "class-mean", "class-mean-2"}
    assert [found[name, "auroc"].value for name in "abc"] == [1.0, 0.5, 0.0]
    assert found["class-mean", "auroc"].value == 0.5
    assert found["class-mean-2", "auroc"].value == 0.75
    assert found["all", "auroc"].value == pytest.approx((1 + 0.5 + 0.5 + 0) / 4)
    assert found["class-mean", "fpr_at_95"].value == pytest.approx(2 / 3)
    assert found["b", "auroc"].n == 4
    assert found["class-mean-2", "auroc"].n == 5
    other = detection_rows(inside, outside, "mcm")
    assert {row.slice for row in other} == {"all", "class-mean", "class-mean-2"}


def test_scores_are_oriented() -> None:
    # The first image is surer than the second under every score.
    numbers = numbers_of(
        summarize([[5.0, 0.0, 0.0], [0.1, 0.0, 0.0]]), {"mcm": np.array([2, 1]), "max_cosine": np.array([2, 1])}
    )
    scores = own_scores(numbers)
    assert {one.name for one in scores} == {"msp", "max_logit", "energy", "entropy", "gen", "mcm", "max_cosine"}
    for name, values in scores.items():
        assert values[0] > values[1], name
    plain = own_scores(numbers_of(summarize([[1.0, 0.0]]), None))
    assert {one.name for one in plain} == {"msp", "max_logit", "energy", "entropy", "gen"}


def test_class_means_by_simulation() -> None:
    rng = np.random.default_rng(0)
    inside, covered, covered_fpr = rng.normal(2, 1, 100_000), 0, 0
    truths = [auroc(inside, rng.normal(m, 1, 100_000)) for m in (0, 1)]
    limit = np.quantile(inside, 0.05)
    fpr_truth = np.mean([(rng.normal(m, 1, 200_000) >= limit).mean() for m in (0, 1)])
    for _ in range(80):
        ours, classes = rng.normal(2, 1, 400), [rng.normal(0, 1, 40), rng.normal(1, 1, 90)]
        _, (lo, hi) = class_mean_auroc(ours, classes)
        covered += lo <= np.mean(truths) <= hi
        _, (lo, hi) = class_mean_fpr(ours, classes, draws=500)
        covered_fpr += lo <= fpr_truth <= hi
    assert covered >= 70
    assert covered_fpr >= 70


def test_borders_have_width() -> None:
    value, (lo, hi) = class_mean_auroc([1.0, 2.0], [[0.0], [0.5]])
    assert (value, hi) == (1.0, 1.0)
    assert lo < 0.95
    value, (lo, hi) = class_mean_fpr([1.0, 2.0], [[0.0], [0.5]])
    assert (value, lo, hi) == (0.0, *clopper_pearson(0, 2))
    assert aupr_interval(1.0, 3) == clopper_pearson(3, 3)
    assert class_mean_auroc([1.0], [[1.0]])[0] == 0.5


def test_average_precision_intervals_cover() -> None:
    rng = np.random.default_rng(1)
    truth, covered = aupr(rng.normal(1, 1, 200_000), rng.normal(0, 1, 200_000)), 0
    for _ in range(100):
        ours, theirs = rng.normal(1, 1, 200), rng.normal(0, 1, 200)
        lo, hi = aupr_interval(aupr(ours, theirs), 200)
        covered += lo <= truth <= hi
    assert covered >= 90


def test_refuses() -> None:
    with pytest.raises(ValueError, match="at least 1 class"):
        class_mean_auroc([1.0], [])
    with pytest.raises(ValueError, match="without an empty axis"):
        class_mean_fpr([1.0], [[]])
    for value, n in ((0.0, 3), (0.5, 0), (1.5, 3)):
        with pytest.raises(ValueError, match="expected a value"):
            aupr_interval(value, n)
