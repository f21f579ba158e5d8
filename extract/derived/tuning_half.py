"""Which images of a validation set may choose an adapter's settings: half of them, by content.

The published code of Tip-Adapter searches its settings on the set that it reports (its issue 11). Here the half is a
function of the image alone, so that it is the same on every machine and for every model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from manifests.errors import UsageError
from manifests.schema import Dataset

RULE: Final = "first bit of sha256('assay-tuning' NUL image_id) is 0"


def in_tuning_half(images: Sequence[str]) -> NDArray[np.bool_]:
    """Return which image ids belong to the half, `(n,)`.

    Examples
    --------
    >>> in_tuning_half(["a" * 64, "b" * 64]).tolist()
    [True, True]
    """
    named = (hashlib.sha256(b"assay-tuning\0" + image.encode()).digest() for image in images)
    return np.asarray([digest[0] < 128 for digest in named], np.bool_)


def refuse_test_set(name: str, manifest: Dataset | None) -> None:
    """Refuse to choose settings on a set that the studies report.

    Raises
    ------
    UsageError
        For a set of the manifests that is neither in-distribution nor training images.

    Examples
    --------
    >>> refuse_test_set("my-own-validation-images", None)
    """
    if manifest is not None and manifest.role != "id" and not name.startswith("imagenet-train"):
        raise UsageError(
            f"--tune {name}: settings chosen on a test set make its results meaningless; use imagenet-val (half of it "
            "is used), training images, or a set of your own"
        )
