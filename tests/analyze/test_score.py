from __future__ import annotations

import resource
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from analyze.asked import Ask
from analyze.metrics.accuracy import accuracy
from analyze.metrics.brier_parts import brier_parts
from analyze.metrics.calibration import (
    classwise_ece_of_logits,
    confidence_gap,
    debiased_calibration_error,
    equal_mass_ece,
    expected_calibration_error,
    ks_calibration_error,
    maximum_calibration_error,
    rms_calibration_error,
)
from analyze.metrics.detection import aupr, auroc, fpr_at_tpr
from analyze.metrics.ood_scores import energy, entropy, gen, max_logit, msp
from analyze.metrics.proper import brier, negative_log_likelihood
from analyze.metrics.selective import aurc, misclassification_auroc, risk_at_coverage
from analyze.score import Scored, raise_failed, score
from analyze.table import table_bytes
from cache.errors import FailedItemsError, IntegrityError, UsageError
from cache.texts import ClassList
from tests.analyze.made import CATALOGUE, SHAPES, Made, ZeroShot, catalogue_with, images, log_probabilities, tiny

FAMILY = (
    "ece_equal_mass_15", "ece_classwise", "ece_debiased", "ks", "mce", "rms_calibration", "ece_15_null", "sharpness",
    "brier_top_label", "brier_reliability", "brier_resolution", "brier_uncertainty",
)  # fmt: skip
DETECTION = {"auroc", "fpr_at_95", "aupr_in", "aupr_out"}
TEN = ClassList(tuple(f"k{n}" for n in range(10)), tuple(f"class {n}" for n in range(10)))


def ask(made: Made, what: Ask | None = None, **more: object) -> Scored:
    return score(made.store, CATALOGUE, what or Ask(), **more)  # type: ignore[arg-type]


def values(scored: Scored, *keys: str) -> dict[tuple[str, ...], float]:
    names = keys or ("metric",)
    return {tuple(row[name] for name in names): row["value"] for row in scored.table.to_dicts()}


def test_golden_table_of_a_tiny_store(tmp_path: Path) -> None:
    table = ask(tiny(tmp_path / "s")).table
    # The rest of the calibration family is compared with its metrics below and in test_calibration_rows.
    table = table.filter(~pl.col("metric").is_in(FAMILY))
    shown = table.drop("inputs").with_columns(pl.col("value", "lo", "hi").round_sig_figs(6))
    # By hand, and with scipy's t and beta distributions for the intervals.
    assert shown.drop("id_dataset", "prompt_set", "variant", "detector").write_csv().splitlines() == [
        "model,group,dataset,slice,protocol,calibration,metric,value,lo,hi,n,n_total,n_failed",
        "net-a,standard,toys,all,3-way,raw,accuracy_top1,0.666667,0.0942993,0.991596,3,4,0",
        "net-a,standard,toys,all,3-way,raw,aurc,0.111111,0.0,1.0,3,4,0",
        "net-a,standard,toys,all,3-way,raw,brier,0.393333,-0.45176,1.23843,3,4,0",
        "net-a,standard,toys,all,3-way,raw,confidence_gap,-0.0666667,-1.29206,1.15873,3,4,0",
        "net-a,standard,toys,all,3-way,raw,ece_15,0.4,0.3,0.5,3,4,0",
        "net-a,standard,toys,all,3-way,raw,ece_25,0.4,0.3,0.5,3,4,0",
        "net-a,standard,toys,all,3-way,raw,misclassification_auroc,1.0,0.282997,1.0,3,4,0",
        "net-a,standard,toys,all,3-way,raw,nll,0.690491,-0.430646,1.81163,3,4,0",
        "net-a,standard,toys,all,3-way,raw,risk_at_coverage_0.8,0.333333,0.0,1.0,3,4,0",
        "net-a,standard,toys,all,3-way,raw,risk_at_coverage_0.9,0.333333,0.0,1.0,3,4,0",
    ]


def test_twice_the_same_bytes(tmp_path: Path) -> None:
    made = tiny(tmp_path / "s")
    for suffix in (".csv", ".parquet"):
        assert table_bytes(ask(made).table, suffix) == table_bytes(ask(made).table, suffix)


