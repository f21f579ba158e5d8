"""Where the classes of a label space are: among a model's columns, and among a dataset's own classes.

Classes meet by key, never by position or name. Knows label spaces; measures nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from manifests.schema import LabelSpace


def columns_of(space: LabelSpace, over: LabelSpace | None, keys: Sequence[str]) -> tuple[tuple[int, ...], ...] | None:
    """Columns of a model that make up each class of a label space, found by key and never by position.

    Parameters
    ----------
    space, over
        The classes, and the space that they are made of; None takes the keys of `space` themselves.
    keys
        What the model's columns stand for.

    Returns
    -------
    tuple of k tuples, or None
        None when the model lacks a column: a class without all its columns would be another class.

    Examples
    --------
    >>> from manifests.catalogue import load
    >>> cue, imagenet = load().labels["cue-16"], load().labels["imagenet-1k"]
    >>> columns_of(cue, imagenet, imagenet.keys)[cue.index_of("bicycle")]
    (444, 671)
    >>> columns_of(cue, imagenet, imagenet.keys[::-1])[cue.index_of("bicycle")]  # the same classes, last first
    (328, 555)
    >>> columns_of(cue, imagenet, imagenet.keys[:500]) is None
    True
    """
    position = {key: column for column, key in enumerate(keys)}
    wanted: list[tuple[str, ...]] = [(key,) for key in space.keys]
    if over is not None:
        wanted = [tuple(over.keys[column] for column in columns) for columns in space.members]
    if any(key not in position for group in wanted for key in group):
        return None
    return tuple(tuple(sorted(position[key] for key in group)) for group in wanted)


def classes_among(space: LabelSpace, over: LabelSpace | None, keys: Sequence[str]) -> NDArray[np.int64]:
    """Class of a label space that each of a dataset's own classes is, -1 where it is none of them.

    A dataset may be labelled with the classes themselves, or with those that they are made of.

    Examples
    --------
    >>> from manifests.catalogue import load
    >>> cue, imagenet = load().labels["cue-16"], load().labels["imagenet-1k"]
    >>> classes_among(cue, imagenet, ["n01440764", "n03792782", "bicycle"]).tolist()  # a tench, a mountain bike
    [-1, 2, 2]
    """
    found = space.positions()
    if over is not None:
        for index, columns in enumerate(space.members):
            for column in columns:
                found.setdefault(over.keys[column], index)
    return np.array([found.get(key, -1) for key in keys], np.int64)
