"""An open_clip model as a backbone: one forward pass, embeddings and patches; and its text tower beside it.

Loading, preprocessing and tokenizing are open_clip's own; this module only refuses to let them differ from the
description. Logits are no output: they are embeddings times a head, and a head needs nothing but text.
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
from .open_clip_config import resolve_config
from .open_clip_outputs import measure, one_pass
from .open_clip_weights import build, create, set_size
from .precision import compute_dtype, open_device, set_precision
from .protocol import EXTRACTOR_SCHEMA, STORED_DTYPES, row_bytes
from .text_tower import OpenClipTextTower, describe_tokenizer, open_tokenizer
from .timm_weights import UNFIT, shorten


class OpenClipBackbone:
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
    """

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
    ) -> None:
        self._config = resolve_config(
            arch,
            parse_weights(weights) if isinstance(weights, str) else weights,
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
        """Return the canonical description of the feature space; see `Backbone.identity`.

        Besides the keys of every backbone it has `text`: tokenizer, context length, arithmetic. Images and texts are
        one space.
        """
        facts = self._facts
        height, width = self._config.size
        return {
            "library": "open_clip",
            "architecture": {
                "name": self._config.name,
                "kwargs": self._described_config(),
                "skeleton": facts["skeleton"],
                "activations": facts["activations"],
            },
            "weights": self._weights_identity,
            "preprocess": self._preprocess,
            "geometry": f"{height}x{width}",
            "outputs": facts["outputs"],
            "text": {"tokenizer": self._tokenizer_facts, "compute": "float32", "dtype": "float16", "normalised": False},
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
        """Return 0: a zero-shot model has no columns of its own."""
        return 0

    def row_bytes(self) -> dict[str, int]:
        """Return the stored bytes of one image, by kind."""
        return row_bytes(self._facts["outputs"])

    def text_width(self) -> int:
        """Return the width of text features, which is that of embeddings."""
        return int(self._config.model["embed_dim"])

    def blank(self) -> torch.Tensor:
        """Return one input of zeros."""
        return torch.zeros(1, 3, *self._config.size)

    def load(self, device: str) -> None:
        """Build the model with its weights on a device and hold it against its description."""
        self._device = open_device(device)
        set_precision(self._dtype_name)
        described = self._weights_identity
        try:
            model = build(self._config, self._resolved)
        except UNFIT as error:
            raise UsageError(f"open_clip cannot build {self._config.name}: {shorten(error)}") from error
        if skeleton(model) != self._facts["skeleton"]:
            raise AssayError(
                f"{self._config.name}: the model that open_clip built has other tensors than the one described; "
                "please report this"
            )
        if self._hash_weights() != described:
            raise UsageError(f"the weights of {self._config.name} changed while they were read; run the command again")
        model = model.eval().requires_grad_(False).to(self._device)
        # Only images are computed in another dtype; the text half and the logit scale stay as they are.
        model.visual.to(self._dtype)
        self._check_one_pass(model)
        self._model = model

    def forward(self, batch: torch.Tensor, kinds: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Run the image tower once over float32 `(n, 3, h, w)`; see `Backbone.forward`."""
        if self._model is None:
            raise RuntimeError("load() comes before forward()")
        if batch.ndim != 4 or tuple(batch.shape[1:]) != (3, *self._config.size):
            raise ValueError(f"expected a batch (n, {(3, *self._config.size)}), got {tuple(batch.shape)}")
        if unknown := sorted(set(kinds) - set(self.kinds())):
            raise ValueError(f"kinds {unknown}; expected some of {self.kinds()}")
        with torch.inference_mode():
            outputs = one_pass(self._model.visual, batch.to(self._device, self._dtype), embeds=self._config.embeds)
            return {kind: _stored(outputs[kind], kind) for kind in kinds}

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

    def close(self) -> None:
        """Let the model and its device memory go."""
        self._model = None
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    @cached_property
    def _facts(self) -> dict[str, Any]:
        config = self._config
        described = canonical_json(self._described_config()).decode()
        libraries = (metadata.version("open_clip_torch"), metadata.version("timm"))
        key = ("architecture", "open_clip", *libraries, config.name, described, *config.size)
        if isinstance(known := self._memo.get(key), dict):
            return known
        try:
            facts: dict[str, Any] = build_weightless(
                lambda: set_size(config, create(config, str(torch.get_default_device()))),
                lambda model: measure(model, config),
            )
        except (*UNFIT, OSError, ImportError) as error:
            size = "x".join(map(str, config.size))
            raise UsageError(f"open_clip cannot build {config.name} for {size} pixels: {shorten(error)}") from error
        self._memo.put(key, facts)
        return facts

    def _described_config(self) -> dict[str, Any]:
        # A vocabulary file is named by its content, under `text`.
        text = dict(self._config.model["text_cfg"])
        if kwargs := text.get("tokenizer_kwargs"):
            text["tokenizer_kwargs"] = {key: value for key, value in kwargs.items() if key != "bpe_path"}
        return {**self._config.model, "text_cfg": text}

    @cached_property
    def _tokenizer_facts(self) -> dict[str, Any]:
        return describe_tokenizer(self._config)

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
        # Once a load: the embeddings of the shared pass must be the model's own.
        if not self._config.embeds:
            return
        noise = np.random.default_rng(0).standard_normal((1, 3, *self._config.size), np.float32)
        batch = torch.from_numpy(noise).to(self._device, self._dtype)
        with torch.inference_mode():
            theirs = model.encode_image(batch, normalize=False).float()
            gap = float((one_pass(model.visual, batch, embeds=True)["embeddings"].float() - theirs).abs().max())
        tolerance = 1e-5 if self._dtype_name == "float32" else 1e-2
        if not gap <= tolerance * max(1.0, float(theirs.abs().max())):
            raise AssayError(
                f"{self._config.name}: embeddings of the shared pass differ from the model's own by {gap:.3g}; this "
                "tower does not pool its last features alone"
            )


def _stored(values: torch.Tensor, kind: str) -> NDArray[Any]:
    # The cast is torch's: an overflow becomes an infinity without a warning, and the engine reports the row.
    array: NDArray[Any] = values.to(getattr(torch, STORED_DTYPES[kind])).contiguous().cpu().numpy()
    return array
