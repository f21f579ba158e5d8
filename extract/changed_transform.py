"""A library's transform, changed: by what a data set asks of its pixels, or to a geometry without a crop.

Puts steps together; what a step is called and how it is described, `preprocess` knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from manifests.errors import UsageError

from .preprocess import PIXEL_OPS, describe_step, steps
from .transform_steps import Augmented, PadZeros, ReadyMade, Transform, TrimBorder


def with_pixel_step(
    transform: Transform, step: Mapping[str, Any] | None, size: tuple[int, int] | None = None
) -> Transform:
    """Return a transform changed by a dataset's own pixel step.

    Parameters
    ----------
    step
        None; `{"op": "trim-border", "pixels": 2}`: cut first; `{"op": "ready-made", "size": 224}`: the images are
        square and of that size already, so nothing is cropped, and nothing is resized where the model takes that size;
        `{"op": "augment", "copy": 0, "seed": 1}`: a seeded crop of each image is resized straight to the model's size.
    size
        (height, width) that the model takes. Ready-made images of another size are resized straight to it: the
        resize-then-crop of a 224 px image would zoom into it.
    """
    if step is None:
        return transform
    from torchvision.transforms import Compose, Resize

    if step["op"] == "trim-border":
        return Compose([TrimBorder(int(step["pixels"])), *steps(transform)])
    if step["op"] == "ready-made":
        rest = [part for part in steps(transform) if describe_step(part)["op"] not in PIXEL_OPS]
        if "size" not in step:
            return Compose(rest)
        side = int(step["size"])
        fits = size is None or size == (side, side)
        larger = [] if fits else [Resize(size, interpolation=_resizing(transform))]
        return Compose([ReadyMade(side), *larger, *rest])
    if step["op"] == "augment":
        if size is None:
            raise UsageError("augmented copies need a model whose input size is known")
        rest = [part for part in steps(transform) if describe_step(part)["op"] not in PIXEL_OPS]
        resize = Resize(size, interpolation=_resizing(transform))
        return Compose([Augmented(int(step["copy"]), int(step["seed"])), resize, *rest])
    raise UsageError(f"pixel step {step['op']!r}; expected trim-border, ready-made or augment")


def with_straight_resize(
    transform: Transform,
    size: tuple[int, int],
    padded: tuple[int, int],
    mean_std: tuple[Sequence[float], Sequence[float]] | None = None,
) -> Transform:
    """Return a transform that resizes the whole image to a size, without a crop, and frames it with zeros.

    Parameters
    ----------
    size, padded
        (height, width) of the image, and with its frame.
    mean_std
        Other numbers to normalise by than the transform's own.
    """
    from torchvision.transforms import Compose, Normalize, Resize

    rest = [part for part in steps(transform) if describe_step(part)["op"] not in PIXEL_OPS]
    if mean_std is not None:
        rest = [part for part in rest if describe_step(part)["op"] != "normalize"]
        rest.append(Normalize(*mean_std))
    frame = [PadZeros(*padded)] if padded != size else []
    return Compose([Resize(size, interpolation=_resizing(transform)), *rest, *frame])


def _resizing(transform: Transform) -> Any:
    """Return the interpolation mode of a transform's own resize."""
    for step in steps(transform):
        if describe_step(step)["op"] == "resize":
            return step.interpolation  # type: ignore[attr-defined]
    raise UsageError(f"{transform!r} has no resize whose interpolation could be taken")
