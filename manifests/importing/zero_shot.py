"""Rows of ``zero_shot_clip.csv`` as models: every pair of architecture and tag that open_clip lists, and nine files.

Knows that table; reads no file and writes none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from manifests.model import Model

from .citations import of_zero_shot
from .rows import Row, channels, count, flag, number, word

_SAME_PIXELS = {"ViT-B-32": "laion2b_s34b_b79k", "ViT-B-16": "laion2b_s34b_b88k", "ViT-L-14": "laion400m_e32"}
"""For weights without a tag: a tag of the architecture that has OpenAI's mean and std."""

_RIGHT_REPOSITORY = {"ViT-B-16-plus-240.laion400m_e32": "timm/vit_base_patch16_plus_clip_240.laion400m_e32"}

_SIZES = {
    "approximate, from the dataset name or paper": "dataset_size and samples_seen are approximate, from the names of "
    "dataset and tag.",
    "recalled from DataComp Table 3, not re-checked": "dataset_size is recalled from DataComp's Table 3.",
    "open_clip docs/datacomp_models.md": "",
    "DataComp Table 3 (checked in a secondary source)": "",
    "scaling-laws-openclip trained_models_info.csv": "",
}

_NARROW_CROP = "Trained with random resized crops of scale 0.9 to 1."
_OTHER_SIZE = "The weights of ViT-SO400M-14-SigLIP-384 at 378 pixels, a multiple of the patch."
_NOTES = {
    "ViT-B-32.laion2b_e16": "16 epochs over LAION-2B-en.",
    "ViT-B-16-plus-240.laion400m_e32": "open_clip 3.3.0 pairs this tag with the repository of laion400m_e31 and so "
    "loads the other model; hub names the right one.",
    "ViT-L-14.laion2b_s32b_b82k": "Mean and std are 0.5, unlike those of the other LAION ViTs.",
    "convnext_base.laion400m_s13b_b51k": _NARROW_CROP,
    "convnext_base_w.laion2b_s13b_b82k": _NARROW_CROP,
    "convnext_base_w.laion_aesthetic_s13b_b82k": _NARROW_CROP,
    "convnext_base_w_320.laion_aesthetic_s13b_b82k": _NARROW_CROP,
    "convnext_base_w.laion2b_s13b_b82k_augreg": "Printed as laion2b_s13b_b82_augreg in the conference's supplement.",
    "ViT-B-32.commonpool_s_image_s13m_b4k": "Its published accuracies are a copy of datacomp_s_s13m_b4k's: left out of "
    "fits on published numbers.",
    "roberta-ViT-B-32.laion2b_s12b_b32k": "The architecture has QuickGELU and the tag does not ask for it; no other "
    "architecture takes these weights.",
    "coca_ViT-B-32.mscoco_finetuned_laion2b_s13b_b90k": "Its published row is broken (0.8 % on ImageNet).",
    "ViT-SO400M-14-SigLIP-378.webli": _OTHER_SIZE,
    "ViTamin-XL-384.datacomp1b": "open_clip's architecture of this name has inputs of 256 pixels.",
}


def model_id(row: Row) -> str:
    """Return the id of a row: ``<arch>.<tag>``, or the size of the run for a file of the scaling laws.

    Examples
    --------
    >>> model_id({"arch": "ViT-B-32", "pretrained": "laion400m_e31", "weights_file": ""})
    'ViT-B-32.laion400m_e31'
    >>> file = "Model-B-32_Data-80M_Samples-34B_lr-1e-3_bs-88k.pt"
    >>> model_id({"arch": "ViT-B-32", "pretrained": file, "weights_file": file})
    'ViT-B-32.laion80m_s34b'
    """
    if not row["weights_file"]:
        return f"{row['arch']}.{row['pretrained']}"
    found = re.search(r"_Data-(\d+)M_Samples-(\d+)B_", row["weights_file"])
    if found is None:
        raise ValueError(f"expected a name with _Data-..M_Samples-..B_, got {row['weights_file']!r}")
    return f"{row['arch']}.laion{found[1]}m_s{found[2]}b"


