"""Predictions in ImageNet-X's form, over a dataset listed without images, give what the authors' package gives."""

from __future__ import annotations

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
    table = score(Store(store), catalogue, Ask()).table.filter(calibration="raw")

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
