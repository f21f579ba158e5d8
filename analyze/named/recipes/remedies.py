"""The command that gets what a figure misses. Knows names of datasets and commands."""

from __future__ import annotations

from analyze.stand_ins import NOBODY, Cast

MATCHED = frozenset({"navi", "scannet", "spair-71k"})
"""Datasets of pairs, whose numbers come from `match`."""


def remedy(study: str, dataset: str, cast: Cast = NOBODY) -> str:
    """Return the command that gets a dataset's numbers, between backticks.

    Parameters
    ----------
    study
        Whose command it is; that of a cast comes before it.
    dataset
        A set, a part, or who plays it.
    cast
        Who plays: the command is about the player.

    Examples
    --------
    >>> remedy("holistic", "sun"), remedy("", "navi")
    ('`assay-extract run --study holistic --dataset sun`', '`assay-extract match --dataset navi`')
    """
    part = cast.part(dataset)
    verb = "match" if part in MATCHED else "run"
    asked = cast.study or study
    which = f" --study {asked}" if asked else ""
    return f"`assay-extract {verb}{which} --dataset {cast.dataset(part)}`"


def unplayed(cast: Cast) -> str:
    """Say why a table about named models has no row: nobody plays any of them.

    Examples
    --------
    >>> unplayed(Cast(study="toys"))
    'study toys has no stand-in for any of its models; they go under [stand_ins.models] of its manifest'
    """
    return f"study {cast.study} has no stand-in for any of its models; they go under [stand_ins.models] of its manifest"


def study_of(name: str) -> str:
    """Return the study that a figure's name begins with; "" for the figures of no study.

    Examples
    --------
    >>> study_of("holistic/fig-3"), study_of("published")
    ('holistic', '')
    """
    study, slash, _ = name.partition("/")
    return study if slash else ""
