"""A timm model as a backbone: one forward pass, three kinds of output.

Loading, preprocessing and the head are timm's own; this module only refuses to let them differ from the description.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib import metadata
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from extract.preprocess import describe
from extract.probe import pixel_probe
from extract.weights import (
    DictMemo,
    Memo,
    ResolvedWeights,
    WeightsSource,
    file_sha256,
    parse_weights,
    resolve,
)  # fmt: skip
from manifests.canonical import canonical_json
from manifests.errors import AssayError, UsageError

from .architecture import build_weightless, skeleton
from .precision import compute_dtype, open_device, set_precision
from .protocol import EXTRACTOR_SCHEMA, STORED_DTYPES, row_bytes
from .timm_config import resolve_config
from .timm_outputs import measure, one_pass
from .timm_weights import UNFIT, build, create, shorten


class TimmBackbone:
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
    """

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
    ) -> None:
        self._config = resolve_config(
            arch,
            parse_weights(weights) if isinstance(weights, str) else weights,
            num_classes=num_classes,
            image_size=image_size,
            interpolation=interpolation,
            offline=offline,
        )
        self._dtype = compute_dtype(dtype)
        self._dtype_name = dtype
        self._memo: Memo = DictMemo() if memo is None else memo
        self._offline = offline
        self._transform = self._config.transform(pixel_step)
        self._model: Any = None
        self._device = torch.device("cpu")

    def identity(self) -> dict[str, Any]:
        """Return the canonical description of the feature space; see `Backbone.identity`."""
        facts = self._facts
        height, width = self._config.size
        return {
            "library": "timm",
            "architecture": {
                "name": self._config.name,
                "kwargs": dict(self._config.kwargs),
                "skeleton": facts["skeleton"],
                "activations": facts["activations"],
            },
            "weights": self._weights_identity,
            "preprocess": self._preprocess,
            "geometry": f"{height}x{width}",
            "outputs": facts["outputs"],
            "dtype": {"compute": self._dtype_name},
            "extractor_schema": EXTRACTOR_SCHEMA,
        }

    def transform(self, image: Image.Image) -> torch.Tensor:
        """Return the model's input for an RGB image: float32 `(3, h, w)`.

        Raises
        ------
        UsageError
            When a ready-made image does not have the model's size.
        """
        tensor: torch.Tensor = self._transform(image)
        if tuple(tensor.shape) != (3, *self._config.size):
            raise UsageError(
                f"preprocessing gave {tuple(tensor.shape)}; {self._config.name} expects {(3, *self._config.size)}"
            )
        return tensor

    def kinds(self) -> tuple[str, ...]:
        """Return the kinds of which one forward pass yields numbers."""
        return tuple(kind for kind in STORED_DTYPES if kind in self._facts["outputs"])

    def class_count(self) -> int:
        """Return the number of logit columns; 0 without a classifier."""
        return int(self._config.kwargs["num_classes"])

    def row_bytes(self) -> dict[str, int]:
        """Return the stored bytes of one image, by kind."""
        return row_bytes(self._facts["outputs"])

    def blank(self) -> torch.Tensor:
        """Return one input of zeros."""
        return torch.zeros(1, 3, *self._config.size)

    def load(self, device: str) -> None:
        """Build the model with its weights on a device and hold it against its description."""
        self._device = open_device(device)
        set_precision(self._dtype_name)
        described = self._weights_identity
        model = build(self._config, self._resolved)
        if skeleton(model) != self._facts["skeleton"]:
            raise AssayError(
                f"{self._config.name}: the model that timm built has other tensors than the one described; "
                "please report this"
            )
        if self._hash_weights() != described:
            raise UsageError(f"the weights of {self._config.name} changed while they were read; run the command again")
        model = model.eval().requires_grad_(False).to(device=self._device, dtype=self._dtype)
        self._check_one_pass(model)
        self._model = model

    def forward(self, batch: torch.Tensor, kinds: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Run the model once over float32 `(n, 3, h, w)`; see `Backbone.forward`."""
        if self._model is None:
            raise RuntimeError("load() comes before forward()")
        if batch.ndim != 4 or tuple(batch.shape[1:]) != (3, *self._config.size):
            raise ValueError(f"expected a batch (n, {(3, *self._config.size)}), got {tuple(batch.shape)}")
        if unknown := sorted(set(kinds) - set(self.kinds())):
            raise ValueError(f"kinds {unknown}; expected some of {self.kinds()}")
        with torch.inference_mode():
            outputs = one_pass(self._model, batch.to(self._device, self._dtype), self.class_count())
            return {kind: _stored(outputs[kind], kind) for kind in kinds}

    def close(self) -> None:
        """Let the model and its device memory go."""
        self._model = None
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    @cached_property
    def _facts(self) -> dict[str, Any]:
        config = self._config
        kwargs = canonical_json(dict(config.kwargs)).decode()
        key = ("architecture", "timm", metadata.version("timm"), config.name, kwargs, *config.size)
        if isinstance(known := self._memo.get(key), dict):
            return known
        try:
            facts: dict[str, Any] = build_weightless(
                lambda: create(config), lambda model: measure(model, config.size, self.class_count())
            )
        except UNFIT as error:
            size = "x".join(map(str, config.size))
            raise UsageError(f"timm cannot build {config.name} for {size} pixels: {shorten(error)}") from error
        self._memo.put(key, facts)
        return facts

    @cached_property
    def _preprocess(self) -> dict[str, Any]:
        return {"ops": describe(self._transform), "probe": pixel_probe(self._transform)}

    @cached_property
    def _resolved(self) -> ResolvedWeights:
        return resolve(self._config.weights, offline=self._offline)

    @cached_property
    def _weights_identity(self) -> Any:
        return self._hash_weights()

    def _hash_weights(self) -> Any:
        if self._resolved.seed is not None:
            return {"random": {"seed": self._resolved.seed, "torch": str(torch.__version__)}}
        return [{"sha256": file_sha256(path, self._memo)} for path in self._resolved.files]

    def _check_one_pass(self, model: Any) -> None:
        # Once a load: the logits of the shared pass must be the model's own, whatever its head does.
        if not self.class_count():
            return
        noise = np.random.default_rng(0).standard_normal((1, 3, *self._config.size), np.float32)
        batch = torch.from_numpy(noise).to(self._device, self._dtype)
        with torch.inference_mode():
            theirs = model(batch).float()
            gap = float((one_pass(model, batch, self.class_count())["logits"].float() - theirs).abs().max())
        tolerance = 1e-5 if self._dtype_name == "float32" else 1e-2
        if not gap <= tolerance * max(1.0, float(theirs.abs().max())):
            raise AssayError(
                f"{self._config.name}: logits of the shared pass differ from the model's own by {gap:.3g}; this "
                "architecture does not compute its head from its last features alone"
            )


def _stored(values: torch.Tensor, kind: str) -> NDArray[Any]:
    # The cast is torch's: an overflow becomes an infinity without a warning, and the engine reports the row.
    array: NDArray[Any] = values.to(getattr(torch, STORED_DTYPES[kind])).contiguous().cpu().numpy()
    return array
