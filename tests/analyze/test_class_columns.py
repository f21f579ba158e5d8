from __future__ import annotations

import numpy as np

from analyze.class_columns import classes_among, columns_of
from manifests.catalogue import load

LABELS = load().labels
IMAGENET = LABELS["imagenet-1k"]


def test_columns_are_found_by_key_whatever_their_order() -> None:
    space = LABELS["imagenet-r-200"]
    assert columns_of(space, IMAGENET, IMAGENET.keys) == space.members
    shuffled = list(np.random.default_rng(0).permutation(IMAGENET.keys))
    found = columns_of(space, IMAGENET, shuffled)
    assert found is not None
    assert tuple(shuffled[column] for (column,) in found) == space.keys
    # A head of the 200 names has all that is needed; one of 199 has not.
    assert columns_of(space, IMAGENET, space.keys) == tuple((column,) for column in range(200))
    assert columns_of(space, IMAGENET, space.keys[1:]) is None
    assert columns_of(LABELS["objectnet-113"], None, LABELS["objectnet-113"].keys) is not None


def test_labels_are_found_by_key_in_the_classes_or_among_what_they_are_made_of() -> None:
    space = LABELS["objectnet-113"]
    assert classes_among(space, IMAGENET, space.keys).tolist() == list(range(113))
    found = classes_among(space, IMAGENET, IMAGENET.keys)
    assert (found >= 0).sum() == 125
    assert found[409] == found[530] == space.index_of("alarm_clock")
    assert classes_among(LABELS["imagenet-r-200"], IMAGENET, IMAGENET.keys)[1] == 0
