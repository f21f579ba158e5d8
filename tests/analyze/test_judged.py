from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest

from analyze.judged import Judge, Judged, judge
from analyze.metrics.softmax import summarize
from analyze.protocols import BY_ID, restrict
from manifests.catalogue import load

LABELS = load().labels
IMAGENET = LABELS["imagenet-1k"]


def view(label: Sequence[int | None], **columns: Sequence[object]) -> pl.DataFrame:
    samples = [f"{row:03}.jpg" for row in range(len(label))]
    table = {"sample": samples, "image_id": samples, "label": list(label)}
    return pl.DataFrame(table, schema_overrides={"label": pl.Int64}).with_columns(
        pl.Series(name, values) for name, values in columns.items()
    )


def judged(
    protocol: str,
    table: pl.DataFrame,
    logits: np.ndarray,
    own: str,
    keys: Sequence[str] | None = None,
    model: Sequence[str] = IMAGENET.keys,
    ok: np.ndarray | None = None,
) -> Judged:
    made = judge(BY_ID[protocol], LABELS, own, table, keys or LABELS[own].keys, model)
    assert isinstance(made, Judge)
    good = np.ones(table.height, bool) if ok is None else ok
    index = np.flatnonzero(good)
    for part in np.array_split(index, 3):  # packs come in parts, and not in order
        made.put(part[::-1], logits[part[::-1]])
    return made.judged(good)


def logits_of(n: int, c: int = 1000, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 4, (n, c)).astype(np.float32)


def test_200_classes_of_1000_columns_are_the_model_of_200_columns() -> None:
    space = LABELS["imagenet-r-200"]
    logits = logits_of(2500)
    labels = np.random.default_rng(1).integers(0, 200, 2500)
    found = judged("subset-200", view(labels.tolist()), logits, "imagenet-r-200")
    summary = summarize(logits[:, [column for (column,) in space.members]], labels)
    assert found.top5 is not None
    assert found.top1.tolist() == (summary.prediction == labels).tolist()
    assert found.top5.tolist() == (summary.top5_index == labels[:, None]).any(axis=1).tolist()
    np.testing.assert_allclose(found.confidence, summary.confidence, rtol=1e-5)
    np.testing.assert_allclose(found.nll, summary.nll, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.brier, summary.brier, rtol=1e-4, atol=1e-5)
    assert found.predictions is not None
    assert found.predictions.tolist() == summary.prediction.tolist()
    narrow = logits[:, [column for (column,) in space.members]]
    same = judged("subset-200", view(labels.tolist()), narrow, "imagenet-r-200", model=space.keys)
    np.testing.assert_allclose(same.nll, found.nll)


def test_decisions_take_the_largest_column_and_probabilities_the_sum() -> None:
    space = LABELS["objectnet-113"]
    logits = logits_of(400)
    labels = (np.arange(400) % 113).tolist()
    largest = judged("objectnet-113", view(labels), logits, "objectnet-113")
    summed = judged("objectnet-113-lse", view(labels), logits, "objectnet-113")
    assert largest.top1.tolist() == (restrict(logits, space.members).argmax(axis=1) == labels).tolist()
    sums = restrict(logits, space.members, "logsumexp")
    assert summed.top1.tolist() == (sums.argmax(axis=1) == labels).tolist()
    np.testing.assert_array_equal(largest.sure, summed.top1)
    np.testing.assert_allclose(largest.nll, summarize(sums, labels).nll, atol=1e-9)
    np.testing.assert_allclose(largest.confidence, summarize(sums, labels).confidence, atol=1e-12)


def test_labels_of_the_columns_count_as_those_of_their_classes() -> None:
    space = LABELS["objectnet-113"]
    logits = logits_of(50)
    clock, tench = 530, 0
    found = judged("objectnet-113", view([clock] * 49 + [tench]), logits, "objectnet-113", keys=IMAGENET.keys)
    assert found.labels is not None
    assert found.labels.tolist() == [space.index_of("alarm_clock")] * 49 + [-1]
    assert found.counted.tolist() == [True] * 49 + [False]


