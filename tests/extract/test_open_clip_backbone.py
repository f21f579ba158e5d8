"""open_clip models against open_clip itself: pictures, words, heads, positions, and what must not load."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
open_clip = pytest.importorskip("open_clip")

from open_clip.transform import PreprocessCfg, image_transform_v2  # noqa: E402
from PIL import Image  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from cache.zero_shot import Head, class_weights, zero_shot_logits  # noqa: E402
from extract.backbones.open_clip_backbone import OpenClipBackbone  # noqa: E402
from extract.backbones.open_clip_config import resolve_config  # noqa: E402
from extract.backbones.protocol import Backbone, ZeroShot  # noqa: E402
from extract.doctor import contract  # noqa: E402
from extract.weights import HubWeights, LibraryWeights, RandomWeights  # noqa: E402
from manifests.canonical import canonical_json  # noqa: E402
from manifests.catalogue import load  # noqa: E402
from manifests.errors import UsageError  # noqa: E402
from tests.extract.tiny_open_clip import FAMILIES, registered  # noqa: E402

CATALOGUE = load()
TEMPLATES = CATALOGUE.prompts["openai-80"].templates
NAMES = CATALOGUE.labels["imagenet-1k"].names
FULL = ("ViT-B-32", "RN50", "convnext_base")


@pytest.fixture(scope="module", autouse=True)
def _tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with registered(tmp_path_factory.mktemp("configs")):
        yield


def theirs(arch: str, seed: int, **kwargs: Any) -> Any:
    """The library's own model from the same seed."""
    logging.getLogger().addHandler(handler := logging.NullHandler())
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = open_clip.create_model(arch, pretrained_text=False, **kwargs).eval().requires_grad_(False)
    finally:
        logging.getLogger().removeHandler(handler)
    return model


def ours(arch: str, seed: int | str = 0, **kwargs: Any) -> OpenClipBackbone:
    backbone = OpenClipBackbone(arch, seed if isinstance(seed, str) else f"random:{seed}", **kwargs)
    backbone.load("cpu")
    return backbone


def noise(n: int, size: tuple[int, int], seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((n, 3, *size), np.float32))


def side(backbone: OpenClipBackbone) -> tuple[int, int]:
    return tuple(backbone.blank().shape[2:])


def head_of(backbone: OpenClipBackbone, names: tuple[str, ...], templates: tuple[str, ...]) -> Head:
    tower = backbone.text_tower()
    strings = [template.replace("{}", name) for name in names for template in templates]
    rows = np.arange(len(strings)).reshape(len(names), len(templates))
    return Head(class_weights(tower.encode(strings), rows.tolist()), tower.logit_scale, tower.logit_bias)


# --- equal to the library ---------------------------------------------------------------------------------------


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


# --- patches ----------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("arch", ["tiny-vit", "tiny-convnext"])
def test_the_contract_kit_holds(arch: str) -> None:
    assert {result for _, result, _ in contract(OpenClipBackbone(arch, "random:0"), "cpu")} == {"holds"}


# --- what must not load -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arch", "right"),
    [
        ("ViT-B-32/openai", "ViT-B-32-quickgelu"),
        ("RN50/openai", "RN50-quickgelu"),
        ("ViT-B-32/laion400m_e32", "ViT-B-32-quickgelu"),
        ("ViT-H-14-378/dfn5b", "ViT-H-14-378-quickgelu"),
        ("ViT-B-32-quickgelu/laion2b_s34b_b79k", "ViT-B-32"),
    ],
)
@pytest.mark.parametrize("weights", ["", "random:0"])
def test_an_activation_mismatch_names_the_right_architecture(arch: str, right: str, weights: str) -> None:
    with pytest.raises(UsageError, match=rf"Use {right}$"):
        OpenClipBackbone(arch, weights, offline=True)


def test_every_tag_of_the_library_loads_or_names_an_architecture_that_does() -> None:
    refused = 0
    for name, tag in open_clip.list_pretrained():
        try:
            config = resolve_config(f"{name}/{tag}", LibraryWeights())
        except UsageError as error:
            right = str(error).rpartition("Use ")[2]
            config = resolve_config(f"{right}/{tag}", LibraryWeights())
            refused += 1
        trained = bool(open_clip.get_pretrained_cfg(name, tag).get("quick_gelu"))
        # One tag of the library has no architecture with the activation that it names.
        assert bool(config.model.get("quick_gelu", False)) == trained or name == "roberta-ViT-B-32"
        assert isinstance(config.weights, HubWeights)
        assert config.weights.filenames[0].endswith(".safetensors") or len(config.weights.filenames) == 1
    assert refused > 20


