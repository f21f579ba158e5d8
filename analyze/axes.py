"""One axis of a trend: which rows of a results table give the place of each model.

`dataset[:slice[:metric[:protocol]]]`. Two rows of one model are never chosen between: they are listed. Knows the
columns of a results table; no transform and no fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from manifests.errors import UsageError

from .table import KEY

DEFAULT_METRIC = "accuracy_top1"
# What `--where` may tell apart, when an axis alone does not.
TELLING = ("source", "resolution", *(name for name in KEY if name not in ("model", "group")))
ROWS_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """Rows of a results table: those of one dataset, slice and metric, and of one protocol if it is named."""

    dataset: str
    slice: str = "all"
    metric: str = DEFAULT_METRIC
    protocol: str = ""

    def __str__(self) -> str:
        """Return the shortest spelling, as tables print it."""
        parts = [self.dataset, self.slice, self.metric, self.protocol]
        for default in ("", DEFAULT_METRIC, "all"):
            if parts[-1] != default or len(parts) == 1:
                break
            parts.pop()
        return ":".join(parts)


def parse_axis(text: str) -> Axis:
    """Read an axis as it stands on a command line; an empty part takes its default.

    Raises
    ------
    UsageError
        No dataset, or more than four parts.

    Examples
    --------
    >>> parse_axis("imagenet-val")
    Axis(dataset='imagenet-val', slice='all', metric='accuracy_top1', protocol='')
    >>> [str(parse_axis(text)) for text in ("imagenet-x:pose", "imagenet-r:all:accuracy_top1", "a::nll:1000-way")]
    ['imagenet-x:pose', 'imagenet-r', 'a:all:nll:1000-way']
    """
    parts = text.split(":")
    if not parts[0] or len(parts) > 4:
        raise UsageError(
            f"axis {text!r}: expected dataset[:slice[:metric[:protocol]]], e.g. imagenet-r or imagenet-x:pose."
        )
    rest = dict(zip(("slice", "metric", "protocol"), parts[1:], strict=False))
    return Axis(dataset=parts[0], **{name: value for name, value in rest.items() if value})


def axis_rows(table: pl.DataFrame, axis: Axis, asked: str) -> pl.DataFrame:
    """Rows of a table on an axis, one a model.

    Parameters
    ----------
    table
        Results, with at least model, dataset, slice, metric, protocol, value, n.
    axis
    asked
        How the axis came in, for messages: ``--x imagenet-val``.

    Raises
    ------
    UsageError
        No row, or several rows of one model: they are listed with the columns in which they differ.
    """
    here = pl.col("dataset") == axis.dataset
    there = table.filter(here, pl.col("slice") == axis.slice, pl.col("metric") == axis.metric)
    if axis.protocol:
        there = there.filter(pl.col("protocol") == axis.protocol)
    if not there.height:
        raise UsageError(f"{asked}: no row of the table fits. {_near(table, axis)}")
    twice = there.filter(pl.col("model").is_duplicated())
    if twice.height:
        raise UsageError(_ambiguous(twice, asked))
    return there


def _near(table: pl.DataFrame, axis: Axis) -> str:
    same = table.filter(pl.col("dataset") == axis.dataset)
    if not same.height:
        return f"It has the datasets {_listed(sorted(set(table['dataset'])))}."
    found = sorted({":".join(row) for row in same.select("dataset", "slice", "metric", "protocol").iter_rows()})
    return f"Of {axis.dataset} it has {_listed(found)}."


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return (", ".join(names[:20]) or "nothing") + more


def _ambiguous(twice: pl.DataFrame, asked: str) -> str:
    columns = [name for name in TELLING if name in twice.columns]
    per_model = twice.group_by("model").agg(pl.col(name).n_unique() for name in columns)
    apart = [name for name in columns if per_model[name].max() > 1]  # type: ignore[operator]
    rows = twice.sort("model", *columns).head(ROWS_SHOWN)
    shown = [
        "  " + ", ".join(f"{name}={row[name]}" for name in ("model", *(apart or ["dataset"]), "value"))
        for row in rows.iter_rows(named=True)
    ]
    more = f"\n  ... and {twice.height - rows.height} more" if twice.height > rows.height else ""
    first = apart[0] if apart else ""
    if not first:
        mend = "They do not differ in any key: remove the rows that stand twice."
    elif first == "protocol":
        mend = "Name one protocol as the fourth part of the axis: dataset:slice:metric:protocol."
    else:
        mend = f"Keep one with --where {first}={twice.sort('model', *columns)[first][0] or 'VALUE'}."
    models = twice["model"].n_unique()
    listed = "\n".join(shown) + more
    return f"{asked}: {twice.height} rows of {models} model(s) fit, and one a model is expected:\n{listed}\n{mend}"


def keep_where(table: pl.DataFrame, conditions: Sequence[str]) -> pl.DataFrame:
    """Keep rows by ``column=value[,value...]``; rows with an empty value in that column stay.

    A classifier has no prompt set, so that ``prompt_set=openai-80`` chooses among zero-shot rows alone.

    Raises
    ------
    UsageError
        Not of that form, or a column that the table does not have.

    Examples
    --------
    >>> table = pl.DataFrame({"prompt_set": ["", "single", "openai-80"]})
    >>> keep_where(table, ["prompt_set=openai-80"])["prompt_set"].to_list()
    ['', 'openai-80']
    """
    for condition in conditions:
        column, equals, values = condition.partition("=")
        if not equals or column not in table.columns:
            raise UsageError(f"--where {condition}: expected column=value with a column of {', '.join(table.columns)}.")
        text = pl.col(column).cast(pl.String).fill_null("")
        table = table.filter(text.is_in([*values.split(","), ""]))
    return table


def points(table: pl.DataFrame, x: Axis, y: Axis, facts: Sequence[str]) -> pl.DataFrame:
    """Models that stand on both axes.

    Parameters
    ----------
    table
        Results.
    x, y
        Axes.
    facts
        Columns of a model to keep, from its row on y.

    Returns
    -------
    polars frame
        ``model``, the facts, ``x, x_n, y, y_n``; sorted by model.
    """
    across = axis_rows(table, x, f"--x {x}").select("model", pl.col("value").alias("x"), pl.col("n").alias("x_n"))
    up = axis_rows(table, y, f"--y {y}").select("model", *facts, pl.col("value").alias("y"), pl.col("n").alias("y_n"))
    both = across.join(up, on="model").select("model", *facts, "x", "x_n", "y", "y_n").sort("model")
    if not both.height:
        raise UsageError(f"no model of the table stands on both axes, {x} ({across.height}) and {y} ({up.height}).")
    return both
