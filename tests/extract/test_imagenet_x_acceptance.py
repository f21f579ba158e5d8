"""Predictions in ImageNet-X's form, over a dataset listed without images, give what the authors' package gives."""

from __future__ import annotations

import csv
import json
import warnings
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest

from analyze.asked import Ask
from analyze.score import score
from cache.cli import app as cache_app
from cache.console import run_app
from cache.store import Store
from extract.cli import app as extract_app
from manifests.catalogue import load

READINGS = {"imagenet-x": False, "imagenet-x-library": True}
"""Dataset -> whether the package's `filter_prototypes` is on."""


@pytest.fixture(scope="module")
def package() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the package's age
        return pytest.importorskip("imagenet_x", reason="the package imagenet-x is not installed")


@pytest.mark.parametrize("dataset", READINGS)
def test_factor_rows_are_those_of_the_package(dataset: str, package: ModuleType, tmp_path: Path) -> None:
    annotations = package.utils.get_annotation_path()
    listed = pl.read_csv(str(annotations / "filename_label.csv"))
    rng = np.random.default_rng(0)
    n, labels = listed.height, listed["label"].to_numpy()
    answers = np.where(rng.random(n) < 0.76, labels, rng.integers(0, 1000, n))
    models = tmp_path / "models"
    models.mkdir()
    columns = {"file_name": listed["file_name"], "predicted_class": answers, "predicted_probability": rng.random(n)}
    pl.DataFrame(columns).write_csv(models / "net.csv")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = package.get_factor_accuracies(str(models), filter_prototypes=READINGS[dataset])
        ratios = package.error_ratio(expected).loc["net"]

    store = tmp_path / "store"
    assert run_app(extract_app, ["index", dataset, "--store", str(store), "-q"]) == 0
    words = ["ingest", "--store", str(store), "--model", "net", "--dataset", dataset, "--kind", "predictions", "-q"]
    assert run_app(cache_app, [*words, "--format", "imagenet-x", str(models / "net.csv")]) == 0
    catalogue = load()
    told = score(Store(store), catalogue, Ask()).table.filter(calibration="raw")
    table = told.filter(protocol="1000-way")

    factors = catalogue.factors["imagenet-x"]
    found = {(row["metric"], row["slice"]): row for row in table.iter_rows(named=True)}
    assert found["accuracy_top1", "all"]["value"] == pytest.approx(expected.loc["net", "average"], abs=1e-12)
    assert found["accuracy_top1", "all"]["n"] == factors.readings[dataset].images
    for factor in factors.factors:
        assert found["accuracy_top1", factor]["value"] == pytest.approx(expected.loc["net", factor], abs=1e-12)
        assert found["error_ratio", factor]["value"] == pytest.approx(ratios[factor], abs=1e-12)
        assert found["accuracy_top1", factor]["n"] == factors.readings[dataset].counts[factor]
    worst = found["worst_factor", "all"]
    assert worst["value"] == pytest.approx(expected.loc["net", "worst_factor"], abs=1e-12)
    assert worst["value"] == found["accuracy_top1", worst["variant"]]["value"]

    # The package's other two ways to be right, over the same rows.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kept = package.load_annotations("top", "val", filter_prototypes=READINGS[dataset]).reset_index()
    said = dict(zip(listed["file_name"], answers.tolist(), strict=True))
    given = np.array([said[name] for name in kept["file_name"]])
    groups = np.array(factors.metaclass_of(_metaclass_names(annotations / factors.metaclass_list)))
    lists = json.loads((annotations / "imagenet_real_labels.jsonl").read_text())
    accepted = [lists[int(name[15:23]) - 1] for name in kept["file_name"]]
    right = {
        "metaclass-17": groups[given] == groups[kept["class"].to_numpy()],
        "real": np.array([answer in some for answer, some in zip(given.tolist(), accepted, strict=True)]),
    }
    counted = {"metaclass-17": np.ones(len(kept), bool), "real": np.array([len(some) > 0 for some in accepted])}
    assert right["metaclass-17"].mean() > right["real"][counted["real"]].mean() > 0.5
    for protocol, hits in right.items():
        rows = {row["slice"]: row for row in told.filter(protocol=protocol, metric="accuracy_top1").to_dicts()}
        for factor in ("all", *factors.factors):
            members = counted[protocol] & (np.ones(len(kept), bool) if factor == "all" else kept[factor] == 1)
            assert rows[factor]["value"] == pytest.approx(hits[members].mean(), abs=1e-12)
            assert rows[factor]["n"] == members.sum()


def _metaclass_names(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return [row["name"] for row in csv.DictReader(file)]
