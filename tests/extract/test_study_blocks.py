"""A study's blocks within limits: what a command names makes a study smaller, and never another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from extract.study_blocks import study_blocks
from manifests.errors import UsageError
from manifests.schema import Block, Study
from tests.extract.command_line import extract
from tests.extract.pictures import draw

MODELS = ("ViT-B", "ViT-L", "RN50", "resnet50")
DATASETS = ("imagenet-val", "imagenet-a", "places")
PROMPTS = ("openai-80", "openai-30")
STUDY = Study(
    id="both",
    title="Two rectangles",
    blocks=(
        Block(models=("ViT-*",), datasets=("imagenet-*", "mine:fog/3"), kinds=("embeddings",), prompts=("openai-*",)),
        Block(models=("resnet50",), datasets=("imagenet-val", "places"), kinds=("logits", "patches", "records")),
    ),
)
WHOLE = [
    (("ViT-B", "ViT-L"), ("imagenet-a", "imagenet-val", "mine"), ("embeddings",), ("openai-30", "openai-80")),
    (("resnet50",), ("imagenet-val", "places"), ("logits", "patches"), ()),
]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, WHOLE),
        ({"only_models": ["ViT-L"]}, [(("ViT-L",), *WHOLE[0][1:])]),
        ({"only_models": ["*L,resnet50"]}, [(("ViT-L",), *WHOLE[0][1:]), WHOLE[1]]),
        ({"only_datasets": ["places"]}, [(("resnet50",), ("places",), ("logits", "patches"), ())]),
        ({"only_datasets": ["mine"]}, [(*WHOLE[0][:1], ("mine",), *WHOLE[0][2:])]),
        ({"only_kinds": ["patches"]}, [(*WHOLE[1][:2], ("patches",), ())]),
        # A block that names no prompts takes those that are given; only a zero-shot model has any.
        (
            {"only_prompts": ["openai-80"]},
            [(*WHOLE[0][:3], ("openai-80",)), (*WHOLE[1][:3], ("openai-80",))],
        ),
        ({"only_models": ["ViT-B", "resnet50"], "only_datasets": ["imagenet-a"]}, [
            (("ViT-B",), ("imagenet-a",), *WHOLE[0][2:]),
        ]),
    ],
)  # fmt: skip
def test_a_limit_makes_blocks_smaller(limits: dict[str, list[str]], expected: list[object]) -> None:
    assert study_blocks(STUDY, MODELS, DATASETS, PROMPTS, **limits) == expected


@pytest.mark.parametrize(
    ("limits", "complaint"),
    [
        ({"only_models": ["RN50"]}, "study 'both' names no models that match 'RN50'; it names ViT-B, ViT-L, resnet50"),
        ({"only_datasets": ["imagenet-r"]}, "names no datasets that match 'imagenet-r'"),
        ({"only_kinds": ["text"]}, "names no kinds that match 'text'"),
        ({"only_prompts": ["mine.toml"]}, "names no prompts that match 'mine.toml'"),
        ({"only_models": ["ViT-B"], "only_datasets": ["places"]}, "no block in which the options given meet"),
    ],
)
def test_a_limit_that_the_study_does_not_hold_is_an_error(limits: dict[str, list[str]], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        study_blocks(STUDY, MODELS, DATASETS, PROMPTS, **limits)


def test_plan_and_run_take_a_study_within_limits(lite: tuple[str, ...], tmp_path: Path) -> None:
    draw(tmp_path / "photos", 2)
    store = tmp_path / "store"
    assert extract(store, "index", "other", "--root", tmp_path / "photos").code == 0
    absent = extract(store, "plan", "--study", "quickstart")
    assert absent.code == 2
    assert "quickstart-photographs" in absent.err
    assert extract(store, "index", "quickstart-photographs", "--root", tmp_path / "photos").code == 0
    whole = extract(store, "plan", "--study", "quickstart", "--json")
    assert [work["model"] for work in whole.json["works"]] == list(lite)
    part = extract(store, "plan", "--study", "quickstart", "--model", lite[1], "--kinds", "logits", "--json")
    assert [(work["model"], work["kinds"]) for work in part.json["works"]] == [(lite[1], ["logits"])]
    stranger = extract(store, "run", "--study", "quickstart", "--model", "timm:test_resnet")
    assert stranger.code == 2
    assert "study 'quickstart' names no models that match 'timm:test_resnet'" in stranger.err
    other = extract(store, "run", "--study", "quickstart", "--dataset", "other")
    assert other.code == 2


def test_a_data_set_of_the_manifests_that_is_not_indexed_is_incomplete_and_not_unknown(tmp_path: Path) -> None:
    draw(tmp_path / "photos", 2)
    assert extract(tmp_path / "store", "index", "other", "--root", tmp_path / "photos").code == 0
    run = ("run", "--model", "timm:test_resnet", "--weights", "random:0", "--dataset")
    listed = extract(tmp_path / "store", *run, "imagenet-val")
    assert listed.code == 3
    assert "`assay-extract index imagenet-val --root DIR`" in listed.err
    assert extract(tmp_path / "store", *run, "imagenet-vaal").code == 2
