"""PyContrast (PIRL, InsDis, MoCo v1 and v2, InfoMin): a ResNet-50 encoder, and the linear head that was put on it.

The encoder is a file of PyContrast's model zoo, the head one of model-vs-human's release v0.2 (Geirhos et al. 2021).
Together they are timm's `resnet50`: both put the stride on the 3 x 3 convolution.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch

from manifests.errors import UsageError

from .artefact import Converted, Source
from .pickled import is_tensor, load
from .resnet50 import fitted

MODEL: Final = "timm:resnet50.tv_in1k"
"""That tag's preprocessing is torchvision's, as in both repositories: bilinear to 256, crop of 224, ImageNet mean."""


def read_pycontrast(encoder: Path, head: Path) -> Converted:
    """Return the state dict of timm's resnet50.

    Raises
    ------
    UsageError
        When a file is no such checkpoint, or does not fit.
    """
    sources = (Source.of("encoder", encoder), Source.of("head", head))
    # The momentum encoder lies beside it under `model_ema`; evaluations use this one.
    body, dropped = encoder_of(_part(load(encoder), "model", encoder), encoder.name)
    linear = {name.removeprefix("module."): t for name, t in _part(load(head), "classifier", head).items()}
    if sorted(linear) != ["bias", "weight"]:
        raise UsageError(f"{head}: expected weight and bias of one linear layer, got {', '.join(sorted(linear))}")
    body |= {f"fc.{name}": tensor for name, tensor in linear.items()}
    return Converted("pycontrast", fitted(body, "resnet50", encoder.name), sources, MODEL, {}, dropped)


def encoder_of(
    tensors: Mapping[str, torch.Tensor], where: str = "the checkpoint"
) -> tuple[dict[str, torch.Tensor], tuple[str, ...]]:
    """Return the tensors of the encoder under their own names, and the names of the others.

    Raises
    ------
    UsageError
        When there is no encoder, or there are two (CMC splits the colours between them).

    Examples
    --------
    >>> kept, dropped = encoder_of({"module.encoder.bn1.bias": torch.ones(1), "module.head.0.bias": torch.ones(1)})
    >>> list(kept), dropped
    (['bn1.bias'], ('module.head.0.bias',))
    """
    kept: dict[str, torch.Tensor] = {}
    dropped = []
    for name, tensor in tensors.items():
        first, _, rest = name.removeprefix("module.").partition(".")
        if first in ("encoder1", "encoder2"):
            raise UsageError(f"{where} has two encoders, for lightness and colour (CMC); expected one ResNet-50")
        if first != "encoder":
            dropped.append(name)
        elif rest in kept:
            raise UsageError(f"{where} holds two tensors for {rest}; expected one encoder")
        else:
            kept[rest] = tensor
    if not kept:
        raise UsageError(f"{where}: no tensor is of an encoder (module.encoder....); expected a file of PyContrast")
    return kept, tuple(dropped)


def _part(payload: Any, key: str, path: Path) -> Mapping[str, torch.Tensor]:
    part = payload.get(key) if isinstance(payload, Mapping) else None
    if not isinstance(part, Mapping) or not part or not all(is_tensor(value) for value in part.values()):
        raise UsageError(f"{path}: expected a file of torch.save with the state dict under {key!r}")
    return part
