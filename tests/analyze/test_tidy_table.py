"""Anybody's tidy table: what is read, and every malformed row by its line."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from analyze.tidy_table import read_tidy
from manifests.errors import UsageError


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "t.csv"
    path.write_text(text)
    return path


def test_csv_and_parquet_give_the_same(tmp_path: Path) -> None:
    path = written(tmp_path, "model,dataset,value,n,group,colour\nm,d,0.5,10,standard,red\nk,d,1,,,\n")
    table = read_tidy(path)
    pl.DataFrame(
        {
            "model": ["m", "k"], "dataset": ["d", "d"], "value": [0.5, 1.0], "n": [10, None],
            "group": ["standard", None], "colour": ["red", None],
        }
    ).write_parquet(tmp_path / "t.parquet")  # fmt: skip
    assert read_tidy(tmp_path / "t.parquet").equals(table)
    assert table.select("model", "group", "slice", "metric", "value", "n", "colour").rows() == [
        ("m", "standard", "all", "accuracy_top1", 0.5, 10, "red"),
        ("k", "", "all", "accuracy_top1", 1.0, None, ""),
    ]


def test_malformed_rows_are_listed_with_their_lines(tmp_path: Path) -> None:
    path = written(tmp_path, 'model,dataset,value,n\nm,d,0.5,10\n,d,x,10\n"a\nb",d,nan,0\nm,d\nm,d,1,2,3\nm,d,1,1.5\n')
    with pytest.raises(UsageError) as found:
        read_tidy(path)
    lines = str(found.value).splitlines()
    assert lines[0].endswith("7 problem(s):")
    assert [line.strip() for line in lines[1:]] == [
        "line 3: model is empty",
        "line 3: value: expected a number, got 'x'",
        "line 5: value: expected a finite number, got nan",
        "line 5: n: expected a whole number of at least 1, got '0'",
        "line 6: expected 4 fields, got 2",
        "line 7: expected 4 fields, got 5",
        "line 8: n: expected a whole number of at least 1, got '1.5'",
    ]


def test_parquet_rows_are_numbered(tmp_path: Path) -> None:
    pl.DataFrame({"model": ["m", None], "dataset": ["d", "d"], "value": [0.5, None]}).write_parquet(
        tmp_path / "t.parquet"
    )
    with pytest.raises(UsageError, match=r"row 2: model is empty\n.*row 2: value: expected a number, got ''"):
        read_tidy(tmp_path / "t.parquet")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model,value\nm,1\n", "no column dataset"),
        ("", "no column model, dataset, value"),
        ("model,dataset,value\n", "no rows"),
        ("model,dataset,value,model\nm,d,1,m\n", "column model stands twice"),
        ('model,dataset,value\n"m,d,1\n', "is not CSV"),
    ],
)
def test_refuses(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_tidy(written(tmp_path, text))


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_tidy(tmp_path / "nothing.csv")
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(UsageError, match="is no Parquet file"):
        read_tidy(tmp_path / "a.parquet")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="is not UTF-8"):
        read_tidy(tmp_path / "b.csv")


def test_long_lists_are_cut(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.\.\. and 10 more"):
        read_tidy(written(tmp_path, "model,dataset,value\n" + "m,d,x\n" * 30))
