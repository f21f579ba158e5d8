"""Every model of the manifests against the installed libraries: it exists, and is prepared as its manifest says.

No weights are loaded. What a library has otherwise than a manifest says is listed here with the reason, or it fails.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
open_clip = pytest.importorskip("open_clip")

from extract.backbones import open_clip_config, timm_config  # noqa: E402
from extract.backbones.architecture import activations, build_weightless  # noqa: E402
from extract.backbones.open_clip_weights import create  # noqa: E402
from extract.resolve import BY_HAND, Choice, Named, candidate, named_models, weights_source  # noqa: E402
from extract.weights import DictMemo, FileWeights, HubWeights, LibraryWeights, WeightsSource  # noqa: E402
from manifests.catalogue import load  # noqa: E402
from manifests.errors import UsageError  # noqa: E402
from manifests.schema import Model  # noqa: E402

CATALOGUE = load()
MODELS = CATALOGUE.models
TIMM = [model for model in MODELS.values() if model.library == "timm"]
OPEN_CLIP = [model for model in MODELS.values() if model.library == "open_clip"]
TRAPS = [model for model in MODELS.values() if model.load_as_arch]

OTHERWISE: Mapping[tuple[str, str], Any] = {
    # The tag does not ask for QuickGELU and the architecture has it; no other architecture takes these weights.
    ("roberta-ViT-B-32.laion2b_s12b_b32k", "quick_gelu"): True,
}
"""What a library has, where a manifest says something else."""

WITHOUT_HUB = {
    # timm names release files for these, so their weights are the user's to bring.
    "legacy_xception.tf_in1k",
    "legacy_senet154.in1k",
    "legacy_seresnet50.in1k",
    "legacy_seresnext101_32x4d.in1k",
}


def named(model: Model) -> Named:
    (found,) = named_models(CATALOGUE, [model.id], Choice())
    return found


def source_of(found: Named) -> WeightsSource:
    # No file is opened: a configuration is the same wherever the weights lie.
    if found.weights.startswith(BY_HAND) or found.name in WITHOUT_HUB:
        return FileWeights(Path("weights.safetensors"))
    return weights_source(found)


def differences(model: Model, found: Mapping[str, Any]) -> dict[str, Any]:
    """What is found where the manifest says something else, but for the exceptions."""
    told = {fact: getattr(model, fact) for fact in found if getattr(model, fact) is not None}
    expected = {fact: OTHERWISE.get((model.id, fact), value) for fact, value in told.items()}
    return {fact: found[fact] for fact, value in expected.items() if found[fact] != value}


@pytest.mark.parametrize("model", TIMM, ids=lambda model: model.id)
def test_timm_prepares_a_model_as_its_manifest_says(model: Model) -> None:
    found = named(model)
    count = len(CATALOGUE.labels[model.label_space].keys) if model.label_space else None
    config = timm_config.resolve_config(found.arch, source_of(found), num_classes=count)
    assert config.name == model.arch
    assert config.size == (model.resolution, model.resolution)
    facts = {
        "mean": tuple(config.data["mean"]),
        "std": tuple(config.data["std"]),
        "interpolation": config.data["interpolation"],
        "crop_pct": config.data["crop_pct"],
        "licence": model.licence if config.pretrained.get("license") is None else config.pretrained["license"],
    }
    assert differences(model, facts) == {}
    if model.pretrained:
        # The weights have as many logit columns as the label space has classes; encoders have none.
        assert config.pretrained["num_classes"] == (count or 0)


@pytest.mark.parametrize("model", OPEN_CLIP, ids=lambda model: model.id)
def test_open_clip_prepares_a_model_as_its_manifest_says(model: Model) -> None:
    found = named(model)
    config = open_clip_config.resolve_config(found.arch, source_of(found))
    assert config.name == (model.load_as_arch or model.arch)
    assert config.size == (model.resolution, model.resolution)
    facts = {
        "mean": tuple(config.preprocess["mean"]),
        "std": tuple(config.preprocess["std"]),
        "interpolation": config.preprocess["interpolation"],
        "resize_mode": config.preprocess["resize_mode"],
        "embed_dim": config.model["embed_dim"],
        "quick_gelu": bool(config.model.get("quick_gelu", False)),
    }
    assert differences(model, facts) == {}
    if model.pretrained:
        tag = open_clip.get_pretrained_cfg(model.arch, model.pretrained)
        assert bool(tag.get("quick_gelu", False)) == model.quick_gelu


def test_every_exception_is_one() -> None:
    for name, fact in OTHERWISE:
        assert getattr(MODELS[name], fact) != OTHERWISE[name, fact]
    for name in WITHOUT_HUB:
        assert MODELS[name].obtain == "user-made"
        with pytest.raises(UsageError, match="timm names no hub weights"):
            timm_config.resolve_config(named(MODELS[name]).arch, LibraryWeights())


def test_every_pair_that_open_clip_lists_has_a_manifest() -> None:
    ours = {(model.arch, model.pretrained) for model in OPEN_CLIP if model.pretrained}
    theirs = set(open_clip.list_pretrained())
    assert ours <= theirs
    if open_clip.__version__ == "3.3.0":
        assert len(ours) == 196
        assert ours == theirs


@pytest.mark.parametrize("model", TRAPS, ids=lambda model: model.id)
def test_the_printed_pair_fails_with_the_right_name(model: Model) -> None:
    with pytest.raises(UsageError, match=f"trained with QuickGELU, .* has GELU; .*Use {model.load_as_arch}$"):
        open_clip_config.resolve_config(f"{model.arch}/{model.pretrained}", LibraryWeights())
    # The twin itself is in the library under the same tag, with the same weights.
    right, printed = (
        open_clip.get_pretrained_cfg(arch, model.pretrained)["hf_hub"] for arch in (model.load_as_arch, model.arch)
    )
    assert right == printed


def test_the_smallest_trap_is_built_with_its_activation() -> None:
    smallest = min((model for model in TRAPS if model.encoder_family == "vit"), key=lambda one: one.parameters_m or 0)
    config = open_clip_config.resolve_config(named(smallest).arch, source_of(named(smallest)))
    model = create(config)
    assert smallest.load_as_arch == "ViT-B-16-quickgelu"
    assert activations(model) == ["QuickGELU"]
    assert sum(parameter.numel() for parameter in model.parameters()) / 1e6 == pytest.approx(
        smallest.parameters_m, abs=0.01
    )


def test_the_e32_of_vit_b_16_plus_240_comes_from_its_own_repository() -> None:
    tags = {tag: open_clip.get_pretrained_cfg("ViT-B-16-plus-240", f"laion400m_{tag}") for tag in ("e31", "e32")}
    if tags["e31"]["hf_hub"] != tags["e32"]["hf_hub"]:
        pytest.fail("open_clip has mended the pair: take `hub` out of the manifest")
    model = MODELS["ViT-B-16-plus-240.laion400m_e32"]
    config = open_clip_config.resolve_config(named(model).arch, source_of(named(model)))
    assert config.weights == HubWeights(model.hub, open_clip_config.HUB_FILES)
    assert not config.paired


def test_a_scaling_law_file_is_taken_from_its_repository() -> None:
    model = MODELS["ViT-L-14.laion80m_s34b"]
    config = open_clip_config.resolve_config(named(model).arch, source_of(named(model)))
    assert config.weights == HubWeights("laion/scaling-laws-openclip", (model.hub_file,))
    assert config.tag == "laion400m_e32"


@pytest.mark.parametrize("name", ["ig_resnext101_32x16d", "ig_resnext101_32x32d", "ig_resnext101_32x48d"])
def test_former_names_of_timm_lead_to_other_weights(name: str) -> None:
    def tag(model: Any) -> str:
        return f"{model.pretrained_cfg['architecture']}.{model.pretrained_cfg['tag']}"

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Mapping deprecated model name")
        found = build_weightless(lambda: timm.create_model(name), tag)
    assert found == "resnext101_32x8d.fb_wsl_ig1b_ft_in1k"
    for depth in ("16d", "32d"):
        assert f"resnext101_32x{depth}.fb_wsl_ig1b_ft_in1k" in MODELS


@pytest.mark.parametrize("name", ["PIRL", "RN50.openai_coop", "prismatic-clip-336.vicuna-v1.5-7b"])
def test_weights_that_no_library_brings_are_told_with_their_recipe(name: str) -> None:
    with pytest.raises(UsageError, match=f"no library brings the weights of {name}. ") as told:
        candidate(CATALOGUE, named(MODELS[name]), Choice(), DictMemo())
    assert MODELS[name].recipe in str(told.value)