def test_openai_weights_from_a_file_need_quickgelu(tmp_path: Path) -> None:
    half = {name: t.half() if t.ndim > 1 else t for name, t in theirs("tiny-vit-quickgelu", 1).state_dict().items()}
    own = {"input_resolution": 64, "context_length": 77, "vocab_size": 49408}
    torch.save({**half, **{key: torch.tensor(value) for key, value in own.items()}}, tmp_path / "openai.pt")
    with pytest.raises(UsageError, match=r"QuickGELU.*Use tiny-vit-quickgelu$"):
        ours("tiny-vit", str(tmp_path / "openai.pt"))
    backbone = ours("tiny-vit-quickgelu", str(tmp_path / "openai.pt"))
    model = theirs("tiny-vit-quickgelu", 1)
    model.load_state_dict({name: tensor.float() for name, tensor in half.items()})
    with torch.inference_mode():
        expected = model.encode_image(noise(1, (64, 64)))
    np.testing.assert_allclose(backbone.forward(noise(1, (64, 64)), ("embeddings",))["embeddings"], expected, atol=1e-5)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".training.pt"])
def test_local_weights_equal_the_librarys_loader(tmp_path: Path, suffix: str) -> None:
    tensors = theirs("tiny-coca", 11).state_dict()
    file = tmp_path / f"weights{suffix}"
    if suffix == ".safetensors":
        save_file(tensors, file)
    elif suffix == ".pt":
        torch.save(tensors, file)
    else:
        wrapped = {f"module.{name}": tensor for name, tensor in tensors.items()}
        torch.save({"epoch": 3, "name": "run", "state_dict": wrapped, "optimizer": {"state": {}}}, file)
    backbone = ours("tiny-coca", str(file))
    model = theirs("tiny-coca", 0, pretrained=str(file))
    with torch.inference_mode():
        images = model.encode_image(noise(2, (64, 64)), normalize=False)
        words = model.encode_text(open_clip.get_tokenizer("tiny-coca")(["a dog"]), normalize=False)
    np.testing.assert_allclose(backbone.forward(noise(2, (64, 64)), ("embeddings",))["embeddings"], images, atol=1e-6)
    np.testing.assert_allclose(backbone.text_tower().encode(["a dog"]), words, atol=1e-6)


def test_weights_of_another_making_name_what_fits(tmp_path: Path) -> None:
    files = {}
    for arch in ("tiny-vit", "tiny-vit-96", "tiny-vit-short", "tiny-resnet"):
        files[arch] = str(tmp_path / f"{arch}.safetensors")
        save_file(theirs(arch, 0).state_dict(), files[arch])
    with pytest.raises(UsageError, match=r"96 pixels.*takes 64.*Use tiny-vit-96"):
        ours("tiny-vit", files["tiny-vit-96"])
    ours("tiny-vit", files["tiny-vit-96"], image_size=96)
    with pytest.raises(UsageError, match=r"32 tokens.*takes 77.*Use tiny-vit-short"):
        ours("tiny-vit", files["tiny-vit-short"])
    with pytest.raises(UsageError, match=r"no logit_bias.*Use tiny-vit$"):
        ours("tiny-vit-bias", files["tiny-vit"])
    with pytest.raises(UsageError, match="does not fit open_clip's tiny-vit"):
        ours("tiny-vit", files["tiny-resnet"])


def test_names_sizes_and_tags_that_do_not_exist(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="close to it: ViT-B-32"):
        OpenClipBackbone("ViT-B-33")
    with pytest.raises(UsageError, match="no tag 'nonsense' for ViT-B-32; it has openai"):
        OpenClipBackbone("ViT-B-32/nonsense")
    with pytest.raises(UsageError, match="which weights"):
        OpenClipBackbone("ViT-B-32")
    with pytest.raises(UsageError, match="interpolation 'random'"):
        OpenClipBackbone("tiny-vit", "random:0", interpolation="random")
    with pytest.raises(UsageError, match="expected at least 1 pixel"):
        OpenClipBackbone("tiny-vit", "random:0", image_size=0)
    with pytest.raises(UsageError, match="cannot build tiny-vit for 8x8"):
        OpenClipBackbone("tiny-vit", "random:0", image_size=8).identity()
    with pytest.raises(UsageError, match=r"its tags differ.*open_clip:ViT-L-14/TAG"):
        OpenClipBackbone("ViT-L-14", str(tmp_path / "weights.pt"))
    with pytest.raises(UsageError, match=r"hf download open_clip_|is not on this machine"):
        OpenClipBackbone("ViT-B-32/laion2b_s34b_b79k", offline=True).identity()


def test_a_tokenizer_that_is_not_here_says_so() -> None:
    backbone = ours("ViT-B-16-SigLIP/webli", "random:0", offline=True)
    facts = backbone.identity()["text"]["tokenizer"]
    assert facts["kind"] == "HFTokenizer"
    assert facts["name"] == "timm/ViT-B-16-SigLIP"
    with pytest.raises(UsageError, match="tokenizer of ViT-B-16-SigLIP"):
        backbone.text_tower()


