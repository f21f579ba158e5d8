"""What the engine asks of a model, whatever library builds it.

A backbone can describe itself without being loaded; what it describes is everything that determines its numbers and
nothing else. Batch size, device, workers and paths are the engine's business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    # Only named here: what plans and prices has to run where no torch is.
    import torch
    from PIL import Image

    from .geometry import Geometry

EXTRACTOR_SCHEMA: Final = 1
"""Bumped by hand when our own numbers change for equal weights and preprocessing."""

STORED_DTYPES: Final[Mapping[str, str]] = {"logits": "float32", "embeddings": "float32", "patches": "float16"}
"""How each kind is written. Never bfloat16: no laptop library reads it."""


class Backbone(Protocol):
    """An image model.

    Made from a name and a source of weights; cheap until `load`.
    """

    def identity(self) -> dict[str, Any]:
        """Return the canonical description of the feature space, without any weight in memory.

        Keys: `library`, `architecture` (name, kwargs, skeleton, activations), `weights`, `preprocess` (ops, probe),
        `geometry`, `outputs` (kind -> layer, shape and stored dtype), `dtype`, `extractor_schema`.
        """

    def transform(self, image: Image.Image) -> torch.Tensor:
        """Return the model's input for an RGB image: float32 `(3, h, w)`, by the library's own transform."""

    def kinds(self) -> tuple[str, ...]:
        """Return the kinds of which one forward pass yields numbers."""

    def class_count(self) -> int:
        """Return the number of logit columns; 0 for a model without a classifier."""

    def row_bytes(self) -> dict[str, int]:
        """Return the stored bytes of one image, by kind."""

    def blank(self) -> torch.Tensor:
        """Return one input of zeros: float32 `(1, 3, h, w)`."""

    def load(self, device: str) -> None:
        """Build the model with its weights on a device.

        Raises
        ------
        AssayError
            When the weights do not fit, or are no longer those of `identity`.
        """

    def forward(self, batch: torch.Tensor, kinds: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Run the model once over float32 `(n, 3, h, w)`.

        Returns `logits` float32 `(n, c)`, `embeddings` float32 `(n, d)` and `patches` float16 `(n, h, w, d)` on the
        row-major grid of the last stage; an overflow is an infinity, for the engine to see.
        """

    def close(self) -> None:
        """Let the model and its device memory go."""


class TextTower(Protocol):
    """The text half of a zero-shot model, loaded."""

    @property
    def logit_scale(self) -> float:
        """The learned scale of cosines, exponentiated."""

    @property
    def logit_bias(self) -> float:
        """The learned bias of logits; 0 where the model has none."""

    def encode(self, strings: Sequence[str], progress: Callable[[int], None] = ...) -> NDArray[np.float32]:
        """Return float32 features `(n, d)`, projected and not normalised; `progress` hears how many are done."""


@runtime_checkable
class CountsTruncated(Protocol):
    """A text tower that can tell which strings it does not read to their end."""

    def truncated(self, strings: Sequence[str]) -> int:
        """Return how many strings have more tokens than the tower reads."""


@runtime_checkable
class ZeroShot(Protocol):
    """A backbone with a text tower, which therefore needs no classifier."""

    def text_width(self) -> int:
        """Return the width of text features, which is that of embeddings."""

    def text_tower(self) -> TextTower:
        """Return the tower; `load` comes before."""


@runtime_checkable
class Resizable(Protocol):
    """A backbone that can be had at another size, or with other layers as patches."""

    def at(self, geometry: Geometry) -> Backbone:
        """Return the same model, not loaded, at a geometry.

        Raises
        ------
        UsageError
            When it cannot be; at the latest when it describes itself.
        """


class Reference(Protocol):
    """A library's own calls on the same weights, built apart from ours, to be held against a backbone."""

    def transform(self, image: Image.Image) -> torch.Tensor | None:
        """Return the library's own input for an RGB image; None where the library has none for this preprocessing."""

    def outputs(self, batch: torch.Tensor) -> dict[str, NDArray[np.float32]]:
        """Return the library's own `logits` and `embeddings`, as far as it has them."""

    def head(self, names: Sequence[str], templates: Sequence[str]) -> NDArray[np.float32] | None:
        """Return the library's own zero-shot classifier `(d, c)`; None without a text tower."""

    def zero_shot(self, batch: torch.Tensor, head: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the library's own logits `(n, c)` of images under its classifier."""


@runtime_checkable
class Referenced(Protocol):
    """A backbone whose numbers can be held against its library's own."""

    def reference(self) -> Reference:
        """Return the library's own calls; `load` comes before."""


def row_bytes(outputs: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """Return the stored bytes of one image from the `outputs` of an identity.

    Examples
    --------
    >>> row_bytes({"logits": {"width": 1000, "dtype": "float32"}})
    {'logits': 4000}
    >>> row_bytes({"patches": {"width": 64, "grid": [7, 7], "dtype": "float16"}})
    {'patches': 6272}
    """
    return {
        kind: int(facts["width"]) * int(np.prod(facts.get("grid", [1]))) * np.dtype(facts["dtype"]).itemsize
        for kind, facts in outputs.items()
    }
