"""Weights into timm architectures: the numbers of the file, or an error that says what to do."""

from __future__ import annotations

import csv
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from timm.data import create_transform, resolve_data_config

from extract.backbones.lite_names import PACKAGES, rename_by_order
from extract.backbones.timm_backbone import TimmBackbone
from extract.weights import load_state_dict, resolve
from manifests.errors import UsageError

KINDS = ("logits", "embeddings", "patches")
RNG = np.random.default_rng(0)


def batch_for(backbone: TimmBackbone, count: int = 3) -> torch.Tensor:
    shape = backbone.blank().shape[1:]
    return torch.from_numpy(RNG.standard_normal((count, *shape), np.float32))


def plain(arch: str, seed: int = 0, **kwargs: Any) -> Any:
    torch.manual_seed(seed)
    return timm.create_model(arch, **kwargs).eval()


def checkpoint(path: Path, arch: str = "test_resnet", seed: int = 0, **kwargs: Any) -> Path:
    save_file(plain(arch, seed, **kwargs).state_dict(), path)
    return path


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_file_gives_its_own_numbers(tmp_path: Path, suffix: str) -> None:
    model = plain("test_vit", 3, num_classes=10)
    path = tmp_path / f"w{suffix}"
    if suffix == ".pth":
        torch.save({"state_dict": model.state_dict(), "epoch": 1}, path)
    else:
        save_file(model.state_dict(), path)
    backbone = TimmBackbone("test_vit", str(path), num_classes=10)
    backbone.load("cpu")
    batch = batch_for(backbone)
    with torch.inference_mode():
        expected = model(batch).numpy()
    np.testing.assert_allclose(backbone.forward(batch, ["logits"])["logits"], expected, rtol=1e-5, atol=1e-5)


def test_position_embeddings_are_resampled_as_timm_does(tmp_path: Path) -> None:
    model = plain("test_vit", 3)
    path = tmp_path / "w.safetensors"
    save_file(model.state_dict(), path)
    backbone = TimmBackbone("test_vit", str(path), image_size=224)
    backbone.load("cpu")
    model.set_input_size((224, 224))
    batch = batch_for(backbone)
    with torch.inference_mode():
        expected = model(batch).numpy()
    np.testing.assert_allclose(backbone.forward(batch, ["logits"])["logits"], expected, rtol=1e-4, atol=1e-5)


def test_a_head_of_another_width_names_the_option(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "w.safetensors", num_classes=10)
    with pytest.raises(UsageError, match=r"fc\.weight has 10 rows.*1000 classes; pass --classes FILE with 10 names"):
        TimmBackbone("test_resnet", str(path)).load("cpu")
    TimmBackbone("test_resnet", str(path), num_classes=10).load("cpu")


def test_missing_and_unexpected_tensors_are_listed(tmp_path: Path) -> None:
    tensors = plain("test_resnet").state_dict()
    del tensors["bn1.weight"]
    tensors["surplus.weight"] = torch.ones(1)
    path = tmp_path / "w.safetensors"
    save_file(tensors, path)
    with pytest.raises(UsageError, match=r"bn1\.weight.*surplus\.weight"):
        TimmBackbone("test_resnet", str(path)).load("cpu")


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "w.safetensors", arch="test_vit")
    with pytest.raises(UsageError, match="does not fit timm's test_resnet"):
        TimmBackbone("test_resnet", str(path)).load("cpu")


def test_a_model_that_timm_loads_loosely_is_still_filled_or_refused(tmp_path: Path) -> None:
    # timm passes pretrained_strict=False for DLA: what the file lacks would stay random without an error.
    model = plain("dla46_c", num_classes=5)
    path = tmp_path / "w.safetensors"
    save_file(model.state_dict(), path)
    TimmBackbone("dla46_c", str(path), num_classes=5).load("cpu")
    tensors = model.state_dict()
    del tensors["base_layer.1.weight"]
    save_file(tensors, path)
    with pytest.raises(UsageError, match=r"base_layer\.1\.weight"):
        TimmBackbone("dla46_c", str(path), num_classes=5).load("cpu")


