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

CELL_BOOTSTRAP = "percentile bootstrap over images by cells of bin and outcome, 1000 draws, seed 0, hull with the value"

INTERVALS: Mapping[str, str] = {
    "accuracy_top1": "Clopper-Pearson",
    "accuracy_top5": "Clopper-Pearson",
    "nll": "Student t of the mean",
    "brier": "Student t of the mean",
    "confidence_gap": "Student t of the mean",
    "ece_15": "percentile bootstrap over images, 1000 draws, seed 0, hull with the value",
    "ece_25": "percentile bootstrap over images, 1000 draws, seed 0, hull with the value",
    "ece_equal_mass_15": CELL_BOOTSTRAP,
    "ece_debiased": CELL_BOOTSTRAP,
    "ks": f"{CELL_BOOTSTRAP}, looked up at 64 places",
    "mce": CELL_BOOTSTRAP,
    "rms_calibration": CELL_BOOTSTRAP,
    "ece_classwise": "jackknife over tenths of the images, Student t",
    "brier_top_label": "Student t of the mean",
    "brier_reliability": CELL_BOOTSTRAP,
    "brier_resolution": CELL_BOOTSTRAP,
    "brier_uncertainty": CELL_BOOTSTRAP,
    "sharpness": "Student t of the mean squared deviation",
    "temperature": "sandwich standard error of log T over the images that it was fitted on, normal",
    "ece_15_delta": "paired percentile bootstrap over images, 1000 draws, seed 0, hull with the value",
    "nll_delta": "Student t of the paired differences",
    "brier_delta": "Student t of the paired differences",
    "aupr_in": "logit interval of Boyd, Eng and Page, positives counted",
    "aupr_out": "logit interval of Boyd, Eng and Page, positives counted",
    "auroc": "hull of Newcombe's score-type interval and DeLong's on the logit scale; of a class mean DeLong's",
    "fpr_at_95": "bootstrap of threshold rank and OOD counts, 4000 draws, seed 0, hull with Clopper-Pearson",
    "factor_gap": (
        "paired bootstrap over images, 1000 draws, seed 0, hull with Newcombe's difference of Clopper-Pearson ends"
    ),
    "error_ratio": "paired bootstrap over images, 1000 draws, seed 0, hull with Donner and Zou's ratio of such ends",
    "ece_15_null": "95 % band of the ECE if every image were right with exactly its confidence, 1000 draws, seed 0",
    "worst_factor": "bootstrap over images, worst factor of each draw, 1000 draws, seed 0, hull with Clopper-Pearson",
    "worst_100_classes": (
        "bootstrap over images, worst classes of each draw, 1000 draws, seed 0, hull with Clopper-Pearson"
    ),
    "shape_bias": (
        "Clopper-Pearson of decisions for shape or texture; of pooled observers the hull with a bootstrap over images"
    ),
    "cue_coverage": "Clopper-Pearson of conflict images; of pooled observers the hull with a bootstrap over images",
    "error_consistency": (
        "bootstrap over images, 1000 draws, seed 0, hull with Clopper-Pearson of the observed agreement"
    ),
    **dict.fromkeys(
        (f"{query}_recall_at_{k}" for query in ("image", "text") for k in (1, 5, 10)),
        "bootstrap over images with all their captions, 1000 draws, seed 0, hull with Clopper-Pearson of the queries",
    ),
    **dict.fromkeys(
        ("image_mrr", "text_mrr", "image_median_rank", "text_median_rank"),
        "percentile bootstrap over images with all their captions, 1000 draws, seed 0, hull with the value",
    ),
    "accuracy_4way": "Clopper-Pearson",
    "accuracy_paper_order": "Clopper-Pearson",
    "accuracy_circular": "Clopper-Pearson",
    **dict.fromkeys(
        ("accuracy_shuffled", "accuracy_likelihood", "unparsed_rate", "letter_share"),
        "percentile bootstrap over images with all orders, 1000 draws, seed 0; Clopper-Pearson of the images at ends",
    ),
    "misclassification_auroc": "hull of Newcombe's score-type interval and DeLong's on the logit scale",
    "aurc": "bootstrap over images in 256 blocks of confidence, 1000 draws, seed 0, hull with the value",
    "risk_at_coverage_0.8": "bootstrap as of aurc, hull with Clopper-Pearson of the images kept",
    "risk_at_coverage_0.9": "bootstrap as of aurc, hull with Clopper-Pearson of the images kept",
    **dict.fromkeys(
        (*(f"recall_{error}" for error in ("1cm", "2cm", "5cm", "5px", "10px", "20px", "25px", "50px")), "pck_0.1"),
        "percentile bootstrap over pairs of images, 1000 draws, seed 0, hull with the value; class means within class",
    ),
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
