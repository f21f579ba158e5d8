"""open_clip's own calls, built apart from the backbone: its factory, transform, encode_image and classifier builder.

Shares nothing with the backbone but the resolved name and the bytes of the weights, so that agreement says something.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from PIL import Image

from extract.weights import ResolvedWeights

from .open_clip_config import OpenClipConfig
from .open_clip_weights import quiet
from .precision import set_precision
from .text_tower import open_tokenizer

_FIELDS = ("mean", "std", "interpolation", "resize_mode")


class OpenClipReference:
    """The same weights through open_clip alone.

    Parameters
    ----------
    transforms
        Whether open_clip has a transform for this preprocessing: not for a pixel step or a geometry of ours.
    """

    def __init__(
        self,
        config: OpenClipConfig,
        resolved: ResolvedWeights,
        device: torch.device,
        dtype: torch.dtype,
        *,
        offline: bool,
        transforms: bool,
    ) -> None:
        self._config, self._device, self._dtype, self._offline = config, device, dtype, offline
        model, transform = _create(config, resolved)
        self._model = model.eval().requires_grad_(False).to(device)
        self._model.visual.to(dtype)
        self._transform = transform if transforms else None

    def transform(self, image: Image.Image) -> torch.Tensor | None:
        """Return open_clip's own input; see `Reference.transform`."""
        return None if self._transform is None else self._transform(image)

    def outputs(self, batch: torch.Tensor) -> dict[str, NDArray[np.float32]]:
        """Return open_clip's own embeddings; see `Reference.outputs`."""
        if not self._config.embeds:
            return {}
        with torch.inference_mode():
            made = self._model.encode_image(batch.to(self._device, self._dtype), normalize=False)
        return {"embeddings": made.float().cpu().numpy()}

    def head(self, names: Sequence[str], templates: Sequence[str]) -> NDArray[np.float32]:
        """Return open_clip's own zero-shot classifier `(d, c)`.

        Raises
        ------
        UsageError
            When its tokenizer is not here.
        """
        tokenizer = open_tokenizer(self._config, offline=self._offline)
        set_precision("float32")
        with torch.inference_mode():
            made = open_clip.build_zero_shot_classifier(
                self._model, tokenizer, list(names), list(templates), device=self._device
            )
        array: NDArray[np.float32] = made.float().cpu().numpy()
        return array

    def zero_shot(self, batch: torch.Tensor, head: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return logits `(n, c)`: scale times cosine, plus bias, as open_clip's own forward pass computes them."""
        with torch.inference_mode():
            images = self._model.encode_image(batch.to(self._device, self._dtype), normalize=True).float()
            logits = self._model.logit_scale.exp() * images @ torch.from_numpy(head).to(self._device)
            if self._model.logit_bias is not None:
                logits = logits + self._model.logit_bias
        array: NDArray[np.float32] = logits.float().cpu().numpy()
        return array


def _create(config: OpenClipConfig, resolved: ResolvedWeights) -> tuple[Any, Any]:
    saved = config.source.removeprefix("local-dir:") if config.source.startswith("local-dir:") else ""
    path = None if resolved.seed is not None else resolved.files[0]
    beside = bool(saved) and path is not None and path.parent == Path(saved)
    more: dict[str, Any] = {"pretrained": str(path)} if path is not None and not saved else {}
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(resolved.seed or 0)
        model, _, transform = open_clip.create_model_and_transforms(
            config.source,
            load_weights=path is not None and (beside or not saved),
            pretrained_text=False,
            force_image_size=None if config.family == "resnet" else config.forced,
            weights_only=True,
            # The factory learns a tag's preprocessing only together with its weights.
            **{f"image_{name}": config.preprocess[name] for name in _FIELDS},
            **more,
        )
        if saved and path is not None and not beside:
            open_clip.load_checkpoint(model, str(path), weights_only=True)
    return model, transform
