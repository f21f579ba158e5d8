from __future__ import annotations

from typing import Any

import pytest

from manifests.references import dataset_problems, model_problems, study_problems
from manifests.schema import Block, Dataset, Model, Study

IDS = {
    "models": ["RN50", "RN101", "twin", "third"],
    "labels": ["imagenet-1k"],
    "datasets": ["imagenet-val", "imagenet-3dcc"],
    "prompts": ["openai-80"],
}


def shown(folder: str, name: str) -> str:
    return f"{folder}/{name}.toml"


def model(name: str, **facts: Any) -> Model:
    return Model(id=name, library="timm", arch="a", pretrained="t", group="other", source="s", **facts)


def of_models(*models: Model) -> list[str]:
    return [str(problem) for problem in model_problems({item.id: item for item in models}, IDS, shown)]


def test_sound_references_of_models() -> None:
    assert of_models(model("RN50", label_space="imagenet-1k"), model("twin", duplicate_of="RN50")) == []


def test_label_space_and_original_exist() -> None:
    first, second = of_models(model("RN50", label_space="imagenet-2k"), model("twin", duplicate_of="RN51"))
    assert first.startswith(
        "models/RN50.toml: label_space: no labels match 'imagenet-2k'; the nearest ids are imagenet-1k"
    )
    assert second.startswith("models/twin.toml: duplicate_of: no models match 'RN51'; the nearest ids are RN50")


def test_duplicates_point_straight_at_their_original() -> None:
    assert of_models(model("twin", duplicate_of="twin")) == [
        "models/twin.toml: duplicate_of: a model cannot be a duplicate of itself"
    ]
    chain = of_models(model("RN50"), model("twin", duplicate_of="RN50"), model("third", duplicate_of="twin"))
    assert chain == ["models/third.toml: duplicate_of: 'twin' is itself a duplicate; name its original, 'RN50'"]


def test_label_space_of_a_dataset_exists() -> None:
    datasets = {
        name: Dataset(id=name, title="t", paper="p", obtain="o", role="id", label_space=space)
        for name, space in (("a", ""), ("b", "imagenet-1k"), ("c", "imagenet"))
    }
    problems = list(dataset_problems(datasets, IDS, shown))
    assert [(problem.file, problem.key) for problem in problems] == [("datasets/c.toml", "label_space")]


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({}, []),
        ({"models": ("RN*", "twin,third")}, []),
        ({"models": ("RN*", "ViT-*")}, ["models"]),
        ({"models": ("RN51,RN52",)}, ["models", "models"]),
        ({"datasets": ("imagenet-*", "imagenet-3dcc:fog_3d/3", "imagenet-3dcc:*")}, []),
        ({"datasets": ("my-own-folder", "my-own-folder:all")}, []),
        ({"datasets": ("my-own-*",)}, ["datasets"]),
        ({"datasets": ("my folder",)}, ["datasets"]),
        ({"datasets": (":fog",)}, ["datasets"]),
        ({"prompts": ("openai-80", "openai-8")}, ["prompts"]),
        ({"models": (" ",), "prompts": (",",)}, ["models", "prompts"]),
    ],
)
def test_patterns_of_studies(changes: dict[str, Any], keys: list[str]) -> None:
    sound: dict[str, Any] = {"models": ("RN50",), "datasets": ("imagenet-val",), "kinds": ("logits",)}
    blocks = (Block(**sound), Block(**(sound | changes)))
    studies = {"s": Study(id="s", title="t", blocks=blocks)}
    problems = list(study_problems(studies, IDS, shown))
    assert [problem.key for problem in problems] == [f"blocks.1.{key}" for key in keys]
    assert {problem.file for problem in problems} <= {"studies/s.toml"}
