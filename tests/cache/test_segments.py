"""Segments are plain Zarr: whatever we read directly, zarr itself reads alike from the folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from cache import segments
from cache.reader import Reader
from cache.segments import array_segments, holes, table_segment
from cache.store import Store
from tests.cache.synthetic import CLASSIFIER, ZERO_SHOT, numbers


def test_our_reading_equals_zarrs_own_of_the_same_folder(store: Store) -> None:
    compared: list[str] = []
    reader = Reader(store)
    for space in (CLASSIFIER, ZERO_SHOT):
        for kind in ("logits", "embeddings", "patches", "text", "heads"):
            for pack in reader.committed(kind, space.label):
                unit = reader.unit(kind, space, pack)
                commit = reader.commit(unit)
                assert commit is not None
                for facts in commit.segments:
                    folder = store.layout.segment(kind, space.label, facts.id)
                    array: Any = zarr.open_array(folder, mode="r")
                    np.testing.assert_array_equal(reader.segment(unit, facts), array[...])
                    about = {"kind": kind, "space": space.id, "pack": pack, "rows": list(facts.rows)}
                    assert {key: array.attrs[key] for key in about} == about
                    compared.append(kind)
    assert {kind: compared.count(kind) for kind in compared} == {
        "logits": 3, "embeddings": 6, "patches": 3, "text": 1, "heads": 1,
    }  # fmt: skip


def test_files_of_an_array() -> None:
    (segment,) = array_segments("logits", "s", "p", numbers("x", shape=(5, 3)))
    assert sorted(segment.files) == ["c/0/0", "zarr.json"]
    assert len(segment.files["c/0/0"]) == 5 * 3 * 4 + 4
    assert (segment.rows, segment.shape, segment.dtype, segment.holes) == ((0, 5), (5, 3), "float32", ())


@pytest.mark.parametrize("compress", ["none", "zstd"])
@pytest.mark.parametrize("rows", [1, 7, 8, 9, 21])
def test_patches_are_cut_and_come_back(
    rows: int, compress: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    array = numbers("p", rows, shape=(rows, 2, 3), dtype="float16")
    monkeypatch.setattr(segments, "MAX_PATCH_BYTES", 8 * array[0].nbytes)
    found = list(array_segments("patches", "s", "p", array, compress))
    assert [segment.rows for segment in found] == [(at, min(at + 8, rows)) for at in range(0, rows, 8)]
    for segment in found:
        folder = tmp_path / segment.id
        for name, data in segment.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        read: Any = zarr.open_array(folder, mode="r")
        np.testing.assert_array_equal(read[...], array[slice(*segment.rows)])


def test_the_id_is_of_content_and_place() -> None:
    array = numbers("x", shape=(4, 2))

    def name(kind: str = "logits", space: str = "s", pack: str = "p", values: Any = array, **more: Any) -> str:
        return next(array_segments(kind, space, pack, values, **more)).id

    assert name() == name(values=np.asfortranarray(array)) == name(values=array.astype(">f4"))
    others = [
        name("embeddings"), name(space="t"), name(pack="q"), name(values=array + 1),
        name(values=array.reshape(4, 1, 2)), name(values=array.astype(np.float16)), name(stats={"logit_scale": 1.0}),
    ]  # fmt: skip
    assert len({name(), *others}) == 8


@pytest.mark.parametrize("dtype", ["float64", "uint8", "int64", "bool"])
def test_other_dtypes_are_refused(dtype: str) -> None:
    with pytest.raises(ValueError, match=f"float16, float32 and int32; got {dtype}"):
        next(array_segments("logits", "s", "p", np.zeros((2, 2), dtype)))


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_nothing_to_store_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least one number"):
        next(array_segments("logits", "s", "p", np.zeros(shape, np.float32)))


def test_a_segment_of_nothing_but_nan_is_written(tmp_path: Path) -> None:
    # Zarr leaves a chunk of fill values out unless told otherwise; then absent would have two meanings.
    (segment,) = array_segments("logits", "s", "p", np.full((2, 3), np.nan, np.float32))
    assert "c/0/0" in segment.files
    assert segment.holes == (0, 1)
    (patches,) = array_segments("patches", "s", "p", np.full((2, 3, 4), np.nan, np.float16))
    assert len(patches.files["c/0/0/0"]) > 2 * 3 * 4 * 2


@settings(max_examples=200)
@given(st.data())
def test_holes_are_the_rows_with_anything_not_finite(data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from(["float16", "float32"]))
    extremes = [0.0, 1.0, -1.0, float(np.finfo(dtype).max), float(np.finfo(dtype).min), np.nan, np.inf, -np.inf]
    flat = data.draw(st.lists(st.sampled_from(extremes), min_size=12, max_size=12))
    array = np.array(flat, dtype).reshape(4, 3)
    expected = [row for row in range(4) if not all(np.isfinite(value) for value in array[row])]
    assert holes(array).tolist() == expected


def test_holes_of_integers_are_the_fill_value() -> None:
    array = np.array([[0, 1], [np.iinfo(np.int32).min, 2], [-1, -2]], np.int32)
    assert holes(array).tolist() == [1]


def test_a_table_is_one_parquet_file() -> None:
    table = pl.DataFrame({"answer": ["cat", None], "score": [0.5, 1.0]})
    segment = table_segment("records", "s", "p", table)
    assert list(segment.files) == ["rows.parquet"]
    assert (segment.rows, segment.shape, segment.dtype) == ((0, 2), (2, 2), "table")
    assert table_segment("records", "s", "p", table).id == segment.id
    assert table_segment("records", "s", "q", table).id != segment.id
