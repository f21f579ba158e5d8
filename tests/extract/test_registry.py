"""The architectures, tags and packages that the manifests name exist where they say; no weights are loaded."""

from __future__ import annotations

from fnmatch import fnmatchcase
from importlib import metadata

import pytest

from manifests.catalogue import load
from manifests.schema import Model

CATALOGUE = load()
MODELS = CATALOGUE.models.values()
TIMM = [model for model in MODELS if model.library == "timm"]
OPEN_CLIP = [model for model in MODELS if model.library == "open_clip"]
PACKAGED = [model for model in MODELS if model.package]


@pytest.mark.parametrize("model", TIMM, ids=lambda model: model.id)
def test_timm_knows_the_architecture_and_the_tag(model: Model) -> None:
    timm = pytest.importorskip("timm")
    assert timm.is_model(model.load_as_arch or model.arch)
    if model.pretrained:
        assert f"{model.arch}.{model.pretrained}" in timm.list_pretrained(f"{model.arch}.*")
        assert timm.get_pretrained_cfg(f"{model.arch}.{model.pretrained}").input_size[1] == model.resolution


@pytest.mark.parametrize("model", OPEN_CLIP, ids=lambda model: model.id)
def test_open_clip_knows_the_architecture_and_the_tag(model: Model) -> None:
    open_clip = pytest.importorskip("open_clip")
    built = model.load_as_arch or model.arch
    assert built in open_clip.list_models()
    assert (model.arch, model.pretrained) in open_clip.list_pretrained()
    # The mismatch that the library only warns of: weights trained with QuickGELU in an architecture without it.
    quick = open_clip.get_pretrained_cfg(model.arch, model.pretrained).get("quick_gelu", False)
    assert bool(open_clip.get_model_config(built).get("quick_gelu", False)) == bool(quick)


@pytest.mark.parametrize("model", PACKAGED, ids=lambda model: model.id)
def test_the_package_ships_one_weights_file(model: Model) -> None:
    try:
        files = metadata.files(model.package) or []
    except metadata.PackageNotFoundError:
        pytest.skip(f"{model.package} is not installed")
    assert len([file for file in files if fnmatchcase(file.name, model.package_file)]) == 1


def test_labels_and_prompts_are_those_of_the_libraries() -> None:
    open_clip = pytest.importorskip("open_clip")
    timm_data = pytest.importorskip("timm.data")
    space = CATALOGUE.labels["imagenet-1k"]
    assert space.names == tuple(open_clip.IMAGENET_CLASSNAMES)
    assert space.keys == tuple(timm_data.ImageNetInfo().label_names())
    for name, templates in (
        ("openai-80", open_clip.OPENAI_IMAGENET_TEMPLATES),
        ("openai-7", open_clip.SIMPLE_IMAGENET_TEMPLATES),
    ):
        assert CATALOGUE.prompts[name].templates == tuple(template("{}") for template in templates)
