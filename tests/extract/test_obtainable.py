"""Studies and globs do without the models whose weights no library brings, and say so."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import numpy as np
import pytest

from extract.obtainable import obtainable, obtainable_blocks
from manifests.catalogue import load
from tests.extract.command_line import cache, extract
from tests.extract.pictures import draw

MODELS = load().models


def test_what_needs_a_file_is_left_out_and_told(caplog: pytest.LogCaptureFixture) -> None:
    names = ("resnet18.tv_in1k", "PIRL", "of-my-own", "RN50.openai_coop", "ViT-B-32.laion80m_s34b")
    with caplog.at_level(logging.WARNING, logger="assay"):
        assert obtainable(names, MODELS, "x*") == ("resnet18.tv_in1k", "of-my-own", "ViT-B-32.laion80m_s34b")
    (record,) = caplog.records
    assert record.getMessage().startswith("x*: without PIRL, RN50.openai_coop, whose weights no library brings")


def test_where_nothing_would_be_left_nothing_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    assert obtainable(["PIRL"], MODELS, "PIRL*") == ("PIRL",)
    assert obtainable(["resnet18.tv_in1k"], MODELS, "resnet18*") == ("resnet18.tv_in1k",)
    assert caplog.records == []


def test_a_block_without_a_model_is_no_block() -> None:
    blocks = [(("PIRL", "resnet18.tv_in1k"), ("d",), ("logits",), ()), (("MoCo",), ("d",), ("logits",), ())]
    assert obtainable_blocks(blocks, MODELS, "s") == [(("resnet18.tv_in1k",), ("d",), ("logits",), ())]


@pytest.mark.parametrize("study", ["closer-look", "holistic"])
def test_a_paper_is_planned_without_torch(study: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    draw(tmp_path / "photos", 3)
    store = tmp_path / "store"
    indexed = extract(store, "index", "inaturalist", "--root", tmp_path / "photos", "--layout", "ood-folder")
    assert indexed.code == 0, indexed.err
    np.save(tmp_path / "logits.npy", np.zeros((3, 1000), np.float32))
    named = ("--model", "resnet18.tv_in1k", "--dataset", "inaturalist", "--kind", "logits")
    ingested = cache(store, "ingest", *named, tmp_path / "logits.npy")
    assert ingested.code == 0, ingested.err
    done = extract(store, "plan", "--study", study, "--json")
    assert done.code == 0, done.err
    # Two blocks may name the pair; the hundreds that the store was never asked for are no fault.
    (work,) = done.json["works"]
    assert (work["model"], work["images_needed"], work["units"]) == ("resnet18.tv_in1k", 3, 1)
    assert "torch is not installed here" in done.json["remarks"][0]
    assert "whose weights no library brings" in done.err
