"""The manifests as plain rows, for `assay-extract list`.

Knows no format of output: rows are JSON values.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pydantic_core import to_jsonable_python

from .catalogue import FOLDERS, Catalogue
from .errors import UsageError
from .schema import GROUPS, Dataset, Entry
from .selection import matching, select, split_patterns


def rows(
    catalogue: Catalogue,
    what: str,
    *,
    group: Sequence[str] = (),
    source: Sequence[str] = (),
    study: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """List one kind of entry.

    Parameters
    ----------
    catalogue
        What is known.
    what
        models, datasets, labels, prompts, factors, studies or claims.
    group, source
        Patterns for the group and training source of models; none means no limit.
    study
        Patterns for studies; only what their blocks name is listed, and of claims those of these
        papers. A dataset without a manifest has its id alone.

    Returns
    -------
    list of dict
        One row an entry in the order of ids: ``id``, then the other fields of the manifest; unknown facts are None.

    Raises
    ------
    UsageError
        For another word, a limit that does not apply, or a pattern that matches nothing.

    Examples
    --------
    >>> from manifests.catalogue import load
    >>> len(rows(load(), "models", group=["standard"], study=["closer-look"]))
    74
    """
    if what not in FOLDERS:
        raise UsageError(f"expected one of {', '.join(FOLDERS)} to list, got {what!r}")
    if (group or source) and what != "models":
        raise UsageError(f"group and source are facts of models; they cannot limit a list of {what}")
    if study:
        listed = _of_studies(catalogue, what, study)
    else:
        entries: Mapping[str, Entry] = getattr(catalogue, what)
        listed = [_row(entry) for entry in entries.values()]
    if group:
        listed = _limited(listed, "group", group, GROUPS)
    if source:
        known = {model.training_source for model in catalogue.models.values() if model.training_source}
        listed = _limited(listed, "training_source", source, known)
    return listed


def _row(entry: Entry) -> dict[str, Any]:
    row: dict[str, Any] = to_jsonable_python(entry)
    return row


def _limited(
    listed: list[dict[str, Any]], key: str, patterns: Sequence[str], known: Collection[str]
) -> list[dict[str, Any]]:
    wanted: set[str] = set()
    for pattern in split_patterns(patterns):
        found = matching(known, pattern)
        if not found:
            raise UsageError(f"no {key} matches {pattern!r}; known are {', '.join(sorted(known))}")
        wanted.update(found)
    return [row for row in listed if row[key] in wanted]


def _of_studies(catalogue: Catalogue, what: str, patterns: Sequence[str]) -> list[dict[str, Any]]:
    studies = select(catalogue.studies, patterns, "studies")
    blocks = [block for study in studies for block in study.blocks]
    match what:
        case "studies":
            return [_row(study) for study in studies]
        case "claims":
            papers = {study.id for study in studies}
            return [_row(claim) for claim in catalogue.claims.values() if claim.paper in papers]
        case "models":
            named = [pattern for block in blocks for pattern in block.models]
            return [_row(entry) for entry in select(catalogue.models, named, what)]
        case "prompts":
            named = [pattern for block in blocks for pattern in block.prompts]
            return [_row(entry) for entry in select(catalogue.prompts, named, what)]
        case "datasets":
            named = [pattern.partition(":")[0] for block in blocks for pattern in split_patterns(block.datasets)]
            ids = {name for pattern in named for name in (matching(catalogue.datasets, pattern) or (pattern,))}
            return [_dataset_row(catalogue, name) for name in sorted(ids)]
        case _:
            raise UsageError(f"a study names models, datasets, prompts and claims; it cannot limit a list of {what}")


def _dataset_row(catalogue: Catalogue, name: str) -> dict[str, Any]:
    if name in catalogue.datasets:
        return _row(catalogue.datasets[name])
    return {item.name: None for item in dataclasses.fields(Dataset)} | {"id": name}
