"""A library's image transform as data: an explicit list of operations that can be read, hashed and compared.

Steps are recognised by the full name of their class, so that this module imports neither torchvision, timm nor
open_clip. What is not recognised exactly is an error: a step left out of the description would give two different
preprocessings one name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from manifests.errors import UsageError

from . import intake
from .augmentation import augment_op

Op = dict[str, Any]
Transform = Callable[[Image.Image], Any]

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
    >>> describe(TrimBorder(2))[2:]
    [{'op': 'trim-border', 'pixels': 2}]
    """
    ops = [_describe_step(step) for step in steps(transform)]
    return [*({**op} for op in intake.OPS), *(op for op in ops if op["op"] != "convert")]


def steps(transform: Transform) -> list[Transform]:
    """Return the steps of a (nested) composition in order.

    Examples
    --------
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
        if _describe_step(step)["op"] not in PIXEL_OPS:
            scaled = True
        elif scaled:
            raise UsageError(f"{step!r} follows the scaling to [0, 1]; expected every pixel step before it")
        else:
            image = step(image)
    return np.asarray(image.convert("RGB"))


class TrimBorder:
    """Cuts a frame off every side, as ObjectNet's red border of 2 pixels has to be."""

    def __init__(self, border: int) -> None:
        if border < 1:
            raise ValueError(f"a border has at least 1 pixel; got {border}")
        self.border = border

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the image without its frame."""
        width, height = image.size
        if min(width, height) <= 2 * self.border:
            return image
        return image.crop((self.border, self.border, width - self.border, height - self.border))

    def __repr__(self) -> str:
        return f"TrimBorder(pixels={self.border})"


class ReadyMade:
    """Does nothing: the images have the size already, so that resizing and cropping would zoom into them."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the image; whether it has the size, `unfit` says before."""
        return image

    def __repr__(self) -> str:
        return f"ReadyMade(size={self.size})"


class Augmented:
    """Does nothing here: a seeded crop depends on the image's name, which `augmentation.augmented` knows."""

    def __init__(self, copy: int, seed: int) -> None:
        self.copy = copy
        self.seed = seed

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the image, which was cropped before."""
        return image

    def __repr__(self) -> str:
        return f"Augmented(copy={self.copy}, seed={self.seed})"


class PadZeros:
    """Frames a normalised tensor `(3, h, w)` with zeros, which are the mean colour, up to a size.

    Half of what is missing goes before, half after; an odd pixel goes after.
    """

    def __init__(self, height: int, width: int) -> None:
        self.height = height
        self.width = width

    def __call__(self, tensor: Any) -> Any:
        """Return the tensor `(3, height, width)`.

        Raises
        ------
        ValueError
            When it is larger already.
        """
        from torch.nn.functional import pad

        rows, columns = self.height - tensor.shape[-2], self.width - tensor.shape[-1]
        if rows < 0 or columns < 0:
            raise ValueError(f"expected at most {self.height} x {self.width} pixels, got {tuple(tensor.shape[-2:])}")
        return pad(tensor, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))

    def __repr__(self) -> str:
        return f"PadZeros(height={self.height}, width={self.width})"


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
        rest = [part for part in steps(transform) if _describe_step(part)["op"] not in PIXEL_OPS]
        if "size" not in step:
            return Compose(rest)
        side = int(step["size"])
        fits = size is None or size == (side, side)
        larger = [] if fits else [Resize(size, interpolation=_resizing(transform))]
        return Compose([ReadyMade(side), *larger, *rest])
    if step["op"] == "augment":
        if size is None:
            raise UsageError("augmented copies need a model whose input size is known")
        rest = [part for part in steps(transform) if _describe_step(part)["op"] not in PIXEL_OPS]
        resize = Resize(size, interpolation=_resizing(transform))
        return Compose([Augmented(int(step["copy"]), int(step["seed"])), resize, *rest])
    raise UsageError(f"pixel step {step['op']!r}; expected trim-border or ready-made")


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

    rest = [part for part in steps(transform) if _describe_step(part)["op"] not in PIXEL_OPS]
    if mean_std is not None:
        rest = [part for part in rest if _describe_step(part)["op"] != "normalize"]
        rest.append(Normalize(*mean_std))
    frame = [PadZeros(*padded)] if padded != size else []
    return Compose([Resize(size, interpolation=_resizing(transform)), *rest, *frame])


LONGEST_SIDE: Final = 32_768
"""Pixels of the longest side that a resize may make; a strip of 1 x 30,000 would become gigabytes before its crop."""


def unfit(ops: Sequence[Mapping[str, Any]], width: int, height: int) -> tuple[str, str] | None:
    """Return the row status and its detail where an image's size is none that a preprocessing can take.

    Examples
    --------
    >>> unfit([{"op": "ready-made", "size": 224}], 224, 224) is None
    True
    >>> unfit([{"op": "ready-made", "size": 224}], 300, 224)
    ('wrong_size', '300 x 224 pixels; expected ready-made images of 224 x 224')
    >>> unfit([{"op": "resize", "edge": "shortest", "size": 224}], 1, 30_000)[0]
    'too_large'
    """
    for op in ops:
        if op["op"] == "ready-made" and (width, height) != (op["size"], op["size"]):
            return "wrong_size", f"{width} x {height} pixels; expected ready-made images of {op['size']} x {op['size']}"
        if op["op"] == "resize" and op.get("edge") == "shortest":
            size = op["size"]
            scale = size / min(width, height) if isinstance(size, int) else max(size[1] / width, size[0] / height)
            longest = round(max(width, height) * scale)
            if longest > LONGEST_SIDE:
                return "too_large", (
                    f"{width} x {height} pixels; its shorter side at {size} makes the longer one {longest}, "
                    f"more than {LONGEST_SIDE}"
                )
    return None


def _resizing(transform: Transform) -> Any:
    """Return the interpolation mode of a transform's own resize."""
    for step in steps(transform):
        if _describe_step(step)["op"] == "resize":
            return step.interpolation  # type: ignore[attr-defined]
    raise UsageError(f"{transform!r} has no resize whose interpolation could be taken")


def _name(step: Transform) -> str:
    kind = step if hasattr(step, "__qualname__") else type(step)
    return f"{kind.__module__}.{kind.__qualname__}"


def _describe_step(step: Transform) -> Op:
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
    f"{__name__}.TrimBorder": _trim,
    f"{__name__}.PadZeros": _pad,
    f"{__name__}.ReadyMade": _ready_made,
    f"{__name__}.Augmented": _augmented,
}
