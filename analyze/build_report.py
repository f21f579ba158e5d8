"""Put a report together: what was asked, what is here, what came out, section by section."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import altair as alt
import polars as pl

from manifests.catalogue import Catalogue
from manifests.errors import AssayError, UsageError
from manifests.schema import Study

from .figures import metric_dots, reliability
from .figures.export import export
from .figures.theme import Medium
from .named import NAMED
from .named import coverage as coverage_table
from .named.material import Drawn, Material, material_of
from .report.page import Report, Section, render
from .report_sections import opening
from .report_sections.accuracy import METRIC, accuracy, accuracy_rows, drawable
from .report_sections.answers import answers
from .report_sections.calibration import calibration, worst_panels
from .report_sections.detection import detection
from .report_sections.gathered import Gathered, command
from .report_sections.model_cards import model_cards
from .report_sections.named_figures import named_figures, section_id
from .report_sections.numbers import numbers
from .report_sections.predictions import predictions
from .score import Scored
from .seen import Seen
from .table import write_table

__all__ = ["Gathered", "Seen", "build_report", "gather", "write_report"]

BESIDE_PAPERS = ("deviations", "before-after")
"""Figures of no paper that a paper's study shows, too."""

FORMATS = ("svg", "png", "pdf")


def gather(
    scored: Scored, seen: Seen, words: Sequence[str], catalogue: Catalogue | None = None, study: Study | None = None
) -> Gathered:
    """Answer the findings and draw the figures that belong to what was asked for.

    Parameters
    ----------
    words
        The options that chose what is on the page, as they stand on a command line.
    catalogue
        The manifests; without them nothing is known of models and datasets, and no paper's figure is drawn.
    study
        The study that was asked for; a paper's has that paper's figures and findings.
    """
    if catalogue is None:
        return Gathered(scored=scored, seen=seen, words=tuple(words))
    material = material_of(scored.table, catalogue, seen.bins(), study=study)
    named = [module for module in NAMED if study is not None and str(module.ID).startswith(f"{study.id}/")]
    if named:
        named += [module for module in NAMED if module.ID in BESIDE_PAPERS]
    return Gathered(
        scored=scored,
        seen=seen,
        words=tuple(words),
        datasets=catalogue.datasets,
        study=study,
        claims=_claims(scored.table, catalogue, study),
        named=tuple((module, _drawn(module.draw, material)) for module in named),
        # Photographs without labels have predictions and no numbers: a table of numbers would say that all is missing.
        coverage=coverage_table.draw(material) if study is not None and scored.table.height else None,
    )


def _drawn(draw: Callable[[Material], Drawn], material: Material) -> Drawn | str:
    try:
        return draw(material)
    except AssayError as error:
        # One figure that these results cannot have does not take the page with it.
        return str(error)


def _claims(table: pl.DataFrame, catalogue: Catalogue, study: Study | None) -> pl.DataFrame:
    from .claims.answers_table import ANSWERS, claim_rows

    asked = [claim for claim in catalogue.claims.values() if study is not None and claim.paper == study.id]
    return claim_rows(table, catalogue, asked, study=study) if asked else pl.DataFrame(schema=ANSWERS)


def build_report(gathered: Gathered) -> Report:
    """Return the page for what was gathered."""
    first, seen = accuracy(gathered), predictions(gathered)
    sections: list[Section] = [
        *answers(gathered),
        # Without labels, what the models say is what there is to see.
        *([] if first else seen),
        *named_figures(gathered),
        *first,
        *calibration(gathered),
        *detection(gathered),
        *model_cards(gathered),
        *(seen if first else []),
        *numbers(gathered),
    ]
    study, coverage = gathered.study, gathered.coverage
    return Report(
        title="clip-assay report" if study is None else study.title,
        lead="" if study is None else f"Study `{study.id}`" + (f": {study.paper}." if study.paper else "."),
        facts=opening.facts(gathered),
        missing=opening.missing_sentences(gathered),
        missing_table=opening.missing_table(gathered),
        coverage=coverage.html if coverage is not None else None,
        sections=tuple(sections),
        commands=(command(("report",), gathered.words),),
        models=gathered.models(),
    )


def write_report(report: Report, gathered: Gathered, folder: Path) -> tuple[Path, ...]:
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
        return _write(report, gathered, folder)
    except OSError as error:
        raise UsageError(f"--out {folder} cannot be written ({error.strerror or error}).") from error


def _write(report: Report, gathered: Gathered, folder: Path) -> tuple[Path, ...]:
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "report.html"
    page.write_text(render(report), "utf-8")
    files = [page]
    scored = gathered.scored
    about = {"missing": [str(cell) for cell in scored.missing], "notes": list(scored.notes)}
    for suffix in (".csv", ".parquet"):
        path = folder / f"results{suffix}"
        write_table(scored.table, path, about)
        files.append(path)
    if gathered.claims.height:
        write_table(gathered.claims, folder / "claims.csv", {})
        files.append(folder / "claims.csv")

    def add(chart: Callable[[Medium], alt.TopLevelMixin], table: pl.DataFrame, name: str, label: str) -> None:
        files.extend(export(chart, table, folder / "figures", name, FORMATS, label=label))

    bins, _ = worst_panels(gathered.seen.bins())
    if bins.height:
        add(lambda medium: reliability.chart(bins, medium), bins, "reliability", reliability.describe(bins))
    rows = accuracy_rows(gathered)
    if drawable(rows):
        add(
            lambda medium: metric_dots.chart(rows, METRIC, medium), rows, "accuracy", metric_dots.describe(rows, METRIC)
        )
    for module, drawn in gathered.named:
        if not isinstance(drawn, str) and drawn.chart is not None and drawn.table.height:
            add(drawn.chart, drawn.table, section_id(str(module.ID)), drawn.label)
    return tuple(files)
