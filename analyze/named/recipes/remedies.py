"""The command that gets what a figure misses. Knows names of datasets and commands."""

from __future__ import annotations

MATCHED = frozenset({"navi", "scannet", "spair-71k"})
"""Datasets of pairs, whose numbers come from `match`."""


def remedy(study: str, dataset: str) -> str:
    """Return the command that gets a dataset's numbers, between backticks.

    Examples
    --------
    >>> remedy("holistic", "sun"), remedy("", "navi")
    ('`assay-extract run --study holistic --dataset sun`', '`assay-extract match --dataset navi`')
    """
    verb = "match" if dataset in MATCHED else "run"
    which = f" --study {study}" if study else ""
    return f"`assay-extract {verb}{which} --dataset {dataset}`"


def study_of(name: str) -> str:
    """Return the study that a figure's name begins with; "" for the figures of no study.

    Examples
    --------
    >>> study_of("holistic/fig-3"), study_of("published")
    ('holistic', '')
    """
    study, slash, _ = name.partition("/")
    return study if slash else ""
