"""What every model says of the first images."""

from __future__ import annotations

from analyze.figure_data import ANSWERS
from analyze.report.page import Section
from analyze.report.tables import Column, html_table
from analyze.seen import MOST_PREDICTIONS

from .gathered import Gathered, command, without


def predictions(gathered: Gathered) -> list[Section]:
    """Return the section, or none where no image was seen."""
    seen = gathered.seen
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
            command=command(("export",), without(gathered.words, "--on-failure"), ("--out", "predictions.parquet")),
        )
    ]
