"""The results table: its columns, its order, its files.

Knows names of columns only. Keys are unique and rows sorted, so that equal inputs give equal bytes.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from manifests.errors import UsageError

KEY = (
    "model",
    "group",
    "dataset",
    "id_dataset",
    "slice",
    "protocol",
    "prompt_set",
    "variant",
    "detector",
    "calibration",
    "metric",
)
SCHEMA: dict[str, pl.DataType] = {
    **dict.fromkeys(KEY, pl.String()),
    "value": pl.Float64(),
    "lo": pl.Float64(),
    "hi": pl.Float64(),
    "n": pl.Int64(),
    "n_total": pl.Int64(),
    "n_failed": pl.Int64(),
    "inputs": pl.String(),
}

INTERVALS: Mapping[str, str] = {
    "accuracy_top1": "Clopper-Pearson",
    "accuracy_top5": "Clopper-Pearson",
    "nll": "Student t of the mean",
    "brier": "Student t of the mean",
    "confidence_gap": "Student t of the mean",
    "ece_15": "percentile bootstrap over images, 1000 draws, seed 0, hull with the value",
    "ece_25": "percentile bootstrap over images, 1000 draws, seed 0, hull with the value",
    "auroc": "hull of Newcombe's score-type interval and DeLong's on the logit scale",
    "fpr_at_95": "bootstrap of threshold rank and OOD count, 4000 draws, seed 0, hull with Clopper-Pearson",
}
"""How the 95 % interval of each metric is made; written beside every results file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One number with its interval and everything that it is a number of."""

    model: str
    group: str
    dataset: str
    metric: str
    value: float
    lo: float
    hi: float
    n: int
    n_total: int
    n_failed: int
    inputs: str
    id_dataset: str = ""
    slice: str = "all"
    protocol: str = ""
    prompt_set: str = ""
    variant: str = ""
    detector: str = ""
    calibration: str = "raw"


def to_table(results: Sequence[Result]) -> pl.DataFrame:
    """Return results as a sorted table.

    Raises
    ------
    ValueError
        When two results have the same key.
    """
    rows = [asdict(result) for result in results]
    table = pl.DataFrame(rows, schema=SCHEMA).sort(KEY)
    twice = table.filter(table.select(KEY).is_duplicated()) if table.height else table
    if twice.height:
        raise ValueError(f"expected unique keys, got {twice.height} rows that share one: {twice.select(KEY).row(0)}")
    return table


def table_bytes(table: pl.DataFrame, suffix: str) -> bytes:
    """Return a table as the bytes of a `.csv` or `.parquet` file.

    Raises
    ------
    UsageError
        For another suffix.
    """
    buffer = io.BytesIO()
    if suffix == ".csv":
        table.write_csv(buffer)
    elif suffix == ".parquet":
        table.write_parquet(buffer)
    else:
        raise UsageError(f"--out: expected a name that ends in .csv or .parquet, got {suffix or 'no suffix'!r}")
    return buffer.getvalue()


def json_rows(table: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the rows as JSON values. JSON knows no infinity: an end that nothing is known of is null.

    Examples
    --------
    >>> json_rows(pl.DataFrame({"value": [0.5], "hi": [float("inf")]}))
    [{'value': 0.5, 'hi': None}]
    """
    return finite(table).to_dicts()


def finite(table: pl.DataFrame) -> pl.DataFrame:
    """Return a table whose NaN and infinite numbers are null: one image gives no interval of a mean, for example."""
    floats = [name for name, dtype in table.schema.items() if dtype.is_float()]
    return table.with_columns(pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name) for name in floats)


def write_table(table: pl.DataFrame, path: Path, about: Mapping[str, Any]) -> None:
    """Write a table and, beside it, `<name>.json` with how its intervals were made.

    Raises
    ------
    UsageError
        For another suffix than .csv or .parquet, or a place that cannot be written to.
    """
    data = table_bytes(table, path.suffix)
    sidecar = {"rows": table.height, "columns": list(table.columns), **about}
    if "metric" in table.columns:
        sidecar["intervals"] = {
            metric: INTERVALS[metric] for metric in sorted(set(table["metric"])) if metric in INTERVALS
        }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.with_name(path.name + ".json").write_text(
            json.dumps(sidecar, indent=1, sort_keys=True, ensure_ascii=False) + "\n", "utf-8"
        )
    except OSError as error:
        raise UsageError(f"--out {path} cannot be written ({error.strerror or error}).") from error
