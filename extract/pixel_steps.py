"""What a dataset does to its pixels before any model's own preprocessing: said by its manifest or its version.

Every step makes another space of the same model. Knows no pixel; `preprocess` does what is said here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from manifests.catalogue import Catalogue


def pixel_step_of(catalogue: Catalogue, dataset: str, facts: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
    """Return what a dataset does to its pixels before any model's own preprocessing; None for most.

    A set over another one's images (labels or columns of its own) has that one's step.

    Parameters
    ----------
    facts
        Of the dataset's version: an augmented copy says there which one it is.

    Examples
    --------
    >>> from manifests.catalogue import load
    >>> pixel_step_of(load(), "objectnet")
    {'op': 'trim-border', 'pixels': 2}
    >>> pixel_step_of(load(), "imagenet-val") is None
    True
    """
    if facts is not None and facts.get("pixel_step"):
        return dict(facts["pixel_step"])
    manifest = catalogue.datasets.get(dataset)
    if manifest is None:
        return None
    step: Mapping[str, Any] | None = manifest.pixel_step
    if step is None and manifest.over:
        return pixel_step_of(catalogue, manifest.over)
    return None if step is None else dict(step)
