"""The same open_clip model twice: as the library makes it, and as a backbone."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import open_clip
import torch

from cache.zero_shot import Head, class_weights
from extract.backbones.open_clip_backbone import OpenClipBackbone


def theirs(arch: str, seed: int, **kwargs: Any) -> Any:
    """Return the library's own model from a seed."""
    logging.getLogger().addHandler(handler := logging.NullHandler())
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = open_clip.create_model(arch, pretrained_text=False, **kwargs).eval().requires_grad_(False)
    finally:
        logging.getLogger().removeHandler(handler)
    return model


def ours(arch: str, seed: int | str = 0, **kwargs: Any) -> OpenClipBackbone:
    """Return the backbone of the same seed, or of a weights file, loaded."""
    backbone = OpenClipBackbone(arch, seed if isinstance(seed, str) else f"random:{seed}", **kwargs)
    backbone.load("cpu")
    return backbone


def noise(n: int, size: tuple[int, int], seed: int = 0) -> torch.Tensor:
    """Return inputs `(n, 3, h, w)`."""
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((n, 3, *size), np.float32))


def side(backbone: OpenClipBackbone) -> tuple[int, int]:
    """Return height and width of a backbone's input."""
    return tuple(backbone.blank().shape[2:])


def head_of(backbone: OpenClipBackbone, names: tuple[str, ...], templates: tuple[str, ...]) -> Head:
    """Return the zero-shot head of a loaded backbone."""
    tower = backbone.text_tower()
    strings = [template.replace("{}", name) for name in names for template in templates]
    rows = np.arange(len(strings)).reshape(len(names), len(templates))
    return Head(class_weights(tower.encode(strings), rows.tolist()), tower.logit_scale, tower.logit_bias)
