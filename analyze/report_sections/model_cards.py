"""One model on every measure against its group, and two models beside each other with paired tests.

The page's script makes the table; which rows stand for a model, ranges of groups and paired intervals come from here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from analyze.figures.theme import known_group
from analyze.figures.units import TITLES, Unit, format_interval, format_number, unit
from analyze.headline import PROMPT_SET, headline_rows
from analyze.paired_models import paired_difference
from analyze.report.page import Section
from analyze.seen import Hits

from .gathered import Gathered, command, without

METRICS = (
    *("accuracy_top1", "ece_15", "nll", "auroc", "fpr_at_95", "shape_bias", "cue_coverage", "accuracy_4way"),
    *(
        "image_recall_at_1",
        "text_recall_at_1",
        "recall_2cm",
        "recall_5px",
        "pck_0.1",
        "misclassification_auroc",
        "aurc",
    ),
)
"""Measures of a card, in its order; accuracies on parts of a test set follow."""

LOWER_IS_BETTER = frozenset({"ece_15", "nll", "fpr_at_95", "aurc"})
MOST_AXES = 90
"""Rows of a card."""

MOST_PAIRED = 30
"""Models that are compared pair by pair; 30 make 435 pairs on every test set."""

FEW = 5
"""A group of fewer models has no percentiles worth the name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Axis:
    dataset: str
    slice: str
    metric: str
    against: str

    def words(self) -> str:
        part = "" if self.slice == "all" else f": {self.slice.replace('_', ' ')}"
        against = f", from {self.against}" if self.against else ""
        return f"{self.dataset}{part} · {TITLES.get(self.metric, self.metric)}{against}"


def model_cards(gathered: Gathered) -> list[Section]:
    """Return the section, or none without numbers."""
    rows = one_reading(gathered)
    axes = _axes(rows)
    if not axes:
        return []
    names = sorted(set(rows["model"]))
    groups = dict(rows.select("model", "group").iter_rows())
    paired = _paired_models(names, groups)
    at = {name: place for place, name in enumerate(names)}
    chosen = _chosen(gathered, names)
    built = [_axis(axis, rows, at, groups, [hits for hits in chosen if hits.model in paired]) for axis in axes]
    words = without(gathered.words, "--model")
    cards = {
        "models": names,
        "groups": [groups[name] or "other" for name in names],
        "colours": [known_group(groups[name]) for name in names],
        "axes": built,
        "command": ["assay-analyze", "report", *words],
    }
    some = (
        f" Pairs are tested among {len(paired)} of {len(names)} models, taken from every group in turn."
        if len(paired) < len(names)
        else ""
    )
    return [
        Section(
            id="models",
            title="Models one by one",
            finding=f"Any of {len(names)} models on {len(axes)} measures against its group, and beside another one.",
            cards=cards,
            method="The bar is the middle 80 % of the model's group, the mark the model, its ends the worst and best "
            f"of all models; a group of fewer than {FEW} has no bar. Ranks count from the better end, ties upwards. "
            "Accuracies of two models are compared on the images that both answered: Newcombe's paired interval "
            "(method 10) and McNemar's exact test, not adjusted for the number of pairs that a reader tries. Other "
            f"measures have a difference without a test.{some}",
            command=command(("report",), gathered.words),
        )
    ]


def one_reading(gathered: Gathered) -> pl.DataFrame:
    """Return one row a model on each measure: default protocols, detectors and, of several prompt sets, one."""
    table = gathered.table()
    sets = table.filter(pl.col("prompt_set") != "").select("model", "prompt_set").unique()
    usual = sets.sort(pl.col("prompt_set") != gathered.cast.prompt_set(PROMPT_SET), "prompt_set").unique(
        "model", keep="first", maintain_order=True
    )
    kept = table.join(usual.rename({"prompt_set": "_usual"}), on="model", how="left").filter(
        (pl.col("prompt_set") == "") | (pl.col("prompt_set") == pl.col("_usual"))
    )
    rows = headline_rows(kept.drop("_usual"), gathered.datasets).filter(pl.col("value").is_not_null())
    return rows.unique(["model", "dataset", "slice", "metric", "id_dataset"], keep="first", maintain_order=True)


