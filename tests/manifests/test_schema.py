from __future__ import annotations

import dataclasses
import pickle
from typing import Any

import pytest
from pydantic import ValidationError

from manifests.errors import UsageError
from manifests.schema import Block, Dataset, LabelSpace, Model, PromptSet, Study

SCHEMAS = (Model, LabelSpace, PromptSet, Dataset, Study, Block)


def model(**changes: Any) -> Model:
    facts: dict[str, Any] = {
        "id": "m",
        "library": "timm",
        "arch": "a",
        "pretrained": "t",
        "group": "other",
        "source": "a book",
    }
    return Model(**(facts | changes))


def errors(function: Any, **keys: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        function(**keys)
    return {".".join(map(str, item["loc"])): item["msg"] for item in caught.value.errors()}


@pytest.mark.parametrize("schema", SCHEMAS)
def test_every_field_is_documented(schema: type[Any]) -> None:
    text = schema.__doc__ or ""
    documented = {name for line in text.splitlines() if line.startswith("    ") for name in line.strip().split(", ")}
    assert {item.name for item in dataclasses.fields(schema)} <= documented


def test_values_are_frozen_slotted_keyword_only_hashable_and_picklable() -> None:
    prompts = PromptSet(id="p", title="t", source="s", per_class={"dog": ("a dog",)})
    for entry in (model(), prompts):
        with pytest.raises(dataclasses.FrozenInstanceError):
            entry.id = "n"  # type: ignore[misc]
        assert not hasattr(entry, "__dict__")
        assert isinstance(hash(entry), int)
        assert pickle.loads(pickle.dumps(entry)) == entry
    with pytest.raises(ValidationError):
        Model("m")  # type: ignore[misc]


def test_unknown_facts_are_none() -> None:
    facts = dataclasses.asdict(model())
    unknown = {key for key, value in facts.items() if value is None}
    assert unknown == {
        "training_source",
        "dataset",
        "dataset_size",
        "samples_seen",
        "encoder_family",
        "loss",
        "curation",
        "fine_tuning",
        "resolution",
        "mean",
        "std",
        "interpolation",
        "resize_mode",
        "crop_pct",
        "quick_gelu",
        "embed_dim",
        "parameters_m",
        "licence",
        "evidence",
    }


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"gruop": "other"}, "gruop"),
        ({"id": "a b"}, "id"),
        ({"library": "keras"}, "library"),
        ({"group": "more_data"}, "group"),
        ({"resolution": "224"}, "resolution"),
        ({"resolution": True}, "resolution"),
        ({"resolution": 0}, "resolution"),
        ({"samples_seen": 3.4e10}, "samples_seen"),
        ({"parameters_m": float("nan")}, "parameters_m"),
        ({"parameters_m": "25"}, "parameters_m"),
        ({"source": ""}, "source"),
        ({"licence": ""}, "licence"),
        ({"package_file": "*.pth"}, "package_file"),
        ({"package": "p", "pretrained": "", "obtain": "package"}, "package_file"),
        ({"package": "p", "package_file": "*", "obtain": "package"}, "obtain"),
        ({"package": "p", "package_file": "*", "pretrained": "", "obtain": "user-made"}, "obtain"),
        ({"obtain": "package"}, "obtain"),
        ({"pretrained": ""}, "obtain"),
        ({"pretrained": "", "obtain": "gated"}, "obtain"),
        ({"mean": [0.5, 0.5]}, "mean.2"),
        ({"mean": [0.5, 0.5, 127.5]}, "mean.2"),
        ({"resize_mode": "stretch"}, "resize_mode"),
        ({"crop_pct": 87.5}, "crop_pct"),
        ({"hub_file": "weights.pt"}, "hub_file"),
        ({"preprocess_as": "openai"}, "preprocess_as"),
        ({"group": "zero-shot-clip", "label_space": "imagenet-1k"}, "label_space"),
        ({"group": "standard"}, "label_space"),
        ({"group": "clip-ft"}, "label_space"),
    ],
)
def test_one_wrong_fact_is_one_error_at_its_key(changes: dict[str, Any], key: str) -> None:
    assert list(errors(model, **changes)) == [key]