def originals(rows: Sequence[Row]) -> dict[str, str]:
    """Return, for each model whose outputs equal another's, the one that stands for all of them.

    Outputs are equal where one architecture is built and filled with one set of weights. Of equal models the one that
    more of the papers' lists hold stands for all; of those, the one whose own architecture is built.

    Examples
    --------
    >>> row = {"pretrained": "t", "weights_file": "", "in_conf51": "True", "in_journal84_a": "True",
    ...        "in_journal84_b": "True", "load_as_arch": "A-quickgelu"}
    >>> originals([row | {"arch": "A"}, row | {"arch": "A-quickgelu"}])
    {'A.t': 'A-quickgelu.t'}
    """
    equal: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        equal.setdefault((row["load_as_arch"], row["pretrained"]), []).append(row)
    found = {}
    for same in equal.values():
        first = min(same, key=_precedence)
        found.update({model_id(row): model_id(first) for row in same if row is not first})
    return found


def _precedence(row: Row) -> tuple[bool, ...]:
    lists = ("in_conf51", "in_journal84_a", "in_journal84_b")
    return (*(not flag(row[name]) for name in lists), row["load_as_arch"] != row["arch"])


def zero_shot_models(rows: Sequence[Row]) -> list[Model]:
    """Return the models of all rows, in their order."""
    duplicates = originals(rows)
    return [_model(row, duplicates.get(model_id(row), "")) for row in rows]


def _model(row: Row, original: str) -> Model:
    name = model_id(row)
    file = row["weights_file"]
    return Model(
        id=name,
        library="open_clip",
        arch=row["arch"],
        pretrained="" if file else row["pretrained"],
        hub=row["hf_hub_id"] if file else _RIGHT_REPOSITORY.get(name, ""),
        hub_file=file,
        preprocess_as=_SAME_PIXELS[row["arch"]] if file else "",
        group="zero-shot-clip",
        # Differs from the table, which calls the source of NLLB-CLIP "other".
        training_source="LAION-COCO" if row["training_source"] == "other" else word(row["training_source"]),
        dataset=word(row["dataset"]),
        dataset_size=count(row["dataset_size"]),
        samples_seen=count(row["samples_seen"]),
        encoder_family=word(row["encoder_family"]),
        loss=word(row["loss"]),
        curation=word(row["curation"]),
        fine_tuning="MS-COCO captions" if row["pretrained"].startswith("mscoco_finetuned") else None,
        resolution=count(row["resolution"]),
        mean=channels(row["mean"]),
        std=channels(row["std"]),
        interpolation=word(row["interpolation"]),
        resize_mode=_resize_mode(row["resize_mode"]),
        quick_gelu=flag(row["quickgelu_weights"]),
        embed_dim=count(row["embed_dim"]),
        parameters_m=number(row["params_m"]),
        duplicate_of=original,
        load_as_arch="" if row["load_as_arch"] == row["arch"] else row["load_as_arch"],
        source=of_zero_shot(name),
        notes=_notes(row, name),
    )


def _resize_mode(cell: str) -> Literal["shortest", "squash"]:
    match cell:
        case "shortest":
            return "shortest"
        case "squash":
            return "squash"
        case _:
            raise ValueError(f"expected shortest or squash, got {cell!r}")


def _notes(row: Row, name: str) -> str:
    said = [_SIZES[row["dataset_size_source"]] if count(row["dataset_size"]) else ""]
    if row["load_as_arch"] != row["arch"]:
        said.append(f"Trained with QuickGELU, which {row['arch']} does not have: built as {row['load_as_arch']}.")
    elif row["arch"].endswith("-quickgelu"):
        said.append("Trained with QuickGELU: the architecture without -quickgelu computes other numbers.")
    if row["weights_file"]:
        said.append("A file without a tag of open_clip; OpenAI's mean and std are assumed.")
    if row["loss"] == "sigmoid":
        said.append("Sigmoid loss with a logit bias, a tokenizer of its own, and images squashed to a square.")
    return " ".join(filter(None, [*said, _NOTES.get(name, "")]))
