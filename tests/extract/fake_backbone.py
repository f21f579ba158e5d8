"""A model that is arithmetic, so that a test knows every number before it is computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image


class FakeBackbone:
    """Embeddings are the mean colour of an image; logits are those numbers times ten.

    holds
        Most images that its device's memory holds.
    overflow
        Mean reds from which on the output is infinite.
    """

    def __init__(self, holds: int = 1_000, overflow: float = np.inf, name: str = "fake") -> None:
        self.holds = holds
        self.overflow = overflow
        self.name = name
        self.batches: list[int] = []
        self.loads = 0
        self.closes = 0

    def identity(self) -> dict[str, Any]:
        return {
            "library": "tests",
            "architecture": {"name": self.name},
            "preprocess": {"ops": [{"op": "resize", "size": [2, 2]}], "probe": {"png": "0"}},
            "outputs": {
                "logits": {"width": 3, "dtype": "float32"},
                "embeddings": {"width": 3, "dtype": "float32"},
                "patches": {"grid": [2, 2], "width": 3, "dtype": "float16"},
            },
            "dtype": {"compute": "float32"},
        }

    def transform(self, image: Image.Image) -> torch.Tensor:
        small = np.asarray(image.resize((2, 2), Image.Resampling.BOX), np.float32)
        return torch.from_numpy(small).permute(2, 0, 1)

    def kinds(self) -> tuple[str, ...]:
        return ("logits", "embeddings", "patches")

    def class_count(self) -> int:
        return 3

    def row_bytes(self) -> dict[str, int]:
        return {"logits": 12, "embeddings": 12, "patches": 24}

    def blank(self) -> torch.Tensor:
        return torch.zeros(1, 3, 2, 2)

    def load(self, device: str) -> None:
        self.loads += 1

    def close(self) -> None:
        self.closes += 1

    def forward(self, batch: torch.Tensor, kinds: Sequence[str]) -> dict[str, NDArray[Any]]:
        if len(batch) > self.holds:
            raise torch.OutOfMemoryError("no memory")
        self.batches.append(len(batch))
        pixels = batch.numpy()
        mean = pixels.mean(axis=(2, 3), dtype=np.float32)
        mean[mean[:, 0] >= self.overflow] = np.inf
        made = {"embeddings": mean, "logits": mean * 10, "patches": pixels.transpose(0, 2, 3, 1).astype(np.float16)}
        return {kind: made[kind] for kind in kinds}
