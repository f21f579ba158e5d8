"""Geometry as part of a space: sizes without a crop, frames to whole patches, four layers, other normalisation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch.nn.functional import pad
from torchvision.transforms import functional

from cache.spaces import Space
from cache.store import Store
from extract.backbones.geometry import Geometry, padded, parse_geometry
from extract.backbones.layers import four_of, joined
from extract.backbones.open_clip_backbone import OpenClipBackbone
from extract.backbones.resizing import check_resized, shapes
from extract.backbones.timm_backbone import TimmBackbone
from extract.transform_steps import PadZeros
from manifests.canonical import canonical_json
from manifests.errors import UsageError
from tests.extract.command_line import extract
from tests.extract.tiny_open_clip import FAMILIES, registered

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 451, 3), np.uint8))


@pytest.fixture(scope="module", autouse=True)
def _tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with registered(tmp_path_factory.mktemp("configs")):
        yield


def noise(n: int, size: tuple[int, int]) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(1).standard_normal((n, 3, *size), np.float32))


# --- words ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("512",), "expected native, or HEIGHTxWIDTH"),
        (("0x512",), "at least 1 pixel"),
        (("512x512", "all"), "--layers all: expected one of last, four"),
        (("512x512", "last", "clip"), "--normalise clip: expected one of model, probe3d"),
        (("256x256", "last", "probe3d"), "give --geometry 512x512, 480x640, 800x800"),
        (("native", "last", "probe3d"), "give --geometry"),
    ],
)
def test_words_that_mean_nothing(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_geometry(*arguments)


def test_what_is_native_is_silent() -> None:
    assert parse_geometry("native") == Geometry()
    assert Geometry().variant == ""
    for backbone in (TimmBackbone("test_vit", "random:0"), OpenClipBackbone("tiny-vit", "random:0")):
        assert "variant" not in backbone.identity()
        assert canonical_json(backbone.at(Geometry()).identity()) == canonical_json(backbone.identity())


@pytest.mark.parametrize(
    ("size", "patch", "expected"),
    [
        ((512, 512), 14, (518, 518)),
        ((480, 640), 14, (490, 644)),
        ((800, 800), 14, (812, 812)),
        ((480, 640), 16, (480, 640)),
    ],
)
def test_frames_are_those_of_the_protocol(size: Any, patch: int, expected: Any) -> None:
    assert padded(size, (patch, patch)) == expected


def test_a_frame_never_cuts() -> None:
    with pytest.raises(ValueError, match=r"at most 8 x 8 pixels, got \(9, 8\)"):
        PadZeros(8, 8)(torch.zeros(3, 9, 8))
    assert PadZeros(3, 3)(torch.ones(1, 2, 2)).tolist() == [[[1, 1, 0], [1, 1, 0], [0, 0, 0]]]


# --- pixels -----------------------------------------------------------------------------------------------------


def test_images_are_resized_straight_and_framed_half_before_half_after() -> None:
    backbone = OpenClipBackbone("tiny-eva", "random:0", geometry=Geometry(size=(120, 161)))
    found = backbone.transform(PICTURE)
    whole = functional.to_tensor(PICTURE.resize((161, 120), Image.Resampling.BICUBIC))
    ops = backbone.identity()["preprocess"]["ops"]
    mean, std = (torch.tensor(ops[-2][key])[:, None, None] for key in ("mean", "std"))
    # A patch has 14 pixels: 126 x 168, so 6 rows and 7 columns more; the odd column is on the right.
    expected = pad((whole - mean) / std, (3, 4, 3, 3))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    assert [op["op"] for op in ops] == ["ignore-exif", "convert", "resize", "scale", "normalize", "pad"]
    assert ops[2] == {"op": "resize", "interpolation": "bicubic", "antialias": True, "size": [120, 161], "edge": "both"}
    assert ops[-1] == {"op": "pad", "fill": 0, "size": [126, 168], "sides": "half before, half after"}
    assert backbone.identity()["geometry"] == "126x168"
    assert backbone.identity()["variant"] == "120x161"


@pytest.mark.parametrize(
    ("size", "mean", "std"),
    [
        ((512, 512), [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ((480, 640), [0.5] * 3, [0.5] * 3),
        ((800, 800), [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ],
)
def test_probe3d_normalises_each_set_by_its_own_numbers(size: Any, mean: list[float], std: list[float]) -> None:
    theirs = OpenClipBackbone("tiny-vit", "random:0", geometry=Geometry(size=size, normalise="probe3d"))
    own = OpenClipBackbone("tiny-vit", "random:0", geometry=Geometry(size=size))
    assert theirs.identity()["preprocess"]["ops"][-1] == {"op": "normalize", "mean": mean, "std": std}
    assert own.identity()["preprocess"]["ops"][-1]["mean"] == pytest.approx([0.48145466, 0.4578275, 0.40821073])
    assert theirs.identity()["preprocess"]["probe"] == own.identity()["preprocess"]["probe"]


def test_a_datasets_own_step_comes_first() -> None:
    step = {"op": "trim-border", "pixels": 2}
    geometry = Geometry(size=(64, 96))
    trimmed = TimmBackbone("test_vit", "random:0", geometry=geometry, pixel_step=step)
    plain = TimmBackbone("test_vit", "random:0", geometry=geometry)
    inner = PICTURE.crop((2, 2, PICTURE.width - 2, PICTURE.height - 2))
    assert torch.equal(trimmed.transform(PICTURE), plain.transform(inner))
    ready = TimmBackbone("test_vit", "random:0", geometry=geometry, pixel_step={"op": "ready-made", "size": 224})
    square = PICTURE.resize((224, 224))
    assert torch.equal(ready.transform(square), plain.transform(square))


@pytest.mark.parametrize("arch", ["test_vit", "test_resnet"])
def test_ready_made_images_of_another_size_are_enlarged_and_never_cropped(arch: str) -> None:
    backbone = TimmBackbone(arch, "random:0", pixel_step={"op": "ready-made", "size": 224})
    assert [op["op"] for op in backbone.identity()["preprocess"]["ops"]] == [
        "ignore-exif", "convert", "ready-made", "resize", "scale", "normalize",
    ]  # fmt: skip
    square = PICTURE.resize((224, 224))
    own = timm.get_pretrained_cfg(arch)
    small = functional.to_tensor(square.resize((160, 160), getattr(Image.Resampling, own.interpolation.upper())))
    mean, std = (torch.tensor(one)[:, None, None] for one in (own.mean, own.std))
    torch.testing.assert_close(backbone.transform(square), (small - mean) / std, rtol=0, atol=1e-6)
    same = TimmBackbone(arch, "random:0", image_size=224, pixel_step={"op": "ready-made", "size": 224})
    assert "resize" not in [op["op"] for op in same.identity()["preprocess"]["ops"]]


# --- grids and positions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arch", "size", "grid", "pixels"),
    [
        ("ViT-B-16", (512, 512), [32, 32], "512x512"),
        ("ViT-B-16", (480, 640), [30, 40], "480x640"),
        ("ViT-L-14", (512, 512), [37, 37], "518x518"),
        ("ViT-L-14", (480, 640), [35, 46], "490x644"),
        ("ViT-L-14", (800, 800), [58, 58], "812x812"),
        ("convnext_base", (800, 800), [25, 25], "800x800"),
        ("RN50", (480, 640), [15, 20], "480x640"),
    ],
)
def test_grids_are_those_of_the_protocol(arch: str, size: Any, grid: list[int], pixels: str) -> None:
    identity = OpenClipBackbone(arch, "random:0", geometry=Geometry(size=size)).identity()
    assert identity["outputs"]["patches"]["grid"] == grid
    assert identity["geometry"] == pixels
    assert identity["outputs"]["patches"]["positions"] == ("none" if arch == "RN50" else "resampled")


@pytest.mark.parametrize("arch", FAMILIES)
def test_a_geometry_equals_the_librarys_forced_size(arch: str) -> None:
    import open_clip

    backbone = OpenClipBackbone(arch, "random:3", geometry=Geometry(size=(90, 120)))
    backbone.load("cpu")
    size = tuple(backbone.blank().shape[2:])
    batch = noise(2, size)
    torch.manual_seed(3)
    forced = None if arch == "tiny-resnet" else size
    model = open_clip.create_model(arch, load_weights=False, pretrained_text=False, force_image_size=forced).eval()
    with torch.inference_mode():
        found = model.visual.forward_intermediates(batch, indices=1, intermediates_only=True)
    expected = found["image_intermediates"][-1].permute(0, 2, 3, 1)
    np.testing.assert_allclose(backbone.forward(batch, ["patches"])["patches"], expected, rtol=2e-3, atol=2e-3)


def test_positions_of_a_checkpoint_are_resampled_as_timm_does(tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    torch.manual_seed(5)
    save_file(timm.create_model("test_vit").state_dict(), file)
    backbone = TimmBackbone("test_vit", str(file), geometry=Geometry(size=(96, 128)))
    assert backbone.identity()["outputs"]["patches"]["positions"] == "resampled"
    backbone.load("cpu")
    batch = noise(2, (96, 128))
    model = timm.create_model("test_vit")
    model.load_state_dict(load_file(file))
    model.set_input_size((96, 128))
    with torch.inference_mode():
        expected = model.eval().forward_intermediates(batch, indices=1, intermediates_only=True)[-1]
    np.testing.assert_allclose(
        backbone.forward(batch, ["patches"])["patches"], expected.permute(0, 2, 3, 1), rtol=2e-3, atol=2e-3
    )


def test_a_geometry_and_a_size_are_one_too_many() -> None:
    for backbone in (TimmBackbone, OpenClipBackbone):
        with pytest.raises(UsageError, match="keep one"):
            backbone("test_vit" if backbone is TimmBackbone else "tiny-vit", "random:0", image_size=96,
                     geometry=Geometry(size=(96, 96)))  # fmt: skip


# --- models of one size -----------------------------------------------------------------------------------------


def test_a_mixer_of_another_size_is_another_network() -> None:
    with pytest.raises(UsageError, match=r"mlp_tokens.fc1.weight has a fixed number of cells.*Use it at 224x224"):
        TimmBackbone("mixer_s32_224", "random:0", image_size=256).identity()


def test_windows_have_to_tile() -> None:
    with pytest.raises(UsageError, match=r"windows of 7x7 do not tile its 128x128 cells.*such as 448x448"):
        TimmBackbone("swin_tiny_patch4_window7_224", "random:0", geometry=Geometry(size=(512, 512))).identity()
    fits = TimmBackbone("swin_tiny_patch4_window7_224", "random:0", geometry=Geometry(size=(448, 672))).identity()
    assert fits["outputs"]["patches"]["grid"] == [14, 21]


def test_only_positions_may_change() -> None:
    linear, wider = torch.nn.ModuleDict({"pos_embed": torch.nn.Linear(2, 2)}), torch.nn.ModuleDict(
        {"pos_embed": torch.nn.Linear(2, 3)}
    )  # fmt: skip
    check_resized("model", shapes(linear), wider, (1, 1), (2, 2))
    with pytest.raises(UsageError, match="model cannot take 2x2 pixels: its bias"):
        check_resized("model", shapes(torch.nn.Linear(2, 2)), torch.nn.Linear(2, 3), (1, 1), (2, 2))


# --- layers -----------------------------------------------------------------------------------------------------


def test_four_layers_of_a_vit_are_its_quarters() -> None:
    import open_clip

    geometry = Geometry(layers="four")
    backbone = OpenClipBackbone("ViT-B-32", "random:1", geometry=geometry)
    facts = backbone.identity()["outputs"]["patches"]
    assert (facts["layers"], facts["width"], facts["grid"]) == ([2, 5, 8, 11], 4 * 768, [7, 7])
    assert facts["layer"] == "four"
    assert backbone.identity()["variant"] == "four"
    backbone.load("cpu")
    batch = noise(1, (224, 224))
    torch.manual_seed(1)
    model = open_clip.create_model("ViT-B-32", load_weights=False, pretrained_text=False).eval()
    with torch.inference_mode():
        maps = model.visual.forward_intermediates(batch, intermediates_only=True)["image_intermediates"]
    expected = torch.cat([maps[at] for at in (2, 5, 8, 11)], dim=1).permute(0, 2, 3, 1)
    made = backbone.forward(batch, ("embeddings", "patches"))
    np.testing.assert_allclose(made["patches"], expected, rtol=2e-3, atol=2e-3)
    last = OpenClipBackbone("ViT-B-32", "random:1")
    last.load("cpu")
    alone = last.forward(batch, ("embeddings", "patches"))
    assert np.array_equal(made["patches"][..., -768:], alone["patches"])
    assert np.array_equal(made["embeddings"], alone["embeddings"])


@pytest.mark.parametrize("arch", ["test_resnet", "test_convnext", "test_efficientnet"])
def test_four_layers_of_a_pyramid_lie_on_its_last_grid(arch: str) -> None:
    backbone = TimmBackbone(arch, "random:1", geometry=Geometry(layers="four"))
    facts = backbone.identity()["outputs"]["patches"]
    backbone.load("cpu")
    batch = noise(1, (160, 160))
    torch.manual_seed(1)
    with torch.inference_mode():
        maps = timm.create_model(arch).eval().forward_intermediates(batch, intermediates_only=True, norm=False)[-4:]
    assert facts["widths"] == [one.shape[1] for one in maps]
    made = backbone.forward(batch, ["patches"])["patches"].astype(np.float32)
    assert made.shape == (1, 5, 5, sum(facts["widths"]))
    # The mean over the cells that one cell of the last grid covers, by hand.
    first = maps[0].numpy()
    step = first.shape[-1] // 5
    mean = first.reshape(1, -1, 5, step, 5, step).mean(axis=(3, 5)).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(made[..., : first.shape[1]], mean, rtol=2e-3, atol=2e-3)


def test_four_of_too_few_says_so() -> None:
    with pytest.raises(UsageError, match="has 2 blocks, expected at least 4; use --layers last"):
        OpenClipBackbone("tiny-vit", "random:0", geometry=Geometry(layers="four")).identity()
    assert four_of([(8, 4, 4)] * 5) == [0, 1, 2, 4]
    assert joined([torch.ones(1, 2, 4, 4), torch.ones(1, 3, 2, 2)]).shape == (1, 2, 2, 5)


# --- from the command line --------------------------------------------------------------------------------------


def test_run_stores_patches_in_a_space_that_names_its_geometry(small: Path) -> None:
    tiny = ("--model", "timm:test_vit", "--weights", "random:0", "--dataset", "insects", "--as", "vit")
    done = extract(small, "run", *tiny, "--geometry", "90x120", "--layers", "four")
    assert done.code == 0, done.err
    store = Store(small)
    found = [store.resolve_space(one) for one in store.spaces()]
    (space,) = [one for one in found if one.identity.get("variant")]
    assert space.label.startswith("timm-test-vit-90x120-four-")
    images = store.view("insects")["image_id"].to_list()
    assert store.rows("patches", space.label, images).shape == (24, 6, 8, 4 * 64)
    assert {path.name for path in (small / "commits").iterdir() if (path / space.label).exists()} == {"patches"}
    document = json.loads((small / "spaces" / f"{space.label}.json").read_text(encoding="utf-8"))
    assert Space(document["space"], {}).id == space.id


def test_plan_counts_the_bytes_of_a_geometry(small: Path) -> None:
    tiny = ("--model", "timm:test_vit", "--weights", "random:0", "--dataset", "insects", "--as", "vit")
    (work,) = extract(small, "plan", *tiny, "--geometry", "90x120", "--json").json["works"]
    assert (work["kinds"], work["bytes"]) == (["patches"], 24 * 6 * 8 * 64 * 2)
    wrong = extract(small, "plan", *tiny, "--geometry", "huge")
    assert wrong.code == 2
    assert "HEIGHTxWIDTH" in wrong.err
