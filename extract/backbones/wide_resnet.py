"""The ResNet-50 of SimCLR as architectures of timm: every layer 1, 2 or 4 times as wide, the stem included.

timm's `wide_resnet50_2` widens the inner convolutions only, and its `channels` leaves the stem at 64; so the stem and
the block behind it are replaced. Importing this module registers `simclr_resnet50_x1`, `_x2` and `_x4` with timm.
Their configuration holds the preprocessing: bilinear to 256, centre crop of 224, pixels in [0, 1] and no normalisation
(model-vs-human normalises, and undoes it in the model).
"""

from __future__ import annotations

from typing import Any, Final

from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from timm.models.resnet import Bottleneck, ResNet, downsample_conv
from torch import nn

__all__ = ["simclr_resnet50_x1", "simclr_resnet50_x2", "simclr_resnet50_x4"]

_CONFIG: Final = {
    "url": "",
    "num_classes": 1000,
    "input_size": (3, 224, 224),
    "pool_size": (7, 7),
    "crop_pct": 0.875,
    "interpolation": "bilinear",
    "mean": (0.0, 0.0, 0.0),
    "std": (1.0, 1.0, 1.0),
    "first_conv": "conv1",
    "classifier": "fc",
}

default_cfgs = generate_default_cfgs(dict.fromkeys(__all__, _CONFIG))


def wide_resnet50(width: int, **kwargs: Any) -> ResNet:
    """Build a ResNet-50 of which every layer is `width` times as wide.

    Examples
    --------
    >>> import torch
    >>> with torch.device("meta"):
    ...     model = wide_resnet50(2, num_classes=10)
    >>> tuple(model.conv1.weight.shape), tuple(model.layer1[0].conv1.weight.shape), tuple(model.fc.weight.shape)
    ((128, 3, 7, 7), (128, 128, 1, 1), (10, 4096))
    """
    stem = 64 * width
    model = ResNet(Bottleneck, (3, 4, 6, 3), channels=(stem, 2 * stem, 4 * stem, 8 * stem), **kwargs)
    if width > 1:
        model.conv1 = nn.Conv2d(kwargs.get("in_chans", 3), stem, kernel_size=7, stride=2, padding=3, bias=False)
        model.bn1 = nn.BatchNorm2d(stem)
        shortcut = downsample_conv(stem, 4 * stem, kernel_size=1, norm_layer=nn.BatchNorm2d)
        model.layer1[0] = Bottleneck(stem, stem, downsample=shortcut)
        model.feature_info[0]["num_chs"] = stem
        model.init_weights()
    return model


def _build(name: str, width: int, pretrained: bool, kwargs: dict[str, Any]) -> Any:
    def construct(**given: Any) -> ResNet:
        return wide_resnet50(width, **given)

    return build_model_with_cfg(construct, name, pretrained, **kwargs)


@register_model
def simclr_resnet50_x1(pretrained: bool = False, **kwargs: Any) -> Any:
    """Build SimCLR's ResNet-50."""
    return _build("simclr_resnet50_x1", 1, pretrained, kwargs)


@register_model
def simclr_resnet50_x2(pretrained: bool = False, **kwargs: Any) -> Any:
    """Build SimCLR's ResNet-50 (2x)."""
    return _build("simclr_resnet50_x2", 2, pretrained, kwargs)


@register_model
def simclr_resnet50_x4(pretrained: bool = False, **kwargs: Any) -> Any:
    """Build SimCLR's ResNet-50 (4x)."""
    return _build("simclr_resnet50_x4", 4, pretrained, kwargs)
