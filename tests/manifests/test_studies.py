"""The two papers as studies: what each block may ask of the models that it names, and what stands outside the fits."""

from __future__ import annotations

import pytest

from manifests.catalogue import load
from manifests.schema import Block, Study

CATALOGUE = load()
PAPERS = [CATALOGUE.studies[name] for name in ("closer-look", "holistic")]
BLOCKS = [pytest.param(block, id=f"{study.id}: {block.title}") for study in PAPERS for block in study.blocks]
TEXT = {"text", "heads"}
SIX = ("fog_3d", "near_focus", "far_focus", "flash", "xy_motion_blur", "z_motion_blur")


def block_of(study: str, title: str) -> Block:
    (found,) = (block for block in CATALOGUE.studies[study].blocks if block.title.startswith(title))
    return found


def in_fits(study: Study) -> set[str]:
    return {name for block in study.blocks if block.in_fits for name in block.models}


@pytest.mark.parametrize("block", BLOCKS)
def test_every_id_resolves_and_stands_once(block: Block) -> None:
    assert set(block.models) <= set(CATALOGUE.models)
    assert {name.partition(":")[0] for name in block.datasets} <= set(CATALOGUE.datasets)
    assert set(block.prompts) <= set(CATALOGUE.prompts)
    for names in (block.models, block.datasets, block.kinds, block.prompts, block.detectors):
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_asks_what_its_models_have(block: Block) -> None:
    models = [CATALOGUE.models[name] for name in block.models]
    speaking = all(model.library == "open_clip" and not model.label_space for model in models)
    if TEXT & set(block.kinds):
        assert speaking
        assert "logits" not in block.kinds
    if "logits" in block.kinds:
        assert all(model.label_space for model in models)
    assert ("heads" in block.kinds) == bool(block.prompts)
    if "records" in block.kinds:
        assert {model.group for model in models} == {"vlm"}


@pytest.mark.parametrize("block", BLOCKS)
def test_detectors_are_concept_matching_for_text_and_softmax_for_classifiers(block: Block) -> None:
    roles = {CATALOGUE.datasets[name.partition(":")[0]].role for name in block.datasets}
    assert ("ood" in roles) == bool(block.detectors)
    for name in block.models if block.detectors else ():
        model = CATALOGUE.models[name]
        text_head = model.group == "zero-shot-clip" or name.endswith(("_flyp", "_coop"))
        assert block.detectors[0] == ("mcm" if text_head else "msp")
        assert "max_logit" not in block.detectors or not text_head


def test_curation_and_vlms_are_outside_the_84_in_every_fit() -> None:
    study = CATALOGUE.studies["holistic"]
    counted = in_fits(study)
    groups = {name: CATALOGUE.models[name].group for name in counted}
    assert sum(group == "zero-shot-clip" for group in groups.values()) == 84
    assert sum(group == "clip-ft" for group in groups.values()) == 44
    assert sum(group in ("standard", "more-data", "contrastive") for group in groups.values()) == 127
    assert len(groups) == 84 + 44 + 127
    curation = set(curation_block().models)
    assert {name.partition(".")[2] for name in curation - counted} == {"metaclip_400m", "dfn2b"}
    assert len(curation) == 12
    assert len(curation - counted) == 4


def curation_block() -> Block:
    (found,) = (block for block in CATALOGUE.studies["holistic"].blocks if block.title == "curation, Table IV")
    return found


def test_the_conference_counts_its_own_lists() -> None:
    counted = [CATALOGUE.models[name] for name in in_fits(CATALOGUE.studies["closer-look"])]
    assert len(counted) == 51 + 32 + 127
    assert len({model.duplicate_of or model.id for model in counted}) == 46 + 32 + 127


def test_six_corruptions_at_five_severities_for_clips_trained_on_laion() -> None:
    block = block_of("holistic", "3D corruptions")
    assert list(block.datasets) == [f"imagenet-3dcc:{name}/{severity}" for name in SIX for severity in range(1, 6)]
    journal = block_of("holistic", "zero-shot CLIP").models
    laion = [name for name in journal if CATALOGUE.models[name].training_source == "LAION"]
    assert list(block.models) == laion
    families = {CATALOGUE.models[name].encoder_family for name in laion}
    assert families == {"convnext", "vit", "eva"}
    assert {name for name in curation_block().datasets if "3dcc" in name} == {f"imagenet-3dcc:{name}/5" for name in SIX}


@pytest.mark.parametrize("study", PAPERS, ids=lambda study: study.id)
def test_five_models_of_openai_take_the_prompt_sets(study: Study) -> None:
    block = block_of(study.id, "prompts")
    assert len(block.models) == 5
    assert {CATALOGUE.models[name].training_source for name in block.models} == {"WIT"}
    assert set(block.prompts) == {"single", "mcm-5", "openai-30", "openai-80"}
    assert not block.in_fits


def test_correspondence_counts_equal_models_once() -> None:
    models = [CATALOGUE.models[name] for name in block_of("holistic", "correspondence").models]
    assert not any(model.duplicate_of for model in models)
    others = {model.source for model in models if model.group != "zero-shot-clip"}
    assert {model.group for model in models} == {"zero-shot-clip", "more-data", "other"}
    assert len(others) == 3
