from __future__ import annotations

import importlib.metadata
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from manifests.catalogue import load
from manifests.schema import Reading
from manifests.toml_file import parse_entry

FACTORS = load().factors["imagenet-x"]


@pytest.fixture(scope="session")
def annotations() -> dict[str, Path]:
    """Files of the installed package by name; the module itself is never imported."""
    try:
        files = importlib.metadata.files("imagenet-x") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the package imagenet-x is not installed; its annotations may not be shipped with this project")
    return {file.name: Path(str(file.locate())) for file in files if file.parent.name == "annotations"}


def prototypes(annotations: dict[str, Path]) -> set[str]:
    lines = annotations[FACTORS.prototype_list].read_text(encoding="utf-8").splitlines()
    return {line.split(",")[-1].rsplit("/", 1)[-1] for line in lines[1:]}


def read(annotations: dict[str, Path], reading: Reading) -> list[dict[str, Any]]:
    text = annotations[reading.annotations].read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    left_out = prototypes(annotations) if reading.prototypes == "removed" else set()
    return [row for row in rows if row["file_name"].rsplit("/", 1)[-1] not in left_out]


def test_there_are_sixteen_factors_and_three_readings() -> None:
    assert len(FACTORS.factors) == 16
    assert {name: reading.images for name, reading in FACTORS.readings.items()} == {
        "imagenet-x": 48_868,
        "imagenet-x-library": 46_110,
        "imagenet-x-multi": 48_868,
    }
    assert sum(FACTORS.readings["imagenet-x"].counts.values()) == 48_866
    assert sum(FACTORS.readings["imagenet-x-library"].counts.values()) == 46_108
    assert sum(FACTORS.readings["imagenet-x-multi"].counts.values()) == 125_545


def test_the_readings_are_datasets_with_as_many_images() -> None:
    datasets = load().datasets
    for name, reading in FACTORS.readings.items():
        assert (datasets[name].count, datasets[name].over) == (reading.images, "imagenet-val")


@pytest.mark.parametrize("name", FACTORS.readings)
def test_the_real_annotations_have_these_columns_and_counts(name: str, annotations: dict[str, Path]) -> None:
    reading = FACTORS.readings[name]
    rows = read(annotations, reading)
    assert len(rows) == len({row["file_name"] for row in rows}) == reading.images
    columns = [key for key in rows[0] if key not in ("file_name", "class", "justification", "one_word")]
    assert tuple(columns) == FACTORS.factors
    counts = Counter(dict.fromkeys(FACTORS.factors, 0))
    for row in rows:
        counts.update(factor for factor in FACTORS.factors if row[factor] == 1)
    assert dict(counts) == dict(reading.counts)


def test_a_factor_that_is_counted_and_not_listed_is_told() -> None:
    data = {
        "id": "f",
        "title": "t",
        "source": "s",
        "licence": "l",
        "factors": ["pose"],
        "prototype_list": "p.csv",
        "readings": {"r": {"annotations": "a.jsonl", "prototypes": "kept", "images": 3, "counts": {"color": 1}}},
    }
    entry, problems = parse_entry(data, type(FACTORS), "f", "f.toml")
    assert entry is None
    assert "r: expected a count for each factor and no other; 'color' is in one only" in problems[0].message
    data["readings"]["r"] |= {"counts": {"pose": 1}, "prototype": "kept"}  # type: ignore[index]
    _, problems = parse_entry(data, type(FACTORS), "f", "f.toml")
    assert "did you mean 'prototypes'?" in problems[0].message
