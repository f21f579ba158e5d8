"""Op lists: an interpreter written from the list alone has to give the library's pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import open_clip
import pytest
import timm
import torch
from PIL import Image
from timm.data import create_transform
from torchvision import transforms as tv

from extract import intake
from extract.changed_transform import with_pixel_step
from extract.preprocess import Op, describe, pixels
from manifests.canonical import canonical_json
from manifests.errors import UsageError

RNG = np.random.default_rng(1)
SHAPES = [(300, 400), (413, 291), (64, 500), (224, 224), (31, 33)]


def picture(shape: tuple[int, int]) -> Image.Image:
    return Image.fromarray(RNG.integers(0, 256, (*shape, 3), np.uint8))


def replay(ops: list[Op], image: Image.Image) -> np.ndarray:
    """Carry an op list out with Pillow and numpy only; float32 (3, h, w)."""
    values = None
    for op in ops:
        match op["op"]:
            case "ignore-exif" | "convert":
                pass
            case "trim-border":
                edge = op["pixels"]
                image = image.crop((edge, edge, image.width - edge, image.height - edge))
            case "resize":
                image = image.resize(resized(op, image.size), getattr(Image.Resampling, op["interpolation"].upper()))
            case "center-crop" | "center-crop-or-pad":
                image = cropped(image, op["size"], tuple(op.get("fill", (0, 0, 0))))
            case "scale":
                values = np.asarray(image).astype(np.float32).transpose(2, 0, 1) / np.float32(op["divisor"])
            case "normalize":
                mean, std = (np.asarray(op[key], np.float32)[:, None, None] for key in ("mean", "std"))
                values = (values - mean) / std
            case other:
                raise AssertionError(other)
    return values


def resized(op: Op, size: tuple[int, int]) -> tuple[int, int]:
    width, height = size
    if op["edge"] == "both":
        return op["size"][1], op["size"][0]
    if op["rounding"] == "down":
        shorter = op["size"]
        return (shorter, int(shorter * height / width)) if width <= height else (int(shorter * width / height), shorter)
    ratios = [height / op["size"][0], width / op["size"][1]]
    ratio = max(ratios) if op["edge"] == "longest" else min(ratios)
    return round(width / ratio), round(height / ratio)


def cropped(image: Image.Image, size: list[int], fill: tuple[int, ...]) -> Image.Image:
    height, width = size
    canvas = Image.new("RGB", (max(width, image.width), max(height, image.height)), fill)
    canvas.paste(image, ((canvas.width - image.width) // 2, (canvas.height - image.height) // 2))
    left, top = round((canvas.width - width) / 2), round((canvas.height - height) / 2)
    return canvas.crop((left, top, left + width, top + height))


def timm_of(arch: str, **overrides: Any) -> Any:
    config = timm.data.resolve_data_config(overrides, pretrained_cfg=timm.get_pretrained_cfg(arch).to_dict())
    return create_transform(**config, is_training=False)


LIBRARY_TRANSFORMS = {
    "timm lite0": timm_of("tf_efficientnet_lite0"),
    "timm lite2": timm_of("tf_efficientnet_lite2"),
    "timm resnet50": timm_of("resnet50"),
    "timm vit bilinear": timm_of("vit_base_patch16_224", interpolation="bilinear"),
    "timm squash": create_transform((3, 96, 96), crop_pct=0.9, crop_mode="squash", interpolation="bicubic"),
    "timm border": create_transform((3, 96, 96), crop_pct=1.0, crop_mode="border", interpolation="bicubic"),
    "timm not square": create_transform((3, 96, 64), crop_pct=0.875, interpolation="bicubic"),
    "timm trimmed": create_transform((3, 24, 24), crop_pct=1.0, crop_border_pixels=2, interpolation="bicubic"),
    "open_clip": open_clip.image_transform(224, is_train=False),
    "open_clip bilinear": open_clip.image_transform(224, is_train=False, interpolation="bilinear"),
    "open_clip squash": open_clip.image_transform(256, is_train=False, resize_mode="squash", mean=(0.5,) * 3),
    "open_clip longest": open_clip.image_transform((96, 96), is_train=False, resize_mode="longest", fill_color=7),
}  # fmt: skip


@pytest.mark.parametrize("name", LIBRARY_TRANSFORMS)
def test_the_op_list_alone_reproduces_the_library(name: str) -> None:
    transform = LIBRARY_TRANSFORMS[name]
    ops = describe(transform)
    assert ops[: len(intake.OPS)] == list(intake.OPS)
    assert [op["op"] for op in ops].count("convert") == 1
    assert canonical_json(ops) == canonical_json(describe(transform))
    for shape in SHAPES:
        image = picture(shape)
        theirs = transform(image)
        assert theirs.dtype == torch.float32
        np.testing.assert_allclose(replay(ops, image), theirs.numpy(), rtol=0, atol=2e-6)
        bytes_before = [op for op in ops if op["op"] != "normalize"]
        assert np.array_equal(np.rint(replay(bytes_before, image) * 255).transpose(1, 2, 0), pixels(transform, image))


def test_a_known_list_in_full() -> None:
    assert describe(LIBRARY_TRANSFORMS["timm resnet50"]) == [
        {"op": "ignore-exif"},
        {"op": "convert", "mode": "RGB"},
        {
            "op": "resize", "size": 235, "edge": "shortest", "rounding": "down",
            "interpolation": "bicubic", "antialias": True,
        },
        {"op": "center-crop", "size": [224, 224]},
        {"op": "scale", "divisor": 255},
        {"op": "normalize", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
    ]  # fmt: skip


def test_no_two_of_these_have_one_description() -> None:
    texts = {canonical_json(describe(transform)) for transform in LIBRARY_TRANSFORMS.values()}
    assert len(texts) == len(LIBRARY_TRANSFORMS)


class Blur:
    """A step that no description knows."""

    def __call__(self, image: Image.Image) -> Image.Image:
        return image


class LouderResize(tv.Resize):
    """A subclass may do anything; it does not pass for its parent."""


@pytest.mark.parametrize(
    "step",
    [
        Blur(),
        LouderResize(8),
        tv.RandomHorizontalFlip(),
        tv.Lambda(lambda image: image),
        tv.Resize(8, max_size=16),
        lambda image: image,
        open_clip.image_transform(224, is_train=True),
        create_transform((3, 32, 32), is_training=True),
        create_transform((3, 32, 32), use_prefetcher=True),
    ],
    ids=lambda step: type(step).__name__,
)
def test_an_unknown_step_is_an_error_and_never_skipped(step: Any) -> None:
    transform = tv.Compose([tv.CenterCrop(8), step, tv.ToTensor()])
    for call in (lambda: describe(transform), lambda: pixels(transform, picture((32, 32)))):
        with pytest.raises(UsageError, match=r"preprocess|max_size"):
            call()


def test_a_pixel_step_after_the_scaling_is_an_error() -> None:
    with pytest.raises(UsageError, match="follows the scaling"):
        pixels(tv.Compose([tv.ToTensor(), tv.CenterCrop(8)]), picture((32, 32)))


def test_a_datasets_own_step() -> None:
    plain = LIBRARY_TRANSFORMS["timm lite0"]
    assert with_pixel_step(plain, None) is plain
    trimmed = with_pixel_step(plain, {"op": "trim-border", "pixels": 2})
    assert describe(trimmed)[2] == {"op": "trim-border", "pixels": 2}
    image = picture((300, 400))
    assert torch.equal(trimmed(image), plain(image.crop((2, 2, 398, 298))))
    ready = with_pixel_step(plain, {"op": "ready-made"})
    assert [op["op"] for op in describe(ready)] == ["ignore-exif", "convert", "scale", "normalize"]
    with pytest.raises(UsageError, match="expected trim-border, ready-made or augment"):
        with_pixel_step(plain, {"op": "flip"})
