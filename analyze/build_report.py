"""Put a report together: what was asked, what is here, what came out, section by section."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from cache.store import Store
from manifests.canonical import digest

from .figure_data import predictions_table, reliability_table
from .figures import metric_dots, reliability
from .figures.export import export
from .report.figure import figure_of
from .report.page import Report, Section, render
from .report.tables import Column, html_table, results_table
from .score import Scored
from .table import INTERVALS, write_table

MOST_PREDICTIONS = 60
"""More rows than this belong into `assay-analyze export`, not on a page."""

_METHOD = {
    "accuracy_top1": "The best logit's class equals the label; among equal logits the lowest index wins.",
    "ece_15": "Fifteen bins of equal width, right-closed; confidence is the largest softmax probability.",
    "auroc": "Mann-Whitney statistic of in-distribution against out-of-distribution scores, ties counting half.",
}


def build_report(store: Store, scored: Scored, command: str) -> Report:
    """Return the page for what `score` found."""
    table = _finite(scored.table)
    models = sorted({cell.binding.model for cell, _ in scored.measured})
    datasets = sorted({cell.binding.dataset for cell, _ in scored.measured})
    images = {(cell.binding.dataset): cell.view.table.height for cell, _ in scored.measured}
    facts = (
        ("Models", str(len(models))),
        ("Test sets", ", ".join(f"{name} ({images[name]:,} images)" for name in datasets) or "none"),
        ("Numbers", f"{table.height:,}, each with a 95 % interval"),
        ("Inputs", digest("report", sorted(set(scored.table["inputs"].to_list())))[:16]),
    )
    missing = (*(str(cell) for cell in scored.missing), *scored.failed, *scored.notes)
    sections = [
        *_metric_section(table, "accuracy_top1", "accuracy", "Accuracy", command),
        *_reliability_section(scored, command),
        *_detection_section(table, command),
        *_predictions_section(store, scored),
        *_everything_section(table, command),
    ]
    return Report(title="clip-assay report", facts=facts, missing=missing, sections=tuple(sections), commands=(command,))


def _finite(table: pl.DataFrame) -> pl.DataFrame:
    # One image gives no interval of a mean; on the page its ends are missing, not infinite.
    return table.with_columns(
        pl.when(pl.col(name).is_finite()).then(pl.col(name)).otherwise(None).alias(name) for name in ("lo", "hi")
    )


def named(table: pl.DataFrame) -> pl.DataFrame:
    """Return rows whose model column shows the prompt set as well, where there is one."""
    alone = pl.when(pl.col("prompt_set") == "").then(pl.col("model"))
    return table.with_columns(alone.otherwise(pl.col("model") + " · " + pl.col("prompt_set")).alias("model"))


def _metric_section(table: pl.DataFrame, metric: str, section: str, title: str, command: str) -> list[Section]:
    rows = named(table.filter(pl.col("metric") == metric))
    if not rows.height:
        return []
    best = rows.sort("value", descending=True).row(0, named=True)
    finding = f"{best['model']} is highest: {_percent(best)} of {best['n']:,} images of {best['dataset']}."
    figure = figure_of(
        metric_dots.chart(rows, metric, "screen"),
        metric_dots.describe(rows, metric),
        metric_dots.chart(rows, metric, "narrow"),
    )
    return [
        Section(
            id=section,
            title=title,
            finding=finding,
            figure=figure,
            table=results_table(rows, f"{title} of every model"),
            caption="Each dot is a model, the bar its 95 % interval. Models without a number keep their row.",
            method=f"{_METHOD[metric]} Interval: {INTERVALS[metric]}.",
            command=command,
        )
    ]


def _percent(row: dict[str, Any]) -> str:
    return f"{100 * row['value']:.1f} % [{100 * row['lo']:.1f}, {100 * row['hi']:.1f}]"


def _reliability_section(scored: Scored, command: str) -> list[Section]:
    bins = reliability_table(scored.measured)
    if not bins.height:
        return []
    worst = bins.sort("ece", descending=True).row(0, named=True)
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
    return [
        Section(
            id="reliability",
            title="Calibration",
            finding=f"The largest expected calibration error is {100 * worst['ece']:.1f} points: {worst['model']} on "
            f"{worst['dataset']}.",
            figure=figure,
            table=html_table(bins, columns, "Bins of the reliability diagrams"),
            caption="Accuracy against confidence, both in per cent. On the dashed line a model is as often right as it "
            "is sure; bars below it are overconfidence. Circle area is the number of images; under ten it is hollow.",
            method=f"{_METHOD['ece_15']} Interval of a bin: Clopper-Pearson. ECE is biased upwards on few images.",
            command="assay-analyze figure reliability",
        )
    ]


def _detection_section(table: pl.DataFrame, command: str) -> list[Section]:
    rows = table.filter(pl.col("metric") == "auroc")
    if not rows.height:
        return []
    best = rows.sort("value", descending=True).row(0, named=True)
    return [
        Section(
            id="detection",
            title="Out-of-distribution detection",
            finding=f"The highest AUROC is {_percent(best)}: {best['model']} with {best['detector']}, {best['id_dataset']} "
            f"against {best['dataset']}.",
            table=results_table(rows, "AUROC of every detector"),
            method=f"{_METHOD['auroc']} Interval: {INTERVALS['auroc']}.",
            command=command,
        )
    ]


def _predictions_section(store: Store, scored: Scored) -> list[Section]:
    table = predictions_table(store, scored.measured)
    if not table.height:
        return []
    first = table.head(MOST_PREDICTIONS)
    columns = [Column("image", "sample"), Column("model", "model"), Column("status", "status")]
    if first["label"].null_count() < first.height:
        columns.append(Column("label", "label"))
    for rank in range(1, 6):
        if f"class_{rank}" in first.columns and first[f"class_{rank}"].null_count() < first.height:
            columns += [Column(f"{rank}.", f"class_{rank}"), Column("%", f"probability_{rank}", "rate")]
    shown = f"the first {MOST_PREDICTIONS} of {table.height:,}" if table.height > MOST_PREDICTIONS else "all"
    return [
        Section(
            id="predictions",
            title="Predictions",
            finding=f"Five best classes of each image, {shown}.",
            table=html_table(first.sort("dataset", "row", "model"), columns, "Predictions with softmax probabilities"),
            command="assay-analyze export --out predictions.parquet",
        )
    ]


def _everything_section(table: pl.DataFrame, command: str) -> list[Section]:
    if not table.height:
        return []
    metrics = sorted(set(table["metric"].to_list()))
    return [
        Section(
            id="numbers",
            title="All numbers",
            finding=f"{table.height:,} values of {len(metrics)} metrics.",
            table=results_table(table, "The results table"),
            method=" ".join(f"{metric}: {INTERVALS[metric]}." for metric in metrics if metric in INTERVALS),
            command=command,
        )
    ]


def write_report(report: Report, scored: Scored, folder: Path) -> tuple[Path, ...]:
    """Write the page, the results table and every figure for paper.

    Returns
    -------
    The files, the page first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "report.html"
    page.write_text(render(report), "utf-8")
    files = [page]
    for suffix in (".csv", ".parquet"):
        path = folder / f"results{suffix}"
        write_table(scored.table, path, {})
        files.append(path)
    formats = ("svg", "png", "pdf")
    bins = reliability_table(scored.measured)
    if bins.height:
        files += export(lambda medium: reliability.chart(bins, medium), bins, folder / "figures", "reliability", formats,
                        label=reliability.describe(bins))  # fmt: skip
    rows = named(_finite(scored.table.filter(pl.col("metric") == "accuracy_top1")))
    if rows.height:
        files += export(lambda medium: metric_dots.chart(rows, "accuracy_top1", medium), rows, folder / "figures",
                        "accuracy", formats, label=metric_dots.describe(rows, "accuracy_top1"))  # fmt: skip
    return tuple(files)
