"""Containers of rows: lists, Parquet files and saved data sets."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from extract.containers.opening import open_container
from manifests.errors import UsageError
from tests.extract.container_files import FEATURES, NUMBERED, hf_table
from tests.extract.official import Miniature, encoded, indexed, new_store


def test_lists_keep_their_order_and_columns(tmp_path: Path) -> None:
    files = Miniature(tmp_path).image("b.png", "a.png", "c.png")
    rows = [
        {"file": "b.png", "label": "x", "level": 2, "tags": ["u", "v"]},
        {"file": "a.png", "label": "y", "level": 3, "tags": []},
    ]
    files.file("list.jsonl", "\n".join(json.dumps(row) for row in rows))
    pl.DataFrame(rows).write_parquet(tmp_path / "list.parquet")
    store = new_store(tmp_path)
    _, from_jsonl = indexed(store, "one", tmp_path / "list.jsonl")
    _, from_listing = indexed(store, "two", tmp_path, listing=tmp_path / "list.parquet")
    assert from_jsonl.equals(from_listing)
    assert from_jsonl["sample"].to_list() == ["b.png", "a.png"]
    assert from_jsonl.schema["level"] == pl.Int64
    assert from_jsonl["tags"].to_list() == [["u", "v"], []]


def test_several_splits_are_refused(tmp_path: Path) -> None:
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    with pytest.raises(UsageError, match="holds the splits train, test"):
        open_container(tmp_path)
    hub = tmp_path / "hub"
    hub.mkdir()
    for split in ("test", "train"):
        hf_table({"ant/1.png": encoded(1)}, NUMBERED).write_parquet(hub / f"{split}-00000-of-00001.parquet")
    with pytest.raises(UsageError, match="Parquet files of test, train"):
        open_container(hub)
    (hub / "x.tar").write_bytes(b"")
    with pytest.raises(UsageError, match="holds tar and Parquet files and no image"):
        open_container(hub)


def test_rows_with_a_path_and_no_bytes_are_refused(tmp_path: Path) -> None:
    table = hf_table({"ant/1.png": encoded(1)}, NUMBERED)
    lost = pl.DataFrame({"image": [{"bytes": None, "path": "ant/2.png"}], "label": [0]}, schema=table.schema)
    pl.concat([table, lost]).write_parquet(tmp_path / "x.parquet")
    files = open_container(tmp_path / "x.parquet")
    assert len(files) == 1
    assert [(refused.sample, refused.why[:32]) for refused in files.refused] == [
        ("ant/2.png", "the row holds a path and no byte")
    ]


@pytest.mark.parametrize(
    ("paths", "labels", "expected"),
    [
        (["1.png", "2.png"], [1, 2], ["1.png", "2.png"]),
        (["1.png", "1.png"], [1, 2], ["ant/1.png", "bee/1.png"]),
        (["1.png", "1.png"], [1, 1], ["00000000.image", "00000001.image"]),
        ([None, None], [1, 1], ["00000000.image", "00000001.image"]),
        (["../1.png", "2.png"], [1, 1], ["2.png"]),
    ],
)
def test_rows_of_one_file_name_are_told_apart(
    paths: list[str | None], labels: list[int], expected: list[str], tmp_path: Path
) -> None:
    """`save_to_disk` keeps file names and leaves folders away."""
    table = hf_table({f"ant/{at}.png": encoded(at) for at in range(2)}, NUMBERED)
    rows = [{"bytes": row["bytes"], "path": path} for row, path in zip(table["image"].to_list(), paths, strict=True)]
    named = pl.DataFrame({"image": rows, "label": labels}, schema=table.schema)
    said = {"huggingface": json.dumps({"info": {"features": FEATURES}})}
    named.write_parquet(tmp_path / "x.parquet", metadata=said)
    files = open_container(tmp_path / "x.parquet")
    assert [files.key(at) for at in range(len(files))] == expected
