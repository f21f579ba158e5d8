"""What backbones of every library share: a description made without weights, one load, one pass.

A library's module says how its models are built, run and measured; this one refuses to let what is loaded differ
from what was described.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from extract.preprocess import describe
from extract.probe import pixel_probe
from extract.transform_steps import Transform
from extract.weights import DictMemo, Memo, ResolvedWeights, WeightsSource, file_sha256, resolve
from manifests.errors import AssayError, UsageError

from .architecture import skeleton
from .geometry import Geometry
from .precision import compute_dtype, open_device, set_precision
from .protocol import EXTRACTOR_SCHEMA, STORED_DTYPES, row_bytes


class Config(Protocol):
    """What a library knows of a model before it is built."""

    @property
    def name(self) -> str:
        """The architecture."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the input in pixels."""

    @property
    def weights(self) -> WeightsSource:
        """Where the tensors are."""


class LibraryModel(ABC):
    """A library's architecture with weights.

    Parameters
    ----------
    config
        As resolved.
    transform
        The library's own, or what a geometry or a dataset's pixel step made of it.
    """

    library: ClassVar[str]
    checked_kind: ClassVar[str]
    """The kind that has to be the library's own number after a load."""

    def __init__(
        self, config: Config, transform: Transform, *, geometry: Geometry, dtype: str, memo: Memo | None, offline: bool
    ) -> None:
        self._described = config
        self._transform = transform
        self._geometry = geometry
        self._dtype = compute_dtype(dtype)
        self._dtype_name = dtype
        self._memo: Memo = DictMemo() if memo is None else memo
        self._offline = offline
        self._model: Any = None
        self._device = torch.device("cpu")

    # What a library says.

    @abstractmethod
    def class_count(self) -> int:
        """Return the number of logit columns; 0 without a classifier."""

    @abstractmethod
    def _kwargs(self) -> dict[str, Any]:
        """Return the architecture's configuration as data."""

    @abstractmethod
    def _measure(self) -> dict[str, Any]:
        """Return skeleton, activations and outputs, measured without weights."""

    @abstractmethod
    def _build(self) -> Any:
        """Build the model with its weights, on the CPU."""

    @abstractmethod
    def _place(self, model: Any) -> Any:
        """Put it on the device in its arithmetic."""

    @abstractmethod
    def _pass(self, model: Any, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return every kind of one forward pass."""

    @abstractmethod
    def _own_call(self, model: Any, batch: torch.Tensor) -> torch.Tensor:
        """Return `checked_kind` by the library's own call."""

    # What follows from it.

    def identity(self) -> dict[str, Any]:
        """Return the canonical description of the feature space; see `Backbone.identity`."""
        facts = self._facts
        height, width = self._described.size
        # Native is silent, so that an ordinary space keeps its name.
        variant = {"variant": self._geometry.variant} if self._geometry.variant else {}
        return {
            "library": self.library,
            "architecture": {
                "name": self._described.name,
                "kwargs": self._kwargs(),
                "skeleton": facts["skeleton"],
                "activations": facts["activations"],
            },
            "weights": self._weights_identity,
            "preprocess": self._preprocess,
            "geometry": f"{height}x{width}",
            **variant,
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
        expected = (3, *self._described.size)
        if tuple(tensor.shape) != expected:
            raise UsageError(f"preprocessing gave {tuple(tensor.shape)}; {self._described.name} expects {expected}")
        return tensor

    def kinds(self) -> tuple[str, ...]:
        """Return the kinds of which one forward pass yields numbers."""
        return tuple(kind for kind in STORED_DTYPES if kind in self._facts["outputs"])

    def row_bytes(self) -> dict[str, int]:
        """Return the stored bytes of one image, by kind."""
        return row_bytes(self._facts["outputs"])

    def blank(self) -> torch.Tensor:
        """Return one input of zeros."""
        return torch.zeros(1, 3, *self._described.size)

    def load(self, device: str) -> None:
        """Build the model with its weights on a device and hold it against its description."""
        name = self._described.name
        self._device = open_device(device)
        set_precision(self._dtype_name)
        described = self._weights_identity
        model = self._build()
        if skeleton(model) != self._facts["skeleton"]:
            raise AssayError(
                f"{name}: the model that {self.library} built has other tensors than the one described; please report "
                "this"
            )
        if self._hash_weights() != described:
            raise UsageError(f"the weights of {name} changed while they were read; run the command again")
        model = self._place(model.eval().requires_grad_(False))
        self._check_one_pass(model)
        self._model = model

    def forward(self, batch: torch.Tensor, kinds: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Run the model once over float32 `(n, 3, h, w)`; see `Backbone.forward`."""
        if self._model is None:
            raise RuntimeError("load() comes before forward()")
        expected = (3, *self._described.size)
        if batch.ndim != 4 or tuple(batch.shape[1:]) != expected:
            raise ValueError(f"expected a batch (n, {expected}), got {tuple(batch.shape)}")
        if unknown := sorted(set(kinds) - set(self.kinds())):
            raise ValueError(f"kinds {unknown}; expected some of {self.kinds()}")
        with torch.inference_mode():
            outputs = self._pass(self._model, batch.to(self._device, self._dtype))
            return {kind: stored(outputs[kind], kind) for kind in kinds}

    def close(self) -> None:
        """Let the model and its device memory go."""
        self._model = None
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    @cached_property
    def _facts(self) -> Mapping[str, Any]:
        return self._measure()

    @cached_property
    def _preprocess(self) -> dict[str, Any]:
        return {"ops": describe(self._transform), "probe": pixel_probe(self._transform)}

    @cached_property
    def _resolved(self) -> ResolvedWeights:
        return resolve(self._described.weights, offline=self._offline)

    @cached_property
    def _weights_identity(self) -> Any:
        return self._hash_weights()

    def _hash_weights(self) -> Any:
        if self._resolved.seed is not None:
            return {"random": {"seed": self._resolved.seed, "torch": str(torch.__version__)}}
        return [{"sha256": file_sha256(path, self._memo)} for path in self._resolved.files]

    def _check_one_pass(self, model: Any) -> None:
        # Once a load: what the shared pass gives must be the model's own, whatever its head does.
        if self.checked_kind not in self._facts["outputs"]:
            return
        noise = np.random.default_rng(0).standard_normal((1, 3, *self._described.size), np.float32)
        batch = torch.from_numpy(noise).to(self._device, self._dtype)
        with torch.inference_mode():
            theirs = self._own_call(model, batch).float()
            gap = float((self._pass(model, batch)[self.checked_kind].float() - theirs).abs().max())
        tolerance = 1e-5 if self._dtype_name == "float32" else 1e-2
        if not gap <= tolerance * max(1.0, float(theirs.abs().max())):
            raise AssayError(
                f"{self._described.name}: {self.checked_kind} of the shared pass differ from the model's own by "
                f"{gap:.3g}; this architecture does not compute them from its last features alone"
            )


def stored(values: torch.Tensor, kind: str) -> NDArray[Any]:
    """Return a tensor in the dtype that its kind is written in."""
    # The cast is torch's: an overflow becomes an infinity without a warning, and the engine reports the row.
    array: NDArray[Any] = values.to(getattr(torch, STORED_DTYPES[kind])).contiguous().cpu().numpy()
    return array
