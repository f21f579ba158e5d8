"""The contract kit: every family keeps the contract, and each clause can be broken and is then named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from extract.backbones.geometry import Geometry
from extract.backbones.open_clip_backbone import OpenClipBackbone
from extract.backbones.protocol import Backbone
from extract.backbones.timm_backbone import TimmBackbone
from extract.contract_kit import NAMES, TEMPLATES, Check, broken, check_backbone, pictures
from manifests.errors import UsageError
from tests.extract.fake_backbone import FakeBackbone
from tests.extract.tiny_open_clip import FAMILIES, registered

KINDS = ("logits", "embeddings", "patches")
INFINITE = {"finite", "pictures", "determinism", "logits do not depend on batch mates"}
ALONE = {f"{kind} do not depend on batch mates" for kind in KINDS}


@pytest.fixture(scope="module")
def _tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with registered(tmp_path_factory.mktemp("configs")):
        yield


def names(checks: Sequence[Check], result: str) -> set[str]:
    return {check.name for check in checks if check.result == result}


@pytest.mark.parametrize("arch", ["test_vit", "test_convnext", "test_resnet", "test_efficientnet"])
def test_every_timm_family_that_can_change_size_keeps_every_clause(arch: str) -> None:
    checks = check_backbone(TimmBackbone(arch, "random:0"))
    assert names(checks, "holds") == {check.name for check in checks}
    assert {"patch grid at 480x640", "logits equal the library's own"} <= names(checks, "holds")


@pytest.mark.parametrize(
    ("arch", "why"),
    [
        ("mixer_s32_224", "mlp_tokens.fc1.weight has a fixed number of cells"),
        ("swin_tiny_patch4_window7_224", "windows of 7x7 do not tile its 128x128 cells"),
    ],
)
def test_a_family_that_cannot_change_size_says_so(arch: str, why: str) -> None:
    checks = check_backbone(TimmBackbone(arch, "random:0"), sizes=((224, 224), (512, 512)))
    assert broken(checks) == []
    assert names(checks, "absent") == {"patch grid at 512x512"}
    assert why in checks[-1].detail


@pytest.mark.usefixtures("_tiny")
@pytest.mark.parametrize("arch", FAMILIES)
def test_every_open_clip_family_keeps_every_clause(arch: str) -> None:
    # A patch of 14 pixels asks for a frame at all but the first.
    checks = check_backbone(OpenClipBackbone(arch, "random:0"), sizes=((224, 224), (120, 160)))
    assert names(checks, "holds") == {check.name for check in checks}
    texts = {"head equals the library's own", "logits equal the library's own", "text width"}
    assert {*texts, "preprocessing equals the library's own", "patch grid at 120x160"} <= names(checks, "holds")


@pytest.mark.usefixtures("_tiny")
def test_another_arithmetic_and_a_pixel_step_keep_it_too() -> None:
    checks = check_backbone(OpenClipBackbone("tiny-vit", "random:0", dtype="bfloat16"), sizes=())
    assert broken(checks) == []
    step = {"op": "trim-border", "pixels": 2}
    checks = check_backbone(TimmBackbone("test_resnet", "random:0", pixel_step=step), sizes=())
    assert (broken(checks), names(checks, "absent")) == ([], {"preprocessing equals the library's own"})


class InTrainingMode(FakeBackbone):
    def forward(self, batch: torch.Tensor, kinds: Sequence[str]) -> dict[str, NDArray[Any]]:
        made = super().forward(batch, kinds)
        return {kind: values - values.mean(axis=0) for kind, values in made.items()}


class FirstRowAbove(FakeBackbone):
    """Rows see the row before them, so that the first one is the same alone and in a batch."""

    def forward(self, batch: torch.Tensor, kinds: Sequence[str]) -> dict[str, NDArray[Any]]:
        made = super().forward(batch, kinds)
        return {kind: values + np.roll(values, -1, axis=0) * (len(values) > 1) for kind, values in made.items()}


class Blind(FakeBackbone):
    def forward(self, batch: torch.Tensor, kinds: Sequence[str]) -> dict[str, NDArray[Any]]:
        return super().forward(torch.ones_like(batch), kinds)


class Noisy(FakeBackbone):
    def forward(self, batch: torch.Tensor, kinds: Sequence[str]) -> dict[str, NDArray[Any]]:
        noise = np.float32(len(self.batches))
        return {kind: values + values.dtype.type(noise) for kind, values in super().forward(batch, kinds).items()}


class Wide(FakeBackbone):
    def forward(self, batch: torch.Tensor, kinds: Sequence[str]) -> dict[str, NDArray[Any]]:
        return {kind: values.astype(np.float64) for kind, values in super().forward(batch, kinds).items()}


class Misdescribed(FakeBackbone):
    def identity(self) -> dict[str, Any]:
        said = super().identity()
        return {**said, "outputs": {**said["outputs"], "patches": {"grid": [7, 7], "width": 3, "dtype": "float16"}}}


class Nameless(FakeBackbone):
    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "architecture": {}, "preprocess": {}}


class Forgetful(FakeBackbone):
    asked = 0

    def identity(self) -> dict[str, Any]:
        self.asked += 1
        return {**super().identity(), "asked": self.asked}


class Uneven(FakeBackbone):
    def transform(self, image: Image.Image) -> torch.Tensor:
        return super().transform(image)[:, : 1 + image.width % 2]


class Raises(FakeBackbone):
    def forward(self, batch: torch.Tensor, kinds: Sequence[str]) -> dict[str, NDArray[Any]]:
        raise KeyError("weights")


class Unloadable(FakeBackbone):
    def load(self, device: str) -> None:
        raise OSError("no such weights")


class Stretched(FakeBackbone):
    """Changes its size in words only."""

    def at(self, geometry: Geometry) -> Backbone:
        return Misdescribed()


class OfOneSize(FakeBackbone):
    def at(self, geometry: Geometry) -> Backbone:
        raise UsageError("only 2x2")


class OtherThanItsLibrary(FakeBackbone):
    def reference(self) -> OtherThanItsLibrary:
        return self

    def outputs(self, batch: torch.Tensor) -> dict[str, NDArray[Any]]:
        return {"logits": super().forward(batch, ["logits"])["logits"] * np.float32(1.0001)}


def test_the_arithmetic_model_keeps_it() -> None:
    backbone = FakeBackbone()
    checks = check_backbone(backbone)
    assert broken(checks) == []
    assert names(checks, "absent") == {"the library's own calls", "patch grid at 224x224", "patch grid at 512x512",
                                       "patch grid at 480x640"}  # fmt: skip
    assert (backbone.loads, backbone.closes) == (1, 1)


@pytest.mark.parametrize(
    ("backbone", "clauses"),
    [
        (InTrainingMode(), ALONE),
        (FirstRowAbove(), ALONE),
        (Noisy(), {"determinism", *ALONE}),
        (Blind(), {"pictures"}),
        (Wide(), {"dtype", "bytes of a row"}),
        (Misdescribed(), {"patch grid"}),
        (Nameless(), {"description"}),
        (Forgetful(), {"identity"}),
        (Uneven(), {"input"}),
        (Raises(), {"forward pass"}),
        (Unloadable(), {"load"}),
        (Stretched(), {"patch grid at 224x224", "patch grid at 512x512", "patch grid at 480x640"}),
        (OfOneSize(), set()),
        (OtherThanItsLibrary(), {"logits equal the library's own"}),
        (FakeBackbone(overflow=0.0), {*INFINITE, "embeddings do not depend on batch mates"}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_clause_can_be_broken(backbone: FakeBackbone, clauses: set[str]) -> None:
    assert {check.name for check in broken(check_backbone(backbone))} == clauses


def test_the_model_is_let_go_whatever_happens() -> None:
    backbone = Raises()
    assert broken(check_backbone(backbone))[0].detail == "KeyError: 'weights'"
    assert (backbone.loads, backbone.closes) == (1, 1)


@pytest.mark.usefixtures("_tiny")
def test_attention_over_the_batch_axis_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """open_clip before 2.26 was sequence-first; probe3d fed it batches first, and its patches saw other images."""
    from open_clip.transformer import ResidualAttentionBlock

    attention = ResidualAttentionBlock.attention

    def turned(self: Any, q_x: torch.Tensor, *others: Any, **more: Any) -> torch.Tensor:
        if q_x.shape[1] != 17:  # 16 patches and a class token; sentences stay as they are
            return attention(self, q_x, *others, **more)
        return attention(self, q_x.transpose(0, 1), *others, **more).transpose(0, 1)

    monkeypatch.setattr(ResidualAttentionBlock, "attention", turned)
    found = {check.name for check in broken(check_backbone(OpenClipBackbone("tiny-vit", "random:0"), sizes=()))}
    # Class tokens begin alike, so that among themselves they stay alike whatever is on the pictures.
    assert found == {"pictures", "patches do not depend on batch mates"}


def test_the_pictures_are_the_shipped_ones_and_noise() -> None:
    assert [picture.size for picture in pictures()] == [(517, 389), (517, 389), (400, 300)]
    assert all("{}" in template for template in TEMPLATES)
    assert len(set(NAMES)) == len(NAMES)
