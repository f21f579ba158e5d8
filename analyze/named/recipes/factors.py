"""Accuracy on a visual factor of ImageNet-X against accuracy on all of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from analyze.named.material import Drawn, Material
from analyze.panels import Spec

from .trend_figure import MAIN, trend_figure

CAPTION_OF_FACTORS: Final = (
    "Each point is a model: top-1 accuracy on the images of one factor (up) against top-1 on all of ImageNet-X "
    "(across), per cent on probit axes, the same in every panel. The dashed line is y = x; the others are Huber "
    "lines of the groups with 95 % bands. Factors come from the most to the fewest images. Part of the relation is "
    "arithmetic, since a factor's images are among all images."
)
TEN: Final = (
    *("pose", "background", "pattern", "color", "smaller"),
    *("shape", "partial_view", "subcategory", "texture", "larger"),
)
"""The ten factors with more than 150 images, by their number."""

SIXTEEN: Final = (*TEN, "darker", "object_blocking", "person_blocking", "brighter", "style", "multiple_objects")


def factor_figure(material: Material, study: str, factors: Sequence[str]) -> Drawn:
    """Draw one panel a factor, all with the same axes."""
    row = 5 if len(factors) % 5 == 0 else 4
    return trend_figure(
        material, material.headline(), [factor_spec(name) for name in factors], study, shared=True, row=row
    )


def factor_spec(factor: str, groups: tuple[str, ...] = MAIN) -> Spec:
    """One factor of ImageNet-X against all of it."""
    return Spec(
        title=factor.replace("_", " "),
        x="imagenet-x",
        y=f"imagenet-x:{factor}",
        x_title="ImageNet-X top-1",
        y_title="factor top-1",
        ideal=True,
        groups=groups,
    )
