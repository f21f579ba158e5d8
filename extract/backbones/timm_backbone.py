"""A timm model as a backbone: one forward pass, three kinds of output.

Loading, preprocessing and the head are timm's own; this module only refuses to let them differ from the description.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from importlib import metadata
from typing import Any

import torch

from extract.weights import DictMemo, Memo, WeightsSource, parse_weights
from manifests.canonical import canonical_json
from manifests.errors import UsageError

from .architecture import build_weightless
from .geometry import NATIVE, Geometry, padded
from .library_model import LibraryModel
from .protocol import Reference
from .resizing import check_resized, patch_size, shapes
from .timm_config import TimmConfig, resolve_config
from .timm_outputs import measure, one_pass
from .timm_reference import TimmReference
from .timm_weights import UNFIT, build, create, shorten


class TimmBackbone(LibraryModel):
    """A timm architecture with weights.

    Parameters
    ----------
    arch
        As `timm_config.resolve_config` reads it: `resnet50.a1_in1k`, `hf-hub:ORG/NAME`, ...
    weights
        A source, or its text as `weights.parse_weights` reads it; "" is the library's own pairing.
    num_classes
        Logit columns; the tag's number unless given.
    image_size
        Side, or (height, width), of the input in pixels; the tag's unless given.
    interpolation
        Of the resize; the tag's unless given.
    dtype
        Arithmetic: float32, tf32, float16 or bfloat16. What is stored does not change with it.
    memo
        Remembers file hashes and facts of architectures between runs.
    offline
        Never ask the hub.
    pixel_step
        A dataset's own step before the transform; see `preprocess.with_pixel_step`.
    geometry
        Another size without a crop, and which layers become patches; in place of `image_size`.
    """

    library = "timm"
    checked_kind = "logits"

    def __init__(
        self,
        arch: str,
        weights: WeightsSource | str = "",
        *,
        num_classes: int | None = None,
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
        look_up = partial(
            resolve_config, arch, source, num_classes=num_classes, interpolation=interpolation, offline=offline
        )
        if geometry.size is not None:
            if image_size is not None:
                raise UsageError("--geometry and --image-size both say how large images are; keep one")
            image_size = padded(geometry.size, tuple(_native_facts(look_up(), memo)["patch"]))
        self._config = look_up(image_size=image_size)
        self._pixel_step = pixel_step
        self._again = partial(
            TimmBackbone, arch, source, num_classes=num_classes, interpolation=interpolation, dtype=dtype, memo=memo,
            offline=offline, pixel_step=pixel_step,
        )  # fmt: skip
        super().__init__(
            self._config,
            self._config.transform(pixel_step, geometry),
            geometry=geometry,
            dtype=dtype,
            memo=memo,
            offline=offline,
        )

    def at(self, geometry: Geometry) -> TimmBackbone:
        """Return the same model, not loaded, at another geometry."""
        return self._again(geometry=geometry)

    def reference(self) -> Reference:
        """Return timm's own calls on the same weights; `load` comes before."""
        if self._model is None:
            raise RuntimeError("load() comes before reference()")
        plain = self._pixel_step is None and self._geometry.size is None
        return TimmReference(self._config, self._resolved, self._model, self._device, self._dtype, transforms=plain)

    def class_count(self) -> int:
        """Return the number of logit columns; 0 without a classifier."""
        return int(self._config.kwargs["num_classes"])

    def _kwargs(self) -> dict[str, Any]:
        return dict(self._config.kwargs)

    def _measure(self) -> dict[str, Any]:
        config = self._config
        kwargs = canonical_json(dict(config.kwargs)).decode()
        key = ("architecture", "timm", metadata.version("timm"), config.name, kwargs, *config.size)
        key += (self._geometry.variant,) if self._geometry.variant else ()
        if isinstance(known := self._memo.get(key), dict):
            return known
        try:
            facts: dict[str, Any] = build_weightless(lambda: create(config), self._measured)
        except UNFIT as error:
            size = "x".join(map(str, config.size))
            raise UsageError(f"timm cannot build {config.name} for {size} pixels: {shorten(error)}") from error
        self._memo.put(key, facts)
        return facts

    def _measured(self, model: Any) -> dict[str, Any]:
        config = self._config
        if config.size != config.native:
            native = _native_facts(config.at_native(), self._memo)["shapes"]
            check_resized(config.name, native, model, config.native, config.size)
        facts = measure(model, config.size, self.class_count(), self._geometry.layers)
        if self._geometry.size is not None and "patches" in facts["outputs"]:
            facts["outputs"]["patches"]["positions"] = "native" if config.size == config.native else "resampled"
        return facts

    def _build(self) -> Any:
        return build(self._config, self._resolved)

    def _place(self, model: Any) -> Any:
        return model.to(device=self._device, dtype=self._dtype)

    def _pass(self, model: Any, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        layers = self._facts["outputs"].get("patches", {}).get("layers")
        return one_pass(model, batch, self.class_count(), layers)

    def _own_call(self, model: Any, batch: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = model(batch)
        return logits


def _native_facts(config: TimmConfig, memo: Memo) -> dict[str, Any]:
    """Return the patch size and the tensors of a network at the size that it was made for."""
    kwargs = canonical_json(dict(config.kwargs)).decode()
    key = ("native", "timm", metadata.version("timm"), config.name, kwargs, *config.size)
    if isinstance(known := memo.get(key), dict):
        return known
    try:
        facts: dict[str, Any] = build_weightless(
            lambda: create(config), lambda model: {"patch": list(patch_size(model)), "shapes": shapes(model)}
        )
    except UNFIT as error:
        raise UsageError(f"timm cannot build {config.name}: {shorten(error)}") from error
    memo.put(key, facts)
    return facts
