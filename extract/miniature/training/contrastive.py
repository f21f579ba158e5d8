"""CLIPs by open_clip's own losses, softmax or sigmoid; also fine-tuning with both towers."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any, Final

import torch

from extract.backbones.open_clip_weights import quiet

from .loop import batches, optimise, set_seed
from .pictures import Pictures
from .tokens import CONTEXT, FILE, tokenizer_of

WIDTH: Final = 64
TEXT_WIDTH: Final = 48
LARGEST_SCALE: Final = math.log(100)


def model_config(vision: dict[str, Any], vocabulary: int, *, sigmoid: bool) -> dict[str, Any]:
    """Return an architecture as open_clip's JSON has it."""
    config: dict[str, Any] = {
        "embed_dim": WIDTH,
        "vision_cfg": {"image_size": 64, **vision},
        "text_cfg": {
            "context_length": CONTEXT,
            "vocab_size": vocabulary,
            "width": TEXT_WIDTH,
            "heads": 2,
            "layers": 1,
            "tokenizer_kwargs": {"bpe_path": FILE},
        },
    }
    if sigmoid:
        config |= {"init_logit_scale": math.log(10), "init_logit_bias": -10.0}
    return config


def new_clip(config: dict[str, Any], seed: int, folder: Path) -> Any:
    """Return open_clip's model with its own initialisation; the configuration is registered from `folder`."""
    import open_clip

    set_seed(seed)
    folder.mkdir(parents=True, exist_ok=True)
    name = f"miniature-{hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:12]}"
    path = folder / f"{name}.json"
    path.write_text(json.dumps(config))
    open_clip.add_model_config(path)
    with quiet():
        return open_clip.create_model(name, pretrained=None, load_weights=False)


def train_clip(
    model: Any,
    data: Pictures,
    merges: Path,
    *,
    samples: int,
    rate: float,
    seed: int,
    half: bool,
    sigmoid: bool = False,
    size: int = 128,
) -> float:
    """Train in place; return the seconds."""
    from open_clip.loss import ClipLoss, SigLipLoss

    set_seed(seed)
    tokens = tokenizer_of(merges)(list(data.captions))
    loss = SigLipLoss() if sigmoid else ClipLoss()
    model.train()

    def loss_of(step: tuple[torch.Tensor, Any]) -> torch.Tensor:
        batch, rows = step
        seen = model(batch, tokens[rows])
        images, texts, scale = seen[:3]
        value: torch.Tensor = loss(images.float(), texts.float(), scale, *([seen[3]] if sigmoid else []))
        return value

    def clamp() -> None:
        with torch.no_grad():
            model.logit_scale.clamp_(0, LARGEST_SCALE)

    seconds = optimise(
        list(model.parameters()),
        batches(data.images, samples, size, seed),
        samples // size,
        loss_of,
        rate=rate,
        half=half,
        after=clamp,
    )
    model.eval()
    return seconds
