"""`doctor`: the machine in words, and models by name through the contract kit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from extract.doctor import environment
from tests.extract.command_line import extract

CLAUSES = {
    "identity",
    "description",
    "kinds",
    "input",
    "dtype",
    "logits width",
    "embeddings width",
    "patch grid",
    "class count",
    "bytes of a row",
    "finite",
    "pictures",
    "determinism",
    "logits do not depend on batch mates",
    "embeddings do not depend on batch mates",
    "patches do not depend on batch mates",
    "preprocessing equals the library's own",
    "logits equal the library's own",
    "embeddings equal the library's own",
    "patch grid at 224x224",
    "patch grid at 512x512",
    "patch grid at 480x640",
}


def test_a_tiny_model_keeps_every_clause(tmp_path: Path) -> None:
    done = extract(tmp_path / "none", "doctor", "--model", "timm:test_vit", "--weights", "random:0", "--json")
    assert done.code == 0, done.err
    rows = [row for row in done.json if row["check"].startswith("timm:test_vit: ")]
    assert {row["check"].split(": ")[1] for row in rows} == CLAUSES
    assert {row["result"] for row in rows} == {"holds"}
    assert not (tmp_path / "none").exists()


def test_a_geometry_is_checked_as_asked(tmp_path: Path) -> None:
    done = extract(tmp_path / "none", "doctor", "--model", "timm:test_vit", "--weights", "random:0",
                   "--geometry", "90x120", "--layers", "four", "--json")  # fmt: skip
    assert done.code == 0, done.err
    found = {row["check"].partition(": ")[2]: row for row in done.json}
    # 90 x 120 pixels, framed to 96 x 128: six rows and eight columns of 16.
    assert "(3, 6, 8, 256)" in found["patch grid"]["detail"]
    assert found["preprocessing equals the library's own"]["result"] == "absent"
    assert not any(name.startswith("patch grid at") for name in found)


def test_a_model_that_breaks_a_clause_ends_with_5(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from extract.backbones.timm_backbone import TimmBackbone

    monkeypatch.setattr(TimmBackbone, "row_bytes", lambda self: {"logits": 1})
    done = extract(tmp_path / "none", "doctor", "--model", "timm:test_resnet", "--weights", "random:0", "--json")
    assert done.code == 5
    assert {row["check"] for row in done.json if row["result"] == "fails"} == {"timm:test_resnet: bytes of a row"}


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
