"""`python -m tests.miniature_truth FOLDER...`: what the miniature was made to show, against what the tool found.

Reads `results.parquet` and `claims.parquet` of folders that `tests.miniature_study` filled; prints what was recovered,
missed and falsely found.
"""

from __future__ import annotations

import itertools
import math
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from analyze.claims.means import Sample, contrast

TRUTH: Final = Path(__file__).parent.parent / "manifests" / "miniature" / "truth.toml"
VERDICTS: Final = {"supported": "recovered", "contradicted": "false alarm", "undecided": "missed", "no data": "missed"}
OUTCOMES: Final = ("accuracy_top1", "auroc", "shape_bias", "ece_15", "nll", "brier")
"""Metrics on which halves of twins are compared."""


def truth() -> dict[str, Any]:
    """Return what truth.toml says."""
    return tomllib.loads(TRUTH.read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Finding:
    """One planted effect: what became of it, its size and its interval."""

    id: str
    found: str
    effect: float
    lo: float
    hi: float


def findings(results: pl.DataFrame, answers: pl.DataFrame) -> list[Finding]:
    """Return what became of every planted effect."""
    known = truth()
    rows = {row["claim"]: row for row in answers.iter_rows(named=True)}
    found = [
        Finding(name, VERDICTS[rows[name]["answer"]], *(_number(rows[name][key]) for key in ("effect", "lo", "hi")))
        for name in known["planted"]
    ]
    return [*found, *(_pair(results, pair) for pair in known["pairs"])]


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _pair(results: pl.DataFrame, pair: dict[str, Any]) -> Finding:
    """Judge a difference of two models by their intervals, taken as independent: the same images make them surer."""
    first, second = (_row(results, pair[side], pair["dataset"], pair["metric"]) for side in ("first", "second"))
    effect = first["value"] - second["value"]
    below = math.hypot(first["value"] - first["lo"], second["hi"] - second["value"])
    above = math.hypot(first["hi"] - first["value"], second["value"] - second["lo"])
    lo, hi = effect - below, effect + above
    wanted, other = (lo > 0, hi < 0) if pair["sign"] == "positive" else (hi < 0, lo > 0)
    return Finding(pair["id"], "recovered" if wanted else "false alarm" if other else "missed", effect, lo, hi)


def _row(results: pl.DataFrame, model: str, dataset: str, metric: str) -> dict[str, Any]:
    rows = results.filter(
        pl.col("model") == model,
        pl.col("dataset") == dataset,
        pl.col("metric") == metric,
        pl.col("prompt_set").is_in(["", "openai-80"]),
        pl.col("variant") == "",
        (pl.col("metric") == "temperature") | ((pl.col("slice") == "all") & (pl.col("calibration") == "raw")),
        (pl.col("calibration") != "ts-restricted"),
    )
    if rows.height != 1:
        raise ValueError(f"{model} on {dataset}: expected one row of {metric}, found {rows.height}")
    return rows.row(0, named=True)


def twin_outcomes(results: pl.DataFrame) -> dict[str, tuple[float, ...]]:
    """Return the numbers of all twins, by outcome; outcomes in which they do not differ say nothing."""
    rows = results.filter(
        pl.col("model").str.contains("-twin"),
        pl.col("metric").is_in(OUTCOMES),
        pl.col("calibration") == "raw",
        pl.col("variant") == "",
    )
    keys = ["dataset", "id_dataset", "slice", "protocol", "detector", "metric"]
    table = rows.pivot("model", index=keys, values="value").drop_nulls().sort(keys)
    models = [name for name in table.columns if name not in keys]
    return {
        "/".join(map(str, row[: len(keys)])): row[len(keys) :]
        for row in table.iter_rows()
        if len(set(row[len(keys) :])) > len(models) // 2
    }


def alarms(outcomes: dict[str, tuple[float, ...]]) -> tuple[int, int]:
    """Give twins labels of two sources in every way, and return how many contrasts find a difference, of how many."""
    hits = trials = 0
    for values in outcomes.values():
        numbers, count = np.array(values), len(values)
        for half in itertools.combinations(range(1, count), count // 2 - 1):
            chosen = np.zeros(count, bool)
            chosen[[0, *half]] = True
            found = contrast(_sample(numbers[chosen]), _sample(numbers[~chosen]))
            trials += 1
            hits += not found.lo <= 0 <= found.hi
    return hits, trials


def _sample(values: np.ndarray) -> Sample:
    names = np.array([str(at) for at in range(len(values))])
    return Sample(values=values, families=names, direction=np.zeros((len(values), 2)))


def main(folders: Sequence[str]) -> None:
    """Print the findings of each folder."""
    for folder in map(Path, folders):
        results = pl.read_parquet(folder / "results.parquet")
        sys.stdout.write(f"{folder}\n")
        for one in findings(results, pl.read_parquet(folder / "claims.parquet")):
            sys.stdout.write(f"  {one.found:12s} {one.effect:+8.3f} [{one.lo:+.3f}, {one.hi:+.3f}]  {one.id}\n")
        twins = folder / "twins.parquet"
        if twins.is_file():
            hits, trials = alarms(twin_outcomes(pl.read_parquet(twins)))
            sys.stdout.write(f"  {hits} alarms in {trials} contrasts between twins: {hits / trials:.1%}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
