"""Published numbers: committed tables equal a fresh import, damage is refused, and what no fit may use is marked."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from manifests.catalogue import load
from manifests.errors import UsageError
from manifests.importing.published import import_published, main, parquet_bytes, write_published
from manifests.importing.published_names import PLACES
from manifests.published_numbers import (
    PUBLISHED,
    SCHEMA,
    SIDECAR,
    SOURCES,
    PublishedError,
    read_published,
    usable,
)

KEY = ["model", "dataset", "slice", "protocol", "metric"]


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    return read_published()


@pytest.fixture(scope="module")
def public(shared: Path) -> pl.DataFrame:
    return pl.read_csv(shared / "models" / "published_accuracy.csv.gz", infer_schema_length=None)


def test_committed_tables_equal_a_fresh_import(shared: Path) -> None:
    for source, frame in import_published(shared / "models").items():
        assert_frame_equal(frame, read_published([source]))


def test_import_gives_the_committed_bytes_under_their_version_of_polars(shared: Path, tmp_path: Path) -> None:
    sidecar = tomllib.loads((PUBLISHED / SIDECAR).read_text())
    if sidecar["polars"] != pl.__version__:
        pytest.skip(f"written by polars {sidecar['polars']}, here is {pl.__version__}")
    assert main([str(shared / "models"), str(tmp_path)]) == 0
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (PUBLISHED / path.name).read_bytes(), path.name


def test_every_public_row_is_there_but_those_without_a_licence(table: pl.DataFrame, public: pl.DataFrame) -> None:
    licensed = public.filter(pl.col("library") != "scaling_laws_openclip")
    assert table.height == licensed.height == 36720
    key = {"source_model": "model_id", "source_dataset": "dataset", "source_metric": "metric", "value": "value"}
    ours = table.select(*key, "source_file").sort(pl.all())
    theirs = licensed.select(*(pl.col(name).alias(own) for own, name in key.items()), "source_file").sort(pl.all())
    assert_frame_equal(ours, theirs)
    assert not table["source_file"].str.contains("scaling-laws").any()


def test_number_of_images_is_kept(table: pl.DataFrame, public: pl.DataFrame) -> None:
    sums = public.filter(pl.col("library") != "scaling_laws_openclip")["n_images"]
    assert (table["n"].sum(), table["n"].null_count()) == (sums.sum(), sums.null_count())


def test_one_usable_row_a_key(table: pl.DataFrame) -> None:
    rows = usable(table)
    assert not rows.select(KEY).is_duplicated().any()
    assert rows.filter(pl.col("source") == "timm")["model"].n_unique() == 1266 - 13


def test_columns_and_ranges(table: pl.DataFrame) -> None:
    assert dict(table.schema) == SCHEMA
    assert table["value"].is_between(0, 1).all()
    for column in ("model", "group", "encoder_family", "architecture", "dataset", "slice", "metric"):
        assert (table[column] != "").all(), column
    assert set(table["group"]) <= {"zero-shot-clip", "clip-ft", "standard", "more-data", "contrastive", "mae", "other"}
    assert set(table["source"]) == set(SOURCES)


def test_names_of_datasets_are_manifests(table: pl.DataFrame) -> None:
    known = set(load().datasets)
    assert {place.dataset for place in PLACES.values()} <= known
    assert set(PLACES) <= set(table["source_dataset"])


@pytest.mark.parametrize(
    ("model", "dataset", "reason"),
    [
        ("coca_ViT-B-32.mscoco_finetuned_laion2b_s13b_b90k", "imagenet-val", "broken"),
        ("ViT-B-32.commonpool_s_image_s13m_b4k", "imagenet-r", "copy"),
        ("testbed.resnet50", "imagenet-a", "0 by construction"),
    ],
)
def test_bad_rows_are_kept_with_their_reason(table: pl.DataFrame, model: str, dataset: str, reason: str) -> None:
    rows = table.filter(pl.col("model") == model, pl.col("dataset") == dataset)
    assert rows.height > 0
    assert rows["problem"].str.contains(reason).all()
    assert not usable(rows).height


def test_the_filter_model_is_fine_elsewhere(table: pl.DataFrame) -> None:
    assert usable(table.filter(pl.col("model") == "testbed.resnet50", pl.col("dataset") == "imagenet-r")).height == 1


def test_equal_rows_of_open_clip_are_duplicates_or_marked(table: pl.DataFrame) -> None:
    rows = table.filter(pl.col("source") == "open_clip")
    wide = rows.with_columns(k=pl.concat_str("source_dataset", "source_metric", separator="|")).pivot(
        on="k", index="model", values="value"
    )
    equal = wide.filter(pl.struct(pl.exclude("model")).is_duplicated())["model"].to_list()
    said = dict(rows.select("model", pl.col("duplicate_of") + pl.col("problem")).unique().iter_rows())
    assert len(equal) == 8
    assert sum(bool(said[model]) for model in equal) == 4  # one of each pair


def test_duplicates_point_at_models_that_stand_for_themselves(table: pl.DataFrame) -> None:
    original = dict(table.select("model", "duplicate_of").unique().iter_rows())
    named = {name for name in original.values() if name}
    assert len([name for name in original.values() if name]) == 10
    assert all(original[name] == "" for name in named)


def test_the_default_size_is_timms_own(table: pl.DataFrame) -> None:
    rows = table.filter(pl.col("model") == "convnext_tiny.fb_in22k_ft_in1k", pl.col("metric") == "accuracy_top1")
    val = rows.filter(pl.col("dataset") == "imagenet-val", pl.col("slice") == "all").sort("resolution")
    assert val.select("resolution", "default_size", "value").rows() == [(224, True, 0.829), (288, False, 0.7895)]


def test_groups_by_name_agree_with_the_lists(shared: Path, table: pl.DataFrame) -> None:
    from manifests.importing.published_names import group_of_timm

    listed = table.filter(pl.col("source") == "timm", pl.col("group_basis") == "list").select("model", "group").unique()
    assert listed.height == 37 + 119
    assert [model for model, group in listed.iter_rows() if group_of_timm(model) != group] == []


def test_a_flipped_byte_is_refused(tmp_path: Path) -> None:
    shutil.copytree(PUBLISHED, tmp_path / "p")
    path = tmp_path / "p" / "open_clip.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(PublishedError, match=r"open_clip.parquet .* differs") as found:
        read_published(["open_clip"], tmp_path / "p")
    assert found.value.exit_code == 4
    assert read_published(["timm"], tmp_path / "p").height == 24894


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PublishedError, match="cannot be read"):
        read_published(["timm"], tmp_path)


def test_an_unknown_source_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"no published source nobody; there are open_clip, timm, imagenet-testbed"):
        read_published(["nobody"])


def test_bytes_are_deterministic_and_small(tmp_path: Path) -> None:
    for source in SOURCES:
        frame = read_published([source])
        assert parquet_bytes(frame) == parquet_bytes(frame)
        assert (PUBLISHED / f"{source}.parquet").stat().st_size < 1 << 20
    write_published({"timm": read_published(["timm"])}, tmp_path)
    assert read_published(["timm"], tmp_path).height == 24894


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "TABLES OUT" in capsys.readouterr().err
