from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyze.table import KEY, SCHEMA, Result, finite, json_rows, table_bytes, to_table, write_table
from manifests.errors import UsageError

ROW = Result(model="a", group="standard", dataset="d", metric="nll", value=1.0, lo=float("-inf"), hi=float("inf"),
             n=1, n_total=2, n_failed=1, inputs="x")  # fmt: skip


def test_no_result_is_an_empty_table_of_the_same_columns() -> None:
    table = to_table([])
    assert dict(table.schema) == SCHEMA
    assert table_bytes(table, ".csv").decode().strip() == ",".join(SCHEMA)


@given(st.permutations(["nll", "brier", "ece_15", "auroc"]))
def test_rows_are_sorted_whatever_their_order(metrics: list[str]) -> None:
    table = to_table([dataclasses.replace(ROW, metric=metric) for metric in metrics])
    assert table["metric"].to_list() == sorted(metrics)
    assert table_bytes(table, ".parquet") == table_bytes(
        to_table([dataclasses.replace(ROW, metric=m) for m in sorted(metrics)]), ".parquet"
    )


@pytest.mark.parametrize("name", KEY)
def test_each_key_column_tells_rows_apart(name: str) -> None:
    assert to_table([ROW, dataclasses.replace(ROW, **{name: "other"})]).height == 2


def test_two_rows_of_one_key_are_refused() -> None:
    with pytest.raises(ValueError, match="got 2 rows that share one"):
        to_table([ROW, dataclasses.replace(ROW, value=2.0)])


def test_json_knows_no_infinity() -> None:
    (row,) = json_rows(to_table([ROW]))
    assert (row["lo"], row["hi"], row["value"], row["n"]) == (None, None, 1.0, 1)
    json.dumps(row, allow_nan=False)
    assert finite(pl.DataFrame({"a": [float("nan")], "b": ["x"]})).to_dicts() == [{"a": None, "b": "x"}]


def test_files_and_their_sidecar(tmp_path: Path) -> None:
    table = to_table([ROW])
    write_table(table, tmp_path / "new" / "r.csv", {"missing": []})
    write_table(table, tmp_path / "new" / "r.parquet", {})
    assert pl.read_parquet(tmp_path / "new" / "r.parquet").equals(table)
    about = json.loads((tmp_path / "new" / "r.csv.json").read_text("utf-8"))
    assert about["intervals"] == {"nll": "Student t of the mean"}
    assert (about["rows"], about["missing"]) == (1, [])


def test_places_that_cannot_be_written_to(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.csv or \.parquet"):
        write_table(to_table([ROW]), tmp_path / "r.xlsx", {})
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match="cannot be written"):
        write_table(to_table([ROW]), tmp_path / "file" / "r.csv", {})