def _axes(rows: pl.DataFrame) -> list[_Axis]:
    order = {metric: at for at, metric in enumerate(METRICS)}
    known = rows.filter(
        pl.col("metric").is_in(METRICS), (pl.col("slice") == "all") | (pl.col("metric") == "accuracy_top1")
    )
    # Calibration is said with the set that a temperature comes from; here it stands raw.
    places = known.select("dataset", "slice", "metric", "id_dataset").unique().iter_rows()
    axes = [_Axis(dataset=a, slice=b, metric=c, against=d) for a, b, c, d in places]
    axes.sort(key=lambda axis: (axis.slice != "all", order[axis.metric], axis.dataset, axis.slice, axis.against))
    return axes[:MOST_AXES]


def _axis(
    axis: _Axis, rows: pl.DataFrame, at: Mapping[str, int], groups: Mapping[str, str], hits: Sequence[Hits]
) -> dict[str, Any]:
    mine = rows.filter(dataset=axis.dataset, slice=axis.slice, metric=axis.metric, id_dataset=axis.against)
    written = unit(axis.metric)
    values: list[float | None] = [None] * len(at)
    texts: list[str] = [""] * len(at)
    of_group: dict[str, list[float]] = {}
    for model, value, lo, hi in mine.select("model", "value", "lo", "hi").iter_rows():
        values[at[model]] = _short(value)
        texts[at[model]] = format_interval(value, lo, hi, written)
        of_group.setdefault(groups[model] or "other", []).append(value)
    whole = axis.metric == "accuracy_top1" and axis.slice == "all"
    pairs = _pairs([one for one in hits if one.dataset == axis.dataset], at) if whole else None
    return {
        "name": axis.words(),
        "unit": written,
        "lower": axis.metric in LOWER_IS_BETTER,
        "values": values,
        "texts": texts,
        "ranges": {group: _range(some, written) for group, some in of_group.items() if len(some) >= FEW},
        **({"pairs": pairs} if pairs else {}),
    }


def _range(values: Sequence[float], written: Unit) -> list[Any]:
    low, high = np.quantile(values, (0.1, 0.9)).tolist()
    return [_short(low), _short(high), f"{format_number(low, written)} to {format_number(high, written)}"]


def _short(value: float) -> float:
    return float(f"{value:.5g}")


def _paired_models(names: Sequence[str], groups: Mapping[str, str]) -> set[str]:
    """Choose which models are compared pair by pair: of every group in turn, by name, until there are enough."""
    of_group: dict[str, list[str]] = {}
    for name in names:
        of_group.setdefault(groups[name], []).append(name)
    ranked = sorted((place, name) for some in of_group.values() for place, name in enumerate(some))
    return {name for _, name in ranked[:MOST_PAIRED]}


def _chosen(gathered: Gathered, names: Sequence[str]) -> list[Hits]:
    """Answers by model id, of several prompt sets those of the usual one."""
    found: dict[tuple[str, str], Hits] = {}
    usual = gathered.cast.prompt_set(PROMPT_SET)
    for hits in sorted(gathered.seen.hits, key=lambda one: (one.prompt_set != usual, one.prompt_set)):
        found.setdefault((hits.model, hits.dataset), hits)
    known = set(names)
    return [hits for (model, _), hits in sorted(found.items()) if model in known]


def _pairs(hits: Sequence[Hits], at: Mapping[str, int]) -> dict[str, Any] | None:
    """Compare every two models that answered the same version under the same protocol; None where no two did."""
    versions = [(one.version, one.protocol) for one in hits]
    usual = max(set(versions), key=versions.count, default=None)
    same = [one for one in hits if (one.version, one.protocol) == usual]
    same.sort(key=lambda one: at[one.model])
    counts = [a.counts(b) for place, a in enumerate(same) for b in same[place + 1 :]]
    if not counts or any(sum(four) == 0 for four in counts):
        return None
    found = paired_difference(*np.array(counts).T)
    return {
        "members": [at[one.model] for one in same],
        **{
            name: [_short(value) for value in getattr(found, name).tolist()] for name in ("difference", "lo", "hi", "p")
        },
    }
