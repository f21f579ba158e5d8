"""The results table itself."""

from __future__ import annotations

from analyze.report.page import Section
from analyze.report.tables import results_table
from analyze.table import INTERVALS

from .gathered import Gathered, command

MOST_NUMBERS = 1_000
"""Rows of the table of all numbers; the files beside the page hold every row."""


def numbers(gathered: Gathered) -> list[Section]:
    """Return the section, or none without a number."""
    table = gathered.table()
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
            command=command(("score",), gathered.words, ("--out", "results.csv")),
        )
    ]
