"""The lists of the two papers, counted; the traps of the libraries, as facts of the models that have them.

That the facts are those of the public tables is asked by test_importing_models; that the libraries agree, by
tests/extract/test_manifest_registry.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest

from manifests.catalogue import load
from manifests.schema import Block, Model

CATALOGUE = load()
MODELS = CATALOGUE.models
BASELINES = ("standard", "more-data", "contrastive", "mae")


def named_by(study: str, title: str) -> tuple[Model, ...]:
    (block,) = (block for block in CATALOGUE.studies[study].blocks if block.title == title)
    return tuple(MODELS[name] for name in block.models)


def distinct(models: Iterable[Model]) -> set[str]:
    return {model.duplicate_of or model.id for model in models}


def baselines(study: str) -> list[Model]:
    titles = ("standard models", "pre-trained on more data", "contrastive learning between images")
    return [model for title in titles for model in named_by(study, title)]


CONFERENCE = named_by("closer-look", "zero-shot CLIP")
JOURNAL = named_by("holistic", "zero-shot CLIP")


def test_the_conference_has_51_zero_shot_models_of_which_46_are_distinct() -> None:
    assert len(set(CONFERENCE)) == len(CONFERENCE) == 51
    assert {model.group for model in CONFERENCE} == {"zero-shot-clip"}
    assert len(distinct(CONFERENCE)) == 46
    assert {model.id: model.duplicate_of for model in CONFERENCE if model.duplicate_of} == {
        "RN50.openai": "RN50-quickgelu.openai",
        "RN101.openai": "RN101-quickgelu.openai",
        "ViT-B-32.openai": "ViT-B-32-quickgelu.openai",
        "ViT-B-32.laion400m_e31": "ViT-B-32-quickgelu.laion400m_e31",
        "ViT-B-32.laion400m_e32": "ViT-B-32-quickgelu.laion400m_e32",
    }
    # The original of every duplicate is itself in the list, so nobody drops out of a fit.
    assert distinct(CONFERENCE) <= {model.id for model in CONFERENCE}
    assert Counter(model.training_source for model in CONFERENCE) == {"WIT": 12, "LAION": 39}
    assert sum(model.dataset == "LAION-80M" for model in CONFERENCE) == 9


def test_the_journal_has_84_zero_shot_models_in_either_reading() -> None:
    assert len(set(JOURNAL)) == len(JOURNAL) == 84
    other = {MODELS[name] for name in CATALOGUE.studies["holistic"].readings["journal84-b"]}
    assert len(other) == 84
    assert {model.group for model in other} == {"zero-shot-clip"}
    common = set(CONFERENCE) | {model for model in JOURNAL if model.training_source == "CommonPool"}
    assert len(common) == 51 + 25
    assert common <= set(JOURNAL) & other
    assert sorted(model.id for model in set(JOURNAL) - common) == [
        "EVA01-g-14-plus.merged2b_s11b_b114k",
        "EVA01-g-14.laion400m_s11b_b41k",
        "EVA02-B-16.merged2b_s8b_b131k",
        "EVA02-E-14-plus.laion2b_s9b_b144k",
        "EVA02-E-14.laion2b_s4b_b115k",
        "EVA02-L-14-336.merged2b_s6b_b61k",
        "EVA02-L-14.merged2b_s4b_b131k",
        "RN50-quickgelu.cc12m",
    ]
    assert sorted(model.id for model in other - common) == [
        "EVA01-g-14.laion400m_s11b_b41k",
        "EVA02-L-14.merged2b_s4b_b131k",
        "RN50-quickgelu.cc12m",
        "ViT-B-16-quickgelu.dfn2b",
        "ViT-B-16-quickgelu.metaclip_400m",
        "ViT-L-14-quickgelu.dfn2b",
        "ViT-L-14-quickgelu.metaclip_400m",
        "ViT-SO400M-14-SigLIP-384.webli",
    ]


def test_the_25_of_commonpool_are_seven_filters_of_three_sizes_and_four_of_the_largest() -> None:
    pool = [model for model in JOURNAL if model.training_source == "CommonPool"]
    assert Counter(model.samples_seen for model in pool) == {
        12_800_000: 7,
        128_000_000: 7,
        1_280_000_000: 7,
        12_800_000_000: 4,
    }
    assert Counter(model.arch for model in pool) == {"ViT-B-32": 14, "ViT-B-16": 7, "ViT-L-14": 4}


def test_fine_tuned_clips_are_32_and_12() -> None:
    tuned = named_by("closer-look", "CLIP, fine-tuned")
    assert len(set(tuned)) == len(tuned) == 32
    assert Counter(model.fine_tuning for model in tuned) == {
        "ImageNet-1k, cross-entropy": 14,
        "ImageNet-12k, then ImageNet-1k, cross-entropy": 18,
    }
    assert Counter(model.dataset for model in tuned) == {
        "LAION-2B-en": 22,
        "LAION-Aesthetic (subset of LAION-2B-en)": 1,
        "WIT-400M (OpenAI, private)": 9,
    }
    assert named_by("holistic", "CLIP, fine-tuned") == tuned
    twelve = [model for model in MODELS.values() if model.group == "clip-ft" and model.library == "open_clip"]
    titles = ("with its text tower", "with learned prompts", "with an adapter")
    found = [block for block in CATALOGUE.studies["holistic"].blocks if any(word in block.title for word in titles)]
    assert [len(block.models) for block in found] == [4, 4, 4]
    assert {name for block in found for name in block.models} == {model.id for model in twelve}
    assert Counter(model.derived_from for model in twelve) == dict.fromkeys(
        ("RN50-quickgelu.openai", "RN101-quickgelu.openai", "ViT-B-32-quickgelu.openai", "ViT-B-16.openai"), 3
    )
    assert {model.obtain for model in twelve} == {"user-made"}
    assert all(model.group == "clip-ft" for model in (*tuned, *twelve))


@pytest.mark.parametrize("study", ["closer-look", "holistic"])
def test_127_baselines_in_three_groups_each_with_evidence(study: str) -> None:
    models = baselines(study)
    assert len(set(models)) == len(models) == 127
    assert Counter(model.group for model in models) == {"standard": 74, "more-data": 45, "contrastive": 8}
    assert Counter(model.evidence for model in models) == {
        "supplement NINCO list": 24,
        "Taori testbed": 46,
        "family named in paper": 29,
        "chosen for spread": 20,
        "supplement list": 8,
    }


def test_every_baseline_with_evidence_is_counted_and_the_three_autoencoders_stand_beside() -> None:
    told = {model for model in MODELS.values() if model.evidence and model.group in BASELINES}
    autoencoders = named_by("closer-look", "masked autoencoders, Fig. A-5")
    assert told == {*baselines("closer-look"), *autoencoders}
    assert [model.group for model in autoencoders] == ["mae"] * 3
    ninco = named_by("closer-look", "ImageNet models on NINCO, Fig. A-3")
    assert set(ninco) == {model for model in told if model.evidence == "supplement NINCO list"}


def test_six_vlms_share_two_vision_towers() -> None:
    vlms = [model for model in MODELS.values() if model.group == "vlm"]
    assert Counter(model.derived_from for model in vlms) == {
        "ViT-L-14-336.openai": 3,
        "ViT-SO400M-14-SigLIP-384.webli": 3,
    }
    assert {(model.library, model.obtain) for model in vlms} == {("prismatic", "separate-env")}
    assert {name for block in blocks_of_kind("records") for name in block.models} == {model.id for model in vlms}


def blocks_of_kind(kind: str) -> list[Block]:
    return [block for study in CATALOGUE.studies.values() for block in study.blocks if kind in block.kinds]


def test_duplicates_are_one_architecture_with_one_tag() -> None:
    equal: dict[tuple[str, str], set[str]] = {}
    for model in MODELS.values():
        if model.group == "zero-shot-clip" and model.pretrained:
            equal.setdefault((model.load_as_arch or model.arch, model.pretrained), set()).add(model.id)
    for names in equal.values():
        stands = {MODELS[name].duplicate_of or name for name in names}
        assert len(stands) == 1
        assert stands <= names
    original = {model.id for model in MODELS.values() if model.duplicate_of}
    assert original == {name for names in equal.values() if len(names) > 1 for name in names} - {
        MODELS[name].duplicate_of for name in original
    }


def test_a_pair_that_the_library_builds_with_the_wrong_activation_says_what_to_build() -> None:
    traps = [model for model in CONFERENCE if model.load_as_arch]
    assert len(traps) == 11
    for model in traps:
        assert model.load_as_arch == f"{model.arch}-quickgelu"
        assert model.quick_gelu
        assert f"built as {model.load_as_arch}" in model.notes
    assert sum(bool(model.load_as_arch) for model in MODELS.values()) == 27
    for model in MODELS.values():
        if model.group == "zero-shot-clip" and model.id != "roberta-ViT-B-32.laion2b_s12b_b32k":
            built = model.load_as_arch or model.arch
            assert "-quickgelu" not in built or model.quick_gelu


def test_traps_of_single_models() -> None:
    wrong_hub = MODELS["ViT-B-16-plus-240.laion400m_e32"]
    assert wrong_hub.hub.endswith(".laion400m_e32")
    assert "loads the other model" in wrong_hub.notes
    assert MODELS["ViT-L-14.laion2b_s32b_b82k"].mean == (0.5, 0.5, 0.5)
    assert MODELS["ViT-L-14.laion400m_e32"].mean != (0.5, 0.5, 0.5)
    assert MODELS["ViT-H-14-quickgelu.dfn5b"].resize_mode == "squash"
    assert "laion2b_s13b_b82_augreg" in MODELS["convnext_base_w.laion2b_s13b_b82k_augreg"].notes
    for depth in ("16d", "32d"):
        assert "32x8d" in MODELS[f"resnext101_32x{depth}.fb_wsl_ig1b_ft_in1k"].notes
    for tag in ("clip_laion2b_augreg_ft_in12k_in1k", "clip_laion2b_augreg_ft_in1k"):
        assert MODELS[f"convnext_base.{tag}"].resolution == 256
        assert "the papers' tables say 224" in MODELS[f"convnext_base.{tag}"].notes
    narrow = {model.id for model in MODELS.values() if "scale 0.9 to 1" in model.notes}
    assert len(narrow) == 4
    assert all(name.startswith("convnext_base") for name in narrow)
    assert "leave the model out of fits" in MODELS["resnet50.tv_in1k"].notes


@pytest.mark.parametrize("library", ["timm", "open_clip"])
def test_ids_are_spelled_as_the_library_does(library: str) -> None:
    for model in MODELS.values():
        if model.library == library and model.pretrained:
            assert model.id == f"{model.arch}.{model.pretrained}"
        elif model.package:
            assert model.id == f"{model.arch}.pypi"


def test_weights_that_no_library_brings_come_with_a_recipe() -> None:
    for model in MODELS.values():
        assert bool(model.recipe) == (model.obtain in ("user-made", "separate-env")), model.id
    with_a_file = [model for model in MODELS.values() if model.hub_file and model.obtain == "hub"]
    assert len(with_a_file) == 9
    assert {model.preprocess_as for model in with_a_file} == {
        "laion2b_s34b_b79k",
        "laion2b_s34b_b88k",
        "laion400m_e32",
    }
    for model in with_a_file:
        like = MODELS[f"{model.arch}.{model.preprocess_as}"]
        facts = ("mean", "std", "interpolation", "resize_mode", "quick_gelu", "resolution", "embed_dim")
        assert [getattr(model, fact) for fact in facts] == [getattr(like, fact) for fact in facts]


def test_encoder_families_are_spelled_one_way() -> None:
    families = {model.encoder_family for model in MODELS.values()}
    assert None not in families
    assert all(family and family == family.lower() and family.isascii() for family in families)
    assert {"vit", "resnet", "convnext", "eva"} <= families
