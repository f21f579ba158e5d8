"""Foreign checkpoints, written as their projects write them, and what comes out."""

from __future__ import annotations

import argparse
import json
from collections import OrderedDict, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
open_clip = pytest.importorskip("open_clip")
timm = pytest.importorskip("timm")

from safetensors import safe_open  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

import extract.backbones.wide_resnet  # noqa: E402, F401 - registers its architectures
from extract.converting.artefact import METADATA_KEY, Converted, Source, write  # noqa: E402
from extract.converting.pycontrast import encoder_of, read_pycontrast  # noqa: E402
from extract.converting.simclr import read_simclr  # noqa: E402
from extract.converting.wise_ft import interpolate, read_wise_ft  # noqa: E402
from extract.preprocess import describe  # noqa: E402
from manifests.errors import UsageError  # noqa: E402
from tests.extract.command_line import call  # noqa: E402
from tests.extract.tiny_open_clip import registered  # noqa: E402


def tiny(name: str = "tiny-vit-quickgelu", seed: int = 1) -> Any:
    torch.manual_seed(seed)
    return open_clip.create_model(name, load_weights=False).eval()


@pytest.fixture(scope="module", autouse=True)
def _tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with registered(tmp_path_factory.mktemp("configs")):
        yield


def equal(ours: Any, theirs: Any) -> bool:
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_wise_ft_is_the_line_between_two_models(tmp_path: Path) -> None:
    first, second = tiny("tiny-vit", 1), tiny("tiny-vit", 2)
    save_file(first.state_dict(), tmp_path / "zero.safetensors")
    torch.save({"state_dict": second.half().state_dict()}, tmp_path / "tuned.pt")
    out = tmp_path / "out.safetensors"
    done = call("extract", "convert", "wise-ft", tmp_path / "zero.safetensors", tmp_path / "tuned.pt",
                "--alpha", 0.25, "--out", out)  # fmt: skip
    assert done.code == 0, done.err
    found, name = load_file(out), "visual.proj"
    expected = 0.75 * first.state_dict()[name] + 0.25 * second.state_dict()[name].float()
    assert torch.allclose(found[name], expected)
    with safe_open(out, "pt") as opened:
        said = json.loads(opened.metadata()[METADATA_KEY])
    assert said["parameters"] == {"alpha": 0.25}
    assert [source["role"] for source in said["sources"]] == ["zero-shot", "fine-tuned"]


def test_wise_ft_ends_and_refusals(tmp_path: Path) -> None:
    ours, theirs = {"w": torch.tensor([1.0]), "n": torch.tensor(3)}, {"w": torch.tensor([5.0]), "n": torch.tensor(7)}
    assert interpolate(ours, theirs, 0.0)["w"].item() == 1.0
    assert interpolate(ours, theirs, 1.0)["w"].item() == 5.0
    assert interpolate(ours, theirs, 0.5)["n"].item() == 7
    with pytest.raises(ValueError, match="in one of them only, the first is n"):
        interpolate(ours, {"w": torch.tensor([5.0])}, 0.5)
    with pytest.raises(ValueError, match=r"w is \(1,\) in one and \(2,\)"):
        interpolate({"w": torch.ones(1)}, {"w": torch.ones(2)}, 0.5)
    with pytest.raises(UsageError, match="from 0"):
        read_wise_ft(tmp_path / "a", tmp_path / "b", 1.5)


def pycontrast_files(folder: Path, model: Any) -> tuple[Path, Path]:
    """Write a resnet50 as PyContrast does, with a momentum encoder, a projection head, an optimizer and settings."""
    state = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith("fc.")}
    body = OrderedDict((f"module.encoder.{name}", tensor) for name, tensor in state.items())
    body["module.head.0.weight"] = torch.ones(4, 4)
    momentum = OrderedDict((f"encoder.{name}", torch.zeros_like(tensor)) for name, tensor in state.items())
    more = {"opt": argparse.Namespace(lr=0.03), "optimizer": {"state": defaultdict(dict)}, "epoch": 200}
    torch.save({"model": body, "model_ema": momentum, **more}, folder / "MoCo.pth")
    linear = {f"module.{name}": tensor for name, tensor in model.fc.state_dict().items()}
    torch.save({"opt": argparse.Namespace(), "classifier": linear}, folder / "MoCo_classifier.pth")
    return folder / "MoCo.pth", folder / "MoCo_classifier.pth"


def test_pycontrast_encoder_and_head_make_timms_resnet50(tmp_path: Path) -> None:
    from extract.backbones.timm_backbone import TimmBackbone

    torch.manual_seed(5)
    model = timm.create_model("resnet50", num_classes=1000).eval()
    encoder, head = pycontrast_files(tmp_path, model)
    converted = read_pycontrast(encoder, head)
    # The momentum encoder, all zeros here, must not be taken.
    assert equal(dict(converted.tensors), model.state_dict())
    assert converted.dropped == ("module.head.0.weight",)
    write(converted, tmp_path / "out.safetensors")
    backbone = TimmBackbone("resnet50.tv_in1k", str(tmp_path / "out.safetensors"))
    assert converted.model == "timm:resnet50.tv_in1k"
    ops = {op["op"]: op for op in backbone.identity()["preprocess"]["ops"]}
    assert ops["resize"]["interpolation"] == "bilinear"
    assert ops["resize"]["size"] == 256
    assert ops["normalize"]["mean"] == [0.485, 0.456, 0.406]
    backbone.load("cpu")
    batch = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 3, 224, 224), np.float32))
    with torch.inference_mode():
        theirs = model(batch).numpy()
    assert np.allclose(backbone.forward(batch, ["logits"])["logits"], theirs, atol=1e-4)