def test_models_that_are_accepted() -> None:
    assert model(package="p", package_file="*.pth", pretrained="", obtain="package").package == "p"
    assert model(pretrained="", obtain="user-made").obtain == "user-made"
    assert model(group="zero-shot-clip").label_space == ""
    assert model(group="clip-ft", library="open_clip").label_space == ""
    assert model(pretrained="", hub="org/name", hub_file="weights.pt", preprocess_as="openai").obtain == "hub"
    assert model(pretrained="t", obtain="user-made", recipe="Download it.").recipe == "Download it."
    assert model(parameters_m=25).parameters_m == 25.0


def space(**changes: Any) -> LabelSpace:
    return LabelSpace(**({"id": "s", "title": "t", "source": "s", "keys": ["x", "y"], "names": ["n", "n"]} | changes))


def test_names_may_repeat_and_keys_may_not() -> None:
    assert space().names == ("n", "n")
    assert "'x'" in errors(space, keys=["x", "x"])["keys"]


def test_one_name_a_key() -> None:
    assert errors(space, names=["n"]) == {"names": "Value error, expected one name a key (2), got 1"}
    assert list(errors(space, keys=[], names=[])) == ["keys"]
    assert list(errors(space, names=["n", ""])) == ["names.1"]


def test_index_of() -> None:
    assert [space().index_of(key) for key in ("x", "y")] == [0, 1]
    assert space().positions() == {"x": 0, "y": 1}
    with pytest.raises(UsageError, match=r"label space s has 2 keys, 'x' to 'y'; none is 'z'"):
        space().index_of("z")


def prompts(**changes: Any) -> PromptSet:
    return PromptSet(**({"id": "p", "title": "t", "source": "s", "templates": ["a {}."]} | changes))


def test_a_template_has_one_place_for_the_name() -> None:
    found = errors(prompts, templates=["a {}.", "a dog", "{} and {}", "a {name}"])
    assert list(found) == ["templates.1", "templates.2", "templates.3"]


def test_a_prompt_set_without_sentences_or_with_one_twice_is_refused() -> None:
    assert list(errors(prompts, templates=[])) == ["per_class"]
    assert list(errors(prompts, templates=["a {}.", "a {}."])) == ["templates"]
    assert list(errors(prompts, templates=[], per_class={"dog": []})) == ["per_class.dog"]
    assert list(errors(prompts, combine="mean")) == ["combine"]


def test_sentences() -> None:
    both = prompts(per_class={"{dog}": ["it barks"]})
    assert both.sentences("{dog}") == ("a {dog}.", "it barks")
    with pytest.raises(UsageError, match="none for 'cat'"):
        both.sentences("cat")


def test_a_block_names_something() -> None:
    block = {"models": ["m"], "datasets": ["d"], "kinds": ["logits"]}
    study = Study(id="s", title="t", blocks=[block])  # type: ignore[list-item]
    assert study.blocks == (Block(models=("m",), datasets=("d",), kinds=("logits",)),)
    assert list(errors(Study, id="s", title="t", blocks=[])) == ["blocks"]
    found = errors(Study, id="s", title="t", blocks=[block, block | {"kinds": ["pixels"], "modles": []}])
    assert set(found) == {"blocks.1.kinds.0", "blocks.1.modles"}


def test_counts_of_a_dataset_are_positive() -> None:
    keys = {"id": "d", "title": "t", "paper": "p", "obtain": "o", "role": "id"}
    assert Dataset(**keys, known_counts={"beta": 18514}).known_counts == {"beta": 18514}  # type: ignore[arg-type]
    assert list(errors(Dataset, **keys, count=0, known_counts={"beta": -1})) == ["count", "known_counts.beta"]
