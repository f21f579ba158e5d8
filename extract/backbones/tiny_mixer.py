"""An MLP-Mixer small enough for a tutorial, as an architecture of timm, whose own smallest has 18 million parameters.

Importing this module registers `mixer_ti16` with timm: width 80, four blocks, patches of 16 pixels; constructor
arguments may say otherwise.
"""

from __future__ import annotations

from typing import Any, Final

from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from timm.models.mlp_mixer import MlpMixer

__all__ = ["mixer_ti16"]

_CONFIG: Final = {
    "url": "",
    "num_classes": 1000,
    "input_size": (3, 224, 224),
    "pool_size": None,
    "crop_pct": 0.875,
    "interpolation": "bicubic",
    "fixed_input_size": True,
    "mean": (0.5, 0.5, 0.5),
    "std": (0.5, 0.5, 0.5),
    "first_conv": "stem.proj",
    "classifier": "head",
}

default_cfgs = generate_default_cfgs({"mixer_ti16": _CONFIG})


@register_model
def mixer_ti16(pretrained: bool = False, **kwargs: Any) -> Any:
    """Build the mixer.

    Examples
    --------
    >>> import timm
    >>> model = timm.create_model("mixer_ti16", num_classes=24, img_size=64)
    >>> model.num_features, len(model.blocks)
    (80, 4)
    """
    made = {"patch_size": 16, "num_blocks": 4, "embed_dim": 80, **kwargs}
    return build_model_with_cfg(MlpMixer, "mixer_ti16", pretrained, **made)
