"""One pass through a timm model: its three kinds of output, and what they are called.

Knows timm's interface (`forward_intermediates`, `forward_head`), no weights and no preprocessing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from manifests.errors import UsageError

from .architecture import activations, skeleton
from .layers import describe_patches, four_of, joined
from .protocol import STORED_DTYPES


def one_pass(
    model: Any, batch: torch.Tensor, classes: int, layers: Sequence[int] | None = None
) -> dict[str, torch.Tensor]:
    """Return every kind from one run of the network's body.

    Parameters
    ----------
    batch
        `(n, 3, h, w)`.
    classes
        Logit columns; with 0 there are no logits.
    layers
        Positions of the maps that become patches, the last of the network among them; None for that one alone.

    Returns
    -------
    dict
        `logits` `(n, c)`; `embeddings` `(n, d)`, what the classifier's last layer reads; `patches` `(n, h, w, d)`, the
        last stage before its final norm, without class or register tokens. The kinds that a caller stores do not
        change the path, so that they do not change the numbers.
    """
    outputs = {}
    if hasattr(model, "forward_intermediates"):
        indices = 1 if layers is None else list(layers)
        features, stages = model.forward_intermediates(
            batch, indices=indices, norm=False, output_fmt="NCHW", intermediates_only=False
        )
        outputs["patches"] = joined(stages)
    else:
        features = model.forward_features(batch)
    outputs["embeddings"] = model.forward_head(features, pre_logits=True)
    if outputs["embeddings"].ndim != 2:
        raise ValueError(f"expected pooled embeddings (n, d), got {tuple(outputs['embeddings'].shape)}")
    if classes:
        outputs["logits"] = model.forward_head(features)
    return {kind: outputs[kind] for kind in STORED_DTYPES if kind in outputs}


def measure(model: Any, size: tuple[int, int], classes: int, layers: str = "last") -> dict[str, Any]:
    """Return the facts of an architecture that are the same for all weights: skeleton, activations, outputs.

    Raises
    ------
    UsageError
        When the network has no maps, or too few, for the layers that were asked for.
    """
    batch = torch.zeros(1, 3, *size, device=next(model.parameters()).device)
    chosen = None if layers == "last" else _four(model, batch)
    shapes = {kind: tuple(values.shape[1:]) for kind, values in one_pass(model, batch, classes, chosen).items()}
    outputs: dict[str, dict[str, Any]] = {}
    if "logits" in shapes:
        outputs["logits"] = {"width": shapes["logits"][0]}
    outputs["embeddings"] = {"layer": "pre-logits", "pooling": _pooling(model), "width": shapes["embeddings"][0]}
    if "patches" in shapes:
        rows, columns, channels = shapes["patches"]
        widths = [channels] if chosen is None else _widths(model, batch, chosen)
        outputs["patches"] = describe_patches((rows, columns), widths, chosen)
        outputs["patches"]["stride"] = _stride(model, size, (rows, columns))
    for kind, facts in outputs.items():
        facts["dtype"] = STORED_DTYPES[kind]
    return {"skeleton": skeleton(model), "activations": activations(model), "outputs": outputs}


def _maps(model: Any, batch: torch.Tensor, indices: Sequence[int] | None) -> list[tuple[int, ...]]:
    if not hasattr(model, "forward_intermediates"):
        raise UsageError(f"{type(model).__name__} has no feature maps; --layers four needs them")
    stages = model.forward_intermediates(batch, indices=indices, norm=False, output_fmt="NCHW", intermediates_only=True)
    return [tuple(stage.shape[1:]) for stage in stages]


def _four(model: Any, batch: torch.Tensor) -> list[int]:
    return four_of(_maps(model, batch, None))


def _widths(model: Any, batch: torch.Tensor, chosen: list[int]) -> list[int]:
    return [shape[0] for shape in _maps(model, batch, chosen)]


def _pooling(model: Any) -> str:
    for owner in (model, getattr(model, "head", None)):
        pool = getattr(owner, "global_pool", None)
        name = pool if isinstance(pool, str) else getattr(pool, "pool_type", None)
        if isinstance(name, str) and name:
            return name
    return "head"


def _stride(model: Any, size: tuple[int, int], grid: tuple[int, int]) -> int:
    info = getattr(model, "feature_info", None)
    reduction = info[-1].get("reduction") if isinstance(info, list) and info else None
    # Convolutions without padding lose cells (Inception: 299 pixels, stride 32, 8 cells); where the entry is off by a
    # factor of two it is of another stage.
    if reduction and all(cells / 2 < side / reduction < cells * 2 for side, cells in zip(size, grid, strict=True)):
        return int(reduction)
    return round(max(size[0] / grid[0], size[1] / grid[1]))
