"""Patches of open_clip towers: whose picture they see, their grids, and positions at other sizes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from extract.backbones.open_clip_backbone import OpenClipBackbone
from tests.extract.open_clip_pairs import noise, ours, side, theirs
from tests.extract.tiny_open_clip import FAMILIES, registered


@pytest.fixture(scope="module", autouse=True)
def _tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with registered(tmp_path_factory.mktemp("configs")):
        yield


@pytest.mark.parametrize("arch", FAMILIES)
def test_patches_do_not_depend_on_batch_mates(arch: str) -> None:
    backbone = ours(arch, 6)
    batch = noise(3, side(backbone))
    changed = batch.clone()
    changed[1:] = noise(2, side(backbone), seed=9) * 7
    before, after = (backbone.forward(one, backbone.kinds()) for one in (batch, changed))
    alone = backbone.forward(batch[:1], backbone.kinds())
    for kind in backbone.kinds():
        np.testing.assert_array_equal(before[kind][0], after[kind][0])
        np.testing.assert_allclose(alone[kind][0], before[kind][0], atol=5e-3 if kind == "patches" else 1e-5)
        assert np.abs(before[kind][1].astype(float) - after[kind][1]).max() > 0


@pytest.mark.parametrize("arch", FAMILIES)
def test_a_patch_sees_its_own_image(arch: str) -> None:
    """Attention over the batch axis would leave the other patches of an image as they are."""
    backbone = ours(arch, 6)
    batch = noise(2, side(backbone))
    changed = batch.clone()
    changed[0, :, :16, :16] += 3
    gap = np.abs(
        backbone.forward(batch, ("patches",))["patches"].astype(float)
        - backbone.forward(changed, ("patches",))["patches"]
    ).max(axis=-1)
    assert gap[1].max() == 0
    if arch not in ("tiny-resnet", "tiny-convnext"):
        assert (gap[0] > 0).all()


@pytest.mark.parametrize("size", [None, 512, (480, 640)])
@pytest.mark.parametrize(
    ("arch", "stride"),
    [("ViT-B-32", 32), ("ViT-B-16", 16), ("RN50", 32), ("convnext_base", 32), ("ViT-B-16-SigLIP", 16),
     ("EVA02-B-16", 16), ("coca_ViT-B-32", 32)],
)  # fmt: skip
def test_grids_of_full_size(arch: str, stride: int, size: int | tuple[int, int] | None) -> None:
    backbone = OpenClipBackbone(arch, "random:0", image_size=size)
    height, width = {None: (224, 224), 512: (512, 512)}.get(size, size)
    facts = backbone.identity()["outputs"]["patches"]
    assert facts["grid"] == [height // stride, width // stride]
    assert facts["stride"] == stride
    assert backbone.identity()["geometry"] == f"{height}x{width}"
    # The attention pool of a ModifiedResNet has positions for its native grid only.
    assert backbone.kinds() == (("patches",) if arch == "RN50" and size else ("embeddings", "patches"))


@pytest.mark.parametrize("size", [128, (96, 160)])
@pytest.mark.parametrize("arch", FAMILIES)
def test_another_size_equals_the_library(arch: str, size: int | tuple[int, int]) -> None:
    if arch == "tiny-eva":
        size = 112 if size == 128 else (112, 168)
    height, width = (size, size) if isinstance(size, int) else size
    backbone = ours(arch, 7, image_size=size)
    batch = noise(2, (height, width))
    out = backbone.forward(batch, backbone.kinds())
    model = theirs(arch, 7) if arch == "tiny-resnet" else theirs(arch, 7, force_image_size=size)
    with torch.inference_mode():
        found = model.visual.forward_intermediates(batch, indices=1, intermediates_only=arch == "tiny-resnet")
    expected = found["image_intermediates"][-1].permute(0, 2, 3, 1)
    np.testing.assert_allclose(out["patches"], expected, rtol=2e-3, atol=2e-3)
    assert list(out["patches"].shape[1:3]) == backbone.identity()["outputs"]["patches"]["grid"]
    if arch != "tiny-resnet":
        np.testing.assert_allclose(out["embeddings"], found["image_features"], atol=1e-5)


def test_positions_of_a_checkpoint_are_resampled_as_the_library_does(tmp_path: Path) -> None:
    for arch in ("tiny-vit", "tiny-sigmoid", "tiny-eva"):
        file = tmp_path / f"{arch}.safetensors"
        save_file(theirs(arch, 8).state_dict(), file)
        size = 112 if arch == "tiny-eva" else 96
        backbone = ours(arch, str(file), image_size=size)
        model = theirs(arch, 0, pretrained=str(file), force_image_size=size)
        batch = noise(1, (size, size))
        with torch.inference_mode():
            expected = model.encode_image(batch)
        np.testing.assert_allclose(backbone.forward(batch, ("embeddings",))["embeddings"], expected, atol=1e-5)
