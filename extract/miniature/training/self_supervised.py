"""Pre-training without labels: contrast between two views (SimCLR), and filling in masked patches (MAE)."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from .loop import batches, optimise, set_seed
from .pictures import Pictures

TEMPERATURE: Final = 0.2
MASKED: Final = 0.5
PATCH: Final = 16


def views(batch: torch.Tensor, rng: np.random.RandomState) -> torch.Tensor:
    """Return each picture cut, turned in colour and mirrored at random; one draw for a sixteenth of the batch."""
    parts = []
    for part in batch.chunk(16):
        side = int(rng.randint(38, 65))
        top, left = rng.randint(0, 65 - side, size=2).tolist()
        cut = functional.interpolate(part[..., top : top + side, left : left + side], size=64, mode="bilinear")
        if rng.randint(2):
            cut = cut.flip(-1)
        weights = torch.tensor(rng.uniform(0.6, 1.4, size=(1, 3, 1, 1)), dtype=cut.dtype)
        cut = cut * weights + float(rng.uniform(-0.4, 0.4))
        if rng.randint(5) == 0:
            cut = cut.mean(1, keepdim=True).expand(-1, 3, -1, -1)
        parts.append(cut)
    return torch.cat(parts)


def simclr(model: Any, data: Pictures, *, samples: int, rate: float, seed: int, half: bool, size: int = 256) -> float:
    """Train the tower of a classifier by NT-Xent (Chen et al. 2020); the head is left as it is."""
    set_seed(seed)
    rng = np.random.RandomState(seed + 1)
    width = model.num_features
    project = nn.Sequential(nn.Linear(width, 128), nn.ReLU(), nn.Linear(128, 64))
    model.train()

    def tower(batch: torch.Tensor) -> torch.Tensor:
        pooled: torch.Tensor = model.forward_head(model.forward_features(batch), pre_logits=True)
        return pooled

    def loss_of(step: tuple[torch.Tensor, Any]) -> torch.Tensor:
        batch, rows = step
        both = torch.cat([views(batch, rng), views(batch, rng)])
        codes = functional.normalize(project(tower(both)).float(), dim=1)
        alike = codes @ codes.T / TEMPERATURE
        alike.fill_diagonal_(-1e4)
        half_way = len(rows)
        partner = torch.arange(2 * half_way).roll(half_way)
        return functional.cross_entropy(alike, partner)

    seconds = optimise(
        [*model.parameters(), *project.parameters()],
        batches(data.images, samples, size, seed),
        samples // size,
        loss_of,
        rate=rate,
        half=half,
    )
    model.eval()
    return seconds


def masked(model: Any, data: Pictures, *, samples: int, rate: float, seed: int, size: int = 128) -> float:
    """Train a ViT to paint what it does not see (He et al. 2022), with a small decoder that is thrown away."""
    set_seed(seed)
    width = model.embed_dim
    layer = nn.TransformerEncoderLayer(width, 2, 2 * width, 0.0, "gelu", batch_first=True, norm_first=True)
    decoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    token, place = nn.Parameter(torch.zeros(1, 1, width)), nn.Parameter(torch.randn(1, 16, width) * 0.02)
    paint = nn.Linear(width, PATCH * PATCH * 3)
    model.train()

    def loss_of(step: tuple[torch.Tensor, Any]) -> torch.Tensor:
        batch, _ = step
        count, cells = len(batch), (64 // PATCH) ** 2
        kept = round(cells * (1 - MASKED))
        order = torch.rand(count, cells).argsort(dim=1)
        first = model.patch_embed(batch)
        first = first + model.pos_embed[:, 1:]
        seen = first.gather(1, order[:, :kept, None].expand(-1, -1, width))
        head = (model.cls_token + model.pos_embed[:, :1]).expand(count, -1, -1)
        codes = model.norm(model.blocks(torch.cat([head, seen], dim=1)))[:, 1:]
        full = token.expand(count, cells, -1).scatter(1, order[:, :kept, None].expand(-1, -1, width), codes)
        painted = paint(decoder(full + place))
        target = (
            batch.unfold(2, PATCH, PATCH).unfold(3, PATCH, PATCH).permute(0, 2, 3, 1, 4, 5).reshape(count, cells, -1)
        )
        target = (target - target.mean(-1, keepdim=True)) / (target.std(-1, keepdim=True) + 1e-2)
        hidden = torch.ones(count, cells).scatter(1, order[:, :kept], 0.0)
        error = ((painted.float() - target) ** 2).mean(-1)
        return (error * hidden).sum() / hidden.sum()

    seconds = optimise(
        [*model.parameters(), *decoder.parameters(), token, place, *paint.parameters()],
        batches(data.images, samples, size, seed),
        samples // size,
        loss_of,
        rate=rate,
        half=False,
    )
    model.eval()
    return seconds
