"""open_clip models against open_clip itself: pictures, words, heads, preprocessing."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image

from cache.zero_shot import zero_shot_logits
from extract.backbones.open_clip_backbone import OpenClipBackbone
from extract.backbones.protocol import ZeroShot
from manifests.catalogue import load
from tests.extract.open_clip_pairs import head_of, noise, ours, side, theirs
from tests.extract.tiny_open_clip import FAMILIES, registered

CATALOGUE = load()
TEMPLATES = CATALOGUE.prompts["openai-80"].templates
NAMES = CATALOGUE.labels["imagenet-1k"].names
FULL = ("ViT-B-32", "RN50", "convnext_base")


@pytest.fixture(scope="module", autouse=True)
def _tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with registered(tmp_path_factory.mktemp("configs")):
        yield


@pytest.mark.parametrize("arch", FULL)
def test_images_and_texts_of_full_size_equal_the_library(arch: str) -> None:
    model, backbone = theirs(arch, 3), ours(arch, 3)
    batch = noise(2, (224, 224))
    strings = [template.replace("{}", "great white shark") for template in TEMPLATES[:7]]
    tokens = open_clip.get_tokenizer(arch)(strings)
    out = backbone.forward(batch, ("embeddings", "patches"))
    with torch.inference_mode():
        np.testing.assert_allclose(out["embeddings"], model.encode_image(batch), atol=1e-5, rtol=1e-5)
        stages = model.visual.forward_intermediates(batch, indices=1, intermediates_only=True)["image_intermediates"]
        text = model.encode_text(tokens)
    np.testing.assert_allclose(out["patches"], stages[-1].permute(0, 2, 3, 1), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(backbone.text_tower().encode(strings), text, atol=1e-5, rtol=1e-5)
    with torch.inference_mode():
        weights = open_clip.build_zero_shot_classifier(
            model, open_clip.get_tokenizer(arch), list(NAMES[:3]), list(TEMPLATES[:7])
        )
    np.testing.assert_allclose(head_of(backbone, NAMES[:3], TEMPLATES[:7]).weights, weights, atol=1e-5)
    # The embeddings are projected and not normalised.
    assert np.abs(np.linalg.norm(out["embeddings"], axis=1) - 1).min() > 1e-3


@pytest.mark.parametrize("arch", ["ViT-B-32", *(pytest.param(name, marks=pytest.mark.soak) for name in FULL[1:])])
def test_the_recipe_of_80_templates_and_20_classes_at_full_size(arch: str) -> None:
    model, backbone = theirs(arch, 1), ours(arch, 1)
    tokenizer = open_clip.get_tokenizer(arch)
    with torch.inference_mode():
        weights = open_clip.build_zero_shot_classifier(model, tokenizer, list(NAMES[:20]), list(TEMPLATES))
        batch = noise(4, (224, 224))
        logits = model.logit_scale.exp() * model.encode_image(batch, normalize=True) @ weights
    head = head_of(backbone, NAMES[:20], TEMPLATES)
    np.testing.assert_allclose(head.weights, weights, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(head.weights, axis=0), 1, atol=1e-6)
    view = zero_shot_logits(backbone.forward(batch, ("embeddings",))["embeddings"], head)
    np.testing.assert_allclose(view, logits, atol=1e-5 * head.scale)


def test_the_recipe_of_80_templates_and_1000_classes_on_a_tiny_model() -> None:
    model, backbone = theirs("tiny-vit-short", 2), ours("tiny-vit-short", 2)
    tokenizer = open_clip.get_tokenizer("tiny-vit-short")
    with torch.inference_mode():
        weights = open_clip.build_zero_shot_classifier(model, tokenizer, list(NAMES), list(TEMPLATES))
        batch = noise(4, (64, 64))
        logits = model.logit_scale.exp() * model.encode_image(batch, normalize=True) @ weights
    head = head_of(backbone, NAMES, TEMPLATES)
    np.testing.assert_allclose(head.weights, weights, atol=1e-5)
    view = zero_shot_logits(backbone.forward(batch, ("embeddings",))["embeddings"], head)
    assert view.shape == (4, 1000)
    np.testing.assert_allclose(view, logits, atol=1e-5 * head.scale)


@pytest.mark.parametrize("arch", FAMILIES)
def test_every_family_equals_the_library(arch: str) -> None:
    model, backbone = theirs(arch, 5), ours(arch, 5)
    assert isinstance(backbone, ZeroShot)
    batch = noise(3, side(backbone))
    strings = ["a photo of a dog.", "x", "a very long sentence " * 40, "naïve café &amp; co"]
    with torch.inference_mode():
        images = model.encode_image(batch, normalize=False)
        texts = model.encode_text(open_clip.get_tokenizer(arch)(strings), normalize=False)
    np.testing.assert_allclose(backbone.forward(batch, ("embeddings",))["embeddings"], images, atol=1e-5)
    tower = backbone.text_tower()
    np.testing.assert_allclose(tower.encode(strings), texts, atol=1e-5)
    assert tower.encode(strings).dtype == np.float32
    assert tower.logit_scale == pytest.approx(1 / 0.07)
    assert backbone.text_width() == texts.shape[1]
    assert backbone.class_count() == 0


def test_the_sigmoid_model_has_its_bias_and_scale() -> None:
    model, backbone = theirs("tiny-sigmoid", 4), ours("tiny-sigmoid", 4)
    names, templates = ("cat", "dog", "tench"), TEMPLATES[:5]
    head = head_of(backbone, names, templates)
    assert head.bias == -10.0
    batch = noise(3, (160, 160))
    tokenizer = open_clip.get_tokenizer("tiny-sigmoid")
    with torch.inference_mode():
        weights = open_clip.build_zero_shot_classifier(model, tokenizer, names, templates)
        logits = model.logit_scale.exp() * model.encode_image(batch, normalize=True) @ weights + model.logit_bias
        single, _ = model.get_logits(batch, tokenizer(["a cat."]))
    np.testing.assert_allclose(
        zero_shot_logits(backbone.forward(batch, ("embeddings",))["embeddings"], head), logits, atol=2e-4
    )
    one = head_of(backbone, ("cat",), ("a {}.",))
    np.testing.assert_allclose(
        zero_shot_logits(backbone.forward(batch, ("embeddings",))["embeddings"], one), single, atol=2e-4
    )


@pytest.mark.parametrize(
    ("arch", "expected"),
    [
        ("ViT-B-16-SigLIP/webli", {"size": (224, 224), "mean": (0.5,) * 3, "std": (0.5,) * 3, "resize_mode": "squash"}),
        ("ViT-B-16-SigLIP", {"size": (224, 224), "mean": (0.5,) * 3, "std": (0.5,) * 3, "resize_mode": "squash"}),
        ("ViT-L-14/laion2b_s32b_b82k", {"size": (224, 224), "mean": (0.5,) * 3, "std": (0.5,) * 3}),
        ("ViT-H-14-378-quickgelu/dfn5b", {"size": (378, 378), "resize_mode": "squash"}),
        ("ViT-B-32/laion2b_s34b_b79k", {"size": (224, 224)}),
    ],
)
def test_preprocessing_is_that_of_the_tag(arch: str, expected: dict[str, Any]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (300, 450, 3), np.uint8)
    image = Image.fromarray(pixels)
    transform = image_transform_v2(PreprocessCfg(**expected), is_train=False)
    backbone = OpenClipBackbone(arch, "random:0")
    assert torch.equal(backbone.transform(image), transform(image))
    resize = next(op for op in backbone.identity()["preprocess"]["ops"] if op["op"] == "resize")
    assert resize["edge"] == ("both" if expected.get("resize_mode") == "squash" else "shortest")


def test_preprocessing_equals_the_librarys_factory() -> None:
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (200, 333, 3), np.uint8))
    more = {"image_mean": (0.5,) * 3, "image_std": (0.5,) * 3, "image_resize_mode": "squash"}
    logging.getLogger().addHandler(handler := logging.NullHandler())
    _, _, transform = open_clip.create_model_and_transforms("ViT-B-16-SigLIP", load_weights=False, **more)
    logging.getLogger().removeHandler(handler)
    assert torch.equal(OpenClipBackbone("ViT-B-16-SigLIP/webli", "random:0").transform(image), transform(image))
