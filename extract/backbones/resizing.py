"""Whether a network still is itself at another input size.

Libraries build "the same" architecture for another size without a word: a Mixer gets other token-mixing matrices, a
Swin pads its windows with zeros that its real cells attend to. Both are other networks, so both are refused here.
What may change is positions, which libraries resample.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import torch

from manifests.errors import UsageError

from .geometry import Size

POSITIONS: Final = ("pos_embed", "positional_embedding", "rel_pos", "relative_position", "position_bias", "rope")
"""Parts of the names of tensors that hold positions."""

Shapes = Mapping[str, list[int]]


def shapes(model: torch.nn.Module) -> dict[str, list[int]]:
    """Return name -> shape of everything that a checkpoint of the model holds.

    Examples
    --------
    >>> shapes(torch.nn.Linear(2, 3))
    {'weight': [3, 2], 'bias': [3]}
    """
    return {name: list(tensor.shape) for name, tensor in model.state_dict().items()}


def patch_size(model: Any) -> Size:
    """Return height and width of the cells that a network cuts its input into first; (1, 1) for convolutions.

    Examples
    --------
    >>> patch_size(torch.nn.Conv2d(3, 8, 3))
    (1, 1)
    """
    for owner in ("patch_embed", "stem"):
        patch = getattr(getattr(model, owner, None), "patch_size", None)
        if isinstance(patch, int):
            return patch, patch
        if isinstance(patch, tuple | list) and len(patch) == 2:
            return int(patch[0]), int(patch[1])
    return 1, 1


def check_resized(name: str, native: Shapes, model: torch.nn.Module, native_size: Size, size: Size) -> None:
    """Refuse a network that the library changed, or pads, to take another size.

    Parameters
    ----------
    native
        `shapes` at the size that the network was made for.
    model
        The network as built for `size`.

    Raises
    ------
    UsageError
        Naming the tensor with a fixed number of cells, or the window that does not tile them.
    """
    pixels, own = (f"{height}x{width}" for height, width in (size, native_size))
    ours = shapes(model)
    for tensor in sorted({*native, *ours}):
        if native.get(tensor) != ours.get(tensor) and not any(word in tensor for word in POSITIONS):
            raise UsageError(
                f"{name} cannot take {pixels} pixels: its {tensor} has a fixed number of cells "
                f"({native.get(tensor)} at {own}, {ours.get(tensor)} here), so it would be another network, without "
                f"weights. Use it at {own}"
            )
    for block in model.modules():
        cells, window = _tiles(block)
        if cells is None or window is None:
            continue
        if any(count % side for count, side in zip(cells, window, strict=True)):
            steps = [_step(model, axis, length, window[axis]) for axis, length in enumerate(size)]
            fits = "x".join(str(max(1, round(length / step)) * step) for length, step in zip(size, steps, strict=True))
            raise UsageError(
                f"{name} cannot take {pixels} pixels: windows of {window[0]}x{window[1]} do not tile its "
                f"{cells[0]}x{cells[1]} cells; the library would fill up with zeros, to which real cells attend. "
                f"Sizes that fit are multiples of {'x'.join(map(str, steps))}, such as {fits}"
            )


def _tiles(block: Any) -> tuple[Any, Any]:
    cells, window = getattr(block, "input_resolution", None), getattr(block, "window_size", None)
    if isinstance(window, int):
        window = (window, window)
    pair = isinstance(cells, tuple | list) and isinstance(window, tuple | list) and len(cells) == len(window) == 2
    return (tuple(cells), tuple(window)) if pair else (None, None)


def _step(model: torch.nn.Module, axis: int, length: int, window: int) -> int:
    """Return the pixels along an axis that windows tile on every grid: those of a window on the coarsest one."""
    grids = {cells[axis] for cells, _ in map(_tiles, model.modules()) if cells is not None}
    return math.lcm(*(window * max(1, round(length / count)) for count in grids))
