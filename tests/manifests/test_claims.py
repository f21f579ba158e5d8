"""Claims: what a file must say, what it may refer to, and that every side of every claim means somebody."""

from __future__ import annotations

from dataclasses import fields
from fnmatch import fnmatchcase
from typing import Any

import pytest
from pydantic import ValidationError

from manifests.catalogue import load
from manifests.claim import NEEDS, Claim, Models, Reading
from manifests.encoder_kind import encoder_kind
from manifests.listing import rows
from manifests.published_numbers import read_published
from manifests.references import claim_problems

CATALOGUE = load()
CLAIMS = CATALOGUE.claims
IDS = {"models": ["RN50", "RN101"], "datasets": ["imagenet-val", "sun"], "studies": ["holistic"]}


def shown(folder: str, name: str) -> str:
    return f"{folder}/{name}.toml"


def claim(**keys: Any) -> Claim:
    plain: dict[str, Any] = {
        "id": "c",
        "paper": "holistic",
        "section": "V",
        "sentence": "s",
        "estimator": "rank-correlation",
        "direction": "positive",
        "x": "imagenet-val",
        "y": ["sun:all:auroc"],
    }
    return Claim(**plain | keys)


def test_a_plain_claim_is_sound() -> None:
    assert list(claim_problems({"c": claim(models=Models(group=("standard",), ids=("RN*",)))}, IDS, shown)) == []


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"x": ""}, "rank-correlation needs x"),
        ({"x": ":all"}, "expected dataset"),
        ({"y": []}, "at least one item"),
        ({"y": ["a:b:c:d:e"]}, "expected dataset"),
        ({"direction": "zero"}, "needs a margin"),
        ({"direction": "up"}, "Input should be"),
        ({"threshold": -1.0}, "greater than or equal to 0"),
        ({"estimator": "magic"}, "Input should be"),
        ({"estimator": "group-deviation"}, "needs reference"),
        ({"estimator": "slope-contrast"}, "needs against"),
        ({"estimator": "amount-slope"}, "needs amount"),
        ({"estimator": "outliers", "direction": "zero", "threshold": 1.0}, "has a direction"),
        ({"estimator": "improved-share"}, "needs one of minus_reading, pairs, paired_with, or minus"),
        (
            {"estimator": "paired-difference", "pairs": [["a", "b"]], "minus_reading": {"prompt_set": "single"}},
            "needs one of",
        ),
        ({"pairs": [["a", "b"]]}, "compares no pairs"),
        ({"models": {"groups": ["standard"]}}, "Unexpected keyword argument"),
    ],
)
def test_what_a_claim_may_not_say(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        claim(**keys)


def test_references_are_checked() -> None:
    wrong = claim(
        x="imagenet-vla",
        y=["sin:all:auroc"],
        models=Models(group=("standrad",), ids=("RN52",), without=("ViT*",)),
        pairs=(),
    )
    paired = claim(id="d", estimator="paired-difference", pairs=(("RN50", "RN99"),))
    found = [str(problem) for problem in claim_problems({"c": wrong, "d": paired}, IDS, shown)]
    assert [text.split(": ")[1] for text in found] == ["x", "y", "models.ids", "models.ids", "models.group", "pairs"]
    assert "the nearest ids are imagenet-val" in found[0]
    assert "there are zero-shot-clip, clip-ft, standard" in found[4]


def test_every_estimator_has_its_needs() -> None:
    names = {item.name for item in fields(Claim)}
    assert {need for needs in NEEDS.values() for need in needs} <= names


def facts() -> list[dict[str, object]]:
    """Facts of every model of the catalogue, and of every model with published numbers, which spell some otherwise."""
    known: list[dict[str, object]] = [
        {
            "ids": model.id,
            "group": model.group,
            "training_source": model.training_source or "",
            "training_dataset": model.dataset or "",
            "encoder_family": model.encoder_family or "",
            "encoder_kind": encoder_kind(model.encoder_family),
            "architecture": model.arch,
            "loss": model.loss or "",
            "curation": model.curation or "",
            "fine_tuning": model.fine_tuning or "",
        }
        for model in CATALOGUE.models.values()
    ]
    table = read_published().unique("model").rename({"model": "ids"})
    return known + [row | {"encoder_kind": encoder_kind(row["encoder_family"])} for row in table.to_dicts()]


FACTS = facts()
SIDES = [
    (name, key, getattr(one, key))
    for name, one in CLAIMS.items()
    for key in ("models", "against", "reference")
    if getattr(one, key) not in (None, Models())
]


@pytest.mark.parametrize(("name", "key", "side"), SIDES, ids=[f"{name}-{key}" for name, key, _ in SIDES])
def test_every_side_means_models_that_exist(name: str, key: str, side: Models) -> None:
    def fits(row: dict[str, object], field: str) -> bool:
        return any(fnmatchcase(str(row[field]), pattern) for pattern in getattr(side, field))

    asked = [item.name for item in fields(Models) if item.name != "without" and getattr(side, item.name)]
    assert any(all(fits(row, field) for field in asked) for row in FACTS), f"{name}.{key} means nobody"
    for field in asked:
        unused = [
            value for value in getattr(side, field) if not any(fnmatchcase(str(row[field]), value) for row in FACTS)
        ]
        assert not unused, f"{name}.{key}.{field}: {unused}"


def test_prompt_sets_and_lists_of_options_exist() -> None:
    users_own = {"cupl-base", "cupl-full"}
    for one in CLAIMS.values():
        for reading in (one.reading, one.minus_reading or Reading()):
            assert reading.prompt_set in {"", *CATALOGUE.prompts, *users_own}
            assert reading.calibration in ("", "raw", "ts")
            if reading.variant:
                assert reading.variant.removeprefix("list:") in CATALOGUE.models


def test_factors_corruptions_and_splits_are_those_of_their_sets() -> None:
    factors = set(CATALOGUE.factors["imagenet-x"].factors)
    study = CATALOGUE.studies["holistic"]
    corruptions = {name.split(":")[1] for block in study.blocks for name in block.datasets if "3dcc:" in name}
    slices = {"imagenet-x": factors | {"all"}, "imagenet-3dcc": corruptions}
    for one in CLAIMS.values():
        for axis in (*one.y, *one.minus):
            dataset, part = (*axis.split(":"), "all")[:2]
            assert part in slices.get(dataset, {part}), f"{one.id}: {axis}"


def test_what_the_claims_need_is_in_the_study_of_their_paper() -> None:
    """So that the command that a claim names gets its numbers."""
    for one in CLAIMS.values():
        named = {name.partition(":")[0] for block in CATALOGUE.studies[one.paper].blocks for name in block.datasets}
        needed = {axis.partition(":")[0] for axis in (one.x, *one.y, *one.minus) if axis}
        assert needed <= named, f"{one.id} needs {sorted(needed - named)}"


def test_claims_are_listed_and_limited_to_a_paper() -> None:
    assert [row["id"] for row in rows(CATALOGUE, "claims")] == list(CLAIMS)
    of_paper = rows(CATALOGUE, "claims", study=["closer-look"])
    assert {row["paper"] for row in of_paper} == {"closer-look"}
    assert 30 <= len(of_paper) < len(CLAIMS)


def test_sentences_are_sentences() -> None:
    assert len({one.sentence for one in CLAIMS.values()}) == len(CLAIMS)
    for one in CLAIMS.values():
        assert one.sentence[0].isupper(), one.id
        assert one.sentence.endswith("."), one.id
