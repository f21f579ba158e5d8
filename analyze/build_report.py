"""Put a report together: what was asked, what is here, what came out, section by section."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from cache.store import Store
from manifests.canonical import digest
from manifests.errors import UsageError

from .cells import Cell
from .figure_data import ANSWERS, RELIABILITY, SHORT, distinct_rows, first_predictions, reliability_rows
from .figures import metric_dots, reliability
from .figures.export import export
from .figures.rows import MAX_ROWS
from .measure import Measured
from .report.figure import figure_of
from .report.page import Report, Section, render
from .report.tables import Column, html_table, results_table
from .results import default_detector
from .score import Scored
from .table import INTERVALS, finite, write_table

MOST_PREDICTIONS = 60
"""More rows than this belong into `assay-analyze export`, not on a page."""

MOST_PANELS = 60
"""More reliability diagrams than this are nobody's reading; the worst calibrated ones are drawn."""

MOST_NUMBERS = 2_000
"""Rows of the table of all numbers; the files beside the page hold every row."""

_METHOD = {
    "accuracy_top1": "The best logit's class equals the label; among equal logits the lowest index wins.",
    "ece_15": "Fifteen bins of equal width, right-closed; confidence is the largest softmax probability.",
    "auroc": "Mann-Whitney statistic of in-distribution against out-of-distribution scores, ties counting half.",
}


class Seen:
    """What a page needs of per-image numbers, taken as `score` passes them by."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.cells = 0
        self.images: dict[str, int] = {}
        self._bins: list[pl.DataFrame] = []
        self._first: list[pl.DataFrame] = []

    def see(self, cell: Cell, measured: Measured) -> None:
        """Take the bins and the first predictions of a cell."""
        self.cells += 1
        self.images[cell.binding.dataset] = cell.n_total
        self._bins.append(reliability_rows(cell, measured))
        self._first.append(first_predictions(self.store, cell, measured, MOST_PREDICTIONS))

    def bins(self) -> pl.DataFrame:
        """Return the bins of all reliability diagrams."""
        return pl.concat(self._bins) if self._bins else pl.DataFrame(schema=RELIABILITY)

    def predictions(self) -> tuple[pl.DataFrame, int]:
        """Return what all models say of the first images of each test set, and how many images that is at most."""
        if not self._first:
            return pl.DataFrame(schema=SHORT), 0
        each = max(1, MOST_PREDICTIONS // self.cells)
        table = pl.concat(self._first).filter(pl.col("row") < each).sort("dataset", "row", "model")
        return table.head(MOST_PREDICTIONS), each


def build_report(scored: Scored, seen: Seen, words: Sequence[str]) -> Report:
    """Return the page for what `score` found.

    Parameters
    ----------
    words
        The options that chose what is on the page, as they stand on a command line.
    """
    table = finite(scored.table)
    models = {cell.binding.model for cell in scored.cells}
    sets = ", ".join(f"{name} ({seen.images[name]:,} images)" for name in sorted(seen.images))
    facts = (
        ("Models", str(len(models))),
        ("Test sets", sets or "none"),
        ("Numbers", f"{table.height:,}, each with a 95 % interval" if table.height else "none"),
        ("Inputs", digest("report", sorted(set(scored.table["inputs"].to_list())))[:16]),
    )
    missing = (*(str(cell) for cell in scored.missing), *scored.failed, *scored.notes)
    accuracy = _accuracy_section(table, words)
    predictions = _predictions_section(seen, words)
    sections = [
        # Without labels, what the models say is what there is to see.
        *([] if accuracy else predictions),
        *accuracy,
        *_reliability_section(seen.bins(), words),
        *_detection_section(table, words),
        *(predictions if accuracy else []),
        *_everything_section(table, words),
    ]
    command = _command(("report",), words)
    return Report("clip-assay report", facts, missing, tuple(sections), (command,))


def _command(verb: Sequence[str], words: Sequence[str], more: Sequence[str] = ()) -> str:
    return shlex.join(["assay-analyze", *verb, *words, *more])


def _accuracy_section(table: pl.DataFrame, words: Sequence[str]) -> list[Section]:
    metric = "accuracy_top1"
    rows = distinct_rows(table.filter(pl.col("metric") == metric, pl.col("slice") == "all"))
    if not rows.height:
        return []
    best = rows.sort("value", "model", descending=[True, False]).row(0, named=True)
    figure = None
    if _fits(rows):
        figure = figure_of(
            metric_dots.chart(rows, metric, "screen"),
            metric_dots.describe(rows, metric),
            metric_dots.chart(rows, metric, "narrow"),
        )
    return [
        Section(
            id="accuracy",
            title="Accuracy",
            finding=f"{best['model']} is highest: {_percent(best)} of {best['n']:,} images of {best['dataset']}.",
            figure=figure,
            table=results_table(rows, "Accuracy of every model"),
            caption="Each dot is a model, the bar its 95 % interval. Models without a number keep their row.",
            method=f"{_METHOD[metric]} Interval: {INTERVALS[metric]}.",
            command=_command(("figure", "metric-dots"), words, ("--metric", metric)),
        )
    ]


def _fits(rows: pl.DataFrame) -> bool:
    # Every model has a row in every panel.
    return rows["model"].n_unique() * rows["dataset"].n_unique() <= MAX_ROWS


def _percent(row: dict[str, Any]) -> str:
    return f"{100 * row['value']:.1f} % [{100 * row['lo']:.1f}, {100 * row['hi']:.1f}]"


def _worst(bins: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Return the bins of the worst calibrated panels, in their order, and how many panels there are."""
    panels = bins.unique(["model", "dataset"], keep="first", maintain_order=True)
    worst = panels.sort("ece", descending=True, maintain_order=True).head(MOST_PANELS).select("model", "dataset")
    return bins.join(worst, on=["model", "dataset"], how="semi", maintain_order="left"), panels.height


