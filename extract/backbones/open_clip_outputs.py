"""One pass through an open_clip image tower: embeddings and patches, and what they are called.

Knows open_clip's interface (`forward_intermediates`), no weights and no preprocessing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from manifests.errors import UsageError

from .architecture import activations, skeleton
from .layers import describe_patches, four_of, joined
from .open_clip_config import OpenClipConfig
from .protocol import STORED_DTYPES


def one_pass(
    visual: Any, batch: torch.Tensor, *, embeds: bool, layers: Sequence[int] | None = None
) -> dict[str, torch.Tensor]:
    """Return every kind from one run of the tower.

    Parameters
    ----------
    batch
        `(n, 3, h, w)`.
    embeds
        Whether the tower can pool at this size.
    layers
        Positions of the maps that become patches, the last of the network among them; None for that one alone.

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
    indices = 1 if layers is None else list(layers)
    found = visual.forward_intermediates(
        batch, indices=indices, normalize_intermediates=False, intermediates_only=not embeds, output_fmt="NCHW"
    )
    outputs = {"embeddings": found["image_features"]} if embeds else {}
    outputs["patches"] = joined(found["image_intermediates"])
    return outputs


def _has_stages(visual: Any) -> bool:
    return hasattr(getattr(visual, "trunk", visual), "forward_intermediates")


def measure(model: Any, config: OpenClipConfig, layers: str = "last") -> dict[str, Any]:
    """Return the facts of an architecture that are the same for all weights: skeleton, activations, outputs.

    Raises
    ------
    UsageError
        When the tower has no maps, or too few, for the layers that were asked for.
    """
    batch = torch.zeros(1, 3, *config.size, device=next(model.parameters()).device)
    chosen = None if layers == "last" else four_of(_maps(model.visual, batch, None))
    made = one_pass(model.visual, batch, embeds=config.embeds, layers=chosen)
    shapes = {kind: tuple(out.shape[1:]) for kind, out in made.items()}
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
        widths = [channels] if chosen is None else [shape[0] for shape in _maps(model.visual, batch, chosen)]
        outputs["patches"] = describe_patches((rows, columns), widths, chosen)
        outputs["patches"]["positions"] = _positions(config)
        outputs["patches"]["stride"] = round(max(config.size[0] / rows, config.size[1] / columns))
    for kind, facts in outputs.items():
        facts["dtype"] = STORED_DTYPES[kind]
    return {"skeleton": skeleton(model), "activations": activations(model), "outputs": outputs}


def _maps(visual: Any, batch: torch.Tensor, indices: Sequence[int] | None) -> list[tuple[int, ...]]:
    if not _has_stages(visual):
        raise UsageError(f"{type(visual).__name__} has no feature maps; --layers four needs them")
    found = visual.forward_intermediates(
        batch, indices=indices, normalize_intermediates=False, intermediates_only=True, output_fmt="NCHW"
    )
    return [tuple(stage.shape[1:]) for stage in found["image_intermediates"]]


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
