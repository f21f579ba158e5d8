"""Saved models by `hf-hub:` and `local-dir:` names: the configuration beside the weights says whose they are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import open_clip
import pytest
import timm
import torch
from safetensors.torch import save_file

from extract.backbones.open_clip_backbone import OpenClipBackbone
from extract.backbones.timm_backbone import TimmBackbone
from extract.contract_kit import broken, check_backbone
from extract.resolve import Choice, candidate, named_models
from extract.saved_models import library_of
from extract.weights import DictMemo
from manifests.catalogue import load
from manifests.errors import UsageError
from tests.extract.command_line import extract
from tests.extract.tiny_open_clip import registered

CATALOGUE = load()


@pytest.fixture(scope="module", autouse=True)
def _tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with registered(tmp_path_factory.mktemp("configs")):
        yield


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model as open_clip saves one, and one as timm does."""
    theirs, others = tmp_path_factory.mktemp("saved-clip"), tmp_path_factory.mktemp("saved-timm")
    torch.manual_seed(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("logging.warning", lambda *_, **__: None)
        model = open_clip.create_model("tiny-vit", load_weights=False)
    save_file(model.state_dict(), theirs / "open_clip_model.safetensors")
    config = {"model_cfg": open_clip.get_model_config("tiny-vit"), "preprocess_cfg": {"mean": [0.5] * 3}}
    (theirs / "open_clip_config.json").write_text(json.dumps(config))
    (theirs / "config.json").write_text("{}")
    timm.models.save_for_hf(timm.create_model("test_resnet", num_classes=7), others, safe_serialization=True)
    return theirs, others


def test_a_folder_is_opened_by_the_library_that_saved_it(folders: tuple[Path, Path]) -> None:
    made = []
    for folder in folders:
        choice = Choice()
        (named,) = named_models(CATALOGUE, [f"local-dir:{folder}"], choice)
        assert str(folder) not in named.name
        backbone = candidate(CATALOGUE, named, choice, DictMemo()).backbone
        assert broken(check_backbone(backbone, sizes=())) == []
        made.append(backbone)
    assert isinstance(made[0], OpenClipBackbone)
    assert isinstance(made[1], TimmBackbone)
    assert made[1].class_count() == 7


def test_a_folder_without_a_configuration_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"expected a folder with open_clip_config.json or config.json"):
        library_of(f"local-dir:{tmp_path}")
    with pytest.raises(UsageError, match="expected hf-hub:ORGANISATION/NAME"):
        library_of("hf-hub:resnet50")


@pytest.mark.parametrize(
    ("file", "library"), [("open_clip_config.json", "open_clip"), ("config.json", "timm")]
)  # fmt: skip
def test_a_repository_is_told_by_the_first_configuration_that_it_has(
    file: str, library: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def download(repository: str, filename: str, *, revision: str | None, local_files_only: bool) -> str:
        assert (repository, revision) == ("someone/model", "v1")
        if filename != file:
            raise huggingface_hub.errors.EntryNotFoundError("absent")
        return str(tmp_path / filename)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    assert library_of("hf-hub:someone/model@v1") == library


def test_without_a_network_it_says_how_to_get_it(tmp_path: Path) -> None:
    done = extract(tmp_path / "none", "doctor", "--model", "hf-hub:someone/model", "--offline")
    assert done.code == 2
    assert "--offline forbids to download it" in done.err
    assert "hf download someone/model open_clip_config.json" in done.err


@pytest.mark.parametrize("name", ["timm:resnet50.a1_in1k", "open_clip:ViT-B-32/laion2b_s34b_b79k"])
def test_a_name_whose_weights_are_not_here_says_how_to_get_them(name: str, tmp_path: Path) -> None:
    done = extract(tmp_path / "none", "doctor", "--model", name, "--offline")
    assert done.code == 2
    assert "hf download" in done.err
    assert "--weights FILE" in done.err