def _reliability_section(every: pl.DataFrame, words: Sequence[str]) -> list[Section]:
    if not every.height:
        return []
    bins, panels = _worst(every)
    worst = bins.sort("ece", descending=True, maintain_order=True).row(0, named=True)
    figure = figure_of(reliability.chart(bins, "screen"), reliability.describe(bins), reliability.chart(bins, "narrow"))
    columns = (
        Column("model", "model"),
        Column("test set", "dataset"),
        Column("confidence over", "lower", "rate"),
        Column("up to", "upper", "rate"),
        Column("images", "n", "count"),
        Column("mean confidence", "mean_confidence", "rate"),
        Column("accuracy [95 %]", "accuracy", "rate", ("accuracy_lo", "accuracy_hi")),
    )
    drawn = f" Drawn: the {MOST_PANELS} worst calibrated of {panels:,}." if panels > MOST_PANELS else ""
    return [
        Section(
            id="reliability",
            title="Calibration",
            finding=f"The largest expected calibration error is {100 * worst['ece']:.1f} points: {worst['model']} on "
            f"{worst['dataset']}.",
            figure=figure,
            table=html_table(bins, columns, "Bins of the reliability diagrams"),
            caption="Accuracy against confidence, both in per cent. On the dashed line a model is as often right as it "
            "is sure; bars below it are overconfidence. Circle area is the number of images; under ten it is hollow."
            + drawn,
            method=f"{_METHOD['ece_15']} Interval of a bin: Clopper-Pearson. ECE is biased upwards on few images.",
            command=_command(("figure", "reliability"), words),
        )
    ]


def _detection_section(table: pl.DataFrame, words: Sequence[str]) -> list[Section]:
    rows = table.filter(pl.col("metric") == "auroc")
    if not rows.height:
        return []
    usual = [detector == default_detector(prompts) for detector, prompts in rows["detector", "prompt_set"].iter_rows()]
    best = rows.filter(usual).sort("value", "model", descending=[True, False]).row(0, named=True)
    return [
        Section(
            id="detection",
            title="Out-of-distribution detection",
            finding=f"The highest AUROC is {_percent(best)}: {best['model']} with {best['detector']}, "
            f"{best['id_dataset']} against {best['dataset']}.",
            table=results_table(rows, "AUROC of every detector"),
            method=f"{_METHOD['auroc']} Interval: {INTERVALS['auroc']}.",
            command=_command(("figure", "metric-dots"), words, ("--metric", "auroc")),
        )
    ]