def test_a_tokenizer_that_draws_lots_is_refused() -> None:
    with pytest.raises(UsageError, match="random"):
        OpenClipBackbone("tiny-random-words", "random:0").identity()


# --- identity ---------------------------------------------------------------------------------------------------


def test_an_identity_tells_apart_what_gives_other_numbers() -> None:
    made = {
        "plain": OpenClipBackbone("tiny-vit", "random:0"),
        "quick": OpenClipBackbone("tiny-vit-quickgelu", "random:0"),
        "seed": OpenClipBackbone("tiny-vit", "random:1"),
        "size": OpenClipBackbone("tiny-vit", "random:0", image_size=96),
        "resize": OpenClipBackbone("tiny-vit", "random:0", interpolation="bilinear"),
        "dtype": OpenClipBackbone("tiny-vit", "random:0", dtype="bfloat16"),
        "words": OpenClipBackbone("tiny-vit-short", "random:0"),
        "siglip-tag": OpenClipBackbone("ViT-B-16-SigLIP/webli", "random:0"),
    }
    identities = {name: canonical_json(backbone.identity()) for name, backbone in made.items()}
    assert len(set(identities.values())) == len(made)
    assert canonical_json(OpenClipBackbone("tiny-vit", "random:0").identity()) == identities["plain"]
    assert made["quick"].identity()["architecture"]["activations"] == ["QuickGELU"]
    # The native size asked for by name is no other size.
    assert canonical_json(OpenClipBackbone("tiny-vit", "random:0", image_size=64).identity()) == identities["plain"]
    backbone: Backbone = made["plain"]
    assert backbone.row_bytes() == {"embeddings": 24 * 4, "patches": 4 * 4 * 64 * 2}


def test_a_saved_model_is_named_by_content_not_by_its_folder(tmp_path: Path) -> None:
    import json

    identities = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        save_file(theirs("tiny-vit", 3).state_dict(), folder / "open_clip_model.safetensors")
        config = {"model_cfg": open_clip.get_model_config("tiny-vit"), "preprocess_cfg": {"mean": [0.5] * 3}}
        (folder / "open_clip_config.json").write_text(json.dumps(config))
        backbone = ours(f"local-dir:{folder}", "")
        identities.append(canonical_json(backbone.identity()))
        assert str(tmp_path) not in identities[-1].decode()
        with torch.inference_mode():
            expected = theirs("tiny-vit", 3).encode_image(noise(1, (64, 64)))
        out = backbone.forward(noise(1, (64, 64)), ("embeddings",))
        np.testing.assert_allclose(out["embeddings"], expected, atol=1e-6)
        assert backbone.text_tower().encode(["a dog"]).shape == (1, 24)
        normalize = next(op for op in backbone.identity()["preprocess"]["ops"] if op["op"] == "normalize")
        assert normalize["mean"] == [0.5] * 3
    assert identities[0] == identities[1]


def test_text_is_float32_whatever_the_images_are() -> None:
    exact, half = ours("tiny-vit", 1), ours("tiny-vit", 1, dtype="bfloat16")
    np.testing.assert_array_equal(exact.text_tower().encode(["a dog"]), half.text_tower().encode(["a dog"]))
    assert half.text_tower().logit_scale == exact.text_tower().logit_scale
    images = [backbone.forward(noise(2, (64, 64)), ("embeddings",))["embeddings"] for backbone in (exact, half)]
    assert 0 < np.abs(images[0] - images[1]).max() < 0.1


def test_describing_a_model_neither_holds_weights_nor_writes_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    backbone = OpenClipBackbone("tiny-vit", RandomWeights(0))
    with caplog.at_level(logging.WARNING):
        backbone.identity()
        backbone.load("cpu")
    assert caplog.records == []
    backbone.close()
    with pytest.raises(RuntimeError, match="load"):
        backbone.forward(noise(1, (64, 64)), ("embeddings",))
    with pytest.raises(RuntimeError, match="load"):
        backbone.text_tower()


def test_a_root_logger_without_handlers_stays_so() -> None:
    code = (
        "import logging; from extract.backbones.open_clip_backbone import OpenClipBackbone as B; "
        "B('ViT-B-32', 'random:0').identity(); assert not logging.getLogger().handlers"
    )
    root = str(Path(__file__).resolve().parents[2])
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root, env={**os.environ, "PYTHONPATH": root})


def test_encode_wants_at_least_one_string() -> None:
    with pytest.raises(ValueError, match="at least one"):
        ours("tiny-vit").text_tower().encode([])
