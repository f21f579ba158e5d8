"""Axes: spelling, one row a model, and what is said when several or none fit."""

from __future__ import annotations

import polars as pl
import pytest

from analyze.axes import Axis, axis_rows, keep_where, parse_axis, points
from manifests.errors import UsageError


def table(*rows: tuple[str, str, str, str, float]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "model": model, "group": "g", "dataset": dataset, "slice": piece, "metric": "accuracy_top1",
                "protocol": protocol, "prompt_set": "", "value": value, "n": 100,
            }
            for model, dataset, piece, protocol, value in rows
        ]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "axis"),
    [
        ("imagenet-r", Axis(dataset="imagenet-r")),
        ("imagenet-3dcc:fog_3d/3", Axis(dataset="imagenet-3dcc", slice="fog_3d/3")),
        ("imagenet-r::nll", Axis(dataset="imagenet-r", metric="nll")),
        ("imagenet-r:::subset-200", Axis(dataset="imagenet-r", protocol="subset-200")),
    ],
)
def test_parses_and_spells(text: str, axis: Axis) -> None:
    assert parse_axis(text) == axis
    assert parse_axis(str(axis)) == axis


@pytest.mark.parametrize("text", ["", ":all", "a:b:c:d:e"])
def test_refuses(text: str) -> None:
    with pytest.raises(UsageError, match=r"expected dataset\[:slice\[:metric\[:protocol\]\]\]"):
        parse_axis(text)


def test_two_rows_of_a_model_are_listed_with_what_tells_them_apart() -> None:
    rows = table(
        ("m", "d", "all", "vid-pm0", 0.5), ("m", "d", "all", "vid-pm10", 0.4), ("k", "d", "all", "vid-pm0", 0.6)
    )
    with pytest.raises(UsageError) as found:
        axis_rows(rows, Axis(dataset="d"), "--x d")
    assert str(found.value) == (
        "--x d: 2 rows of 1 model(s) fit, and one a model is expected:\n"
        "  model=m, protocol=vid-pm0, value=0.5\n"
        "  model=m, protocol=vid-pm10, value=0.4\n"
        "Name one protocol as the fourth part of the axis: dataset:slice:metric:protocol."
    )
    assert axis_rows(rows, Axis(dataset="d", protocol="vid-pm0"), "--x d")["value"].to_list() == [0.5, 0.6]


def test_other_columns_are_told_apart_by_where() -> None:
    rows = pl.concat([table(("m", "d", "all", "p", 0.5)), table(("m", "d", "all", "p", 0.4))])
    rows = rows.with_columns(prompt_set=pl.Series(["openai-80", "single"]))
    with pytest.raises(
        UsageError, match=r"prompt_set=openai-80, value=0.5\n.*\nKeep one with --where prompt_set=openai-80"
    ):
        axis_rows(rows, Axis(dataset="d"), "--y d")
    assert axis_rows(keep_where(rows, ["prompt_set=single"]), Axis(dataset="d"), "--y d")["value"].item() == 0.4


def test_rows_that_stand_twice_are_said_to() -> None:
    with pytest.raises(UsageError, match="do not differ in any key"):
        axis_rows(table(("m", "d", "all", "p", 0.5), ("m", "d", "all", "p", 0.5)), Axis(dataset="d"), "--x d")


def test_many_rows_are_cut() -> None:
    rows = table(*[("m", "d", "all", f"p{i:02}", 0.5) for i in range(30)])
    with pytest.raises(UsageError, match=r"\.\.\. and 20 more"):
        axis_rows(rows, Axis(dataset="d"), "--x d")


def test_no_row_lists_what_there_is() -> None:
    rows = table(("m", "d", "pose", "p", 0.5))
    with pytest.raises(UsageError, match="It has the datasets d"):
        axis_rows(rows, Axis(dataset="e"), "--x e")
    with pytest.raises(UsageError, match="Of d it has d:pose:accuracy_top1:p"):
        axis_rows(rows, Axis(dataset="d"), "--x d")


def test_where_needs_a_column() -> None:
    for text in ("nothing=1", "model"):
        with pytest.raises(UsageError, match="expected column=value"):
            keep_where(table(("m", "d", "all", "p", 0.5)), [text])


def test_points_are_models_on_both_axes() -> None:
    rows = table(
        ("a", "x", "all", "", 0.5), ("b", "x", "all", "", 0.6), ("a", "y", "all", "", 0.4), ("c", "y", "all", "", 0.3)
    )
    both = points(rows, Axis(dataset="x"), Axis(dataset="y"), ("group",))
    assert both.rows() == [("a", "g", 0.5, 100, 0.4, 100)]
    with pytest.raises(UsageError, match=r"no model .* on both axes, x \(1\) and y \(1\)"):
        points(rows.filter(pl.col("model").is_in(["b", "c"])), Axis(dataset="x"), Axis(dataset="y"), ("group",))


def test_one_axis_twice() -> None:
    both = points(table(("a", "x", "all", "", 0.5)), Axis(dataset="x"), Axis(dataset="x"), ("group",))
    assert both.rows() == [("a", "g", 0.5, 100, 0.5, 100)]
