"""ImageNet-X without an image: listed from the package, predictions ingested, scored; then the images come.

The package is asked for its annotations and never imported: the truth is counted from its files here.
"""

from __future__ import annotations

import csv
import json
from importlib import metadata
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from analyze.asked import Ask
from analyze.score import score
from cache.cli import app
from cache.console import run_app
from cache.store import Store
from extract.layouts.annotation_file import IMAGENET_X
from extract.layouts.imagenet_val import val_name
from tests.extract.official import CATALOGUE, indexed, new_store
from tests.extract.test_imagenet_x_views import ROWS, annotations, val

FACTORS = CATALOGUE.factors["imagenet-x"].factors


@pytest.fixture(scope="module")
def package() -> dict[str, Path]:
    """Return the files of the package by name."""
    try:
        return {file.name: Path(str(file.locate())) for file in metadata.files(IMAGENET_X) or []}
    except metadata.PackageNotFoundError:
        pytest.skip("package imagenet-x is not installed; it holds the annotations (CC BY-NC 4.0)")


def table_of(store: Store) -> pl.DataFrame:
    found = score(Store(store.layout.root), CATALOGUE, Ask())
    assert (found.missing, found.failed) == ((), ())
    return found.table.filter(pl.col("calibration") == "raw")


def ingest(store: Store, dataset: str, model: str, path: Path) -> int:
    command = ["ingest", "--model", model, "--dataset", dataset, "--kind", "predictions", "--format", "imagenet-x"]
    return run_app(app, [*command, str(path), "--store", str(store.layout.root), "-q"])


def predictions(path: Path, truth: dict[str, int], seed: int = 0) -> dict[str, int]:
    """Write seeded predictions of every image of the validation set, some 70 % of them right; return them."""
    rng = np.random.default_rng(seed)
    found = {}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("file_name", "predicted_class", "predicted_probability"))
        for name, label in truth.items():
            found[name] = label if rng.random() < 0.7 else int(rng.integers(1000))
            writer.writerow((name, found[name], rng.random()))
    return found


def test_accuracies_and_error_ratios_of_both_readings(package: dict[str, Path], tmp_path: Path) -> None:
    with package["filename_label.csv"].open(encoding="utf-8") as file:
        truth = {row["file_name"]: int(row["label"]) for row in csv.DictReader(file)}
    assert len(truth) == 50_000
    answers = predictions(tmp_path / "net.csv", truth)
    lines = package["imagenet_x_val_top_factor.jsonl"].read_text("utf-8").splitlines()
    annotated = [json.loads(line) for line in lines]
    prototypes = set(package["prototypical_paths.csv"].read_text("utf-8").split()[1:])
    store = new_store(tmp_path)
    for dataset, left_out in (("imagenet-x", set[str]()), ("imagenet-x-library", prototypes)):
        indexed(store, dataset, None)
        assert ingest(store, dataset, "net", tmp_path / "net.csv") == 0
        kept = [row for row in annotated if row["file_name"] not in left_out]
        right = np.array([answers[row["file_name"]] == row["class"] for row in kept])
        flags = np.array([[row[factor] for factor in FACTORS] for row in kept], bool)
        rows = table_of(store).filter(dataset=dataset, protocol="1000-way")
        top = rows.filter(metric="accuracy_top1", slice="all").row(0, named=True)
        assert (top["value"], top["n"], top["n_total"]) == (right.mean(), len(kept), len(kept))
        said = {
            (row["slice"], row["metric"]): (row["value"], row["n"])
            for row in rows.iter_rows(named=True)
            if not row["variant"]
        }
        for column, factor in enumerate(FACTORS):
            members = flags[:, column]
            accuracy = right[members].mean()
            assert said[factor, "accuracy_top1"] == (accuracy, members.sum())
            assert said[factor, "error_ratio"][0] == pytest.approx((1 - accuracy) / (1 - right.mean()), rel=1e-12)


def test_the_images_come_later(tmp_path: Path) -> None:
    said = annotations(tmp_path / "said", ROWS)
    store = new_store(tmp_path)
    indexed(store, "imagenet-x", None, annotations=said)
    (tmp_path / "net.csv").write_text(
        f"file_name,predicted_class,predicted_probability\n{val_name(2)},970,0.9\n{val_name(9)},1,0.5\n"
        f"{val_name(10)},332,0.4\n{val_name(11)},332,0.4\n"
    )
    assert ingest(store, "imagenet-x", "net", tmp_path / "net.csv") == 0
    before = table_of(store)
    assert before.filter(metric="accuracy_top1", slice="all")["value"].to_list() == [2 / 3]
    report, _ = indexed(store, "imagenet-x", val(tmp_path / "val"), annotations=said)
    assert (report.new, report.hashed) == (True, 3)
    # What was read is another version of the dataset; every number is the same.
    assert table_of(store).drop("inputs").equals(before.drop("inputs"))
    assert ingest(store, "imagenet-x", "net", tmp_path / "net.csv") == 0
    assert len(Store(store.layout.root).requests().live) == 1


def test_a_part_of_the_images_comes_later(tmp_path: Path) -> None:
    said = annotations(tmp_path / "said", ROWS)
    store = new_store(tmp_path)
    indexed(store, "imagenet-x", None, annotations=said)
    (tmp_path / "net.csv").write_text(
        f"file_name,predicted_class\n{val_name(2)},970\n{val_name(9)},1\n{val_name(10)},332\n"
    )
    assert ingest(store, "imagenet-x", "net", tmp_path / "net.csv") == 0
    _, view = indexed(store, "imagenet-x", val(tmp_path / "val", (2, 9)), annotations=said)
    assert view.height == 2
    top = table_of(store).filter(metric="accuracy_top1", slice="all").row(0, named=True)
    assert (top["value"], top["n"]) == (1 / 2, 2)
