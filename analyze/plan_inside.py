"""Join manifests, class lists and the in-distribution cell of a classifier: what is to be learned from it.

Reads no logits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cache.texts import ClassList
from cache.zero_shot import Head
from manifests.catalogue import Catalogue
from manifests.errors import UsageError

from .asked import Roles
from .cell import Cell
from .detectors import Cosine
from .inside import Inside, Reading, Split
from .judged import Judge, judge
from .protocols import BY_ID
from .temperatures import Problem


@dataclass(frozen=True, slots=True)
class Classes:
    """What the labels of the in-distribution set, and the columns of the classifier, stand for."""

    ours: ClassList
    theirs: ClassList


def plan_inside(
    catalogue: Catalogue,
    roles: Roles,
    split: Split,
    cell: Cell,
    columns: NDArray[np.int64],
    classes: Classes,
    others: Sequence[Cell],
    head: Head | None,
) -> Inside:
    """Return what is to be learned from an in-distribution cell.

    Parameters
    ----------
    columns
        `(n,)` column of each image's class, -1 where it has none.
    others
        The other cells of the classifier.
    head
        What makes its logits of cosines, where something does.

    Raises
    ------
    UsageError
        When the calibration samples that were given are not those of the set.
    """
    problems: dict[tuple[str, str], Problem] = {}
    readings: list[Reading] = []
    for other in others:
        for found in _among_ours(catalogue, cell, classes, other.binding.dataset):
            if other.binding.dataset in roles.outside:
                if all((found.space, found.protocol.id) != one.place for one in readings):
                    readings.append(Reading(found.protocol.id, found.members, found.labels >= 0, found.space))
            elif found.protocol.calibrated:
                problems[found.space, found.protocol.id] = Problem(found.members, found.labels)
    try:
        return Inside(
            table=cell.view.table,
            split=split,
            columns=columns,
            ways=len(classes.theirs.keys),
            problems=problems,
            readings=readings,
            cosine=None if head is None else Cosine(head.scale, head.bias),
            detects=any(other.binding.dataset in roles.outside for other in others),
        )
    except ValueError as error:
        raise UsageError(f"--split: {error} (of {cell.binding.dataset}).") from error


def _among_ours(catalogue: Catalogue, cell: Cell, classes: Classes, dataset: str) -> Iterator[Judge]:
    """Yield the in-distribution set as seen under each protocol of another set, besides that of all columns."""
    manifest = catalogue.datasets.get(dataset)
    own = "" if manifest is None else manifest.label_space
    for space, name in () if manifest is None else restricting(manifest.protocols, len(classes.theirs.keys), own):
        protocol = replace(BY_ID[name], rule="label")
        found = judge(protocol, catalogue.labels, space, cell.view.table, classes.ours.keys, classes.theirs.keys)
        if isinstance(found, Judge):
            yield found


def restricting(protocols: Sequence[str], ways: int, own: str = "") -> tuple[tuple[str, str], ...]:
    """Return label space and id of the known protocols that are not that of all columns.

    Parameters
    ----------
    own
        The label space of the set that names them, which a protocol may leave the choice to.

    Examples
    --------
    >>> restricting(("1000-way", "imagenet-o-200", "mine", "own-classes"), 1000, "half")
    (('imagenet-o-200', 'imagenet-o-200'), ('half', 'own-classes'))
    """
    known = (BY_ID[name] for name in protocols if name in BY_ID and name != f"{ways}-way")
    return tuple((one.label_space or own, one.id) for one in known)


def left_out(catalogue: Catalogue, dataset: str) -> dict[str, tuple[str, ...]]:
    """Return, for each reading of a set, the name of its mean over classes and the classes that it leaves out.

    Examples
    --------
    >>> from manifests.catalogue import load
    >>> [(name, len(classes)) for name, classes in left_out(load(), "ninco").items()]
    [('class-mean-46', 18)]
    """
    manifest = catalogue.datasets.get(dataset)
    readings = {} if manifest is None else manifest.readings
    return {f"class-mean-{name.removesuffix('-class')}": tuple(classes) for name, classes in readings.items()}
