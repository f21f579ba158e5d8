"""Steps that no library brings: cutting a frame, leaving ready-made images alone, framing with the mean colour.

Each is one call from image to image, or from tensor to tensor. Knows no data set and no description; `preprocess`
describes them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PIL import Image

Transform = Callable[[Image.Image], Any]


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
