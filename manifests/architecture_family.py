"""The family of an image encoder, read off the name of its architecture.

Models of one family share design and often training code, so they are no independent evidence: intervals over models
count families. Used where a manifest names no `encoder_family`. Knows names only.
"""

from __future__ import annotations

import re

# Read in order, so that the longer of two words that begin alike comes first.
_CLIP = (
    (re.compile(r"^(RN|clip-resnet)\d"), "resnet"),
    (re.compile(r"^EVA", re.IGNORECASE), "eva"),
    (re.compile(r"^ViTamin"), "vitamin"),
    (re.compile(r"^MobileCLIP"), "fastvit"),
    (re.compile(r"^(coca_|nllb-clip|(xlm-)?roberta-|mt5-.*)"), "vit"),
)
_WORDS = (
    *("convnext", "convformer", "caformer", "poolformer", "swiftformer", "efficientformer", "visformer"),
    *("mobilenet", "mobilevit", "mobileone", "efficientvit", "efficientnet", "mixnet", "mnasnet", "fbnet", "tinynet"),
    *("lcnet", "hardcorenas", "repghost", "ghostnet", "rexnet", "hgnet", "repvit", "repvgg", "fasternet", "starnet"),
    *(
        "resnest",
        "inception_next",
        "hiera",
        "crossvit",
        "flexivit",
        "fastvit",
        "nextvit",
        "convit",
        "gcvit",
        "davit",
        "edgenext",
        "shvit",
        "tiny_vit",
    ),
    *("maxvit", "maxxvit", "coatnet", "coatnext", "coat", "cait", "deit", "beit", "eva", "swin", "twins", "xcit"),
    *("volo", "pvt", "pit", "levit", "mvit", "nest", "tnt", "sequencer", "focalnet", "mambaout", "rdnet"),
    *("resmlp", "mixer", "gmixer", "gmlp", "convmixer", "regnet", "densenet", "dpn", "dla", "hrnet", "vgg", "xception"),
    *("inception", "nasnet", "polynet", "squeezenet", "shufflenet", "alexnet", "selecsls", "gernet", "halo", "botnet"),
    *("darknet", "cs3", "csp", "nfnet", "nf_", "senet", "vit", "botnext", "resnext", "res2", "resnet", "bit-"),
)
_SAME = {
    **dict.fromkeys(("deit", "flexivit", "tiny_vit"), "vit"),
    **dict.fromkeys(
        ("resnext", "resnest", "res2", "resnet", "senet", "halo", "botnet", "botnext", "nf_", "nfnet", "bit-"), "resnet"
    ),
    **dict.fromkeys(("mnasnet", "fbnet", "hardcorenas", "tinynet", "mixnet"), "efficientnet"),
    **dict.fromkeys(("maxvit", "maxxvit", "coatnet", "coatnext"), "maxvit"),
    **dict.fromkeys(("convformer", "caformer", "poolformer"), "metaformer"),
    **dict.fromkeys(("mixer", "gmixer", "gmlp", "resmlp"), "mlp"),
    **dict.fromkeys(("cs3", "csp", "darknet"), "csp"),
}


def architecture_family(architecture: str) -> str:
    """Return the family of an architecture, as timm, open_clip or the ImageNet testbed spell it.

    The rule is a list of words; a name with none of them is a family of its own leading letters.

    Examples
    --------
    >>> names = ("ViT-B-32", "RN50x4-quickgelu", "seresnext50_32x4d", "tf_efficientnet_b0")
    >>> [architecture_family(name) for name in names]
    ['vit', 'resnet', 'resnet', 'efficientnet']
    >>> architecture_family("brandnew_small_2")
    'brandnew'
    """
    for pattern, family in _CLIP:
        if pattern.match(architecture):
            return family
    name = architecture.lower()
    for word in _WORDS:
        if word in name:
            return _SAME.get(word, word)
    letters = re.match(r"[a-z]+", name)
    return letters[0] if letters else name
