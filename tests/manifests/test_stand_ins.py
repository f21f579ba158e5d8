"""Stand-ins: who may play what, and that both exist."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from manifests.catalogue import load
from manifests.errors import ManifestError
from manifests.schema import StandIns

NOTE = "Drawn shapes."


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"datasets": {"sun": "sky"}, "note": ""}, "expected a note"),
        ({"datasets": {"sun": "sky", "places": "sky"}}, "'sky' plays 'sun' and 'places'"),
        ({"sources": {"WIT": "a", "LAION": "a"}}, "'a' plays 'WIT' and 'LAION'"),
        ({"prompts": {"single": "mcm-5", "mcm-5": "own"}}, "'mcm-5' plays 'single' and is played by 'own'"),
        ({"datasets": {"sun": "a sky"}}, "an id is letters"),
        ({"detectors": {"msp": "mcm"}}, "Unexpected keyword argument"),
    ],
)
def test_what_a_cast_may_not_be(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        StandIns(**{"note": NOTE} | keys)


def test_a_model_may_play_several_parts() -> None:
    cast = StandIns(note=NOTE, models={"RN50.openai": "net", "RN50-quickgelu.openai": "net"})
    assert cast.pairs() == (("models", "RN50.openai", "net"), ("models", "RN50-quickgelu.openai", "net"))


STUDY = """
id = "toys"
title = "t"
[[blocks]]
models = ["resnet50.tv_in1k"]
datasets = ["sun"]
kinds = ["logits"]
[stand_ins]
note = "Drawn shapes."
"""


def folder(root: Path, cast: str, **claims: str) -> Path:
    (root / "studies").mkdir()
    (root / "studies" / "toys.toml").write_text(STUDY + cast, "utf-8")
    (root / "claims").mkdir()
    for name, paper in claims.items():
        text = f'id = "{name}"\npaper = "{paper}"\nsection = "1"\nsentence = "s"\nestimator = "rank-correlation"\n'
        text += 'direction = "positive"\nx = "imagenet-val"\ny = ["sun:all:auroc"]\n[models]\ngroup = ["standard"]\n'
        (root / "claims" / f"{name}.toml").write_text(text, "utf-8")
    return root


def test_a_sound_cast_is_read(tmp_path: Path) -> None:
    cast = """
[stand_ins.datasets]
sun = "places"
[stand_ins.models]
"ViT-B-16.openai" = "resnet50.tv_in1k"
[stand_ins.prompts]
cupl-base = "single"
[stand_ins.sources]
WIT = "LAION"
[stand_ins.fine_tunings]
"ImageNet-1k, cross-entropy" = "MS-COCO captions"
"""
    study = load([folder(tmp_path, cast, own="toys")]).studies["toys"]
    assert study.stand_ins.models == {"ViT-B-16.openai": "resnet50.tv_in1k"}
    assert [kind for kind, _, _ in study.stand_ins.pairs()] == [
        "datasets", "models", "prompts", "sources", "fine_tunings"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cast", "message"),
    [
        ('[stand_ins.datasets]\nsunn = "places"', "stand_ins.datasets.sunn: no datasets match 'sunn'"),
        ('[stand_ins.datasets]\nsun = "skies"', "stand_ins.datasets.sun: no datasets match 'skies'"),
        ('[stand_ins.models]\n"RN50.openai" = "net"', "stand_ins.models.RN50.openai: no models match 'net'"),
        ('[stand_ins.prompts]\nsingle = "cupl-base"', "stand_ins.prompts.single: no prompts match 'cupl-base'"),
        ('[stand_ins.sources]\nWIT = "LAJON"', "no model has training_source = 'LAJON'; the nearest are 'LAION'"),
        ('[stand_ins.training_datasets]\nnone = "LAION-80M"', "no model has dataset = 'none'"),
    ],
)
def test_parts_and_players_exist(cast: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as raised:
        load([folder(tmp_path, cast)])
    assert message in str(raised.value)
    assert len(raised.value.problems) == 1


def test_a_claim_belongs_to_a_study(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="paper: no studies match 'toy'; the nearest ids are toys"):
        load([folder(tmp_path, "", own="toy")])