def test_every_row_equals_the_metric_on_the_raw_arrays(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    logits = rng.normal(size=(61, 10)).astype(np.float32) * 2
    odd = rng.normal(size=(37, 10)).astype(np.float32)
    labels = rng.integers(0, 10, 61)
    made = Made(tmp_path / "s", pack=16).dataset("in", labels.tolist(), classes=TEN)
    made.dataset("out", [None] * 37, classes=None)
    made.model("net-a", "in", logits, classes=TEN).model("net-a", "out", odd, classes=TEN)
    scored = ask(made, Ask(id_dataset="in", ood_datasets=("out",)))
    plain = scored.table.filter(
        pl.col("slice") == "all",
        pl.col("calibration") == "raw",
        pl.col("variant") == "",
        pl.col("metric") != "ece_15_null",
    )
    scored = replace(scored, table=plain)
    confidence = msp(logits)
    correct = logits.argmax(axis=1) == labels
    expected = {
        ("accuracy_top1", ""): accuracy(logits, labels),
        ("accuracy_top5", ""): accuracy(logits, labels, 5),
        ("nll", ""): negative_log_likelihood(logits, labels),
        ("brier", ""): brier(logits, labels),
        ("confidence_gap", ""): confidence_gap(confidence, correct),
        ("ece_15", ""): expected_calibration_error(confidence, correct, 15),
        ("ece_25", ""): expected_calibration_error(confidence, correct, 25),
        ("misclassification_auroc", ""): misclassification_auroc(confidence, correct),
        ("aurc", ""): aurc(confidence, correct),
        ("risk_at_coverage_0.8", ""): risk_at_coverage(confidence, correct, 0.8),
        ("risk_at_coverage_0.9", ""): risk_at_coverage(confidence, correct, 0.9),
        ("ece_equal_mass_15", ""): equal_mass_ece(confidence, correct),
        ("ece_classwise", ""): classwise_ece_of_logits(logits, labels),
        ("ece_debiased", ""): debiased_calibration_error(confidence, correct),
        ("ks", ""): ks_calibration_error(confidence, correct),
        ("mce", ""): maximum_calibration_error(confidence, correct),
        ("rms_calibration", ""): rms_calibration_error(confidence, correct),
        ("sharpness", ""): float(confidence.var()),
        ("brier_top_label", ""): float(((confidence - correct) ** 2).mean()),
        **{(f"brier_{name}", ""): getattr(brier_parts(confidence, correct), name)
           for name in ("reliability", "resolution", "uncertainty")},
    }  # fmt: skip
    for name, detector in (
        ("msp", msp),
        ("max_logit", max_logit),
        ("energy", energy),
        ("entropy", entropy),
        ("gen", gen),
    ):
        ours, theirs = detector(logits), detector(odd)
        expected["auroc", name] = auroc(ours, theirs)
        expected["fpr_at_95", name] = fpr_at_tpr(ours, theirs)
        expected["aupr_in", name], expected["aupr_out", name] = aupr(ours, theirs), aupr(ours, theirs, "ood")
    assert values(scored, "metric", "detector") == {
        key: pytest.approx(value, abs=1e-6) for key, value in expected.items()
    }


def test_how_images_are_packed_and_when_they_came_does_not_matter(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    numbers = {name: rng.normal(size=(12, 3)).astype(np.float32) for name in ("one", "two")}
    tables = []
    for folder, names, cut in (("a", ("one", "two"), [4, 4, 4]), ("b", ("two", "one"), [1, 11])):
        made = Made(tmp_path / folder)
        for name in names:
            made.dataset(name, [n % 3 for n in range(12)], cut=cut).model("net-a", name, numbers[name])
        tables.append(ask(made).table.drop("inputs"))
    assert tables[0].write_csv() == tables[1].write_csv()


def test_a_store_that_was_asked_for_nothing(tmp_path: Path) -> None:
    made = Made(tmp_path / "s").dataset("toys", [0, 1])
    assert ask(made).table.is_empty()
    assert ask(made).missing == ()


def test_a_dataset_without_images_is_said_to_have_none(tmp_path: Path) -> None:
    made = tiny(tmp_path / "s").dataset("empty", [], cut=[])
    made.model("net-a", "empty", np.zeros((0, 3)))
    scored = ask(made)
    assert set(scored.table["dataset"]) == {"toys"}
    assert scored.notes == ("empty has no images, so nothing can be said of it.",)


def test_without_labels_there_is_no_accuracy_and_no_complaint(tmp_path: Path) -> None:
    made = Made(tmp_path / "s").dataset("toys", [None, None]).model("net-a", "toys", np.eye(2, 3))
    scored = ask(made)
    assert scored.table.is_empty()
    assert scored.notes == scored.missing == scored.failed == ()
    assert len(scored.cells) == 1


def test_labels_that_the_model_has_no_class_for_are_said(tmp_path: Path) -> None:
    made = Made(tmp_path / "s").dataset("toys", [0, 1]).model("net-a", "toys", np.eye(2, 10), classes=TEN)
    scored = ask(made)
    assert scored.table.is_empty()
    assert "net-a has no class for 2 of the labels of toys ('circle', say)" in scored.notes[0]
    assert "--label-space imagenet-1k" in scored.notes[0]


def test_a_class_that_no_image_has_is_not_missed(tmp_path: Path) -> None:
    two = ClassList(("n02", "n01"), ("square", "circle"))
    made = Made(tmp_path / "s").dataset("toys", [0, 1]).model("net-a", "toys", np.array([[0, 1], [3, 0]]), classes=two)
    assert values(ask(made))[("accuracy_top1",)] == 1.0


def test_columns_without_names_have_no_accuracy(tmp_path: Path) -> None:
    made = Made(tmp_path / "s").dataset("toys", [0, 1]).model("net-a", "toys", np.eye(2, 3), classes=None)
    scored = ask(made)
    assert scored.table.is_empty()
    assert "the logit columns of net-a have no class names" in scored.notes[0]


def test_a_label_beyond_the_classes_is_an_integrity_error(tmp_path: Path) -> None:
    made = Made(tmp_path / "s").dataset("toys", [0, 7]).model("net-a", "toys", np.eye(2, 3))
    with pytest.raises(IntegrityError, match="label 7 of a dataset with 3 classes"):
        ask(made)


def test_failures_by_policy(tmp_path: Path) -> None:
    made = Made(tmp_path / "s").dataset("toys", [0, 1, 2, 0])
    made.model("net-a", "toys", np.eye(4, 3), failed={2: "decode_error"})
    refused = ask(made)
    assert refused.table.is_empty()
    assert "1 of 4 images have no numbers, the first is '00002.jpg' (decode_error: said so)" in refused.failed[0]
    with pytest.raises(FailedItemsError, match="--on-failure exclude"):
        raise_failed(refused)
    left_out = ask(made, on_failure="exclude")
    assert values(left_out)[("accuracy_top1",)] == 1.0
    assert left_out.notes == (
        "net-a on toys (3-way) has right answers only, so there is no misclassification_auroc.",
        "1 of 4 images of toys have no numbers, the first is '00002.jpg' (decode_error: said so): net-a.",
    )
    wrong = ask(made, on_failure="count-wrong").table.filter(pl.col("metric") == "accuracy_top1")
    assert wrong.select("value", "n", "n_total", "n_failed").row(0) == (0.75, 4, 4, 1)


def test_when_no_image_could_be_read_no_policy_gives_fewer_rows_in_silence(tmp_path: Path) -> None:
    made = Made(tmp_path / "s").dataset("toys", [0, 1]).model("net-a", "toys", np.eye(2, 3), failed={0: "x", 1: "x"})
    scored = ask(made, on_failure="exclude")
    assert scored.table.is_empty()
    with pytest.raises(FailedItemsError, match="None is left to count"):
        raise_failed(scored)
    assert values(ask(made, on_failure="count-wrong")) == {("accuracy_top1",): 0.0}


def test_failures_out_of_distribution(tmp_path: Path) -> None:
    made = tiny(tmp_path / "s").dataset("odd", [None] * 4)
    made.model("net-a", "odd", np.eye(4, 3), failed={0: "decode_error"})
    what = Ask(id_dataset="toys", ood_datasets=("odd",))
    refused = ask(made, what)
    assert set(refused.table["dataset"]) == {"toys"}
    assert len(refused.failed) == 1
    for policy in ("exclude", "count-wrong"):
        rows = ask(made, what, on_failure=policy).table.filter(pl.col("metric") == "auroc")
        rows = rows.filter(pl.col("variant") == "")
        assert rows.select("n", "n_total", "n_failed").unique().rows() == [(7, 8, 1)]


def test_roles_of_the_manifests(tmp_path: Path) -> None:
    odd = 'id="odd"\ntitle="t"\npaper="p"\nobtain="o"\nrole="ood"\n'
    catalogue = catalogue_with(tmp_path, datasets__odd=odd)
    made = Made(tmp_path / "s").dataset("imagenet-val", [0, 1, 2]).model("net-a", "imagenet-val", np.eye(3))
    made.dataset("odd", [0, 0], classes=ClassList(("z",), ("z",))).model("net-a", "odd", np.ones((2, 3)))
    scored = score(made.store, catalogue, Ask())
    assert {row["dataset"] for row in scored.table.to_dicts() if row["metric"].startswith("acc")} == {"imagenet-val"}
    found = scored.table.filter(pl.col("dataset") == "odd")
    assert set(found["metric"]) == DETECTION
    assert set(found["id_dataset"]) == {"imagenet-val"}
    found = found.filter(pl.col("detector") == "msp", pl.col("calibration") == "raw", pl.col("variant") == "")
    assert dict(found.select("metric", "value").rows()) == {"auroc": 1, "fpr_at_95": 0, "aupr_in": 1, "aupr_out": 1}
    alone = score(made.store, catalogue, Ask(datasets=("odd",)))
    assert alone.table.is_empty()
    assert "net-a on odd: nothing to compare with" in alone.notes[0]


def test_other_classes_outside_than_inside_are_not_compared(tmp_path: Path) -> None:
    made = tiny(tmp_path / "s").dataset("odd", [None, None]).model("net-a", "odd", np.eye(2, 10), classes=TEN)
    scored = ask(made, Ask(id_dataset="toys", ood_datasets=("odd",)))
    assert set(scored.table["dataset"]) == {"toys"}
    assert "net-a has other classes on odd than on toys" in scored.notes[0]


def test_zero_shot_models_have_one_row_a_prompt_set(tmp_path: Path) -> None:
    made = tiny(tmp_path / "s").dataset("odd", [None] * 3)
    heads = [ZeroShot("one", np.eye(3)), ZeroShot("two", np.eye(3)[::-1])]
    rows = np.array([[3, 1, 0], [1, 3, 0], [0, 1, 3], [1, 1, 1]])
    made.model("clip", "toys", rows, kind="embeddings", classes=None, heads=heads, group="zero-shot-clip")
    made.model("clip", "odd", np.ones((3, 3)), kind="embeddings", classes=None, heads=heads, group="zero-shot-clip")
    scored = ask(made, Ask(models=("clip",), id_dataset="toys", ood_datasets=("odd",)))
    assert {
        key: value for key, value in values(scored, "metric", "prompt_set").items() if key[0] == "accuracy_top1"
    } == {
        ("accuracy_top1", "one"): 1.0,
        ("accuracy_top1", "two"): pytest.approx(1 / 3),
    }
    detection = scored.table.filter(pl.col("metric") == "auroc")
    detection = detection.filter(pl.col("variant") == "")
    assert detection.group_by("prompt_set").len()["len"].to_list() == [7, 7]
    assert set(detection["detector"]) == {"msp", "max_logit", "energy", "mcm", "max_cosine", "entropy", "gen"}


def test_partial_answers_say_how_much_they_are_of(tmp_path: Path) -> None:
    made = tiny(tmp_path / "s")
    made.remove_data("logits", "toys", "net-a", pack=1)
    assert ask(made).table.is_empty()
    part = ask(made, Ask(allow_partial=True))
    assert len(part.missing) == 1
    assert part.table.filter(pl.col("metric") == "accuracy_top1").select("value", "n", "n_total").row(0) == (0.5, 2, 4)
    whole = tiny(tmp_path / "t")
    assert set(part.table["inputs"]).isdisjoint(ask(whole).table["inputs"])


def test_a_study_is_its_blocks(tmp_path: Path) -> None:
    text = (
        'id="mine"\ntitle="t"\n'
        '[[blocks]]\nmodels=["resnet50.tv_in1k"]\ndatasets=["toys"]\nkinds=["logits"]\n'
        '[[blocks]]\nmodels=["resnet50.a1_in1k"]\ndatasets=["more"]\nkinds=["logits"]\n'
    )
    catalogue = catalogue_with(tmp_path, studies__mine=text)
    made = Made(tmp_path / "s").dataset("toys", [0, 1]).dataset("more", [0, 1])
    for name in ("toys", "more"):
        for model in ("resnet50.tv_in1k", "net-a"):
            made.model(model, name, np.eye(2, 3))
    scored = score(made.store, catalogue, Ask(study=catalogue.studies["mine"]))
    assert set(scored.table.select("model", "dataset").rows()) == {("resnet50.tv_in1k", "toys")}
    assert [cell.remedy for cell in scored.missing] == ["`assay-extract run --model resnet50.a1_in1k --dataset more`"]


def test_unknown_names_are_usage_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        ask(tiny(tmp_path / "s"), Ask(models=("nope",)))


def test_one_image_of_one_class(tmp_path: Path) -> None:
    one = ClassList(("k",), ("k",))
    made = Made(tmp_path / "s").dataset("toys", [0], classes=one).model("net-a", "toys", np.ones((1, 1)), classes=one)
    found = {key: value for key, value in values(ask(made)).items() if key[0] not in FAMILY}
    assert set(values(ask(made)).values()) == {0.0, 1.0}
    assert found == {
        ("accuracy_top1",): 1.0, ("brier",): 0.0, ("confidence_gap",): 0.0, ("ece_15",): 0.0, ("ece_25",): 0.0,
        ("nll",): 0.0, ("aurc",): 0.0, ("risk_at_coverage_0.8",): 0.0, ("risk_at_coverage_0.9",): 0.0,
    }  # fmt: skip


def test_memory_does_not_grow_with_the_dataset(tmp_path: Path) -> None:
    classes = ClassList(tuple(f"k{n}" for n in range(200)), tuple(f"c{n}" for n in range(200)))
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20_000, 200)).astype(np.float32)
    made = Made(tmp_path / "s", pack=1000).dataset("toys", (np.arange(20_000) % 200).tolist(), classes=classes)
    made.model("net-a", "toys", logits, classes=classes)
    size = logits.nbytes
    del logits
    ask(made)
    tracemalloc.start()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    scored = ask(made)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert scored.table.height == 23
    # The matrix alone is 16 MB; a pack of it is 0.8 MB and the softmax works in blocks.
    assert size == 16_000_000
    # Numbers kept of an image: about 200 bytes, 4 MB; ids and samples of 20,000 images are Python strings.
    assert peak < 30e6, f"{peak / 1e6:.0f} MB"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000


def test_the_same_images_under_two_names_are_two_datasets(tmp_path: Path) -> None:
    ids = images("toys", 4)
    made = tiny(tmp_path / "s").dataset("again", [0, 1, 2, None], items=ids)
    made.model("net-a", "again", log_probabilities([0.7, 0.2, 0.1], [0.5, 0.3, 0.2], [0.1, 0.3, 0.6], [0.2, 0.2, 0.6]))
    table = ask(made).table
    assert (
        table.filter(pl.col("dataset") == "toys")
        .drop("dataset", "inputs")
        .equals(table.filter(pl.col("dataset") == "again").drop("dataset", "inputs"))
    )
    assert SHAPES.keys == ("n01", "n02", "n03")
