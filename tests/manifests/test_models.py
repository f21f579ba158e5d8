"""The facts of the built-in models, held against the public tables and against each other."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import Any

import pytest

from manifests.catalogue import load
from manifests.schema import Model

MODELS = load().models
ZERO_SHOT = [model for model in MODELS.values() if model.group == "zero-shot-clip"]
CLASSIFIERS = [model for model in MODELS.values() if model.library == "timm" and model.pretrained]


def rows(path: Path, key: str) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return {row[key]: row for row in csv.DictReader(lines)}


def number(text: str) -> int | None:
    return int(text) if text else None


@pytest.mark.parametrize("model", ZERO_SHOT, ids=lambda model: model.id)
def test_facts_of_zero_shot_models(model: Model, shared: Path) -> None:
    row = rows(shared / "models" / "zero_shot_clip.csv", "id")[f"{model.arch}|{model.pretrained}"]
    assert (model.dataset_size, model.samples_seen) == (number(row["dataset_size"]), number(row["samples_seen"]))
    keys = ("arch", "pretrained", "training_source", "dataset", "encoder_family", "loss", "curation")
    assert {key: getattr(model, key) for key in keys} == {key: row[key] for key in keys}
    assert (model.resolution, model.parameters_m) == (int(row["resolution"]), float(row["params_m"]))
    assert (model.load_as_arch or model.arch) == row["load_as_arch"]


@pytest.mark.parametrize("model", CLASSIFIERS, ids=lambda model: model.id)
def test_facts_of_classifiers(model: Model, shared: Path) -> None:
    known: dict[str, Any] = rows(shared / "models" / "imagenet_models.csv", "model_id")
    known |= rows(shared / "models" / "finetuned_clip.csv", "id")
    if model.id not in known:
        with gzip.open(shared / "models" / "published_accuracy.csv.gz", "rt", encoding="utf-8", newline="") as lines:
            sizes = {float(row["params_m"]) for row in csv.DictReader(lines) if row["model_id"] == model.id}
        assert sizes == {model.parameters_m}
        return
    row = known[model.id]
    assert model.group == row.get("group", "clip-ft").replace("_", "-")
    assert (model.resolution, model.parameters_m) == (int(row["resolution"]), float(row["params_m"]))
    assert model.licence == row["license"]


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.id)
def test_ids_are_spelled_as_the_library_does(model: Model) -> None:
    assert model.id == f"{model.arch}.{model.pretrained or 'pypi'}"


def test_encoder_families_are_spelled_one_way() -> None:
    assert {model.encoder_family for model in MODELS.values()} == {"convnext", "efficientnet", "mixer", "resnet", "vit"}
