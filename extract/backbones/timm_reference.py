"""timm's own calls, built apart from the backbone: its factory, its data config, its forward pass.

Shares nothing with the backbone but the resolved name and the bytes of the weights, so that agreement says something.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from extract.weights import ResolvedWeights, load_state_dict

from .lite_names import named_otherwise
from .timm_config import TimmConfig


class TimmReference:
    """The same weights through timm alone.

    Parameters
    ----------
    model
        The loaded one; lends its tensors where a file's names are not timm's, and nothing else.
    transforms
        Whether timm has a transform for this preprocessing: not for a pixel step or a geometry of ours.
    """

    def __init__(
        self,
        config: TimmConfig,
        resolved: ResolvedWeights,
        model: Any,
        device: torch.device,
        dtype: torch.dtype,
        *,
        transforms: bool,
    ) -> None:
        self._model = _create(config, resolved, model).eval().requires_grad_(False).to(device=device, dtype=dtype)
        self._device, self._dtype = device, dtype
        self._transform = _transform(config, self._model) if transforms else None

    def transform(self, image: Image.Image) -> torch.Tensor | None:
        """Return timm's own input; see `Reference.transform`."""
        return None if self._transform is None else self._transform(image)

    def outputs(self, batch: torch.Tensor) -> dict[str, NDArray[np.float32]]:
        """Return timm's own logits and embeddings; see `Reference.outputs`."""
        batch = batch.to(self._device, self._dtype)
        with torch.inference_mode():
            made = {"embeddings": self._model.forward_head(self._model.forward_features(batch), pre_logits=True)}
            if self._model.num_classes:
                made["logits"] = self._model(batch)
        return {kind: values.float().cpu().numpy() for kind, values in made.items()}

    def head(self, names: Sequence[str], templates: Sequence[str]) -> None:
        """Return None: no text tower."""

    def zero_shot(self, batch: torch.Tensor, head: NDArray[np.float32]) -> NDArray[np.float32]:
        """Refuse: no text tower."""
        raise NotImplementedError("a timm model has no text tower")


def _create(config: TimmConfig, resolved: ResolvedWeights, model: Any) -> Any:
    import timm

    kwargs = dict(config.kwargs)
    if resolved.seed is not None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(resolved.seed)
            return timm.create_model(config.name, pretrained_cfg=dict(config.pretrained) or None, **kwargs)
    (path,) = resolved.files
    if not _readable(config, path):
        made = timm.create_model(config.name, pretrained_cfg=dict(config.pretrained) or None, **kwargs)
        made.load_state_dict(model.state_dict())
        return made
    overlay = {"file": str(path), "num_classes": config.kwargs["num_classes"], "custom_load": False}
    return timm.create_model(
        config.name,
        pretrained=True,
        pretrained_cfg=dict(config.pretrained) or None,
        pretrained_cfg_overlay={**overlay, "source": None},
        **kwargs,
    )


def _readable(config: TimmConfig, path: Path) -> bool:
    tensors = load_state_dict(path)
    classifier = config.pretrained.get("classifier") or ""
    weight = tensors.get(f"{classifier if isinstance(classifier, str) else classifier[0]}.weight")
    offset = int(config.pretrained.get("label_offset") or 0)
    # With an offset timm cuts columns off a head that may have been cut before.
    return not named_otherwise(config.name, tensors) and not (
        offset and weight is not None and len(weight) == config.kwargs["num_classes"]
    )


def _transform(config: TimmConfig, model: Any) -> Any:
    from timm.data import create_transform, resolve_data_config

    args = {"input_size": config.data["input_size"], "interpolation": config.data["interpolation"]}
    return create_transform(**resolve_data_config(args, model=model), is_training=False)
