"""A state dict against the ResNet-50 that is to take it: every tensor there, none too many, shapes equal."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from extract.backbones.architecture import build_weightless
from manifests.errors import UsageError

COUNTER = "num_batches_tracked"
"""Of batch normalisation; unused in evaluation, and missing from files of old versions of torch."""


def fitted(tensors: Mapping[str, torch.Tensor], architecture: str, where: str) -> dict[str, torch.Tensor]:
    """Return the tensors of an architecture in its own order.

    Raises
    ------
    UsageError
        With the first tensor that is missing, strange or of another shape.
    """
    shapes = _shapes(architecture)
    strange = [name for name in tensors if name not in shapes]
    missing = [name for name in shapes if name not in tensors and not name.endswith(COUNTER)]
    wrong = [
        f"{name} is {tuple(tensors[name].shape)}, not {shapes[name]}"
        for name in shapes
        if name in tensors and tuple(tensors[name].shape) != shapes[name]
    ]
    if strange or missing or wrong:
        said = [f"{len(missing)} tensors are missing ({missing[0]})"] if missing else []
        said += [f"{len(strange)} do not belong there ({strange[0]})"] if strange else []
        raise UsageError(f"{where} does not fill timm's {architecture}: {'; '.join([*said, *wrong[:1]])}")
    return {name: tensors[name] if name in tensors else torch.tensor(0) for name in shapes}


def _shapes(architecture: str) -> dict[str, tuple[int, ...]]:
    import timm

    import extract.backbones.wide_resnet  # noqa: F401 - registers its architectures with timm

    found: dict[str, tuple[int, ...]] = build_weightless(
        lambda: timm.create_model(architecture, num_classes=1000),
        lambda model: {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()},
    )
    return found
