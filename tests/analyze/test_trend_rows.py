"""Rows of a trend: facts from manifests, one source a group, equal models once, families by name."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from analyze.trend_rows import (
    FACTS,
    check_groups,
    choose_cluster,
    equal_models_once,
    one_source_a_group,
    with_facts,
)
from manifests.catalogue import Catalogue, load
from manifests.errors import UsageError

MINE = """
id = "mine"
library = "timm"
arch = "resnet50"
pretrained = "x"
group = "standard"
training_source = "ImageNet"
dataset = "ImageNet-1k"
dataset_size = 10
encoder_family = "resnet"
label_space = "imagenet-1k"
source = "me"
"""


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    folder: Path = tmp_path_factory.mktemp("manifests")
    (folder / "models").mkdir()
    (folder / "models" / "mine.toml").write_text(MINE)
    return load((folder,))


def test_facts_come_from_manifests_and_the_tables_own_win(catalogue: Catalogue) -> None:
    table = pl.DataFrame({"model": ["mine", "ViT-X"], "group": ["", "clip-ft"], "loss": ["hinge", ""]})
    rows = with_facts(table, catalogue)
    assert set(FACTS) <= set(rows.columns)
    assert rows.select(
        "group", "loss", "training_dataset", "dataset_size", "encoder_family", "architecture"
    ).rows() == [
        ("standard", "hinge", "ImageNet-1k", 10, "resnet", "resnet50"),
        ("clip-ft", "", "", None, "vit", ""),
    ]


def test_an_unknown_model_is_other(catalogue: Catalogue) -> None:
    assert with_facts(pl.DataFrame({"model": ["nobody"]}), catalogue)["group"].item() == "other"


def test_each_group_from_the_first_source_that_has_it() -> None:
    points = pl.DataFrame(
        {
            "model": ["a", "b", "c", "d"],
            "group": ["standard", "standard", "contrastive", "zero-shot-clip"],
            "source": ["timm", "imagenet-testbed", "imagenet-testbed", "open_clip"],
        }
    )
    kept, note = one_source_a_group(points)
    assert kept["model"].to_list() == ["a", "c", "d"]
    assert "timm: standard" in note
    assert "1 models of other sources left out" in note
    assert one_source_a_group(kept)[1] == ""


def test_a_copy_without_its_original_stands_for_it() -> None:
    points = pl.DataFrame({"model": ["b", "a", "c"], "duplicate_of": ["z", "z", ""]})
    kept, left_out = equal_models_once(points)
    assert (kept["model"].to_list(), left_out) == (["a", "c"], 1)
    with_original = pl.concat([points, pl.DataFrame({"model": ["z"], "duplicate_of": [""]})])
    assert equal_models_once(with_original)[0]["model"].to_list() == ["c", "z"]


def test_families_by_a_column() -> None:
    points = pl.DataFrame({"model": ["a", "b"], "encoder_family": ["vit", ""], "x": [0.1, 0.2]})
    assert choose_cluster(points, "encoder_family")["family"].to_list() == ["vit", "b"]
    for column in ("x", "nothing"):
        with pytest.raises(UsageError, match=r"--cluster .*: expected one of model, encoder_family"):
            choose_cluster(points, column)


def test_groups_that_are_not_there() -> None:
    with pytest.raises(UsageError, match="--group mae: no such models on both axes; there are standard"):
        check_groups(pl.DataFrame({"group": ["standard"]}), ["mae"], "--group")
