"""SimCLR (Chen et al. 2020) at widths 1, 2 and 4, as simclr-converter made it PyTorch and model-vs-human serves it.

A ResNet-50 of which every layer, the stem included, is `width` times as wide, with its own linear head. timm has no
such network, so `extract.backbones.wide_resnet` registers one. Inputs are not normalised: the pixels in [0, 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from manifests.errors import UsageError

from .artefact import Converted, Source
from .pickled import is_tensor, load
from .resnet50 import fitted

WIDTHS: Final = (1, 2, 4)


def read_simclr(path: Path) -> Converted:
    """Return the state dict of `simclr_resnet50_x1`, `_x2` or `_x4`.

    Raises
    ------
    UsageError
        When the file is no such checkpoint, or of another width.
    """
    source = Source.of("checkpoint", path)
    payload = load(path)
    tensors = payload.get("state_dict", payload) if isinstance(payload, Mapping) else None
    if not isinstance(tensors, Mapping) or not tensors or not all(is_tensor(value) for value in tensors.values()):
        raise UsageError(f"{path}: expected a file of torch.save with the state dict under 'state_dict'")
    tensors = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    if "conv1.weight" not in tensors or "fc.weight" not in tensors:
        raise UsageError(f"{path}: expected a ResNet with conv1 and fc, as simclr-converter writes it")
    width, rest = divmod(int(tensors["conv1.weight"].shape[0]), 64)
    if width not in WIDTHS or rest:
        raise UsageError(f"{path}: its stem has {64 * width + rest} channels; expected 64, 128 or 256 (x1, x2, x4)")
    name = f"simclr_resnet50_x{width}"
    return Converted("simclr", fitted(tensors, name, path.name), (source,), f"timm:{name}", {"width": width})
