"""Small images for tests that need many files and no photographs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def picture(seed: int, size: tuple[int, int] = (48, 40)) -> Image.Image:
    """Draw soft coloured noise; another seed is another image."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def draw(folder: Path, count: int, first: int = 0) -> list[Path]:
    """Write `count` images, JPEG and PNG in turns."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for seed in range(first, first + count):
        path = folder / f"{seed:04d}{'.jpg' if seed % 2 else '.png'}"
        picture(seed).save(path)
        paths.append(path)
    return paths
