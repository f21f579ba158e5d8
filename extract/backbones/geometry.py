"""At which size images go through a model, and which of its layers become patches.

Knows numbers and words only, no library. What is native stays out of a space's identity, so that a model's ordinary
space does not know that there are others.

References
----------
Banani et al., Probing the 3D Awareness of Visual Foundation Models (probe3d), arXiv:2404.08636, and its repository.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from manifests.errors import UsageError

Size = tuple[int, int]

IMAGENET: Final = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF: Final = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))

PROBE3D: Final = {(512, 512): IMAGENET, (480, 640): HALF, (800, 800): IMAGENET}
"""(height, width) -> probe3d's mean and std, whatever the model, for the set of that size: NAVI, ScanNet, SPair-71k."""

LAYERS: Final = ("last", "four")
NORMALISATIONS: Final = ("model", "probe3d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """How images become a patch grid.

    size
        (height, width) that the whole image is resized to, without a crop; None is the model's own preprocessing.
    layers
        `last`, or `four`: blocks n/4, n/2, 3n/4 and n of a network of equal blocks, the last four stages of a pyramid
        (averaged onto the last one's grid), concatenated along channels.
    normalise
        By the `model`'s mean and std, or by those of `probe3d` for the set of this size.
    """

    size: Size | None = None
    layers: str = "last"
    normalise: str = "model"

    def __post_init__(self) -> None:
        if self.layers not in LAYERS:
            raise UsageError(f"--layers {self.layers}: expected one of {', '.join(LAYERS)}")
        if self.normalise not in NORMALISATIONS:
            raise UsageError(f"--normalise {self.normalise}: expected one of {', '.join(NORMALISATIONS)}")
        if self.size is not None and min(self.size) < 1:
            raise UsageError(f"--geometry {self.size[0]}x{self.size[1]}: expected at least 1 pixel")
        if self.normalise == "probe3d" and self.size not in PROBE3D:
            known = ", ".join(f"{height}x{width}" for height, width in PROBE3D)
            raise UsageError(
                f"--normalise probe3d: probe3d normalises each data set by other numbers, and knows them by its size; "
                f"give --geometry {known}"
            )

    @property
    def variant(self) -> str:
        """What is not native about it, as in `512x512-four-probe3d`; "" where nothing is."""
        parts = [
            "" if self.size is None else f"{self.size[0]}x{self.size[1]}",
            "" if self.layers == "last" else self.layers,
            "" if self.normalise == "model" else self.normalise,
        ]
        return "-".join(part for part in parts if part)

    @property
    def mean_std(self) -> Any:
        """Mean and std to normalise by in place of the model's; None for the model's."""
        return None if self.normalise == "model" or self.size is None else PROBE3D[self.size]


NATIVE: Final = Geometry()
"""The model's own size, crop and last layer."""


def parse_geometry(text: str, layers: str = "last", normalise: str = "model") -> Geometry:
    """Read the value of `--geometry`: native, or HEIGHTxWIDTH.

    Raises
    ------
    UsageError
        For anything else.

    Examples
    --------
    >>> parse_geometry("480x640").size
    (480, 640)
    >>> parse_geometry("native", "four").variant
    'four'
    >>> parse_geometry("800x800", "four", "probe3d").variant
    '800x800-four-probe3d'
    """
    if text in ("", "native"):
        return Geometry(layers=layers, normalise=normalise)
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if not found:
        raise UsageError(f"--geometry {text}: expected native, or HEIGHTxWIDTH such as 512x512, 480x640, 800x800")
    return Geometry(size=(int(found[1]), int(found[2])), layers=layers, normalise=normalise)


def padded(size: Size, patch: Size) -> Size:
    """Return the size whose sides are multiples of a patch, none smaller than before.

    Differs from probe3d, which frames a side by a whole patch where only the other one needs a frame.

    Examples
    --------
    >>> padded((480, 640), (14, 14))
    (490, 644)
    >>> padded((512, 512), (16, 16))
    (512, 512)
    """
    return -(-size[0] // patch[0]) * patch[0], -(-size[1] // patch[1]) * patch[1]
