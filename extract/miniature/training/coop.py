"""Learning a context of CoOp (Zhou et al. 2022): a few vectors in place of the words around a class name.

Both towers stay as they are; only the context is trained, by cross-entropy on sixteen pictures of each class.
`python -m extract.miniature.training.coop BASE OUT` writes what CoOp writes: a file with the state of its learner.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from extract.backbones.learned_context import encode_embedded, placeholder, with_context
from extract.miniature.draw import draw
from extract.miniature.sampling import IN, sample
from extract.miniature.world import CLASSES

from .loop import MEAN, STD, set_seed
from .tokens import FILE, tokenizer_of

SHOTS: Final = 16
VECTORS: Final = 4
STEPS: Final = 400
RATE: Final = 2e-2


def learn_context(folder: Path, seed: int) -> torch.Tensor:
    """Return the context `(m, w)` for a CLIP that was saved in `folder`."""
    import open_clip

    model = open_clip.create_model(f"local-dir:{folder}")
    set_seed(seed)
    model.eval().requires_grad_(False)
    tokenizer = tokenizer_of(folder / FILE)
    labels = torch.arange(SHOTS * len(CLASSES)) % len(CLASSES)
    rng = np.random.RandomState(seed + 9000)
    drawn = np.stack([draw(sample(IN, int(label), rng)) for label in labels])
    mean, std = (torch.tensor(value).view(1, 3, 1, 1) for value in (MEAN, STD))
    with torch.no_grad():
        pixels = (torch.from_numpy(drawn).permute(0, 3, 1, 2).float() / 255 - mean) / std
        seen = model.encode_image(pixels, normalize=True)
    names = [thing.name for thing in CLASSES]
    tokens = tokenizer([placeholder(name, VECTORS) for name in names])
    embedded, ends = model.token_embedding(tokens), tokens.argmax(dim=-1)
    lengths = torch.tensor([len(tokenizer.encode(name)) for name in names])
    context = torch.nn.Parameter(torch.randn(VECTORS, embedded.shape[-1]) * 0.02)
    optimiser = torch.optim.SGD([context], lr=RATE, momentum=0.9)
    for _ in range(STEPS):
        said = encode_embedded(_Half(model), with_context(embedded, context, lengths, "end"), ends)
        logits = model.logit_scale.exp() * seen @ torch.nn.functional.normalize(said, dim=-1).T
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(logits, labels).backward()
        optimiser.step()
    return context.detach()


class _Half:
    """The text half of a CLIP under the names that `encode_embedded` asks for."""

    def __init__(self, model: Any) -> None:
        self.positional_embedding = model.positional_embedding
        self.transformer = model.transformer
        self.attn_mask = model.attn_mask
        self.ln_final = model.ln_final
        self.text_projection = model.text_projection


def main() -> None:
    """Parse the arguments and write the file."""
    parser = argparse.ArgumentParser(prog="python -m extract.miniature.training.coop", description=__doc__)
    parser.add_argument("base", type=Path, help="folder of a CLIP of the miniature")
    parser.add_argument("out", type=Path, help="file to write, e.g. prompt_learner.pth.tar")
    parser.add_argument("--seed", type=int, default=61)
    asked = parser.parse_args()
    context = learn_context(asked.base, asked.seed)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"state_dict": {"ctx": context.half()}, "epoch": STEPS}, asked.out)


if __name__ == "__main__":
    main()
