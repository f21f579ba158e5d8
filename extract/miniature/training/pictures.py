"""Training pictures with classes and captions, drawn from a recipe; kept in a folder: several models share them."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from extract.miniature import world
from extract.miniature.captions import caption
from extract.miniature.draw import draw
from extract.miniature.sampling import IN, MORE, SOURCE_A, SOURCE_B, sample
from extract.miniature.world import CLASSES

SOURCES: Final = {"in": IN, "a": SOURCE_A, "b": SOURCE_B, "more": MORE}
WRONG: Final = 0.35
"""Share of wrong class words in uncurated captions."""

_SEEDS: Final = {"in": 101, "a": 202, "b": 303, "more": 404}


@dataclass(frozen=True, slots=True)
class Pictures:
    """images uint8 (n, 64, 64, 3), labels int64 (n,), and n captions."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    captions: tuple[str, ...]


def pictures(source: str, count: int, folder: Path, *, curated: bool = True) -> Pictures:
    """Return the first `count` pictures of a source.

    Uncurated: a third of the captions name another class, and classes follow a long tail.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{source}-{count}-{_drawn_by(source, count, curated)}.npz"
    if path.is_file():
        with np.load(path) as kept:
            return Pictures(kept["images"], kept["labels"], tuple(str(kept["captions"]).split("\n")))
    drawn = _draw(source, count, curated)
    part = path.with_name(f"{path.stem}.{os.getpid()}.part.npz")
    np.savez(part, images=drawn.images, labels=drawn.labels, captions="\n".join(drawn.captions))
    part.replace(path)
    return drawn


def _drawn_by(source: str, count: int, curated: bool) -> str:
    """Name pictures by all that decides on them: what is asked for, and the text of the code that draws."""
    whole = hashlib.sha256(repr((source, count, curated, _SEEDS[source], WRONG)).encode())
    for path in sorted((*Path(world.__file__).parent.glob("*.py"), Path(__file__))):
        whole.update(f"{path.name}\0{path.read_text('utf-8')}\0".encode())
    return whole.hexdigest()[:12]


def _draw(source: str, count: int, curated: bool) -> Pictures:
    rng = np.random.RandomState(_SEEDS[source] + (0 if curated else 5000))
    # A long tail: the class of rank r has weight 1 / (r + 1).
    weights = np.array([1.0] * len(CLASSES) if curated else [1 / (rank + 1) for rank in range(len(CLASSES))])
    steps = np.cumsum(weights) / weights.sum()
    images = np.empty((count, 64, 64, 3), np.uint8)
    labels = np.empty(count, np.int64)
    captions = []
    for at in range(count):
        label = at % len(CLASSES) if curated else int(np.searchsorted(steps, rng.randint(10**6) / 10**6))
        scene = sample(SOURCES[source], label, rng)
        said = label
        if not curated and rng.randint(100) < 100 * WRONG:
            said = (label + 1 + int(rng.randint(len(CLASSES) - 1))) % len(CLASSES)
        images[at], labels[at] = draw(scene), label
        captions.append(caption(scene, CLASSES[said], rng))
    return Pictures(images, labels, tuple(captions))
