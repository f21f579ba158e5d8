"""Classifiers by cross-entropy: from nothing, or from the image tower of another run."""

from __future__ import annotations

from typing import Any

import torch

from extract.miniature.world import CLASSES

from .loop import batches, optimise, set_seed
from .pictures import Pictures


def new_classifier(arch: str, args: dict[str, Any], seed: int) -> Any:
    """Return timm's architecture with its own initialisation."""
    import timm

    import extract.backbones.tiny_mixer  # noqa: F401 - registers itself with timm

    set_seed(seed)
    return timm.create_model(arch, num_classes=len(CLASSES), **args)


def train_classifier(
    model: Any,
    data: Pictures,
    *,
    samples: int,
    rate: float,
    seed: int,
    half: bool,
    size: int = 64,
    side: int = 64,
    only_head: bool = False,
) -> float:
    """Train in place; return the seconds."""
    set_seed(seed)
    labels = torch.from_numpy(data.labels)
    if only_head:
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        for parameter in model.get_classifier().parameters():
            parameter.requires_grad_(True)
    # A probe leaves the tower as it is, its running means included.
    model.train(not only_head)

    def loss_of(step: tuple[torch.Tensor, Any]) -> torch.Tensor:
        batch, rows = step
        return torch.nn.functional.cross_entropy(model(batch).float(), labels[rows])

    chosen = [one for one in model.parameters() if one.requires_grad]
    seconds = optimise(
        chosen,
        batches(data.images, samples, size, seed, side=side),
        samples // size,
        loss_of,
        rate=rate,
        half=half,
    )
    model.eval()
    return seconds