def test_the_official_rule_counts_images_without_a_class_as_wrong() -> None:
    logits = np.zeros((3, 1000))
    logits[0, 530] = logits[1, 0] = logits[2, 530] = 9.0
    clock = LABELS["objectnet-113"].index_of("alarm_clock")
    found = judged("objectnet-official-313", view([clock, clock, None]), logits, "objectnet-113")
    assert found.counted.all()
    assert found.top1.tolist() == [True, False, False]
    assert found.confidence is None
    assert found.predictions is None


def test_video_frames_with_several_labels_and_a_frame_that_could_not_be_read() -> None:
    space = LABELS["vid-robust-30"]
    dog, fox, zebra = (space.index_of(name) for name in ("dog", "fox", "zebra"))
    table = view(
        [dog, dog, fox, zebra],
        labels=[[dog, fox], [dog], [fox], [zebra]],
        anchor=["000.jpg", "000.jpg", "002.jpg", "002.jpg"],
    )
    logits = np.zeros((4, 1000))
    logits[0, 277] = logits[1, 200] = logits[2, 277] = logits[3, 340] = 9.0
    pm0 = judged("vid-pm0", table, logits, "vid-robust-30")
    assert pm0.counted.tolist() == [True, False, True, False]
    assert pm0.top1[pm0.counted].tolist() == [True, True]
    assert pm0.nll is not None
    several, one = pm0.nll[[0, 2]]
    # 118 dogs and 4 foxes against the 288 columns that count: the sum of both is right in the first frame.
    weights = np.exp(9.0) + 287
    assert several == pytest.approx(-np.log((np.exp(9.0) + 3 + 118) / weights))
    assert one == pytest.approx(-np.log((np.exp(9.0) + 3) / weights))
    pm10 = judged("vid-pm10", table, logits, "vid-robust-30")
    assert pm10.top1[pm10.counted].tolist() == [True, True]
    assert pm10.nll is None
    lost = judged("vid-pm10", table, logits, "vid-robust-30", ok=np.array([True, False, True, True]))
    assert lost.ok[lost.counted].tolist() == [False, True]
    wrong = logits.copy()
    wrong[3] = 0
    assert judged("vid-pm10", table, wrong, "vid-robust-30").top1[[0, 2]].tolist() == [True, False]


def test_reassessed_labels_drop_images_without_any() -> None:
    logits = np.zeros((3, 1000))
    logits[[0, 1, 2], [5, 6, 7]] = 9.0
    table = view([5, 6, 7], labels=[[5, 900], [7], []])
    found = judged("real", table, logits, "imagenet-1k")
    assert found.counted.tolist() == [True, True, False]
    assert found.top1[:2].tolist() == [True, False]
    assert found.confidence is not None
    assert np.isnan(found.confidence[2])


def test_why_a_protocol_does_not_apply() -> None:
    table = view([0])

    def said(protocol: str, own: str, model: Sequence[str]) -> object:
        return judge(BY_ID[protocol], LABELS, own, table, IMAGENET.keys, model)

    assert said("subset-200", "", IMAGENET.keys) == "protocol subset-200 needs a label space; the dataset has none"
    assert (
        said("cue-16", "cue-16", ["dog"]) == "protocol cue-16 needs a column for every class of imagenet-1k that counts"
    )
    assert said("objectnet-113-names", "", IMAGENET.keys) == (
        "protocol objectnet-113-names needs a column for every class of objectnet-113 that counts"
    )
    assert "needs the column anchor" in str(said("vid-pm0", "vid-robust-30", IMAGENET.keys))


def test_a_head_of_a_sets_own_names_has_one_column_a_class() -> None:
    space = LABELS["objectnet-113"]
    logits = logits_of(20, 113)
    found = judged("objectnet-113-names", view(list(range(20))), logits, "objectnet-113", model=space.keys)
    assert found.top1.tolist() == (logits.argmax(axis=1) == np.arange(20)).tolist()