def _predictions_section(seen: Seen, words: Sequence[str]) -> list[Section]:
    table, each = seen.predictions()
    if not table.height:
        return []
    columns = [Column("image", "image")]
    if table["dataset"].n_unique() > 1:
        columns.append(Column("test set", "dataset"))
    columns.append(Column("model", "model"))
    if (table["status"] != "ok").any():
        columns.append(Column("status", "status"))
    columns += [
        Column("label" if name == "label" else f"{name}.", name)
        for name in ("label", *ANSWERS)
        if table[name].null_count() < table.height
    ]
    total = sum(seen.images.values())
    everything = all(images <= each for images in seen.images.values()) and seen.cells * each <= MOST_PREDICTIONS
    shown = (
        "every image" if everything else f"the first {table.select('dataset', 'image').n_unique()} of {total:,} images"
    )
    return [
        Section(
            id="predictions",
            title="Predictions",
            finding=f"The best classes of every model for {shown}, with their probabilities.",
            table=html_table(table, columns, "Predictions with softmax probabilities, best first"),
            command=_command(("export",), _without(words, "--on-failure"), ("--out", "predictions.parquet")),
        )
    ]


def _without(words: Sequence[str], option: str) -> tuple[str, ...]:
    skipped = {at + step for at, word in enumerate(words) if word == option for step in (0, 1)}
    return tuple(word for at, word in enumerate(words) if at not in skipped)


def _everything_section(table: pl.DataFrame, words: Sequence[str]) -> list[Section]:
    if not table.height:
        return []
    metrics = sorted(set(table["metric"].to_list()))
    cut = (
        f" The page shows the first {MOST_NUMBERS:,}; results.csv beside it holds all."
        if table.height > MOST_NUMBERS
        else ""
    )
    return [
        Section(
            id="numbers",
            title="All numbers",
            finding=f"{table.height:,} values of {len(metrics)} metrics.{cut}",
            table=results_table(table.head(MOST_NUMBERS), "The results table"),
            method=" ".join(f"{metric}: {INTERVALS[metric]}." for metric in metrics if metric in INTERVALS),
            command=_command(("score",), words, ("--out", "results.csv")),
        )
    ]


def write_report(report: Report, scored: Scored, seen: Seen, folder: Path) -> tuple[Path, ...]:
    """Write the page, the results table and every figure for paper.

    Returns
    -------
    The files, the page first.

    Raises
    ------
    UsageError
        When the folder cannot be written to.
    """
    try:
        return _write(report, scored, seen, folder)
    except OSError as error:
        raise UsageError(f"--out {folder} cannot be written ({error.strerror or error}).") from error


def _write(report: Report, scored: Scored, seen: Seen, folder: Path) -> tuple[Path, ...]:
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "report.html"
    page.write_text(render(report), "utf-8")
    files = [page]
    for suffix in (".csv", ".parquet"):
        path = folder / f"results{suffix}"
        write_table(
            scored.table, path, {"missing": [str(cell) for cell in scored.missing], "notes": list(scored.notes)}
        )
        files.append(path)
    formats = ("svg", "png", "pdf")
    bins, _ = _worst(seen.bins())
    if bins.height:
        files += export(lambda medium: reliability.chart(bins, medium), bins, folder / "figures", "reliability",
                        formats, label=reliability.describe(bins))  # fmt: skip
    rows = distinct_rows(finite(scored.table).filter(pl.col("metric") == "accuracy_top1", pl.col("slice") == "all"))
    if rows.height and _fits(rows):
        files += export(lambda medium: metric_dots.chart(rows, "accuracy_top1", medium), rows, folder / "figures",
                        "accuracy", formats, label=metric_dots.describe(rows, "accuracy_top1"))  # fmt: skip
    return tuple(files)
