"""timm models as backbones, held against timm itself in a plain loop."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from extract.backbones import library_model, timm_backbone
from extract.backbones.protocol import Backbone
from extract.backbones.timm_backbone import TimmBackbone
from extract.weights import DictMemo
from manifests.canonical import canonical_json, digest
from manifests.errors import AssayError, UsageError

TINY = [
    "test_resnet",
    "test_vit",
    "test_vit3",
    "test_convnext",
    "test_efficientnet",
    "test_mambaout",
    "test_vit_relpos",
]
TINY += ["test_nfnet", "test_byobnet", "test_maxvit"]
KINDS = ("logits", "embeddings", "patches")
RNG = np.random.default_rng(0)


def batch_for(backbone: TimmBackbone, count: int = 3) -> torch.Tensor:
    shape = backbone.blank().shape[1:]
    return torch.from_numpy(RNG.standard_normal((count, *shape), np.float32))


def plain(arch: str, seed: int = 0, **kwargs: Any) -> Any:
    torch.manual_seed(seed)
    return timm.create_model(arch, **kwargs).eval()


@pytest.mark.parametrize("arch", TINY)
def test_one_pass_equals_timms_own_calls(arch: str) -> None:
    backbone: Backbone = TimmBackbone(arch, "random:0")
    backbone.load("cpu")
    batch = batch_for(backbone)
    assert backbone.kinds() == KINDS
    ours = backbone.forward(batch, KINDS)
    model = plain(arch)
    with torch.inference_mode():
        features = model.forward_features(batch)
        expected = {
            "logits": model(batch),
            "embeddings": model.forward_head(features, pre_logits=True),
            "patches": model.forward_intermediates(batch, indices=1, norm=False, intermediates_only=True)[-1],
        }
    scale = float(expected["logits"].abs().max())
    np.testing.assert_allclose(ours["logits"], expected["logits"], rtol=0, atol=1e-6 * max(1, scale))
    np.testing.assert_allclose(ours["embeddings"], expected["embeddings"], rtol=1e-6, atol=1e-6)
    grid = expected["patches"].permute(0, 2, 3, 1).numpy().astype(np.float16)
    assert np.array_equal(ours["patches"], grid)
    assert [ours[kind].dtype for kind in KINDS] == [np.float32, np.float32, np.float16]
    # What is described is what comes out.
    outputs = backbone.identity()["outputs"]
    assert [3, outputs["logits"]["width"]] == list(ours["logits"].shape) == [3, backbone.class_count()]
    assert [3, outputs["embeddings"]["width"]] == list(ours["embeddings"].shape)
    assert [3, *outputs["patches"]["grid"], outputs["patches"]["width"]] == list(ours["patches"].shape)
    assert backbone.row_bytes() == {kind: ours[kind][0].nbytes for kind in KINDS}
    backbone.close()


@pytest.mark.parametrize("arch", ["test_resnet", "test_vit"])
def test_rows_do_not_depend_on_batch_mates_or_on_the_kinds_asked(arch: str) -> None:
    backbone = TimmBackbone(arch, "random:0")
    backbone.load("cpu")
    batch = batch_for(backbone, 4)
    other = torch.cat([batch[:1], batch_for(backbone, 3)])
    first, second = backbone.forward(batch, KINDS), backbone.forward(other, KINDS)
    for kind in KINDS:
        assert np.array_equal(first[kind][0], second[kind][0])
        assert not np.array_equal(first[kind][1], second[kind][1])
        assert np.array_equal(backbone.forward(batch, [kind])[kind], first[kind])


def test_patches_are_row_major_and_where_the_image_is() -> None:
    # A stain in the lower left corner must move the patch at (last row, first column) most.
    for arch in ("test_resnet", "test_vit"):
        backbone = TimmBackbone(arch, "random:0")
        backbone.load("cpu")
        clean = backbone.blank()
        stained = clean.clone()
        stained[..., -16:, :16] = 3.0
        patches = [backbone.forward(x, ["patches"])["patches"][0].astype(np.float32) for x in (clean, stained)]
        moved = np.linalg.norm(patches[1] - patches[0], axis=-1)
        assert np.unravel_index(moved.argmax(), moved.shape) == (moved.shape[0] - 1, 0)


@pytest.mark.parametrize(
    ("arch", "size", "grid", "stride"),
    [
        ("test_vit", None, [10, 10], 16),
        ("test_vit", 224, [14, 14], 16),
        ("test_vit", (192, 128), [12, 8], 16),
        ("test_resnet", None, [5, 5], 32),
        ("test_resnet", 224, [7, 7], 32),
        ("test_resnet", 260, [9, 9], 32),
        ("test_convnext", (128, 192), [4, 6], 32),
    ],
)
def test_grids_at_the_default_and_at_another_size(arch: str, size: Any, grid: list[int], stride: int) -> None:
    backbone = TimmBackbone(arch, "random:0", image_size=size)
    described = backbone.identity()
    assert (described["outputs"]["patches"]["grid"], described["outputs"]["patches"]["stride"]) == (grid, stride)
    height, width = (160, 160) if size is None else (size, size) if isinstance(size, int) else size
    assert described["geometry"] == f"{height}x{width}"
    assert backbone.transform(Image.new("RGB", (300, 200))).shape == (3, height, width)
    backbone.load("cpu")
    assert list(backbone.forward(backbone.blank(), ["patches"])["patches"].shape[1:3]) == grid


def test_a_float16_overflow_is_an_infinity_without_a_warning() -> None:
    values = torch.full((1, 1, 1, 2), 1e6)
    assert np.isinf(library_model.stored(values, "patches")).all()


# Identity


def test_identity_is_equal_across_processes() -> None:
    code = (
        "from extract.backbones.timm_backbone import TimmBackbone\n"
        "from manifests.canonical import digest\n"
        "print(digest('space', TimmBackbone('test_vit', 'random:7').identity()))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert run.stdout.strip() == digest("space", TimmBackbone("test_vit", "random:7").identity())


def test_a_second_run_constructs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    memo = DictMemo()
    first = TimmBackbone("test_vit", "random:0", memo=memo)
    expected = (first.identity(), first.kinds(), first.row_bytes(), first.class_count())
    stored = {key: json.loads(json.dumps(value)) for key, value in memo.items()}
    memo.update(stored)
    monkeypatch.setattr(timm, "create_model", lambda *_, **__: pytest.fail("constructed"))
    second = TimmBackbone("test_vit", "random:0", memo=memo)
    assert (second.identity(), second.kinds(), second.row_bytes(), second.class_count()) == expected
    with pytest.raises(pytest.fail.Exception, match="constructed"):
        TimmBackbone("test_vit", "random:0", memo=memo, image_size=224).identity()


def checkpoint(path: Path, arch: str = "test_resnet", seed: int = 0, **kwargs: Any) -> Path:
    save_file(plain(arch, seed, **kwargs).state_dict(), path)
    return path


def test_identity_changes_with_what_moves_numbers_and_with_nothing_else(tmp_path: Path) -> None:
    a, b = checkpoint(tmp_path / "a.safetensors"), checkpoint(tmp_path / "b.safetensors", seed=1)
    (tmp_path / "elsewhere").mkdir()
    copy = shutil.copy(a, tmp_path / "elsewhere" / "other-name.bin")

    def name(weights: Any, **options: Any) -> str:
        return digest("space", TimmBackbone("test_resnet", str(weights), **options).identity())

    own = timm.get_pretrained_cfg("test_resnet").interpolation
    assert own != "lanczos"
    same = [name(a), name(copy), name(a, image_size=160), name(a, num_classes=1000), name(a, interpolation=own)]
    assert len(set(same)) == 1
    others = [
        name(b),
        name(a, image_size=192),
        name(a, interpolation="lanczos"),
        name(a, dtype="float16"),
        name(a, dtype="tf32"),
        name(a, num_classes=10),
        name(a, pixel_step={"op": "trim-border", "pixels": 2}),
        name("random:0"),
        name("random:1"),
    ]
    assert len({*same, *others}) == 1 + len(others)


def test_swapped_weights_under_one_path_are_another_space(tmp_path: Path) -> None:
    memo, path = DictMemo(), checkpoint(tmp_path / "w.safetensors")
    before = TimmBackbone("test_resnet", str(path), memo=memo).identity()
    size = path.stat().st_size
    checkpoint(path, seed=1)
    assert path.stat().st_size == size
    assert TimmBackbone("test_resnet", str(path), memo=memo).identity()["weights"] != before["weights"]


def test_weights_that_change_between_description_and_load_are_refused(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "w.safetensors")
    backbone = TimmBackbone("test_resnet", str(path))
    backbone.identity()
    checkpoint(path, seed=1)
    with pytest.raises(UsageError, match="changed while they were read"):
        backbone.load("cpu")


def test_identity_holds_no_path_and_no_device(tmp_path: Path) -> None:
    text = canonical_json(TimmBackbone("test_resnet", str(checkpoint(tmp_path / "w.safetensors"))).identity()).decode()
    assert str(tmp_path) not in text
    assert not any(word in text for word in ("cpu", "cuda", "batch", "w.safetensors", timm.__version__))
    random = TimmBackbone("test_resnet", "random:5").identity()["weights"]
    assert random == {"random": {"seed": 5, "torch": str(torch.__version__)}}


def test_the_name_of_a_space_is_what_it_was() -> None:
    # Written by hand; the digest may only change with the format version.
    identity = {
        "library": "timm",
        "architecture": {
            "name": "resnet18", "kwargs": {"num_classes": 1000}, "skeleton": "ab" * 32, "activations": ["ReLU"],
        },
        "weights": [{"sha256": "cd" * 32}],
        "preprocess": {"ops": [{"op": "ignore-exif"}], "probe": {"png": "ef" * 32, "jpeg": "01" * 32}},
        "geometry": "224x224",
        "outputs": {"logits": {"width": 1000, "dtype": "float32"}},
        "dtype": {"compute": "float32"},
        "extractor_schema": 1,
    }  # fmt: skip
    assert digest("space", identity) == "a914e158a449e81c9cfbf11c555d2f589a84ccab5473038b4d2fb87d9e1d39b2"
    assert sorted(identity) == sorted(TimmBackbone("test_resnet", "random:0").identity())


# Arithmetic, names and refusals


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "tf32"])
def test_what_is_stored_does_not_change_with_the_arithmetic(dtype: str) -> None:
    backbone = TimmBackbone("test_resnet", "random:0", dtype=dtype)
    backbone.load("cpu")
    found = backbone.forward(batch_for(backbone), KINDS)
    assert [found[kind].dtype for kind in KINDS] == [np.float32, np.float32, np.float16]
    assert torch.backends.cudnn.allow_tf32 is (dtype == "tf32")
    TimmBackbone("test_resnet", "random:0").load("cpu")
    assert torch.backends.cudnn.allow_tf32 is False
    assert torch.get_float32_matmul_precision() == "highest"


def test_random_weights_leave_the_callers_generator_alone() -> None:
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    backbone = TimmBackbone("test_resnet", "random:0")
    backbone.identity()
    backbone.load("cpu")
    assert torch.equal(torch.rand(3), expected)


def test_a_headless_model_has_no_logits() -> None:
    backbone = TimmBackbone("test_vit", "random:0", num_classes=0)
    assert backbone.kinds() == ("embeddings", "patches")
    assert backbone.class_count() == 0
    backbone.load("cpu")
    with pytest.raises(ValueError, match="logits"):
        backbone.forward(backbone.blank(), ["logits"])


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("resnet5O",), {}, "no architecture 'resnet5O'; close to it: resnet50"),
        (("resnet50.nonsense",), {}, "no tag 'nonsense'.*a1_in1k"),
        (("resnet50.a1_in1k", "hub:a2_in1k"), {}, "two tags"),
        (("resnet50.pypi",), {}, "tf_efficientnet_lite0.pypi"),
        (("test_resnet", "random:0"), {"interpolation": "best"}, "interpolation 'best'"),
        (("test_resnet", "random:0"), {"interpolation": "random"}, "interpolation 'random'"),
        (("test_resnet", "random:0"), {"image_size": 0}, "at least 1 pixel"),
        (("test_resnet", "random:0"), {"dtype": "float8"}, "expected one of float32"),
        (("local-dir:nowhere",), {}, "config.json"),
    ],
)  # fmt: skip
def test_names_and_options_that_cannot_be(arguments: Any, options: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        TimmBackbone(*arguments, **options)


def test_what_cannot_be_built_or_run_says_so() -> None:
    with pytest.raises(UsageError, match="cannot build test_vit for 100x100"):
        TimmBackbone("test_vit", "random:0", image_size=100).identity()
    backbone = TimmBackbone("test_resnet", "random:0")
    with pytest.raises(RuntimeError, match=r"load\(\) comes before"):
        backbone.forward(backbone.blank(), KINDS)
    with pytest.raises(UsageError, match="--device nonsense"):
        backbone.load("nonsense")
    backbone.load("cpu")
    with pytest.raises(ValueError, match="expected a batch"):
        backbone.forward(torch.zeros(1, 3, 8, 8), KINDS)


def test_a_head_that_reads_more_than_the_last_features_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    build = timm_backbone.build

    def skewed(*arguments: Any) -> Any:
        model = build(*arguments)
        model.forward = lambda x: type(model).forward(model, x) + 1
        return model

    monkeypatch.setattr(timm_backbone, "build", skewed)
    with pytest.raises(AssayError, match="differ from the model's own by 1"):
        TimmBackbone("test_resnet", "random:0").load("cpu")
