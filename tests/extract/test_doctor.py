"""The contract kit: tiny timm models keep the contract, and a model that breaks it is told which clause."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from extract.doctor import contract, environment
from tests.extract.command_line import extract
from tests.extract.fake_backbone import FakeBackbone


@pytest.mark.parametrize("arch", ["test_resnet", "test_vit", "test_convnext", "test_efficientnet"])
def test_tiny_models_keep_the_contract(arch: str, tmp_path: Path) -> None:
    done = extract(tmp_path / "none", "doctor", "--model", f"timm:{arch}", "--weights", "random:0", "--json")
    assert done.code == 0, done.err
    rows = [row for row in done.json if row["check"].startswith(f"timm:{arch}: ")]
    assert {row["result"] for row in rows} == {"holds"}
    assert {row["check"].split(": ")[1] for row in rows} == {
        "identity",
        "finite",
        "determinism",
        "logits do not depend on batch mates",
        "embeddings do not depend on batch mates",
        "patches do not depend on batch mates",
        "patch grid",
    }
    assert not (tmp_path / "none").exists()


def broken(found: list[tuple[str, str, str]]) -> set[str]:
    return {name for name, result, _ in found if result != "holds"}


class InTrainingMode(FakeBackbone):
    def forward(self, batch: torch.Tensor, kinds: Sequence[str]) -> dict[str, NDArray[Any]]:
        made = super().forward(batch, kinds)
        return {kind: values - values.mean(axis=0) for kind, values in made.items()}


class Noisy(FakeBackbone):
    def forward(self, batch: torch.Tensor, kinds: Sequence[str]) -> dict[str, NDArray[Any]]:
        noise = np.float32(len(self.batches))
        return {kind: values + values.dtype.type(noise) for kind, values in super().forward(batch, kinds).items()}


class Misdescribed(FakeBackbone):
    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "outputs": {"patches": {"grid": [7, 7]}}}


class Forgetful(FakeBackbone):
    asked = 0

    def identity(self) -> dict[str, Any]:
        self.asked += 1
        return {**super().identity(), "asked": self.asked}


def test_the_arithmetic_model_keeps_it() -> None:
    backbone = FakeBackbone()
    assert broken(contract(backbone, "cpu")) == set()
    assert (backbone.loads, backbone.closes) == (1, 1)


@pytest.mark.parametrize(
    ("backbone", "clauses"),
    [
        (InTrainingMode(), {f"{kind} do not depend on batch mates" for kind in ("logits", "embeddings", "patches")}),
        (
            Noisy(),
            {"determinism", *(f"{kind} do not depend on batch mates" for kind in ("logits", "embeddings", "patches"))},
        ),
        (Misdescribed(), {"patch grid"}),
        (Forgetful(), {"identity"}),
        (FakeBackbone(overflow=0.0), {"finite"}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_clause_can_be_broken(backbone: FakeBackbone, clauses: set[str]) -> None:
    assert broken(contract(backbone, "cpu")) >= clauses
    if "finite" not in clauses:
        assert broken(contract(backbone, "cpu")) == clauses


def test_the_machine_is_described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {row["check"]: row for row in environment()}
    assert {"python", "torch", "timm", "pillow", "devices"} <= set(rows)
    assert rows["torch"]["detail"] == torch.__version__.split("+")[0] or rows["torch"]["detail"] == torch.__version__
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("MALLOC_MMAP_MAX_", raising=False)
    monkeypatch.setenv("LD_PRELOAD", "")
    (advice,) = [row for row in environment() if row["check"] == "allocator"]
    assert advice["result"] == "advice"
    assert "MALLOC_MMAP_MAX_=0" in advice["detail"]
    monkeypatch.setenv("MALLOC_MMAP_MAX_", "0")
    assert not [row for row in environment() if row["check"] == "allocator"]
    done = extract(tmp_path / "none", "doctor")
    assert done.code == 0
    assert "torch" in done.out
