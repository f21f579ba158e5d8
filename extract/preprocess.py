"""A library's image transform as data: an explicit list of operations that can be read, hashed and compared.

Steps are recognised by the full name of their class, so that this module imports neither torchvision, timm nor
open_clip. What is not recognised exactly is an error: a step left out of the description would give two different
preprocessings one name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from manifests.errors import UsageError

from . import intake
from .augmentation import augment_op
from .transform_steps import Transform

Op = dict[str, Any]

PIXEL_OPS: Final = frozenset(
    {"convert", "trim-border", "ready-made", "augment", "resize", "center-crop", "center-crop-or-pad"}
)
"""Operations on 8-bit pixels; what comes after them is arithmetic."""


def describe(transform: Transform) -> list[Op]:
    """Return what happens to an encoded image before the model sees it.

    Begins with what `intake.decode` does. A conversion to RGB inside the transform does nothing after that one
    and is left out.

    Raises
    ------
    UsageError
        For a step that is not known, or known with a setting that is random.

    Examples
    --------
    >>> from extract.transform_steps import TrimBorder
    >>> describe(TrimBorder(2))[2:]
    [{'op': 'trim-border', 'pixels': 2}]
    """
    ops = [describe_step(step) for step in steps(transform)]
    return [*({**op} for op in intake.OPS), *(op for op in ops if op["op"] != "convert")]


def steps(transform: Transform) -> list[Transform]:
    """Return the steps of a (nested) composition in order.

    Examples
    --------
    >>> from extract.transform_steps import TrimBorder
    >>> steps(TrimBorder(1))
    [TrimBorder(pixels=1)]
    """
    if _name(transform) != "torchvision.transforms.transforms.Compose":
        return [transform]
    return [inner for step in transform.transforms for inner in steps(step)]  # type: ignore[attr-defined]


def pixels(transform: Transform, image: Image.Image) -> NDArray[np.uint8]:
    """Return the image as it is after resize and crop, before scaling: uint8 `(h, w, 3)`.

    Raises
    ------
    UsageError
        For a step that is not known, or one that touches pixels after the scaling.
    """
    scaled = False
    for step in steps(transform):
        if describe_step(step)["op"] not in PIXEL_OPS:
            scaled = True
        elif scaled:
            raise UsageError(f"{step!r} follows the scaling to [0, 1]; expected every pixel step before it")
        else:
            image = step(image)
    return np.asarray(image.convert("RGB"))


def _name(step: Transform) -> str:
    kind = step if hasattr(step, "__qualname__") else type(step)
    return f"{kind.__module__}.{kind.__qualname__}"


def describe_step(step: Transform) -> Op:
    """Return one step as an operation.

    Raises
    ------
    UsageError
        For a step that is not known, or known with a setting that is random.

    Examples
    --------
    >>> from extract.transform_steps import TrimBorder
    >>> describe_step(TrimBorder(2))
    {'op': 'trim-border', 'pixels': 2}
    """
    describer = _STEPS.get(_name(step))
    if describer is None:
        raise UsageError(
            f"preprocessing step {_name(step)} ({step!r}) has no description, so its numbers could not be told from "
            "others; add it to extract/preprocess.py"
        )
    return describer(step)


def _convert(step: Any) -> Op:
    mode = getattr(step, "mode", "RGB")
    if mode != "RGB":
        raise UsageError(f"preprocessing converts to {mode}; expected RGB")
    return {"op": "convert", "mode": "RGB"}


def _resize(step: Any) -> Op:
    # torchvision: a number is the shorter edge and the longer one is rounded down; a pair is exact and squashes.
    if getattr(step, "max_size", None) is not None:
        raise UsageError(f"{step!r}: max_size is not described; add it to extract/preprocess.py")
    # `antialias` only matters for tensors: Pillow always filters over the whole source area.
    common = {"op": "resize", "interpolation": _interpolation(step), "antialias": True}
    size = step.size
    if isinstance(size, int) or len(size) == 1:
        size = size if isinstance(size, int) else size[0]
        return {**common, "size": int(size), "edge": "shortest", "rounding": "down"}
    return {**common, "size": [int(size[0]), int(size[1])], "edge": "both"}


def _resize_keep_ratio(step: Any) -> Op:
    if any(getattr(step, key, 0) for key in ("random_scale_prob", "random_aspect_prob")):
        raise UsageError(f"{step!r} is random; evaluation needs one result for each image")
    if step.longest not in (0.0, 1.0):
        raise UsageError(f"{step!r}: longest is {step.longest}; expected 0 or 1")
    return {
        "op": "resize",
        "interpolation": _interpolation(step),
        "antialias": True,
        "size": [int(side) for side in step.size],
        "edge": "longest" if step.longest else "shortest",
        "rounding": "nearest",
    }


def _interpolation(step: Any) -> str:
    value = getattr(step.interpolation, "value", None)
    if not isinstance(value, str):
        raise UsageError(f"{step!r} chooses its interpolation at random or by number; expected one named mode")
    return value


def _center_crop(step: Any) -> Op:
    return {"op": "center-crop", "size": _pair(step.size)}


def _center_crop_or_pad(step: Any) -> Op:
    if getattr(step, "padding_mode", "constant") != "constant":
        raise UsageError(f"{step!r} pads by {step.padding_mode}; expected constant")
    fill = step.fill if isinstance(step.fill, Sequence) else [step.fill] * 3
    return {"op": "center-crop-or-pad", "size": _pair(step.size), "fill": [int(value) for value in fill]}


def _pair(size: Any) -> list[int]:
    sides = [size, size] if isinstance(size, int) else list(size) * (2 if len(size) == 1 else 1)
    return [int(side) for side in sides]


def _trim_timm(step: Any) -> Op:
    return {"op": "trim-border", "pixels": int(step.border_size)}


def _trim(step: Any) -> Op:
    return {"op": "trim-border", "pixels": step.border}


def _augmented(step: Any) -> Op:
    return augment_op(step.copy, step.seed)


def _ready_made(step: Any) -> Op:
    return {"op": "ready-made", "size": step.size}


def _pad(step: Any) -> Op:
    return {"op": "pad", "fill": 0, "size": [step.height, step.width], "sides": "half before, half after"}


def _scale(step: Any) -> Op:
    return {"op": "scale", "divisor": 255}


def _normalize(step: Any) -> Op:
    return {"op": "normalize", "mean": _decimals(step.mean), "std": _decimals(step.std)}


def _decimals(values: Any) -> list[float]:
    # The arithmetic is in float32; timm holds tensors and open_clip tuples, and both must spell 0.485 as 0.485.
    return [float(str(value)) for value in np.asarray(values, dtype=np.float32).reshape(-1)]


_STEPS: Final[dict[str, Callable[[Any], Op]]] = {
    "torchvision.transforms.transforms.Resize": _resize,
    "torchvision.transforms.transforms.CenterCrop": _center_crop,
    "torchvision.transforms.transforms.ToTensor": _scale,
    "torchvision.transforms.transforms.Normalize": _normalize,
    "timm.data.transforms.MaybeToTensor": _scale,
    "timm.data.transforms.ResizeKeepRatio": _resize_keep_ratio,
    "timm.data.transforms.CenterCropOrPad": _center_crop_or_pad,
    "timm.data.transforms.TrimBorder": _trim_timm,
    "open_clip.transform._convert_to_rgb": _convert,
    "open_clip.transform.MaybeConvertMode": _convert,
    "open_clip.transform.MaybeToTensor": _scale,
    "open_clip.transform.ResizeKeepRatio": _resize_keep_ratio,
    "open_clip.transform.CenterCropOrPad": _center_crop_or_pad,
    "extract.transform_steps.TrimBorder": _trim,
    "extract.transform_steps.PadZeros": _pad,
    "extract.transform_steps.ReadyMade": _ready_made,
    "extract.transform_steps.Augmented": _augmented,
}
