"""One pass through a timm model: its three kinds of output, and what they are called.

Knows timm's interface (`forward_intermediates`, `forward_head`), no weights and no preprocessing.
"""

from __future__ import annotations

from typing import Any

import torch

from .architecture import activations, skeleton
from .protocol import STORED_DTYPES


def one_pass(model: Any, batch: torch.Tensor, classes: int) -> dict[str, torch.Tensor]:
    """Return every kind from one run of the network's body.

    Parameters
    ----------
    batch
        `(n, 3, h, w)`.
    classes
        Logit columns; with 0 there are no logits.

    Returns
    -------
    dict
        `logits` `(n, c)`; `embeddings` `(n, d)`, what the classifier's last layer reads; `patches` `(n, h, w, d)`, the
        last stage before its final norm, without class or register tokens. The kinds that a caller stores do not
        change the path, so that they do not change the numbers.
    """
    outputs = {}
    if hasattr(model, "forward_intermediates"):
        features, stages = model.forward_intermediates(
            batch, indices=1, norm=False, output_fmt="NCHW", intermediates_only=False
        )
        outputs["patches"] = stages[-1].permute(0, 2, 3, 1)
    else:
        features = model.forward_features(batch)
    outputs["embeddings"] = model.forward_head(features, pre_logits=True)
    if outputs["embeddings"].ndim != 2:
        raise ValueError(f"expected pooled embeddings (n, d), got {tuple(outputs['embeddings'].shape)}")
    if classes:
        outputs["logits"] = model.forward_head(features)
    return {kind: outputs[kind] for kind in STORED_DTYPES if kind in outputs}


def measure(model: Any, size: tuple[int, int], classes: int) -> dict[str, Any]:
    """Return the facts of an architecture that are the same for all weights: skeleton, activations, outputs."""
    batch = torch.zeros(1, 3, *size, device=next(model.parameters()).device)
    shapes = {kind: tuple(values.shape[1:]) for kind, values in one_pass(model, batch, classes).items()}
    outputs: dict[str, dict[str, Any]] = {}
    if "logits" in shapes:
        outputs["logits"] = {"width": shapes["logits"][0]}
    outputs["embeddings"] = {"layer": "pre-logits", "pooling": _pooling(model), "width": shapes["embeddings"][0]}
    if "patches" in shapes:
        rows, columns, channels = shapes["patches"]
        outputs["patches"] = {
            "layer": "last stage",
            "norm": False,
            "grid": [rows, columns],
            "order": "row-major",
            "stride": _stride(model, size, (rows, columns)),
            "width": channels,
        }
    for kind, facts in outputs.items():
        facts["dtype"] = STORED_DTYPES[kind]
    return {"skeleton": skeleton(model), "activations": activations(model), "outputs": outputs}


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
