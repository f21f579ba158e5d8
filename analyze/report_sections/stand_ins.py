"""Who plays what, on a page that shows figures and findings which name other sets and models."""

from __future__ import annotations

from analyze.report.page import Section
from analyze.report.tables import Cell, HtmlTable
from manifests.stand_ins import KINDS

from .gathered import Gathered


def stand_ins(gathered: Gathered) -> list[Section]:
    """Return the section, or none where everything plays itself."""
    cast = gathered.cast
    if not cast:
        return []
    rows = tuple((Cell(KINDS[kind]), Cell(part), Cell(player)) for kind, part, player in cast.stand_ins.pairs())
    return [
        Section(
            id="stand-ins",
            title="Who plays what",
            finding=f"Figures, tables and findings of the papers name {len(rows)} things that others play here.",
            table=HtmlTable("Parts and players", ("what", "named", "played by"), rows),
            caption=cast.sentence(),
            method="Before the papers' figures and findings look at the results, test sets, prompt sets and facts of "
            "training take the names of their parts; protocols and slices are those of the players. Models keep "
            "their own ids, and all other tables of this page have the ids of the study's own sets.",
        )
    ]
