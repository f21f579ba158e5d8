"""The miniature of ImageNet-3DCC: the same pictures under each corruption and severity."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.random import RandomState

from extract.layouts.imagenet_val import val_name
from extract.miniature.bitmap import write
from extract.miniature.draw import layers
from extract.miniature.sampling import IN, sample
from extract.miniature.world import CLASSES

from .depth_corruptions import CORRUPTIONS
from .files import part

A_CLASS = 3
SEVERITIES = (1, 2, 3, 4, 5)


def write_corrupted(folder: Path, rng: RandomState, share: int) -> None:
    """Write `<corruption>/<severity>/<wnid>/ILSVRC2012_val_*.JPEG`; one name is one picture everywhere.

    A share has fewer pictures, so that it may hold a part of the classes only.
    """
    for number in range(part(len(CLASSES) * A_CLASS, share)):
        at = number % len(CLASSES)
        drawn = layers(replace(sample(IN, at, rng), style="photo"))
        # Depth is a whole number of millimetres; metres in float32 are exact enough to say which.
        depth = np.rint(drawn.depth.astype(np.float64) * 1000).astype(np.int64) // 10
        for name, corruption in CORRUPTIONS.items():
            for severity in SEVERITIES:
                path = folder / name / str(severity) / CLASSES[at].key / val_name(number + 1)
                write(path, corruption(drawn.image, depth, severity))
