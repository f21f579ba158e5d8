"""The top of the page: what was run, what is here, and what is missing in few enough sentences to be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from analyze.cell import Missing
from analyze.named.recipes.remedies import remedy
from analyze.report.tables import Cell, HtmlTable
from manifests.canonical import digest

from .gathered import Gathered

MOST_SENTENCES = 12
"""More missing cells than this are said a test set at a time; a folded table has each."""

MOST_ROWS = 1_000
"""Rows of that table."""


def facts(gathered: Gathered) -> tuple[tuple[str, str], ...]:
    """Return what was run, as (label, value)."""
    scored, seen = gathered.scored, gathered.seen
    models = {model for model, _ in gathered.models()} | {cell.binding.model for cell in scored.cells}
    sets = sorted(set(scored.table["dataset"].to_list()) | set(seen.images))
    images = sum(seen.images.values())
    some = f"{len(sets)} ({images:,} images)"
    named = ", ".join(f"{name} ({seen.images[name]:,} images)" if name in seen.images else name for name in sets)
    rows = scored.table.height
    return (
        ("Models", str(len(models))),
        ("Test sets", (named if len(sets) <= 4 else some) or "none"),
        ("Numbers", f"{rows:,}, each with a 95 % interval" if rows else "none"),
        *_findings(gathered),
        ("Inputs", digest("report", sorted(set(scored.table["inputs"].to_list())))[:16]),
    )


def _findings(gathered: Gathered) -> tuple[tuple[str, str], ...]:
    if not gathered.claims.height:
        return ()
    known = int((gathered.claims["answer"] != "no data").sum())
    return (("Findings with data", f"{known} of {gathered.claims.height}"),)


def missing_sentences(gathered: Gathered) -> tuple[str, ...]:
    """Return what is missing and how to get it: each cell, or each test set where there are many."""
    scored = gathered.scored
    said = [str(cell) for cell in scored.missing]
    if len(said) > MOST_SENTENCES:
        said = _by_dataset(scored.missing, gathered)
    return (*said, *scored.failed, *scored.notes)


def _by_dataset(missing: Sequence[Missing], gathered: Gathered) -> list[str]:
    states: dict[str, Counter[str]] = {}
    models: dict[str, set[str]] = {}
    for cell in missing:
        states.setdefault(cell.dataset, Counter())[cell.state] += 1
        models.setdefault(cell.dataset, set()).add(cell.model)
    study = gathered.study.id if gathered.study is not None else ""
    lines = []
    for dataset in sorted(states):
        told = ", ".join(f"{count} {state}" for state, count in sorted(states[dataset].items()))
        many = len(models[dataset])
        lines.append(
            f"{dataset or 'any dataset'}: {many} model{'s' if many > 1 else ''} without numbers ({told}). "
            f"{remedy(study, dataset, gathered.cast)}"
        )
    return lines


def missing_table(gathered: Gathered) -> HtmlTable | None:
    """Return every missing cell with its remedy, where the sentences do not have them all."""
    missing = gathered.scored.missing
    if len(missing) <= MOST_SENTENCES:
        return None
    rows = tuple(
        (Cell(one.dataset or "any"), Cell(one.model or "any"), Cell(one.kind), Cell(one.prompt_set), Cell(one.state),
         Cell(one.remedy.replace("`", "")))
        for one in missing[:MOST_ROWS]
    )  # fmt: skip
    cut = f": the first {MOST_ROWS:,} of {len(missing):,}" if len(missing) > MOST_ROWS else ""
    head = ("test set", "model", "kind", "prompts", "state", "what mends it")
    return HtmlTable(f"Missing cells{cut}", head, rows)
