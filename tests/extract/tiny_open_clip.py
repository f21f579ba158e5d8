"""Tiny architectures of every family that open_clip builds, registered with the library for the time of the tests.

Their text towers use the tokenizer that ships with open_clip, so that nothing is downloaded.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import open_clip
from open_clip import factory

TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
VIT = {"image_size": 64, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16}
# What SigLIP has besides a sigmoid loss: no causal mask, the last token, biases.
SIGMOID_TEXT = {**TEXT, "context_length": 64, "no_causal_mask": True, "proj_bias": True, "pool_type": "last"}
TIMM = {"image_size": 160, "timm_model_pretrained": False}

CONFIGS: dict[str, dict[str, Any]] = {
    "tiny-vit": {"embed_dim": 24, "vision_cfg": VIT, "text_cfg": TEXT},
    "tiny-vit-quickgelu": {"embed_dim": 24, "vision_cfg": VIT, "text_cfg": TEXT, "quick_gelu": True},
    "tiny-vit-96": {"embed_dim": 24, "vision_cfg": {**VIT, "image_size": 96}, "text_cfg": TEXT},
    "tiny-vit-short": {"embed_dim": 24, "vision_cfg": VIT, "text_cfg": {**TEXT, "context_length": 32}},
    "tiny-vit-bias": {"embed_dim": 24, "vision_cfg": VIT, "text_cfg": TEXT, "init_logit_bias": -10},
    "tiny-resnet": {
        "embed_dim": 24,
        "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16, "patch_size": None},
        "text_cfg": TEXT,
    },
    "tiny-convnext": {
        "embed_dim": 24,
        "vision_cfg": {**TIMM, "timm_model_name": "test_convnext", "timm_pool": "", "timm_proj": "linear"},
        "text_cfg": TEXT,
    },
    "tiny-sigmoid": {
        "embed_dim": 64,
        "custom_text": True,
        "init_logit_bias": -10,
        "vision_cfg": {**TIMM, "timm_model_name": "test_vit", "timm_pool": "map", "timm_proj": "none"},
        "text_cfg": SIGMOID_TEXT,
    },
    "tiny-eva": {
        "embed_dim": 24,
        "custom_text": True,
        "vision_cfg": {
            **TIMM,
            "image_size": 224,
            "timm_model_name": "eva02_tiny_patch14_224",
            "timm_pool": "token",
            "timm_proj": None,
        },
        "text_cfg": TEXT,
    },
    "tiny-coca": {
        "embed_dim": 64,
        "custom_text": True,
        "vision_cfg": {**VIT, "attentional_pool": True, "attn_pooler_heads": 2, "output_tokens": True},
        "text_cfg": {**TEXT, "context_length": 76, "embed_cls": True, "output_tokens": True},
        "multimodal_cfg": {**TEXT, "context_length": 76, "width": 64, "attn_pooler_heads": 2},
    },
    "tiny-random-words": {
        "embed_dim": 24,
        "vision_cfg": VIT,
        "text_cfg": {**TEXT, "tokenizer_kwargs": {"reduction_mask": "random"}},
    },
}
FAMILIES = ("tiny-vit", "tiny-resnet", "tiny-convnext", "tiny-sigmoid", "tiny-eva", "tiny-coca")


@contextmanager
def registered(folder: Path) -> Iterator[None]:
    """Let open_clip know the tiny architectures."""
    for name, config in CONFIGS.items():
        (folder / f"{name}.json").write_text(json.dumps(config), encoding="utf-8")
    paths, configs = list(factory._MODEL_CONFIG_PATHS), dict(factory._MODEL_CONFIGS)
    open_clip.add_model_config(folder)
    try:
        yield
    finally:
        factory._MODEL_CONFIG_PATHS[:] = paths
        factory._MODEL_CONFIGS.clear()
        factory._MODEL_CONFIGS.update(configs)
