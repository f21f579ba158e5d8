"""Which test sets share images: what is measured twice, or was seen by a fit on another set."""

from __future__ import annotations

from typing import Final

from analyze.report.tables import Column, html_table

from .material import Drawn, Material

ID: Final = "leakage"
TITLE: Final = "Images that test sets share"
CAPTION: Final = (
    "Pairs of datasets of the store that hold the same images, by content; views of one set over another share all "
    "of theirs on purpose. Near-duplicates are other images."
)
COLUMNS: Final = (
    Column("first", "first"),
    Column("second", "second"),
    Column("images in both", "shared", "count"),
    Column("% of the first", "of_first", "rate"),
    Column("% of the second", "of_second", "rate"),
    Column("labelled differently", "labels_differ", "count"),
)


def draw(material: Material) -> Drawn:
    """Return the table of pairs; without a store there are none to look at."""
    table = material.overlaps.select(column.name for column in COLUMNS)
    if not table.height:
        why = "no store was looked at, or none of its datasets share images; `assay-cache ls --overlaps`"
        return Drawn(table=table, label="No two datasets are known to share images.", missing=(("overlaps", why),))
    said = ", ".join(f"{row[0]} and {row[1]} {row[2]:,}" for row in table.iter_rows())
    return Drawn(table=table, label=f"Images in both: {said}.", html=html_table(table, COLUMNS, "Shared images"))
