"""Which images the datasets of a store share: what leaks from one test set into another.

Two views that name one image measure the same thing twice, and a calibration or a fit on one of them has seen the
other. Images are compared by content, so that file names do not matter; near-duplicates are other images.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from .bindings import select_ids
from .store import Store


def overlaps(store: Store, datasets: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return every pair of datasets that share images, as JSON values.

    Parameters
    ----------
    datasets
        Patterns; none means every dataset of the store. A pair is listed where at least one of the two matches.

    Returns
    -------
    list of dict
        ``first``, ``second``: datasets, in the order of names; ``shared``: distinct images in both;
        ``of_first``, ``of_second``: their share of each; ``labels_differ``: shared images that the two label
        differently, where both have labels of one class list (else null); ``example``: a sample of each.

    Raises
    ------
    UsageError
        When a pattern matches nothing.
    """
    names = sorted(store.datasets())
    wanted = set(select_ids(names, datasets, "datasets"))
    views = {name: store.version(name) for name in names}
    # One row an image and dataset: of several samples with one image, the first speaks.
    images = {
        name: views[name]
        .table.select("image_id", "sample", "label")
        .unique("image_id", keep="first", maintain_order=True)
        for name in names
    }
    rows = []
    for first, second in _sharing(images):
        if not {first, second} & wanted:
            continue
        both = images[first].join(images[second], on="image_id", suffix="_second", maintain_order="left")
        comparable = views[first].classes and views[first].classes == views[second].classes
        differ = both.filter(pl.col("label") != pl.col("label_second")).height if comparable else None
        rows.append(
            {
                "first": first,
                "second": second,
                "shared": both.height,
                "of_first": both.height / images[first].height,
                "of_second": both.height / images[second].height,
                "labels_differ": differ,
                "example": [both["sample"][0], both["sample_second"][0]],
            }
        )
    return rows


def _sharing(images: dict[str, pl.DataFrame]) -> list[tuple[str, str]]:
    """Return the pairs that share any image, by one pass over all of them."""
    parts = [frame.select("image_id", dataset=pl.lit(name)) for name, frame in images.items() if frame.height]
    if not parts:
        return []
    groups = (
        pl.concat(parts)
        .group_by("image_id")
        .agg(pl.col("dataset").sort())
        .filter(pl.col("dataset").list.len() > 1)["dataset"]
        .unique()
        .to_list()
    )
    pairs = {(a, b) for group in groups for at, a in enumerate(group) for b in group[at + 1 :]}
    return sorted(pairs)
