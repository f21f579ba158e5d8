"""Names of the public tables in the words of this project: data sets, metrics, and the group that a model belongs to.

Pure rules over strings. Used once, when published numbers are imported; knows no file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a column of a public table stands in a results table."""

    dataset: str
    slice: str = "all"
    protocol: str = "1000-way"


PLACES: dict[str, Place] = {
    "imagenet": Place(dataset="imagenet-val"),
    "imagenetv2": Place(dataset="imagenet-v2-matched-frequency"),
    "imagenetv2-threshold0.7": Place(dataset="imagenet-v2-threshold"),
    "imagenetv2-topimages": Place(dataset="imagenet-v2-top-images"),
    "imagenet-sketch": Place(dataset="imagenet-sketch"),
    "imagenet-stylized": Place(dataset="stylized-imagenet"),
    "imagenet-real": Place(dataset="imagenet-real", protocol="real"),
    "imagenet-r": Place(dataset="imagenet-r", protocol="subset-200"),
    "imagenet-a": Place(dataset="imagenet-a", protocol="subset-200"),
    # Accuracy over its 200 classes, which is no detection of what is out of distribution.
    "imagenet-o": Place(dataset="imagenet-o", protocol="imagenet-o-200"),
    "objectnet": Place(dataset="objectnet", protocol="objectnet-113"),
    "imagenet-vid-robust_pm0": Place(dataset="imagenet-vid-robust", protocol="vid-pm0"),
    "imagenet-vid-robust_pm10": Place(dataset="imagenet-vid-robust", protocol="vid-pm10"),
    # ImageNet's own photographs of the classes of another set: the x axis that the testbed pairs with that set.
    "imagenet-r-clean": Place(dataset="imagenet-val", slice="imagenet-r-200", protocol="subset-200"),
    "imagenet-a-clean": Place(dataset="imagenet-val", slice="imagenet-a-200", protocol="subset-200"),
    "imagenet-objectnet-clean": Place(dataset="imagenet-val", slice="objectnet-113", protocol="objectnet-113"),
    "imagenet-vid-robust-clean": Place(dataset="imagenet-val", slice="vid-robust-30", protocol="vid-pm0"),
    "flickr30k": Place(dataset="flickr30k", protocol=""),
    "mscoco": Place(dataset="mscoco", protocol=""),
}

_METRICS = {"acc1": "accuracy_top1", "acc5": "accuracy_top5"}
_RETRIEVAL = re.compile(r"(image|text)_retrieval_recall@(\d+)")


def place_of(source_dataset: str) -> Place:
    """Return the dataset id, slice and protocol of a data set's name in a public table; sets unknown here keep theirs.

    Examples
    --------
    >>> place_of("imagenet-vid-robust_pm0").protocol, place_of("eurosat")
    ('vid-pm0', Place(dataset='eurosat', slice='all', protocol=''))
    """
    return PLACES.get(source_dataset) or Place(dataset=source_dataset, protocol="")


def metric_of(source_metric: str) -> str:
    """Return the metric's name in a results table; metrics unknown here keep theirs.

    Examples
    --------
    >>> metric_of("acc1"), metric_of("image_retrieval_recall@5"), metric_of("f1_macro")
    ('accuracy_top1', 'image_recall_at_5', 'f1_macro')
    """
    if match := _RETRIEVAL.fullmatch(source_metric):
        return f"{match[1]}_recall_at_{match[2]}"
    return _METRICS.get(source_metric, source_metric)


# Words of timm's tags. Language supervision comes first: a CLIP tower that saw ImageNet-12k is still a CLIP.
_TIMM_GROUPS = (
    (re.compile(r"clip|laion|openai|webli"), "clip-ft"),
    (
        re.compile(
            r"in12k|in21k|in22k|ig1b|yfcc100m|jft|swag|seer|ssld|m30m|m38m",
        ),
        "more-data",
    ),
    (re.compile(r"(^|_)(fc)?mae_"), "mae"),
    (re.compile(r"(^|_)(ap|tf_adv|tf_ens_adv|adv|ram|am)_in1k"), "other"),
    (re.compile(r"in1k"), "standard"),
)


def group_of_timm(model: str) -> str:
    """Return the group of a timm model by the tag behind its architecture, which tells what it was trained on.

    Used for models that no list names. ``other``: adversarial training, and what the tag does not tell.

    Examples
    --------
    >>> names = ("resnet50.a1_in1k", "vit_base_patch16_224.augreg_in21k_ft_in1k", "x.openai_ft_in1k")
    >>> [group_of_timm(name) for name in names]
    ['standard', 'more-data', 'clip-ft']
    """
    architecture, _, tag = model.partition(".")
    words = tag + ("|clip" if "_clip_" in architecture else "")
    return next((group for pattern, group in _TIMM_GROUPS if pattern.search(words)), "other")


_TESTBED_GROUPS = (
    (re.compile(r"clip_zeroshot"), "zero-shot-clip"),
    (re.compile(r"simclr|simsiam|swav"), "contrastive"),
    (
        re.compile(
            r"_aws|batch64|subsample|_epochs|lpf|smoothing|adv[-_]|advprop|_eps|_SIN|augmix|deepaugment|rotation|vtab"
            r"|identity32|lstsq|cutmix|mixup|cutout|FixRes.*50|nonfinetuned",
            re.IGNORECASE,
        ),
        "other",
    ),
    (
        re.compile(
            r"BiT-M|instagram|_ssl$|_swsl$|jft|noisystudent|imagenet21k|imagenet11k|tencent|FixResNeXt101_32x48d|^vit_",
            re.IGNORECASE,
        ),
        "more-data",
    ),
)


def group_of_testbed(model: str) -> str:
    """Return the group of a model of the ImageNet testbed by its name, after the kinds of Taori et al.

    standard: trained on ImageNet-1k alone in the ordinary way. other: their robustness interventions, partial
    training, subsets of the data, probes on frozen features.

    Examples
    --------
    >>> names = ("resnet50", "resnet50_augmix", "BiT-M-R50x1-ILSVRC2012", "vit_b_32_clip_zeroshot")
    >>> [group_of_testbed(name) for name in names]
    ['standard', 'other', 'more-data', 'zero-shot-clip']
    """
    return next((group for pattern, group in _TESTBED_GROUPS if pattern.search(model)), "standard")
