"""Put a report together: what was asked, what is here, what came out, section by section."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import polars as pl

from manifests.catalogue import Catalogue
from manifests.errors import AssayError, UsageError
from manifests.schema import StandIns, Study

from .figures import metric_dots, reliability
from .figures.export import Drawing, drawing
from .named import NAMED, showing
from .named import coverage as coverage_table
from .named.material import Drawn, Material, material_of
from .named.recipes.remedies import study_of
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
from .report_sections.stand_ins import stand_ins
from .score import Scored
from .seen import Seen
from .stand_ins import told
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
        The study that was asked for; a paper's has that paper's figures and findings, and one whose sets stand in for
        those of the papers has all of theirs, besides its own findings.
    """
    if catalogue is None:
        return Gathered(scored=scored, seen=seen, words=tuple(words))
    material = material_of(scored.table, catalogue, seen.bins(), study=study)
    papers = _papers(study)
    named = [module for module in NAMED if study_of(module.ID) in papers]
    if named:
        named += [module for module in NAMED if module.ID in BESIDE_PAPERS]
    return Gathered(
        scored=scored,
        seen=seen,
        words=tuple(words),
        datasets=catalogue.datasets,
        study=study,
        claims=_claims(scored.table, catalogue, study, papers),
        named=tuple((module, _drawn(module, material)) for module in named),
        # Photographs without labels have predictions and no numbers: a table of numbers would say that all is missing.
        coverage=_coverage(scored, catalogue, study) if study is not None and scored.table.height else None,
        cast=material.cast,
    )


def _papers(study: Study | None) -> frozenset[str]:
    """Papers whose figures and findings a study shows: its own, or all if its sets stand in for theirs."""
    papers = frozenset(study_of(module.ID) for module in NAMED) - {""}
    if study is None:
        return frozenset()
    return papers if study.stand_ins and study.id not in papers else papers & {study.id}


def _coverage(scored: Scored, catalogue: Catalogue, study: Study) -> Drawn:
    """Which groups have numbers on which of the study's own test sets: no part is played here."""
    own = replace(study, stand_ins=StandIns())
    return coverage_table.draw(material_of(scored.table, catalogue, pl.DataFrame(), study=own))


def _drawn(module: ModuleType, material: Material) -> Drawn | str:
    try:
        return showing.draw(module, material)
    except AssayError as error:
        # One figure that these results cannot have does not take the page with it.
        return str(error)


def _claims(table: pl.DataFrame, catalogue: Catalogue, study: Study | None, papers: Collection[str]) -> pl.DataFrame:
    from .claims.answers_table import ANSWERS, claim_rows

    whose = {*papers, study.id} if study is not None else papers
    asked = [claim for claim in catalogue.claims.values() if claim.paper in whose]
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
        *stand_ins(gathered),
        *numbers(gathered),
    ]
    study, coverage = gathered.study, gathered.coverage
    return Report(
        title="clip-assay report" if study is None else study.title,
        lead=""
        if study is None
        else told(f"Study `{study.id}`{f': {study.paper}' * bool(study.paper)}.", gathered.cast),
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

    files += _write_figures(gathered, folder / "figures")
    return tuple(files)


def _write_figures(gathered: Gathered, folder: Path) -> list[Path]:
    # One figure is converted while the next is drawn. In one thread and in their order: names inside of an SVG count
    # what the converter has drawn before, and the same report has to be the same bytes.
    with ThreadPoolExecutor(max_workers=1) as converter:
        writing = [converter.submit(drawn.write, folder) for drawn in _drawings(gathered)]
    return [file for written in writing for file in written.result()]


def _drawings(gathered: Gathered) -> Iterator[Drawing]:
    """Yield every figure of the page as it looks on paper."""
    bins, _ = worst_panels(gathered.seen.bins())
    if bins.height:
        yield drawing(
            lambda medium: reliability.chart(bins, medium),
            bins,
            "reliability",
            FORMATS,
            label=reliability.describe(bins),
        )
    rows = accuracy_rows(gathered)
    if drawable(rows):
        yield drawing(
            lambda medium: metric_dots.chart(rows, METRIC, medium),
            rows,
            "accuracy",
            FORMATS,
            label=metric_dots.describe(rows, METRIC),
        )
    for module, drawn in gathered.named:
        if not isinstance(drawn, str) and drawn.chart is not None and drawn.table.height:
            yield drawing(drawn.chart, drawn.table, section_id(str(module.ID)), FORMATS, label=drawn.label)
