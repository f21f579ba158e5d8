from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from manifests.dataset import Options
from manifests.references import dataset_problems, factor_problems, label_problems, model_problems, study_problems
from manifests.schema import Block, Dataset, FactorSet, LabelSpace, Model, Reading, Study

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


def test_a_derived_model_names_another() -> None:
    assert of_models(model("RN50"), model("twin", derived_from="RN50")) == []
    assert of_models(model("twin", derived_from="twin")) == [
        "models/twin.toml: derived_from: a model cannot be made of itself"
    ]
    (lost,) = of_models(model("twin", derived_from="RN51"))
    assert lost.startswith("models/twin.toml: derived_from: no models match 'RN51'; the nearest ids are RN50")


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


def test_options_of_questions_come_from_models_and_prompts_that_exist() -> None:
    datasets = {
        name: Dataset(id=name, title="t", paper="p", obtain="o", role="generic", options=Options(**said))
        for name, said in (
            ("a", {"lists": ("RN50",), "prompts": "openai-80"}),
            ("b", {"lists": ("RN50", "RN51"), "prompts": "one"}),
        )
    }
    problems = list(dataset_problems(datasets, IDS, shown))
    assert [(problem.file, problem.key) for problem in problems] == [
        ("datasets/b.toml", "options.lists"),
        ("datasets/b.toml", "options.prompts"),
    ]


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


def test_other_readings_of_a_study_name_models() -> None:
    block = Block(models=("RN50",), datasets=("imagenet-val",), kinds=("logits",))
    studies = {"s": Study(id="s", title="t", blocks=(block,), readings={"wide": ("RN101", "RN102", "RN*")})}
    problems = list(study_problems(studies, IDS, shown))
    assert [problem.key for problem in problems] == ["readings.wide", "readings.wide"]
    assert problems[0].message.startswith("no models match 'RN102'")


def space(name: str, over: str = "", **facts: Any) -> LabelSpace:
    return LabelSpace(id=name, title="t", source="s", over=over, **facts)


WHOLE = {"keys": ("a", "b", "c"), "names": ("A", "B", "C")}


def of_labels(*spaces: LabelSpace) -> list[str]:
    ids = {"labels": [item.id for item in spaces]}
    return [str(problem) for problem in label_problems({item.id: item for item in spaces}, ids, shown)]


def test_sound_label_spaces_over_another() -> None:
    part = space("part", "whole", keys=("a", "both"), names=("A", "B or C"), members=((0,), (1, 2)))
    assert of_labels(space("whole", **WHOLE), part) == []


@pytest.mark.parametrize(
    ("keys", "members", "said"),
    [
        (("a", "c"), ((0,), (3,)), "c has column 3; whole ends at 2"),
        (("a", "c"), ((0,), (1,)), "c is column 2 of whole; got [1]"),
        (("a",), ((0, 1),), "a is column 0 of whole; got [0, 1]"),
    ],
)
def test_members_are_columns_of_the_space_and_keys_name_their_own(
    keys: tuple[str, ...], members: tuple[tuple[int, ...], ...], said: str
) -> None:
    part = space("part", "whole", keys=keys, names=keys, members=members)
    assert of_labels(space("whole", **WHOLE), part) == [f"labels/part.toml: members: {said}"]


def test_a_space_is_over_a_space_of_its_own() -> None:
    whole = space("whole", **WHOLE)
    part = space("part", "whole", keys=("a",), names=("A",), members=((0,),))
    deeper = space("deeper", "part", keys=("x",), names=("X",), members=((0,),))
    (lost,) = of_labels(whole, space("lost", "hole", keys=("a",), names=("A",), members=((0,),)))
    assert lost.startswith("labels/lost.toml: over: no labels match 'hole'")
    assert of_labels(whole, part, deeper) == [
        "labels/deeper.toml: over: 'part' is itself over 'whole'; name that one",
    ]


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ((), "over and members go together"),
        (((0,),), r"expected the columns of each key \(2\), got 1 lists"),
        (((0,), ()), "y: expected at least one column"),
        (((1, 0), (2,)), "x: expected at least one column, ascending"),
        (((0,), (0,)), "column 0 stands for more than one class"),
        (((0,), (-1,)), "greater than or equal to 0"),
    ],
)
def test_members_that_say_nothing_sound(members: tuple[tuple[int, ...], ...], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        space("part", "whole", keys=("x", "y"), names=("X", "Y"), members=members)


def test_readings_of_factors_and_sets_over_sets_lead_to_datasets() -> None:
    reading = Reading(annotations="a", prototypes="kept", images=1, counts={"pose": 1})
    factors = FactorSet(
        id="f",
        title="t",
        source="s",
        licence="l",
        factors=("pose",),
        prototype_list="p",
        readings={"imagenet-y": reading},
    )
    (told,) = factor_problems({"f": factors}, IDS, shown)
    assert (told.file, told.key) == ("factors/f.toml", "readings.imagenet-y")
    datasets = {
        name: Dataset(id=name, title="t", paper="p", obtain="o", role="id", over=over)
        for name, over in (("a", "imagenet-val"), ("imagenet-3dcc", "imagenet-3dcc"), ("b", "imagenet"))
    }
    problems = list(dataset_problems(datasets, IDS, shown))
    assert [(problem.file, problem.key) for problem in problems] == [
        ("datasets/imagenet-3dcc.toml", "over"),
        ("datasets/b.toml", "over"),
    ]
