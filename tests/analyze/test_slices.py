from __future__ import annotations

import polars as pl
import pytest

from analyze.slices import column_slices, factor_slices
from manifests.catalogue import load
from manifests.schema import Dataset
from manifests.toml_file import parse_entry

CATALOGUE = load()


def test_corruption_and_severity() -> None:
    corruptions, severities = ["flash", "fog_3d", "fog_3d", "flash", None], [2, 3, 3, 1, 1]
    table = pl.DataFrame({"sample": list("abcde"), "corruption": corruptions, "severity": severities})
    found = {part.name: part.rows.tolist() for part in column_slices(table, CATALOGUE.datasets["imagenet-3dcc"])}
    assert found == {"flash/1": [3], "flash/2": [0], "fog_3d/3": [1, 2]}


def test_the_splits_of_imagenet_d() -> None:
    table = pl.DataFrame({"split": ["texture", "material", "texture"]})
    found = {part.name: part.rows.tolist() for part in column_slices(table, CATALOGUE.datasets["imagenet-d"])}
    assert found == {"material": [1], "texture": [0, 2]}


def test_a_column_alone_makes_no_slices() -> None:
    table = pl.DataFrame({"split": ["a"], "corruption": ["fog_3d"]})
    assert column_slices(table, CATALOGUE.datasets["imagenet-r"]) == ()  # its manifest names none
    assert column_slices(table, CATALOGUE.datasets["imagenet-3dcc"]) == ()  # severity is lacking
    assert column_slices(table, None) == ()


def test_manifests_name_slices_by_columns() -> None:
    said = {name: dataset.slices for name, dataset in CATALOGUE.datasets.items() if dataset.slices}
    assert said == {"imagenet-3dcc": ("corruption/severity",), "imagenet-d": ("split",)}


@pytest.mark.parametrize("wrong", ["corruption/", "/", "a//b"])
def test_columns_without_a_name_are_refused(wrong: str) -> None:
    data = {"id": "d", "title": "t", "paper": "p", "obtain": "o", "role": "generic", "slices": [wrong]}
    entry, problems = parse_entry(data, Dataset, "d", "d.toml")
    assert entry is None
    assert "joined by '/', such as corruption/severity" in problems[0].message


def test_factors_need_all_their_columns_as_booleans() -> None:
    factors = CATALOGUE.factors["imagenet-x"]
    table = pl.DataFrame({name: [name == "pose", True, None] for name in factors.factors}, strict=False)
    found = {part.name: part.rows.tolist() for part in factor_slices(table, [factors])}
    assert tuple(found) == factors.factors
    assert found["pose"] == [0, 1]
    assert found["style"] == [1]
    assert factor_slices(table.drop("pose"), [factors]) == ()
    assert factor_slices(table.with_columns(pl.lit("yes").alias("pose")), [factors]) == ()
