"""The tables behind figures, pages and exports, computed from per-image numbers. Figures only draw them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import polars as pl

from cache.store import Store
from cache.texts import ClassList, read_classes

from .cell import Cell
from .headline_answers import headline_answers
from .measure import Measured
from .metrics.calibration import expected_calibration_error, reliability_bins
from .metrics.softmax import TOP

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
PREDICTIONS = {
    "model": pl.String,
    "group": pl.String,
    "dataset": pl.String,
    "prompt_set": pl.String,
    "row": pl.Int64,
    "sample": pl.String,
    "image_id": pl.String,
    "status": pl.String,
    "label": pl.String,
    "confidence": pl.Float64,
    "margin": pl.Float64,
    "correct": pl.Boolean,
    **{
        f"{what}_{rank}": dtype
        for rank in range(1, TOP + 1)
        for what, dtype in (("class", pl.String), ("probability", pl.Float64))
    },
}
ANSWERS = tuple(str(rank) for rank in range(1, TOP + 1))
SHORT: dict[str, type[pl.DataType]] = {
    **dict.fromkeys(("dataset", "image", "model", "status", "label", *ANSWERS), pl.String),
    "row": pl.Int64,
}


def shown_model(model: str, prompt_set: str) -> str:
    """Return how figures name a model: with its prompt set where it has one.

    Examples
    --------
    >>> shown_model("ViT-B-32.openai", "openai-80"), shown_model("resnet50.a1_in1k", "")
    ('ViT-B-32.openai · openai-80', 'resnet50.a1_in1k')
    """
    return f"{model} · {prompt_set}" if prompt_set else model


def distinct_rows(table: pl.DataFrame) -> pl.DataFrame:
    """Return results whose model column tells apart the rows that would share a place in a figure.

    The prompt set always joins the name. Of detector, protocol and the other keys, those join that differ among the
    rows of one metric, model and test set. The column ``of`` keeps the model itself.
    """
    named = table.with_columns(
        pl.col("model").alias("of"),
        pl.when(pl.col("prompt_set") == "")
        .then(pl.col("model"))
        .otherwise(pl.col("model") + " · " + pl.col("prompt_set"))
        .alias("model"),
    )
    for key in ("id_dataset", "slice", "protocol", "variant", "detector", "calibration"):
        place = ["metric", "model", "dataset"]
        if named.height and named.group_by(place).agg(pl.col(key).n_unique())[key].max() != 1:
            suffix = pl.when(pl.col(key) == "").then(pl.lit("")).otherwise(" · " + pl.col(key))
            named = named.with_columns((pl.col("model") + suffix).alias("model"))
    return named


def reliability_rows(cell: Cell, measured: Measured, bins: int = 15, protocols: Sequence[str] = ()) -> pl.DataFrame:
    """Return the non-empty bins of one cell, one row each; none where nothing is labelled.

    Parameters
    ----------
    protocols
        The dataset's protocols, the default first: the first that has labels is drawn.
    """
    answers = headline_answers(measured, protocols)
    if answers is None or answers.confidence is None or answers.sure is None:
        return pl.DataFrame(schema=RELIABILITY)
    used = answers.ok & answers.counted
    if not used.any():
        return pl.DataFrame(schema=RELIABILITY)
    confidence, correct = answers.confidence[used], answers.sure[used]
    table = reliability_bins(confidence, correct, bins)
    full = ~table.empty
    columns = {
        name: np.asarray(getattr(table, name)[full])
        for name in ("lower", "upper", "n", "mean_confidence", "accuracy", "accuracy_lo", "accuracy_hi")
    }
    shared = {
        "model": shown_model(cell.binding.model, cell.prompt_set),
        "group": cell.binding.group,
        "dataset": cell.binding.dataset,
        "ece": expected_calibration_error(confidence, correct, bins),
    }
    return pl.DataFrame(columns).with_columns(pl.lit(value).alias(name) for name, value in shared.items()).select(
        pl.col(name).cast(dtype) for name, dtype in RELIABILITY.items()
    )  # fmt: skip


def predictions_rows(store: Store, cell: Cell, measured: Measured) -> pl.DataFrame:
    """Return one row for each image of a cell: truth, five best classes with probabilities, margin, status.

    Images without numbers keep their row; `status` says why. `margin` is the best probability minus the next. A class
    is `name (key)`, since two classes may share a name, never a key.
    """
    classes = _classes(store, cell)
    table = cell.view.table
    n = table.height
    status = np.array([measured.failures[at].status if at in measured.failures else "ok" for at in range(n)], object)
    probability = _probability(measured)
    right = measured.prediction == measured.labels
    judged = (measured.labels >= 0) & measured.ok
    full = [f"{name} ({key})" if name != key else name for key, name in zip(classes.keys, classes.names, strict=True)]
    columns: dict[str, object] = {
        "model": [cell.binding.model] * n,
        "group": [cell.binding.group] * n,
        "dataset": [cell.binding.dataset] * n,
        "prompt_set": [cell.prompt_set] * n,
        "row": np.arange(n),
        "sample": table["sample"],
        "image_id": table["image_id"],
        "status": status.tolist(),
        "label": _named(full, measured.labels),
        "confidence": measured.numbers.confidence,
        "margin": probability[:, 0] - np.nan_to_num(probability[:, 1]),
        "correct": [bool(hit) if known else None for hit, known in zip(right, judged, strict=True)],
    }
    for rank in range(TOP):
        columns[f"class_{rank + 1}"] = _named(full, measured.numbers.top5_index[:, rank])
        columns[f"probability_{rank + 1}"] = probability[:, rank]
    return pl.DataFrame(columns, schema=PREDICTIONS).fill_nan(None)


def first_predictions(store: Store, cell: Cell, measured: Measured, most: int) -> pl.DataFrame:
    """Return the first images of a cell as a page shows them: `tench 98 %`, five times, best first.

    The key of a class joins its name only where another class has the same name.
    """
    classes = _classes(store, cell)
    twice = {name for name, count in Counter(classes.names).items() if count > 1}
    short = [
        f"{name} ({key})" if name in twice else name for key, name in zip(classes.keys, classes.names, strict=True)
    ]
    table = cell.view.table.head(most)
    n = table.height
    probability = _probability(measured)
    columns: dict[str, object] = {
        "dataset": [cell.binding.dataset] * n,
        "image": table["sample"],
        "model": [shown_model(cell.binding.model, cell.prompt_set)] * n,
        "status": [measured.failures[at].status if at in measured.failures else "ok" for at in range(n)],
        "label": _named(short, measured.labels[:n]),
        "row": np.arange(n),
    }
    for rank, answer in enumerate(ANSWERS):
        names = _named(short, measured.numbers.top5_index[:n, rank])
        columns[answer] = [
            None if name is None else f"{name} {_per_cent(p)}"
            for name, p in zip(names, probability[:n, rank], strict=True)
        ]
    return pl.DataFrame(columns, schema_overrides=SHORT).select(*SHORT)


def _classes(store: Store, cell: Cell) -> ClassList:
    return read_classes(store.disk, store.layout, cell.classes) if cell.classes else ClassList((), ())


def _probability(measured: Measured) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    with np.errstate(invalid="ignore"):
        return np.exp(measured.numbers.top5_logit - measured.numbers.log_sum_exp[:, None])


def _named(names: Sequence[str], columns: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> list[str | None]:
    # A model without a class list has numbered columns.
    return [None if at < 0 else names[at] if at < len(names) else str(at) for at in columns.tolist()]


def _per_cent(probability: float) -> str:
    """Return a probability as people read it.

    Examples
    --------
    >>> _per_cent(0.984), _per_cent(0.001), _per_cent(1.0)
    ('98 %', '<1 %', '100 %')
    """
    return "<1 %" if probability < 0.005 else f"{100 * probability:.0f} %"
