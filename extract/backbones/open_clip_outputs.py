"""One pass through an open_clip image tower: embeddings and patches, and what they are called.

Knows open_clip's interface (`forward_intermediates`), no weights and no preprocessing.
"""

from __future__ import annotations

from typing import Any

import torch

from .architecture import activations, skeleton
from .open_clip_config import OpenClipConfig
from .protocol import STORED_DTYPES


def one_pass(visual: Any, batch: torch.Tensor, *, embeds: bool) -> dict[str, torch.Tensor]:
    """Return every kind from one run of the tower.

    Parameters
    ----------
    batch
        `(n, 3, h, w)`.
    embeds
        Whether the tower can pool at this size.

    Returns
    -------
    dict
        `embeddings` `(n, d)`, projected into the space that images and texts share, not normalised; `patches`
        `(n, h, w, c)`, the last stage (of a ModifiedResNet: before its attention pool; of a transformer: the last
        block) before any final norm, without class token. The kinds that a caller stores do not change the path.
    """
    if not _has_stages(visual):
        pooled = visual(batch)
        return {"embeddings": pooled[0] if isinstance(pooled, tuple) else pooled}
    # All blocks run whatever `indices` is, so `stop_early` (inverted in ModifiedResNet) stays at its default.
    found = visual.forward_intermediates(
        batch, indices=1, normalize_intermediates=False, intermediates_only=not embeds, output_fmt="NCHW"
    )
    outputs = {"embeddings": found["image_features"]} if embeds else {}
    outputs["patches"] = found["image_intermediates"][-1].permute(0, 2, 3, 1)
    return outputs


def _has_stages(visual: Any) -> bool:
    return hasattr(getattr(visual, "trunk", visual), "forward_intermediates")


def measure(model: Any, config: OpenClipConfig) -> dict[str, Any]:
    """Return the facts of an architecture that are the same for all weights: skeleton, activations, outputs."""
    batch = torch.zeros(1, 3, *config.size, device=next(model.parameters()).device)
    shapes = {kind: tuple(out.shape[1:]) for kind, out in one_pass(model.visual, batch, embeds=config.embeds).items()}
    outputs: dict[str, dict[str, Any]] = {}
    if "embeddings" in shapes:
        if len(shapes["embeddings"]) != 1:
            raise ValueError(f"expected pooled embeddings (d), got {shapes['embeddings']}")
        outputs["embeddings"] = {
            "layer": "projection",
            "normalised": False,
            "pooling": _pooling(model.visual, config),
            "width": shapes["embeddings"][0],
        }
    if "patches" in shapes:
        rows, columns, channels = shapes["patches"]
        outputs["patches"] = {
            "layer": "last stage",
            "norm": False,
            "grid": [rows, columns],
            "order": "row-major",
            "positions": _positions(config),
            "stride": round(max(config.size[0] / rows, config.size[1] / columns)),
            "width": channels,
        }
    for kind, facts in outputs.items():
        facts["dtype"] = STORED_DTYPES[kind]
    return {"skeleton": skeleton(model), "activations": activations(model), "outputs": outputs}


def _positions(config: OpenClipConfig) -> str:
    if config.family == "resnet":
        return "none"
    return "native" if config.forced is None else "resampled"


def _pooling(visual: Any, config: OpenClipConfig) -> str:
    if config.family == "resnet":
        return "attention"
    if config.family == "timm":
        return str(config.model["vision_cfg"].get("timm_pool", "avg")) or "trunk"
    return "attention" if visual.attn_pool is not None else str(visual.pool_type)
