"""What every training run shares: batches, the learning rate's course, one thread, mixed precision."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

MEAN: Final = (0.5, 0.5, 0.5)
STD: Final = (0.25, 0.25, 0.25)
SHIFT: Final = 6
WARM_UP: Final = 0.05


def set_seed(seed: int) -> None:
    """Fix every generator, and take one thread: sums in another order are other weights."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)


def batches(
    images: NDArray[np.uint8], samples: int, size: int, seed: int, *, side: int = 64
) -> Iterator[tuple[torch.Tensor, NDArray[np.int64]]]:
    """Yield normalised float batches with the rows that they hold; every picture once before any twice."""
    rng = np.random.RandomState(seed)
    mean, std = (torch.tensor(value).view(1, 3, 1, 1) for value in (MEAN, STD))
    order: NDArray[np.int64] = np.empty(0, np.int64)
    for _ in range(samples // size):
        while len(order) < size:
            order = np.concatenate([order, rng.permutation(len(images))])
        rows, order = order[:size], order[size:]
        batch = torch.from_numpy(images[rows]).permute(0, 3, 1, 2).float() / 255
        across, up = rng.randint(-SHIFT, SHIFT + 1, size=2).tolist()
        batch = _shifted(batch, across, up)
        if side != batch.shape[-1]:
            batch = torch.nn.functional.interpolate(batch, size=(side, side), mode="bicubic", antialias=True)
        yield (batch - mean) / std, rows


def _shifted(batch: torch.Tensor, across: int, up: int) -> torch.Tensor:
    """Move a batch, its edges repeated."""
    padded = torch.nn.functional.pad(batch, (SHIFT,) * 4, mode="replicate")
    height, width = batch.shape[-2:]
    return padded[..., SHIFT + up : SHIFT + up + height, SHIFT + across : SHIFT + across + width]


def optimise(
    parameters: Sequence[Any],
    steps: Iterator[Any],
    total: int,
    loss_of: Callable[[Any], torch.Tensor],
    *,
    rate: float,
    half: bool,
    after: Callable[[], None] | None = None,
) -> float:
    """Run AdamW over the steps: warm-up, cosine, clipped gradients; return the seconds it took."""
    optimiser = torch.optim.AdamW(parameters, lr=rate, betas=(0.9, 0.98), weight_decay=0.05)
    warm = max(int(total * WARM_UP), 1)
    start = time.monotonic()
    for at, step in enumerate(steps):
        scale = (at + 1) / warm if at < warm else 0.5 * (1 + math.cos(math.pi * (at - warm) / max(total - warm, 1)))
        for group in optimiser.param_groups:
            group["lr"] = rate * scale
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss = loss_of(step)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        if after is not None:
            after()
    return time.monotonic() - start
