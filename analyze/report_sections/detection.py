"""Out-of-distribution detection: every detector's AUROC."""

from __future__ import annotations

import polars as pl

from analyze.report.page import Section
from analyze.report.tables import results_table
from analyze.results import default_detector
from analyze.table import INTERVALS

from .gathered import Gathered, command, percent
from .methods import METHODS

MOST_ROWS = 500
"""Rows of the table; the files beside the page hold every row."""


def detection(gathered: Gathered) -> list[Section]:
    """Return the section, or none without sets out of distribution."""
    table = gathered.table().filter(pl.col("metric") == "auroc")
    if not table.height:
        return []
    usual = [detector == default_detector(prompts) for detector, prompts in table["detector", "prompt_set"].iter_rows()]
    best = table.filter(usual).sort("value", "model", descending=[True, False]).row(0, named=True)
    cut = f" The table has the first {MOST_ROWS:,} of {table.height:,} rows." if table.height > MOST_ROWS else ""
    return [
        Section(
            id="detection",
            title="Out-of-distribution detection",
            finding=f"The highest AUROC is {percent(best)}: {best['model']} with {best['detector']}, "
            f"{best['id_dataset']} against {best['dataset']}.{cut}",
            table=results_table(table.head(MOST_ROWS), "AUROC of every detector"),
            method=f"{METHODS['auroc']} Interval: {INTERVALS['auroc']}.",
            command=command(("figure", "metric-dots"), gathered.words, ("--metric", "auroc")),
        )
    ]
