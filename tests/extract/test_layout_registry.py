"""The list of layouts against the manifests and the modules; and how a root says which layout it is."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

from extract import layouts
from extract.containers.folder import Folder
from extract.layouts.entries import Ask
from extract.layouts.registry import LAYOUTS, detect, known_layout
from manifests.dataset import LAYOUTS as NAMED
from manifests.errors import UsageError
from tests.extract.official import CATALOGUE, Miniature, indexed, new_store


def test_the_registry_and_the_manifests_name_the_same_layouts() -> None:
    assert set(LAYOUTS) == set(NAMED)
    used = {name for dataset in CATALOGUE.datasets.values() for name in dataset.layouts}
    assert set(LAYOUTS) - used <= {"folder", "listing"}


def test_every_reader_of_every_module_is_registered() -> None:
    modules = [
        importlib.import_module(f"extract.layouts.{found.name}") for found in pkgutil.iter_modules(layouts.__path__)
    ]
    readers = {
        function
        for module in modules
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if name.startswith("read_") and list(inspect.signature(function).parameters) == ["ask"]
    }
    assert readers == {layout.read for name, layout in LAYOUTS.items() if name != "listing"}


def test_every_dataset_of_the_design_has_a_reader() -> None:
    """DESIGN, section 6."""
    ids = (
        *("imagenet-val", "imagenet-v2-matched-frequency", "imagenet-v2-threshold", "imagenet-v2-top-images"),
        *("imagenet-r", "imagenet-a", "imagenet-sketch", "objectnet", "imagenet-vid-robust"),
        *("stylized-imagenet", "stylized-mvh", "cue-conflict", "imagenet-x", "imagenet-x-library"),
        *("imagenet-x-multi", "imagenet-real", "inaturalist", "sun", "places", "textures", "textures-43"),
        *("imagenet-o", "ninco", "openimage-o", "flickr30k", "mscoco", "navi", "scannet", "spair-71k"),
        *("imagenet-3dcc", "imagenet-d", "imagenet-train-16shot", "imagenet-train-200k"),
    )
    assert set(ids) <= set(CATALOGUE.datasets)
    assert all(known_layout(name) for id_ in ids for name in CATALOGUE.datasets[id_].layouts)


@pytest.mark.parametrize("dataset", sorted(CATALOGUE.datasets))
def test_a_folder_of_something_else_is_refused(dataset: str, tmp_path: Path) -> None:
    """Photographs of somebody's holidays are no official set, and nothing is written."""
    root = Miniature(tmp_path / "holidays").image("beach 1.jpg", "beach 2.jpg").root
    store = new_store(tmp_path)
    if dataset in ("imagenet-x", "imagenet-x-library", "imagenet-x-multi", "imagenet-real"):
        (tmp_path / "empty").mkdir()
        with pytest.raises(UsageError, match="holds no"):
            indexed(store, dataset, root, annotations=tmp_path / "empty")
    elif dataset in ("imagenet-o", "stylized-mvh"):
        # A flat folder says no class; there is nothing to mislabel.
        report, _ = indexed(store, dataset, root)
        assert report.labelled == 0
        return
    else:
        with pytest.raises(UsageError):
            indexed(store, dataset, root)
    assert store.datasets() == []


def test_a_folder_could_be_two_things(tmp_path: Path) -> None:
    files = Folder(Miniature(tmp_path / "x").image("images/banded/a.jpg", "images/zigzagged/b.jpg").root)
    ask = Ask(dataset="textures", files=files)
    # The special layout is taken, the general one would do as well.
    assert detect(ask, ("textures", "ood-folder")) == "textures"
    with pytest.raises(UsageError, match=r"could be several layouts.*textures: images/<class>/<file>"):
        detect(ask, ("textures", "objectnet"))
    with pytest.raises(UsageError, match=r"looks like none of its layouts.*large-scale-ood: images/<file>"):
        detect(ask, ("large-scale-ood", "imagenet-v2-folders"))


def test_a_layout_that_is_not_the_sets_is_refused(tmp_path: Path) -> None:
    root = Miniature(tmp_path / "x").image("n01440764/a.jpg").root
    with pytest.raises(UsageError, match="imagenet-r comes as wnid-folders; got --layout imagenet-val-wnid"):
        indexed(new_store(tmp_path), "imagenet-r", root, layout="imagenet-val-wnid")
    with pytest.raises(UsageError, match="unknown layout 'wnids'; expected one of folder, listing"):
        indexed(new_store(tmp_path), "imagenet-r", root, layout="wnids")
