"""What the columns of ingested logits, or predicted classes, stand for: named or evident, never guessed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from cache.class_file import class_list, read_classes_file
from cache.store import Store
from cache.texts import ClassList, read_classes
from cache.views import View
from manifests.catalogue import Catalogue
from manifests.errors import UsageError
from manifests.schema import LabelSpace

from .rows import Rows

_NUMBERED = re.compile(r"(?P<stem>.*?)(?P<number>\d+)")


def named_classes(catalogue: Catalogue, file: Path | None, label_space: str) -> ClassList | None:
    """Return the class list that the command names, None where it names none.

    Raises
    ------
    UsageError
        When it names two, or one that is not known or cannot be read.
    """
    if file is not None and label_space:
        raise UsageError("--classes and --label-space both say what the classes are; give one.")
    if file is not None:
        return read_classes_file(file)
    if label_space and label_space not in catalogue.labels:
        known = ", ".join(sorted(catalogue.labels))
        raise UsageError(f"--label-space {label_space!r} is unknown; the manifests have {known}.")
    return class_list(catalogue.labels[label_space]) if label_space else None


def evident_classes(
    store: Store, catalogue: Catalogue, view: View, columns: int | None = None, model: str = ""
) -> ClassList | None:
    """Return the class list that needs no word: a dataset's classes, those that they are made of, or the model's.

    Parameters
    ----------
    columns
        How many columns the logits have; None for predictions, of which nothing can be counted, so that only a
        dataset whose classes are made of no others leaves nothing open.
    model
        Id of the model; its own label space counts for logits.

    Returns
    -------
    ClassList or None
        None where none fits, or more than one does.
    """
    found: dict[str, ClassList] = {}
    manifest = catalogue.datasets.get(view.name)
    spaces: Mapping[str, LabelSpace] = catalogue.labels
    if manifest is not None and manifest.label_space:
        own = spaces[manifest.label_space]
        for space in (own, *((spaces[own.over],) if own.over else ())):
            listed = class_list(space)
            found[listed.id] = listed
    known = catalogue.models.get(model)
    if columns is not None and known is not None and known.label_space:
        listed = class_list(spaces[known.label_space])
        found[listed.id] = listed
    if view.classes:
        listed = read_classes(store.disk, store.layout, view.classes)
        found[listed.id] = listed
    fitting = [one for one in found.values() if columns is None or len(one.keys) == columns]
    return fitting[0] if len(fitting) == 1 else None


def in_column_order(rows: Rows, classes: ClassList | None) -> Rows:
    """Return logits or embeddings with their columns in order: of the classes by key, else by number.

    Raises
    ------
    UsageError
        When the columns have names that are neither.

    Examples
    --------
    >>> import numpy as np
    >>> rows = Rows(where="x", samples=("a",), values=np.array([[1.0, 2.0]]), columns=("dog", "cat"))
    >>> in_column_order(rows, ClassList(("cat", "dog"), ("cat", "dog"))).values.tolist()
    [[2.0, 1.0]]
    """
    if not rows.columns:
        return rows
    if classes is not None and set(rows.columns) == set(classes.keys):
        column = {name: at for at, name in enumerate(rows.columns)}
        return rows.ordered([column[key] for key in classes.keys])
    matches = [_NUMBERED.fullmatch(name) for name in rows.columns]
    numbers = [int(match["number"]) for match in matches if match]
    stems = {match["stem"] for match in matches if match}
    if len(stems) != 1 or sorted(numbers) != list(range(len(rows.columns))):
        raise UsageError(
            f"{rows.where}: columns {', '.join(rows.columns[:3])}, ... are neither the keys of the classes nor names "
            f"that end in 0 to {len(rows.columns) - 1}; say what they stand for with --classes FILE."
        )
    return rows.ordered(sorted(range(len(numbers)), key=lambda at: numbers[at]))
