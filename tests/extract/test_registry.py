"""The packages, labels and prompts that the manifests name are where they say; models: test_manifest_registry."""

from __future__ import annotations

from fnmatch import fnmatchcase
from importlib import metadata

import pytest

from manifests.catalogue import load
from manifests.schema import Model

CATALOGUE = load()
PACKAGED = [model for model in CATALOGUE.models.values() if model.package]


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
