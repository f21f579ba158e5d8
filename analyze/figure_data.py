"""The tables behind figures and exports, computed from per-image numbers. Figures draw them and compute nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from cache.store import Store
from cache.texts import ClassList, read_classes

from .cells import Cell
from .measure import Measured
from .metrics.calibration import expected_calibration_error, reliability_bins

RELIABILITY = {
    "model": pl.String,
    "group": pl.String,
    "dataset": pl.String,
    "lower": pl.Float64,
    "upper": pl.Float64,
    "n": pl.Int64,
    "mean_confidence": pl.Float64,
    "accuracy": pl.Float64,
    "accuracy_lo": pl.Float64,
    "accuracy_hi": pl.Float64,
    "ece": pl.Float64,
}


def shown_model(cell: Cell) -> str:
    """Return how figures name a cell's model: with its prompt set where it has one."""
    return f"{cell.binding.model} · {cell.prompt_set}" if cell.prompt_set else cell.binding.model


def reliability_table(measured: Sequence[tuple[Cell, Measured]], bins: int = 15) -> pl.DataFrame:
    """Return the non-empty bins of every labelled cell, one row each."""
    rows = []
    for cell, numbers in measured:
        used = numbers.ok & (numbers.labels >= 0)
        if not used.any():
            continue
        confidence = numbers.confidence[used]
        correct = numbers.prediction[used] == numbers.labels[used]
        ece = expected_calibration_error(confidence, correct, bins)
        table = reliability_bins(confidence, correct, bins)
        for at in np.flatnonzero(~table.empty):
            rows.append(
                (
                    shown_model(cell),
                    cell.binding.group,
                    cell.binding.dataset,
                    float(table.lower[at]),
                    float(table.upper[at]),
                    int(table.n[at]),
                    float(table.mean_confidence[at]),
                    float(table.accuracy[at]),
                    float(table.accuracy_lo[at]),
                    float(table.accuracy_hi[at]),
                    ece,
                )
            )
    return pl.DataFrame(rows, schema=RELIABILITY, orient="row")


def predictions_table(store: Store, measured: Sequence[tuple[Cell, Measured]]) -> pl.DataFrame:
    """Return one row for each image of each cell: truth, five best classes with probabilities, margin, status.

    Images without numbers keep their row; `status` says why. `margin` is the best probability minus the next.
    """
    parts = [_predictions(store, cell, numbers) for cell, numbers in measured]
    if not parts:
        return pl.DataFrame()
    return pl.concat(parts, how="diagonal").sort("model", "dataset", "prompt_set", "row")


def _predictions(store: Store, cell: Cell, numbers: Measured) -> pl.DataFrame:
    classes = read_classes(store.disk, store.layout, cell.classes) if cell.classes else ClassList((), ())
    table = cell.view.table
    status = [numbers.failures[at].status if at in numbers.failures else "ok" for at in range(table.height)]
    with np.errstate(invalid="ignore"):
        probability = np.exp(numbers.top5_logit - numbers.log_sum_exp[:, None])
    columns: dict[str, object] = {
        "model": [cell.binding.model] * table.height,
        "group": [cell.binding.group] * table.height,
        "dataset": [cell.binding.dataset] * table.height,
        "prompt_set": [cell.prompt_set] * table.height,
        "row": np.arange(table.height),
        "sample": table["sample"],
        "image_id": table["image_id"],
        "status": status,
        "label": [_name(classes, int(at)) for at in numbers.labels],
        "confidence": numbers.confidence,
        "margin": probability[:, 0] - np.nan_to_num(probability[:, 1]),
        "correct": [bool(p == t) if t >= 0 and s == "ok" else None
                    for p, t, s in zip(numbers.prediction, numbers.labels, status, strict=True)],
    }  # fmt: skip
    for rank in range(numbers.top5_index.shape[1]):
        columns[f"class_{rank + 1}"] = [_name(classes, int(at)) for at in numbers.top5_index[:, rank]]
        columns[f"probability_{rank + 1}"] = probability[:, rank]
    return pl.DataFrame(columns, schema_overrides={"label": pl.String, "correct": pl.Boolean}).fill_nan(None)


def _name(classes: ClassList, at: int) -> str | None:
    """Return `name (key)`: two classes may share a name, never a key."""
    if at < 0:
        return None
    if at >= len(classes.keys):
        return str(at)
    key, name = classes.keys[at], classes.names[at]
    return name if key == name else f"{name} ({key})"