def test_pycontrast_refuses_what_is_no_single_encoder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="two encoders"):
        encoder_of({"module.encoder1.conv1.weight": torch.ones(1), "module.encoder2.conv1.weight": torch.ones(1)})
    with pytest.raises(UsageError, match="two tensors for bn1.bias"):
        encoder_of({"module.encoder.bn1.bias": torch.ones(1), "encoder.bn1.bias": torch.ones(1)})
    with pytest.raises(UsageError, match="no tensor is of an encoder"):
        encoder_of({"conv1.weight": torch.ones(1)})
    torch.save({"model": {"module.encoder.conv1.weight": torch.ones(2)}}, tmp_path / "a.pth")
    torch.save({"classifier": {"module.weight": torch.ones(2, 2), "module.bias": torch.ones(2)}}, tmp_path / "h.pth")
    with pytest.raises(UsageError, match="tensors are missing"):
        read_pycontrast(tmp_path / "a.pth", tmp_path / "h.pth")
    with pytest.raises(UsageError, match="under 'classifier'"):
        read_pycontrast(tmp_path / "a.pth", tmp_path / "a.pth")


@pytest.mark.parametrize("width", [1, 2])
def test_simclr_has_every_layer_as_wide(tmp_path: Path, width: int) -> None:
    from extract.backbones.timm_backbone import TimmBackbone

    torch.manual_seed(6)
    model = timm.create_model(f"simclr_resnet50_x{width}").eval()
    torch.save({"state_dict": model.state_dict(), "epoch": 1}, tmp_path / f"resnet50-{width}x.pth")
    converted = read_simclr(tmp_path / f"resnet50-{width}x.pth")
    assert converted.parameters == {"width": width}
    assert converted.model == f"timm:simclr_resnet50_x{width}"
    assert converted.tensors["conv1.weight"].shape[0] == 64 * width
    assert converted.tensors["fc.weight"].shape == (1000, 2048 * width)
    write(converted, tmp_path / "out.safetensors")
    backbone = TimmBackbone(f"simclr_resnet50_x{width}", str(tmp_path / "out.safetensors"))
    ops = backbone.identity()["preprocess"]["ops"]
    assert ops[-2:] == [
        {"op": "scale", "divisor": 255},
        {"op": "normalize", "mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0]},
    ]
    assert describe(backbone.transform.__self__._transform)[-1]["op"] == "normalize"
    assert backbone.class_count() == 1000


def test_simclr_of_width_one_is_a_plain_resnet50() -> None:
    ours, plain = timm.create_model("simclr_resnet50_x1").eval(), timm.create_model("resnet50").eval()
    plain.load_state_dict(ours.state_dict())
    batch = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 3, 64, 64), np.float32))
    with torch.inference_mode():
        assert torch.equal(ours(batch), plain(batch))


def test_simclr_refuses_other_networks(tmp_path: Path) -> None:
    torch.save({"state_dict": {"conv1.weight": torch.ones(96, 3, 7, 7), "fc.weight": torch.ones(2, 2)}}, tmp_path / "a")
    with pytest.raises(UsageError, match="96 channels; expected 64, 128 or 256"):
        read_simclr(tmp_path / "a")
    torch.save({"state_dict": {"conv1.weight": torch.ones(64, 3, 7, 7), "fc.weight": torch.ones(2, 2)}}, tmp_path / "b")
    with pytest.raises(UsageError, match="does not fill timm's simclr_resnet50_x1"):
        read_simclr(tmp_path / "b")
    torch.save({"state_dict": {"w": torch.ones(1)}}, tmp_path / "c")
    with pytest.raises(UsageError, match="conv1 and fc"):
        read_simclr(tmp_path / "c")


def test_a_result_is_equal_bytes_and_never_replaces_another_file(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"x")
    source = Source.of("checkpoint", tmp_path / "in")
    one = Converted("flyp", {"b": torch.ones(2, 3).T, "a": torch.zeros(1)}, (source,), "M")
    first = write(one, tmp_path / "deep" / "out.safetensors")
    assert write(one, tmp_path / "deep" / "out.safetensors") == first
    other = Converted("flyp", {"a": torch.ones(1)}, (source,), "M")
    with pytest.raises(UsageError, match="is there already"):
        write(other, tmp_path / "deep" / "out.safetensors")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out.safetensors"]
    assert load_file(tmp_path / "deep" / "out.safetensors")["b"].shape == (3, 2)
    with pytest.raises(UsageError, match="no tensor"):
        write(Converted("flyp", {}, (source,), "M"), tmp_path / "none.safetensors")
