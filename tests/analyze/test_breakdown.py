"""From a store to rows of slices, factors, cues and confidence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from analyze.asked import Ask
from analyze.metrics.factors import error_ratios, factor_accuracies
from analyze.metrics.selective import aurc
from analyze.metrics.shape_bias import decide_16, shape_bias
from analyze.metrics.softmax import summarize
from analyze.report_sections.accuracy import accuracy
from analyze.report_sections.gathered import Gathered
from analyze.score import Scored, score
from analyze.seen import Seen
from analyze.table import INTERVALS, table_bytes
from cache.texts import ClassList
from cache.views import write_version
from tests.analyze.made import CATALOGUE, Made

LABELS, FACTORS = CATALOGUE.labels, CATALOGUE.factors["imagenet-x"].factors
OURS = {
    "factor_gap", "error_ratio", "worst_factor", "worst_100_classes", "ece_15_null", "shape_bias", "cue_coverage",
    "error_consistency", "misclassification_auroc", "aurc", "risk_at_coverage_0.8", "risk_at_coverage_0.9",
}  # fmt: skip


def classes(name: str) -> ClassList:
    return ClassList(tuple(LABELS[name].keys), tuple(LABELS[name].names))


IMAGENET = classes("imagenet-1k")


def dataset(made: Made, name: str, space: str, of_class: list[int], **columns: Any) -> None:
    made.dataset(name, of_class, classes=classes(space))
    view = made.store.version(name)
    table = view.table.with_columns(pl.Series(key, values) for key, values in columns.items())
    with made.store.stage() as staged:
        write_version(staged, name, table, view.classes, list(view.packs), view.facts)


def ask(made: Made, what: Ask | None = None, **more: Any) -> Scored:
    scored = score(made.store, CATALOGUE, what or Ask(), **more)
    # A null band is of draws, and their mean may lie outside it where they are few and skewed.
    numbers = scored.table.filter(pl.col("metric").is_in(OURS - {"ece_15_null"})).select("value", "lo", "hi")
    assert numbers.select(pl.all_horizontal(pl.all().is_finite()).all()).item()
    assert numbers.filter((pl.col("lo") > pl.col("value")) | (pl.col("value") > pl.col("hi"))).is_empty()
    return scored


def values(scored: Scored, metric: str, *keys: str) -> dict[Any, float]:
    found = scored.table.filter(pl.col("metric") == metric, pl.col("calibration") == "raw")
    return {row[:-1] if len(keys) > 1 else row[0]: row[-1] for row in found.select(*keys, "value").iter_rows()}


def test_factors_of_imagenet_x(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    n = 160
    labels = rng.integers(0, 1000, n)
    logits = rng.normal(0, 1, (n, 1000)).astype(np.float32)
    logits[np.arange(n), labels] += 3.5
    members = rng.random((n, 16)) < 0.2
    made = Made(tmp_path / "s", pack=50)
    flags = {factor: members[:, column] for column, factor in enumerate(FACTORS)}
    dataset(made, "imagenet-x-multi", "imagenet-1k", labels.tolist(), **flags)
    scored = ask(made.model("net", "imagenet-x-multi", logits, classes=IMAGENET))
    right = logits.argmax(axis=1) == labels
    assert 0.3 < right.mean() < 0.9
    accuracies = dict(zip(FACTORS, factor_accuracies(right, members), strict=True))
    found = values(scored, "accuracy_top1", "slice")
    assert {factor: found[factor] for factor in FACTORS} == pytest.approx(accuracies)
    assert found["not-pose"] == pytest.approx(right[~members[:, FACTORS.index("pose")]].mean())
    assert values(scored, "error_ratio", "slice") == pytest.approx(
        dict(zip(FACTORS, error_ratios(right, members), strict=True))
    )
    assert values(scored, "factor_gap", "slice") == pytest.approx(
        {factor: accuracy - right.mean() for factor, accuracy in accuracies.items()}
    )
    assert values(scored, "worst_factor", "slice", "variant") == {
        ("all", min(accuracies, key=lambda name: accuracies[name])): pytest.approx(min(accuracies.values()))
    }
    assert set(values(scored, "ece_15_null", "slice")) >= set(FACTORS)
    assert values(scored, "aurc", "slice") == {
        "all": pytest.approx(aurc(summarize(logits).confidence, right), abs=1e-6)
    }
    assert len(set(labels.tolist())) > 100
    assert OURS - set(scored.table["metric"]) == {"shape_bias", "cue_coverage", "error_consistency"}
    assert table_bytes(scored.table, ".csv") == table_bytes(ask(made).table, ".csv")


def test_milder_truths_of_imagenet_x(tmp_path: Path) -> None:
    # The columns of the model stand the other way round: classes meet by key.
    backwards = ClassList(IMAGENET.keys[::-1], IMAGENET.names[::-1])
    labels, accepted = [0, 1, 0, 2, 1], [[0, 5], [], [2], None, [1, 0]]
    groups, unseen = {0: "fish", 1: "fish", 2: "bird"}, {"fish": [7], "bird": []}
    pose = [True, True, True, False, False]
    flags = {factor: pose if factor == "pose" else [False] * 5 for factor in FACTORS}
    more = {"labels": pl.Series(accepted, dtype=pl.List(pl.Int64)), "metaclass": [groups[label] for label in labels]}
    more["metaclass_unseen"] = [unseen[group] for group in more["metaclass"]]
    made = Made(tmp_path / "s", pack=3)
    dataset(made, "imagenet-x", "imagenet-1k", labels, **flags, **more)
    answers = [0, 7, 1, 2, 0]
    made.model("net", "imagenet-x", np.eye(1000, dtype=np.float32)[999 - np.array(answers)] * 9, classes=backwards)
    scored = ask(made)
    found = values(scored, "accuracy_top1", "protocol", "slice")
    sizes = {row[:2]: row[2] for row in scored.table.filter(metric="accuracy_top1")["protocol", "slice", "n"].rows()}
    # By label 0 = 0 and 2 = 2 are right. ReaL: 0 in [0, 5], 1 not in [2], 0 in [1, 0]; two images have no list.
    # Metaclass: fish for fish four times, of which 7 has no image; bird for bird.
    assert {key: (found[key], sizes[key]) for key in found if key[1] in ("all", "pose", "not-pose")} == {
        ("1000-way", "all"): (2 / 5, 5),
        ("1000-way", "pose"): (1 / 3, 3),
        ("1000-way", "not-pose"): (1 / 2, 2),
        ("real", "all"): (2 / 3, 3),
        ("real", "pose"): (1 / 2, 2),
        ("real", "not-pose"): (1.0, 1),
        ("metaclass-17", "all"): (1.0, 5),
        ("metaclass-17", "pose"): (1.0, 3),
        ("metaclass-17", "not-pose"): (1.0, 2),
    }
    assert values(scored, "error_ratio", "protocol")["real"] == pytest.approx((1 / 2) / (1 / 3))
    assert any("net on imagenet-x (metaclass-17) makes no error" in note for note in scored.notes)


def test_an_answer_of_unknown_metaclass_is_said(tmp_path: Path) -> None:
    flags = {factor: [True, False] for factor in FACTORS}
    dataset(made := Made(tmp_path / "s"), "imagenet-x", "imagenet-1k", [0, 1], **flags, metaclass=["fish", "fish"])
    scored = ask(made.model("net", "imagenet-x", np.eye(1000, dtype=np.float32)[[0, 7]], classes=IMAGENET))
    assert set(scored.table["protocol"]) == {"1000-way"}
    assert any(note.startswith("no metaclass-17: some answers are classes of which") for note in scored.notes)


def test_corruptions_and_splits(tmp_path: Path) -> None:
    made = Made(tmp_path / "s", pack=3)
    corruption, severity = ["fog_3d", "fog_3d", "flash", "flash"], [3, 3, 1, 5]
    dataset(made, "imagenet-3dcc", "imagenet-1k", [1, 2, 3, 4], corruption=corruption, severity=severity)
    logits = np.eye(10, 1000, dtype=np.float32)[[1, 7, 3, 4]] * 9
    scored = ask(made.model("net", "imagenet-3dcc", logits, classes=IMAGENET))
    assert values(scored, "accuracy_top1", "slice") == {"all": 0.75, "fog_3d/3": 0.5, "flash/1": 1.0, "flash/5": 1.0}
    assert set(values(scored, "accuracy_top5", "slice")) == {"all", "fog_3d/3", "flash/1", "flash/5"}
    part = scored.table.filter(pl.col("slice") == "fog_3d/3", pl.col("metric") == "accuracy_top1")
    assert part.select("n", "n_total").row(0) == (2, 4)
    # The page's figure of accuracies shows the whole set; slices are in the table of everything.
    (section,) = accuracy(Gathered(scored=scored, seen=Seen(made.store), words=()))
    assert "fog_3d" not in str(section)


def test_lost_images_stay_in_their_slice(tmp_path: Path) -> None:
    made = Made(tmp_path / "s")
    dataset(made, "imagenet-3dcc", "imagenet-1k", [1, 2], corruption=["fog_3d", "flash"], severity=[3, 3])
    made.model("net", "imagenet-3dcc", np.eye(10, 1000)[[1, 2]], classes=IMAGENET, failed={1: "decode_error"})
    assert ask(made).table.is_empty()
    assert values(ask(made, on_failure="exclude"), "accuracy_top1", "slice") == {"all": 1.0, "fog_3d/3": 1.0}
    counted = ask(made, on_failure="count-wrong")
    assert values(counted, "accuracy_top1", "slice") == {"all": 0.5, "fog_3d/3": 1.0, "flash/3": 0.0}


def cue_store(path: Path, n: int = 64) -> tuple[Made, np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    rng = np.random.default_rng(1)
    shapes, textures = rng.integers(0, 16, n), rng.integers(0, 16, n)
    made = Made(path, pack=20)
    dataset(made, "cue-conflict", "cue-16", shapes.tolist(), shape=shapes, texture=textures)
    return made, shapes, textures


def cue_logits(shapes: np.ndarray[Any, Any], textures: np.ndarray[Any, Any], seed: int) -> np.ndarray[Any, Any]:
    """Logits that go by the shape in half of the images, by the texture in others."""
    rng = np.random.default_rng(seed)
    members = LABELS["cue-16"].members
    logits = rng.normal(0, 1.5, (len(shapes), 1000))
    for row, cue in enumerate(np.where(rng.random(len(shapes)) < 0.5, shapes, textures)):
        logits[row, list(members[cue])] += 2.0
    return logits.astype(np.float32)


def test_shape_bias_under_three_ways_to_decide(tmp_path: Path) -> None:
    made, shapes, textures = cue_store(tmp_path / "s")
    logits = cue_logits(shapes, textures, 2)
    scored = ask(made.model("net", "cue-conflict", logits, classes=IMAGENET))
    whole = {(p, m): v for (p, m, s), v in _by_slice(scored).items() if s == "all"}
    for protocol, merge in (("cue-16", "mean"), ("cue-16-sum", "sum"), ("cue-16-max", "max")):
        expected = shape_bias(decide_16(logits, merge), shapes, textures)  # type: ignore[arg-type]
        assert whole[protocol, "shape_bias"] == pytest.approx(expected.value)
        assert whole[protocol, "cue_coverage"] == pytest.approx(expected.coverage)
    of = shapes == 7
    cat = shape_bias(decide_16(logits)[of], shapes[of], textures[of])
    assert _by_slice(scored)["cue-16", "cue_coverage", "cat"] == pytest.approx(cat.coverage)
    accuracy = values(scored, "accuracy_top1", "protocol", "slice")
    assert accuracy["cue-16", "all"] == pytest.approx((decide_16(logits) == shapes).mean())
    assert "aurc" not in set(scored.table["metric"])  # these protocols have no confidence


def _by_slice(scored: Scored) -> dict[tuple[str, str, str], float]:
    found = scored.table.select("protocol", "metric", "slice", "value")
    return {(protocol, metric, part): value for protocol, metric, part, value in found.iter_rows()}


def test_models_meet_observers(tmp_path: Path) -> None:
    made, shapes, textures = cue_store(tmp_path / "s")
    for seed, model in enumerate(("human.subject-01", "human.subject-02", "net")):
        group = "standard" if model == "net" else "other"
        made.model(model, "cue-conflict", cue_logits(shapes, textures, seed), classes=IMAGENET, group=group)
    scored = ask(made)
    found = values(scored, "error_consistency", "model", "variant", "protocol")
    assert {(model, other) for model, other, protocol in found if protocol == "cue-16"} == {
        ("human.subject-01", "human.subject-02"),
        ("net", "human.subject-01"),
        ("net", "human.subject-02"),
        ("net", "human"),
    }
    pooled = scored.table.filter(pl.col("variant") == "pooled", pl.col("protocol") == "cue-16")
    assert set(pooled["model"]) == {"human"}
    assert set(pooled["group"]) == {"other"}
    both = np.concatenate([decide_16(cue_logits(shapes, textures, seed)) for seed in (0, 1)])
    expected = shape_bias(both, np.tile(shapes, 2), np.tile(textures, 2))
    assert dict(pooled.select("metric", "value").iter_rows()) == {
        "shape_bias": pytest.approx(expected.value), "cue_coverage": pytest.approx(expected.coverage)
    }  # fmt: skip
    assert values(ask(made, Ask(models=("net",))), "error_consistency", "variant") == {}


def test_every_metric_says_how_its_interval_is_made() -> None:
    assert set(INTERVALS) >= OURS
