"""An open_clip model as a backbone: one forward pass, embeddings and patches; and its text tower beside it.

Loading, preprocessing and tokenizing are open_clip's own; this module only refuses to let them differ from the
description. Logits are no output: they are embeddings times a head, and a head needs nothing but text.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, partial
from importlib import metadata
from typing import Any

import torch

from extract.weights import DictMemo, Memo, WeightsSource, parse_weights
from manifests.canonical import canonical_json
from manifests.errors import UsageError

from .architecture import build_weightless
from .geometry import NATIVE, Geometry, Size, padded
from .library_model import LibraryModel
from .open_clip_config import OpenClipConfig, resolve_config
from .open_clip_outputs import measure, one_pass
from .open_clip_reference import OpenClipReference
from .open_clip_weights import build, create, set_size
from .protocol import Reference
from .resizing import check_resized, patch_size, shapes
from .text_tower import OpenClipTextTower, describe_tokenizer, open_tokenizer
from .timm_weights import UNFIT, shorten


class OpenClipBackbone(LibraryModel):
    """An open_clip architecture with weights.

    Parameters
    ----------
    arch
        As `open_clip_config.resolve_config` reads it: `ViT-B-32/laion2b_s34b_b79k`, `local-dir:DIR`, ...
    weights
        A source, or its text as `weights.parse_weights` reads it; "" is the library's own pairing.
    image_size
        Side, or (height, width), of the input in pixels; the architecture's unless given. Position embeddings are
        resampled by the library; a ModifiedResNet at another size has patches and no embeddings.
    interpolation
        Of the resize, bicubic or bilinear; the tag's unless given.
    dtype
        Arithmetic of the image tower: float32, tf32, float16 or bfloat16. What is stored does not change with it.
    memo
        Remembers file hashes and facts of architectures between runs.
    offline
        Never ask the hub.
    pixel_step
        A dataset's own step before the transform; see `preprocess.with_pixel_step`.
    geometry
        Another size without a crop, and which layers become patches; in place of `image_size`.
    """

    library = "open_clip"
    checked_kind = "embeddings"

    def __init__(
        self,
        arch: str,
        weights: WeightsSource | str = "",
        *,
        image_size: int | tuple[int, int] | None = None,
        interpolation: str | None = None,
        dtype: str = "float32",
        memo: Memo | None = None,
        offline: bool = False,
        pixel_step: Mapping[str, Any] | None = None,
        geometry: Geometry = NATIVE,
    ) -> None:
        memo = DictMemo() if memo is None else memo
        source = parse_weights(weights) if isinstance(weights, str) else weights
        look_up = partial(resolve_config, arch, source, interpolation=interpolation, offline=offline)
        if geometry.size is not None:
            if image_size is not None:
                raise UsageError("--geometry and --image-size both say how large images are; keep one")
            image_size = padded(geometry.size, _patch(look_up(), memo))
        self._config = look_up(image_size=image_size)
        self._pixel_step = pixel_step
        self._again = partial(
            OpenClipBackbone, arch, source, interpolation=interpolation, dtype=dtype, memo=memo, offline=offline,
            pixel_step=pixel_step,
        )  # fmt: skip
        super().__init__(
            self._config,
            self._config.transform(pixel_step, geometry),
            geometry=geometry,
            dtype=dtype,
            memo=memo,
            offline=offline,
        )

    def identity(self) -> dict[str, Any]:
        """Return the canonical description of the feature space; see `Backbone.identity`.

        Besides the keys of every backbone it has `text`: tokenizer, context length, arithmetic. Images and texts are
        one space.
        """
        text = {"tokenizer": self._tokenizer_facts, "compute": "float32", "dtype": "float16", "normalised": False}
        return {**super().identity(), "text": text}

    def at(self, geometry: Geometry) -> OpenClipBackbone:
        """Return the same model, not loaded, at another geometry."""
        return self._again(geometry=geometry)

    def reference(self) -> Reference:
        """Return open_clip's own calls on the same weights; `load` comes before."""
        if self._model is None:
            raise RuntimeError("load() comes before reference()")
        plain = self._pixel_step is None and self._geometry.size is None
        return OpenClipReference(
            self._config, self._resolved, self._device, self._dtype, offline=self._offline, transforms=plain
        )

    def class_count(self) -> int:
        """Return 0: a zero-shot model has no columns of its own."""
        return 0

    def text_width(self) -> int:
        """Return the width of text features, which is that of embeddings."""
        return int(self._config.model["embed_dim"])

    def text_tower(self) -> OpenClipTextTower:
        """Return the text tower of the loaded model.

        Raises
        ------
        UsageError
            When its tokenizer is not here and cannot be fetched.
        """
        if self._model is None:
            raise RuntimeError("load() comes before text_tower()")
        tokenizer = open_tokenizer(self._config, offline=self._offline)
        return OpenClipTextTower(self._model, tokenizer, self._device, self._dtype_name)

    def _kwargs(self) -> dict[str, Any]:
        # A vocabulary file is named by its content, under `text`.
        text = dict(self._config.model["text_cfg"])
        if kwargs := text.get("tokenizer_kwargs"):
            text["tokenizer_kwargs"] = {key: value for key, value in kwargs.items() if key != "bpe_path"}
        return {**self._config.model, "text_cfg": text}

    @cached_property
    def _tokenizer_facts(self) -> dict[str, Any]:
        return describe_tokenizer(self._config)

    def _measure(self) -> dict[str, Any]:
        config = self._config
        described = canonical_json(self._kwargs()).decode()
        key = ("architecture", *_libraries(), config.name, described, *config.size)
        key += (self._geometry.variant,) if self._geometry.variant else ()
        if isinstance(known := self._memo.get(key), dict):
            return known
        try:
            facts: dict[str, Any] = build_weightless(
                lambda: set_size(config, create(config, str(torch.get_default_device()))), self._measured
            )
        except (*UNFIT, OSError, ImportError) as error:
            size = "x".join(map(str, config.size))
            raise UsageError(f"open_clip cannot build {config.name} for {size} pixels: {shorten(error)}") from error
        self._memo.put(key, facts)
        return facts

    def _measured(self, model: Any) -> dict[str, Any]:
        config = self._config
        if config.forced is not None and config.family == "timm":
            native = _native_facts(config, self._memo)["shapes"]
            check_resized(config.name, native, model.visual.trunk, config.native, config.size)
        return measure(model, config, self._geometry.layers)

    def _build(self) -> Any:
        try:
            return build(self._config, self._resolved)
        except UNFIT as error:
            raise UsageError(f"open_clip cannot build {self._config.name}: {shorten(error)}") from error

    def _place(self, model: Any) -> Any:
        model = model.to(self._device)
        # Only images are computed in another dtype; the text half and the logit scale stay as they are.
        model.visual.to(self._dtype)
        return model

    def _pass(self, model: Any, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        layers = self._facts["outputs"].get("patches", {}).get("layers")
        return one_pass(model.visual, batch, embeds=self._config.embeds, layers=layers)

    def _own_call(self, model: Any, batch: torch.Tensor) -> torch.Tensor:
        embeddings: torch.Tensor = model.encode_image(batch, normalize=False)
        return embeddings


def _libraries() -> tuple[str, str, str]:
    return "open_clip", metadata.version("open_clip_torch"), metadata.version("timm")


def _patch(config: OpenClipConfig, memo: Memo) -> Size:
    """Return height and width of the cells that an image tower cuts its input into first."""
    if config.family == "timm":
        height, width = _native_facts(config, memo)["patch"]
        return int(height), int(width)
    patch = 1 if config.family == "resnet" else int(config.model["vision_cfg"].get("patch_size", 16))
    return patch, patch


def _native_facts(config: OpenClipConfig, memo: Memo) -> dict[str, Any]:
    """Return the patch size and the tensors of a timm tower at the size that it was made for."""
    key = ("native", *_libraries(), config.name, canonical_json(dict(config.model["vision_cfg"])).decode())
    if isinstance(known := memo.get(key), dict):
        return known
    try:
        facts: dict[str, Any] = build_weightless(
            lambda: create(config, str(torch.get_default_device())),
            lambda model: {"patch": list(patch_size(model.visual.trunk)), "shapes": shapes(model.visual.trunk)},
        )
    except (*UNFIT, OSError, ImportError) as error:
        raise UsageError(f"open_clip cannot build {config.name}: {shorten(error)}") from error
    memo.put(key, facts)
    return facts
