from __future__ import annotations

import dataclasses

import pytest

from analyze.asked import Ask, Known, Roles, Wanted, roles, wanted_pairs
from manifests.errors import UsageError
from manifests.schema import Block, Dataset, Study
from tests.analyze.made import CATALOGUE

LISTED = "resnet50.tv_in1k"
BOUND = {("a", "x"), ("a", "y"), ("b", "x"), ("vit-c", "z")}


def known(bound: set[tuple[str, str]] | None = None, datasets: tuple[str, ...] = ("spare",)) -> Known:
    return Known(BOUND if bound is None else bound, datasets, ("openai-7",), CATALOGUE)


def pairs(ask: Ask, where: Known | None = None) -> dict[tuple[str, str], bool]:
    return {(one.model, one.dataset): one.named for one in wanted_pairs(where or known(), ask)}


def test_no_name_means_what_the_store_was_asked_for() -> None:
    assert pairs(Ask()) == dict.fromkeys(BOUND, False)


def test_a_model_alone_limits_to_its_own_datasets() -> None:
    assert pairs(Ask(models=("a",))) == {("a", "x"): False, ("a", "y"): False}
    assert pairs(Ask(models=("a,vit-*",))) == {("a", "x"): False, ("a", "y"): False, ("vit-c", "z"): False}


def test_two_ids_are_a_demand_and_a_glob_is_a_limit() -> None:
    assert pairs(Ask(models=("a", "b"), datasets=("y",))) == {("a", "y"): True, ("b", "y"): True}
    assert pairs(Ask(models=("*",), datasets=("y",))) == {("a", "y"): False}


def test_a_pattern_that_leads_to_nothing_here_is_missing_as_a_whole() -> None:
    assert pairs(Ask(models=(LISTED,))) == dict.fromkeys(((LISTED, name) for name in ("spare", "x", "y", "z")), True)
    assert pairs(Ask(datasets=("spare",))) == dict.fromkeys(((name, "spare") for name in ("a", "b", "vit-c")), True)
    assert pairs(Ask(datasets=("imagenet-val",))).keys() == {(m, "imagenet-val") for m in ("a", "b", "vit-c")}
    assert pairs(Ask(models=("vit-*",), datasets=("x",))) == {
        ("vit-c", "x"): True,
    }
    listed = {(name, "x") for name in CATALOGUE.models if name.startswith("resnet50.")}
    assert pairs(Ask(models=("resnet50.*",), datasets=("x",))).keys() == listed > {(LISTED, "x")}


def test_an_empty_store_still_names_what_is_missing() -> None:
    empty = known(set(), ())
    assert pairs(Ask(), empty) == {}
    assert pairs(Ask(models=(LISTED,)), empty) == {(LISTED, ""): True}
    assert pairs(Ask(datasets=("imagenet-val",)), empty) == {("", "imagenet-val"): True}


@pytest.mark.parametrize("ask", [Ask(models=("nope",)), Ask(datasets=("no*",)), Ask(prompts=("none",))])
def test_a_name_that_nobody_knows_is_a_usage_error(ask: Ask) -> None:
    with pytest.raises(UsageError, match="neither to the store nor to the manifests"):
        wanted_pairs(known(), ask)


def test_decisions_can_be_scored() -> None:
    block = Block(models=("a",), datasets=("x",), kinds=("predictions",))
    assert pairs(Ask(study=study(block))) == {("a", "x"): True}


def study(*blocks: Block) -> Study:
    return Study(id="mine", title="t", blocks=blocks)


def test_blocks_of_a_study_do_not_mix() -> None:
    first = Block(models=(LISTED,), datasets=("imagenet-val:all",), kinds=("logits",))
    models = ("ViT-B-32.laion2b_s34b*",)
    second = Block(models=models, datasets=("my-folder",), kinds=("embeddings", "heads"), prompts=("openai-7",))
    third = Block(models=("resnet50.a1_in1k",), datasets=("my-folder",), kinds=("patches",))
    shots = Block(models=models, datasets=("my-shots",), kinds=("embeddings",))
    found = wanted_pairs(known(), Ask(study=study(first, second, third, shots)))
    assert found == (
        Wanted("ViT-B-32.laion2b_s34b_b79k", "my-folder", ("openai-7",), True),
        Wanted(LISTED, "imagenet-val", (), True),
    )


def test_a_study_is_limited_by_the_commands_own_names() -> None:
    block = Block(models=("resnet50.*",), datasets=("x", "y"), kinds=("logits",))
    assert pairs(Ask(study=study(block), models=("*tv*",), datasets=("y",))) == {(LISTED, "y"): True}
    with pytest.raises(UsageError, match=r"--model a is not in study mine; it holds resnet50\.a1_in1k"):
        wanted_pairs(known(), Ask(study=study(block), models=("a",)))
    with pytest.raises(UsageError, match="neither to the store"):
        wanted_pairs(known(), Ask(study=study(block), models=("nope",)))


def test_named_roles_are_demands_too() -> None:
    ask = Ask(datasets=("y",), id_dataset="x", ood_datasets=("y",))
    found = wanted_pairs(known(), ask)
    assert {(one.model, one.dataset): one.named for one in found} == {("a", "y"): True, ("a", "x"): True}
    assert roles(known(), ask, found) == Roles("x", frozenset({"y"}))


def test_roles_that_make_no_sense() -> None:
    with pytest.raises(UsageError, match="needs --id-dataset"):
        roles(known(), Ask(ood_datasets=("y",)), wanted_pairs(known(), Ask(ood_datasets=("y",))))
    with pytest.raises(UsageError, match="both name it"):
        roles(known(), Ask(id_dataset="x", ood_datasets=("x",)), ())
    with pytest.raises(UsageError, match="take ids"):
        wanted_pairs(known(), Ask(id_dataset="x*"))
    with pytest.raises(UsageError, match="neither to the store"):
        wanted_pairs(known(), Ask(id_dataset="nope"))


def worlds(*names: str) -> Known:
    """Everything that is known where the manifests have further in-distribution sets."""
    facts = {"title": "t", "paper": "p", "obtain": "o"}
    sets = {name: Dataset(id=name, role="id", **facts) for name in names}
    catalogue = dataclasses.replace(CATALOGUE, datasets={**CATALOGUE.datasets, **sets})
    return Known(BOUND, (*names, "imagenet-val"), (), catalogue)


def wanted(*datasets: str) -> tuple[Wanted, ...]:
    return tuple(Wanted("a", name) for name in datasets)


def test_the_one_set_of_that_role_is_in_distribution() -> None:
    where = worlds("mine", "other")
    assert roles(where, Ask(), wanted("mine", "inaturalist")) == Roles("mine", frozenset({"inaturalist"}))
    assert roles(where, Ask(ood_datasets=("y",)), wanted("mine", "y")) == Roles("mine", frozenset({"y"}))
    assert roles(where, Ask(id_dataset="x"), wanted("mine", "other", "x")).inside == "x"
    # Before others, and where there is none.
    assert roles(where, Ask(), wanted("mine", "imagenet-val", "other")).inside == "imagenet-val"
    assert roles(where, Ask(), wanted("x")).inside == "imagenet-val"
    with pytest.raises(UsageError, match="mine, other are all in-distribution sets .* --id-dataset mine"):
        roles(where, Ask(), wanted("other", "mine"))
