"""Writing a trained model as its library saves one: a folder with a configuration and half-precision weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from extract.miniature.world import CLASSES

from .loop import MEAN, STD


def _halved(model: Any) -> dict[str, torch.Tensor]:
    return {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in model.state_dict().items()
    }


def save_classifier(model: Any, arch: str, args: Mapping[str, Any], folder: Path, *, side: int = 64) -> None:
    """Write `config.json` and `model.safetensors`, as timm does."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    own = model.pretrained_cfg
    config = {
        "architecture": arch,
        "num_classes": len(CLASSES),
        "num_features": model.num_features,
        "pretrained_cfg": {
            "input_size": [3, side, side],
            "interpolation": "bicubic",
            "crop_pct": 1.0,
            "mean": list(MEAN),
            "std": list(STD),
            "num_classes": len(CLASSES),
            "pool_size": None,
            # Position embeddings are resampled for another size.
            "fixed_input_size": "img_size" in args,
            "first_conv": own.get("first_conv"),
            "classifier": own.get("classifier"),
        },
        "model_args": dict(args),
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    save_file(_halved(model), folder / "model.safetensors")


def save_clip(model: Any, config: Mapping[str, Any], merges: Path, folder: Path) -> None:
    """Write `open_clip_config.json`, `open_clip_model.safetensors` and the tokenizer's merges."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    preprocess = {"mean": list(MEAN), "std": list(STD), "interpolation": "bicubic", "resize_mode": "shortest"}
    said = {"model_cfg": dict(config), "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(said, indent=1) + "\n")
    (folder / merges.name).write_bytes(merges.read_bytes())
    save_file(_halved(model), folder / "open_clip_model.safetensors")
