"""Whether an image encoder convolves or attends: the two kinds that the papers compare.

Read off the family of the encoder (`architecture_family`). Knows names only.
"""

from __future__ import annotations

from typing import Final, Literal

EncoderKind = Literal["CNN", "ViT", "other"]

CNN: Final = frozenset(
    {"resnet", "convnext", "efficientnet", "densenet", "vgg", "regnet", "dpn", "inception", "xception", "mobilenet"}
    | {"ghostnet", "repvgg", "nasnet", "dla", "hrnet", "csp", "mobileone", "shufflenet", "squeezenet", "alexnet"}
    | {"byobnet"}
)
VIT: Final = frozenset({"vit", "beit", "eva", "cait", "swin", "twins", "xcit", "pit", "volo"})


def encoder_kind(family: str | None) -> EncoderKind:
    """Return the kind of a family; hybrids, mixers and unknown ones are ``other``.

    Examples
    --------
    >>> encoder_kind("convnext"), encoder_kind("vit"), encoder_kind("fastvit"), encoder_kind(None)
    ('CNN', 'ViT', 'other', 'other')
    """
    if family in CNN:
        return "CNN"
    return "ViT" if family in VIT else "other"
