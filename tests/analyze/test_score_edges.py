"""Inputs at the edge, end to end: each has a result that can be worked out, or is said to have none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from analyze.asked import Ask
from analyze.score import Scored, score
from cache.texts import ClassList
from tests.analyze.made import CATALOGUE, Made

THREE = ClassList(("k0", "k1", "k2"), ("ant", "bee", "cat"))
WHAT = Ask(id_dataset="in", ood_datasets=("odd",))
LABELS = [0, 1, 2, 0, 1, 2, 0, 1]
ONE_HOT = np.eye(3, dtype=np.float32)[LABELS]


def answer(folder: Path, logits: np.ndarray, labels: list[int | None], classes: ClassList = THREE) -> Scored:
    made = Made(folder / "s", pack=3).dataset("in", labels, classes=classes)
    made.dataset("odd", [None] * 4, classes=None)
    outside = np.tile(logits[:1], (4, 1)) if len(logits) else np.zeros((4, 3), np.float32)
    made.model("net", "in", logits, classes=classes).model("net", "odd", outside, classes=classes)
    scored = score(made.store, CATALOGUE, WHAT)
    table = scored.table
    assert table["value"].is_finite().all()
    assert not table.select(pl.col("lo").is_nan() | pl.col("hi").is_nan() | (pl.col("n") <= 0)).to_series().any()
    # The null's band is of draws: with few of them the mean may lie outside.
    told = table.filter(pl.col("metric") != "ece_15_null")
    assert ((told["lo"] <= told["value"]) & (told["value"] <= told["hi"])).all()
    return scored


def values(scored: Scored, dataset: str = "in", **columns: str) -> dict[str, float]:
    about = {"dataset": dataset, "slice": "all", "calibration": "raw", "variant": "", **columns}
    rows = scored.table.filter(**about)
    assert not rows["metric"].is_duplicated().any()
    return dict(rows.select("metric", "value").rows())


def said(scored: Scored, text: str) -> bool:
    return any(text in note for note in scored.notes)


def test_all_right(tmp_path: Path) -> None:
    scored = answer(tmp_path, ONE_HOT * 2, LABELS)
    found, p = values(scored), np.exp(2) / (np.exp(2) + 2)
    assert (found["accuracy_top1"], found["aurc"], found["risk_at_coverage_0.8"]) == (1, 0, 0)
    assert (found["ece_15"], found["confidence_gap"]) == (pytest.approx(1 - p), pytest.approx(p - 1))
    assert "misclassification_auroc" not in found
    assert said(scored, "right answers only, so there is no misclassification_auroc")
    assert said(scored, "no temperature is best, 0.001 is where the search ends")


def test_all_wrong(tmp_path: Path) -> None:
    scored = answer(tmp_path, np.roll(ONE_HOT, 1, axis=1) * 2, LABELS)
    found, p = values(scored), np.exp(2) / (np.exp(2) + 2)
    assert (found["accuracy_top1"], found["aurc"], found["risk_at_coverage_0.8"]) == (0, 1, 1)
    assert found["ece_15"] == found["confidence_gap"] == pytest.approx(p)
    assert found["nll"] == pytest.approx(np.log(np.exp(2) + 2), rel=1e-6)
    assert said(scored, "wrong answers only, so there is no misclassification_auroc")
    assert said(scored, "no temperature is best, 1000 is where the search ends")


def test_constant_logits(tmp_path: Path) -> None:
    scored = answer(tmp_path, np.full((8, 3), 5, np.float32), LABELS)
    found = values(scored)
    # Ties go to the lowest index: right on class 0 only. Equal confidences tell nothing apart.
    assert found["accuracy_top1"] == 3 / 8
    assert found["nll"] == pytest.approx(np.log(3))
    assert found["misclassification_auroc"] == 0.5
    assert found["aurc"] == pytest.approx(5 / 8)
    for detector in ("msp", "max_logit", "energy", "entropy", "gen"):
        apart = values(scored, "odd", detector=detector)
        assert (apart["auroc"], apart["fpr_at_95"], apart["aupr_in"]) == (0.5, 1.0, pytest.approx(8 / 12))


def test_one_class(tmp_path: Path) -> None:
    one = ClassList(("k0",), ("ant",))
    scored = answer(tmp_path, np.arange(6, dtype=np.float32)[:, None], [0] * 6, one)
    found = values(scored)
    assert (found["accuracy_top1"], found["nll"], found["brier"], found["ece_15"]) == (1, 0, 0, 0)
    assert values(scored, "odd", detector="msp")["auroc"] == 0.5
    assert values(scored, "odd", detector="max_logit")["auroc"] == pytest.approx((5 + 0.5) / 6)


def test_one_image(tmp_path: Path) -> None:
    scored = answer(tmp_path, ONE_HOT[:1] * 2, [0])
    assert values(scored)["accuracy_top1"] == 1
    assert values(scored, "odd", detector="msp")["auroc"] == 0.5
    assert "temperature" not in set(scored.table["metric"])
    assert said(scored, "too few images for a temperature")


def test_no_image(tmp_path: Path) -> None:
    made = Made(tmp_path / "s").dataset("in", [], classes=THREE).dataset("odd", [None] * 2, classes=None)
    made.model("net", "odd", ONE_HOT[:2], classes=THREE).model("net", "in", ONE_HOT[:0], classes=THREE)
    scored = score(made.store, CATALOGUE, WHAT)
    assert scored.table.height == 0
    assert said(scored, "in has no images, so nothing can be said of it")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_logits_that_are_no_numbers(bad: float, tmp_path: Path) -> None:
    logits = ONE_HOT * 2
    logits[4, 1] = bad
    # They never get into a store, but as an image that is said to have no numbers.
    with pytest.raises(ValueError, match=r"rows \[1\] hold no numbers, failures are given for rows \[\]"):
        answer(tmp_path, logits, LABELS)
