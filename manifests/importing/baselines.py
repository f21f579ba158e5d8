"""Rows of ``imagenet_models.csv`` as models: the 127 ImageNet models of both papers, and three masked autoencoders.

No paper prints that list; every row says on what evidence it is part of it. Knows that table; reads no file and writes
none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from manifests.architecture_family import architecture_family
from manifests.model import Model
from manifests.terms import Group

from .citations import of_classifier
from .rows import Row, count, number, word

_GROUPS: dict[str, Group] = {
    "standard": "standard",
    "more_data": "more-data",
    "contrastive": "contrastive",
    "mae": "mae",
}
_IMAGENET: Mapping[str, Any] = {"training_source": "ImageNet", "dataset": "ImageNet-1k", "dataset_size": 1_281_167}
_MORE_DATA: Mapping[str, Mapping[str, Any]] = {
    "JFT-300M(noisy student)": {"training_source": "JFT-300M", "dataset": "ImageNet-1k and unlabelled JFT-300M"},
    "IG-1B": {"training_source": "IG-1B", "dataset": "IG-1B with hashtags"},
    "YFCC100M": {"training_source": "YFCC100M", "dataset": "unlabelled YFCC100M"},
}

_NOT_CROSS_ENTROPY: Sequence[tuple[str, str | None]] = (
    (r"_dist_in1k$", "cross-entropy and distillation"),
    (r"^deit3_.*fb_in1k$", "binary cross-entropy"),
    (r"\.(lamb|ra3)_in1k$", None),
    (r"^beit_", "masked image modelling, then cross-entropy"),
)

_RELEASED = (
    "timm names a file of a project's release page and no hub: download it and give `run --model {id} --weights FILE`."
)
_PYCONTRAST = (
    "{backbone}.pth of PyContrast's model zoo and {head}_classifier.pth of model-vs-human's release v0.2: "
    "`assay-extract convert pycontrast`, then `run --model {id} --weights OUT.safetensors`."
)
_SIMCLR = (
    "The file of width {width} that model-vs-human's simclr.py names: `assay-extract convert simclr FILE --out "
    "OUT.safetensors`, then `run --model {id} --weights OUT.safetensors`."
)
_MAE = (
    "{file} of facebookresearch/mae, in a folder as timm saves one, whose config.json has global_pool = avg among its "
    "model_args: `run --model {id} --weights FOLDER`."
)

_ALIAS = (
    "Give the full tag: timm's former names ig_resnext101_32x16d, 32x32d and 32x48d all lead to the weights of 32x8d."
)
_TESTED_LARGER = "Trained at {resolution}; timm's configuration names {test} for tests."
_NOTES = {
    "resnet50.tv_in1k": "ImageNet-A was filtered against these weights: leave the model out of fits on that set.",
    "vit_base_patch16_224.augreg_in21k_ft_in1k": "Not augreg2: timm's bare name vit_base_patch16_224 means other "
    "weights. The supplement's vit_base_patch16_224_21kpre may be either.",
    "resnext101_32x16d.fb_wsl_ig1b_ft_in1k": _ALIAS,
    "resnext101_32x32d.fb_wsl_ig1b_ft_in1k": _ALIAS,
    "mixer_b16_224.goog_in21k_ft_in1k": "timm's former name mixer_b16_224_in21k leads to these weights.",
    "mixer_l16_224.goog_in21k_ft_in1k": "timm's former name mixer_l16_224_in21k leads to these weights.",
    "convnext_tiny.fb_in22k_ft_in1k": "At 288 its published accuracy falls from 82.9 to 79.0 %.",
    "tf_efficientnetv2_s.in1k": _TESTED_LARGER.format(resolution=300, test=384),
    "tf_efficientnetv2_m.in1k": _TESTED_LARGER.format(resolution=384, test=480),
    "tf_efficientnetv2_m.in21k_ft_in1k": _TESTED_LARGER.format(resolution=384, test=480),
}


def baseline_models(rows: Sequence[Row]) -> list[Model]:
    """Return the models of all rows, in their order."""
    return [_of_timm(row) if row["library"] == "timm" else _by_hand(row) for row in rows]


def _of_timm(row: Row) -> Model:
    name = row["model_id"]
    arch, _, tag = name.partition(".")
    group = _GROUPS[row["group"]]
    on_hub = bool(row["hf_hub_id"])
    return Model(
        id=name,
        library="timm",
        arch=arch,
        pretrained=tag,
        group=group,
        **(_IMAGENET if group == "standard" else _more_data(row["train_data"], tag)),
        encoder_family=architecture_family(arch),
        loss=_loss(name),
        fine_tuning=_fine_tuning(tag),
        resolution=count(row["resolution"]),
        interpolation=word(row["interpolation"]),
        crop_pct=number(row["crop_pct"]),
        parameters_m=number(row["params_m"]),
        label_space="imagenet-1k",
        obtain="hub" if on_hub else "user-made",
        recipe="" if on_hub else _RELEASED.format(id=name),
        licence=word(row["license"]),
        evidence=row["evidence"],
        source=of_classifier(name),
        notes=_notes(name, row["resolution"]),
    )


def _more_data(train_data: str, tag: str) -> Mapping[str, Any]:
    if train_data == "ImageNet-21k/22k":
        # One set under two names: the makers of these weights count the empty class or do not.
        return {"training_source": "ImageNet-21k", "dataset": "ImageNet-22k" if "22k" in tag else "ImageNet-21k"}
    return _MORE_DATA[train_data]


def _loss(name: str) -> str | None:
    for pattern, loss in _NOT_CROSS_ENTROPY:
        if re.search(pattern, name):
            return loss
    return "cross-entropy"


def _fine_tuning(tag: str) -> str | None:
    if "_ft_in22k_in1k" in tag:
        return "ImageNet-22k, then ImageNet-1k, cross-entropy"
    return "ImageNet-1k, cross-entropy" if "_ft_in1k" in tag else None


def _notes(name: str, resolution: str) -> str:
    said = [_NOTES.get(name, "")]
    if re.fullmatch(r"convnext_[a-z]+\.fb_(in22k_ft_)?in1k", name):
        said.insert(0, _TESTED_LARGER.format(resolution=resolution, test=288))
    return " ".join(filter(None, said))


def _by_hand(row: Row) -> Model:
    name, group = row["model_id"], _GROUPS[row["group"]]
    arch, tag, recipe, notes = _mae(name) if group == "mae" else _contrastive(name)
    return Model(
        id=name,
        library="timm",
        arch=arch,
        preprocess_as=tag,
        group=group,
        **_IMAGENET,
        encoder_family=architecture_family(arch),
        loss="masked autoencoding" if group == "mae" else "contrastive between images",
        fine_tuning="ImageNet-1k, cross-entropy" if group == "mae" else "ImageNet-1k, linear classifier",
        resolution=count(row["resolution"]),
        label_space="imagenet-1k",
        obtain="user-made",
        recipe=recipe,
        evidence=row["evidence"],
        source=of_classifier(name),
        notes=notes,
    )


def _mae(name: str) -> tuple[str, str, str, str]:
    found = re.fullmatch(r"mae_vit_(base|large|huge)_patch(14|16)_ft_in1k", name)
    if found is None:
        raise ValueError(f"expected mae_vit_SIZE_patchN_ft_in1k, got {name!r}")
    recipe = _MAE.format(file=f"mae_finetuned_vit_{found[1]}.pth", id=name)
    return f"vit_{found[1]}_patch{found[2]}_224", "mae", recipe, "timm has the encoder alone, without a classifier."


def _contrastive(name: str) -> tuple[str, str, str, str]:
    if found := re.fullmatch(r"simclr_resnet50x([124])", name):
        notes = "All widths are multiplied, the stem's too; inputs are in [0, 1], without mean and std."
        return f"simclr_resnet50_x{found[1]}", "", _SIMCLR.format(width=found[1], id=name), notes
    backbone = {"MoCoV2": "MoCov2", "InfoMin": "InfoMin_800"}.get(name, name)
    recipe = _PYCONTRAST.format(backbone=backbone, head={"MoCoV2": "MoCov2"}.get(name, name), id=name)
    return "resnet50", "tv_in1k", recipe, "Backbone and linear classifier were published apart."