def test_a_folder_saved_by_timm(tmp_path: Path) -> None:
    model = plain("test_resnet", 4, num_classes=7)
    timm.models.save_for_hf(model, tmp_path, model_args={"num_classes": 7})
    backbone = TimmBackbone(f"local-dir:{tmp_path}")
    assert backbone.class_count() == 7
    backbone.load("cpu")
    batch = batch_for(backbone)
    with torch.inference_mode():
        expected = model(batch).numpy()
    np.testing.assert_allclose(backbone.forward(batch, ["logits"])["logits"], expected, rtol=1e-5, atol=1e-5)
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(UsageError, match="not a timm configuration"):
        TimmBackbone(f"local-dir:{tmp_path}")


# Real weights


def installed(arch: str) -> None:
    try:
        metadata.distribution(PACKAGES[arch].distribution)
    except metadata.PackageNotFoundError:
        pytest.skip(f"{PACKAGES[arch].distribution} is not installed")


@pytest.mark.parametrize("arch", PACKAGES)
def test_lite_weights_equal_timm_in_a_plain_loop(arch: str, shared: Path) -> None:
    installed(arch)
    model = timm.create_model(arch)
    (file,) = resolve(PACKAGES[arch]).files
    theirs = torch.load(file, weights_only=True)
    model.load_state_dict(dict(zip(model.state_dict(), theirs.values(), strict=True)))
    model.eval()
    transform = create_transform(**resolve_data_config(model=model), is_training=False)
    with (shared / "images" / "labels.csv").open() as stream:
        rows = list(csv.DictReader(stream))[::60][:8]
    backbone = TimmBackbone(f"{arch}.pypi")
    backbone.load("cpu")
    images = [Image.open(shared / "images" / row["file"]).convert("RGB") for row in rows]
    ours = backbone.forward(torch.stack([backbone.transform(image) for image in images]), KINDS)
    with torch.inference_mode():
        expected = torch.stack([model(transform(image)[None])[0] for image in images]).numpy()
        features = torch.stack([model.forward_features(transform(image)[None])[0] for image in images])
    np.testing.assert_allclose(ours["logits"], expected, rtol=0, atol=1e-4)
    np.testing.assert_allclose(ours["embeddings"], features.mean((2, 3)).numpy(), rtol=0, atol=1e-4)
    correct = ours["logits"].argmax(1) == [int(row["class_index"]) for row in rows]
    assert correct.mean() >= 0.5
    # By path the same file is the same space.
    assert TimmBackbone(arch, str(file)).identity() == backbone.identity()


def test_order_is_checked_by_shape_count_and_kind() -> None:
    ones = {"x.weight": torch.ones(2), "x.bias": torch.ones(2)}
    assert list(rename_by_order(ones, [("y.weight", (2,)), ("y.bias", (2,))])) == ["y.weight", "y.bias"]
    with pytest.raises(UsageError, match=r"expected 1 tensors.*got 2"):
        rename_by_order(ones, [("y.weight", (2,))])
    with pytest.raises(UsageError, match=r"x\.bias \(2,\) stands where"):
        rename_by_order(ones, [("y.weight", (2,)), ("y.bias", (3,))])
    with pytest.raises(UsageError, match="another architecture"):
        rename_by_order(ones, [("y.bias", (2,)), ("y.weight", (2,))])
    installed("tf_efficientnet_lite0")
    with pytest.raises(UsageError, match="expected 386 tensors"):
        TimmBackbone("tf_efficientnet_lite1", PACKAGES["tf_efficientnet_lite0"]).load("cpu")
    (file,) = resolve(PACKAGES["tf_efficientnet_lite0"]).files
    assert len(load_state_dict(file)) == 296
