"""Rows of ``finetuned_clip.csv`` as models: timm's fine-tuned CLIPs, and the twelve that the journal trained itself.

Knows that table; reads no file and writes none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from manifests.model import Model

from .citations import of_classifier, of_method
from .rows import Row, channels, count, number, word

_OPENAI: Mapping[str, Any] = {
    "dataset": "WIT-400M (OpenAI, private)",
    "dataset_size": 400_000_000,
    "loss": "contrastive",
    "curation": "query-balanced (undisclosed)",
}
_BASES: Mapping[str, Mapping[str, Any]] = {
    "openai": _OPENAI,
    "laion2b": {
        "dataset": "LAION-2B-en",
        "dataset_size": 2_320_000_000,
        "loss": "contrastive",
        "curation": "clip-filter",
    },
    "laion_aesthetic": {
        "dataset": "LAION-Aesthetic (subset of LAION-2B-en)",
        "dataset_size": 900_000_000,
        "loss": "contrastive",
        "curation": "clip-filter",
    },
    "laion400m (EVA-CLIP)": {
        "dataset": "LAION-400M",
        "dataset_size": 407_332_084,
        "loss": "contrastive",
        "curation": "clip-filter",
    },
    "webli": {"dataset": "WebLI", "loss": "sigmoid", "curation": "none"},
}

_PATHS = {
    "in1k": "ImageNet-1k, cross-entropy",
    "in12k_in1k": "ImageNet-12k, then ImageNet-1k, cross-entropy",
}

_METHODS = {
    "FLYP": (
        "ImageNet-1k, contrastive, both towers (FLYP)",
        "Train with FLYP's own code (a ViT-B/16 is published), then `assay-extract convert flyp FILE --out "
        "OUT.safetensors` and `run --model {id} --weights OUT.safetensors`.",
    ),
    "CoOp": (
        "ImageNet-1k, learned prompts (CoOp)",
        "CoOp publishes its prompt learners: `assay-extract convert coop` makes a head of one for the cached "
        "embeddings of {base}.",
    ),
    "Tip-Adapter": (
        "ImageNet-1k, cache of few shots (Tip-Adapter)",
        "`assay-extract convert tip-adapter` makes it of the cached embeddings of {base} on imagenet-train-16shot.",
    ),
}

_SIZE = "dataset_size is approximate."
_TOWER = "Parameters: the image tower and its classifier."
_SQUARE_256 = "Inputs of 256 pixels: the papers' tables say 224."
_NOTES = {
    "convnext_base.clip_laion2b_augreg_ft_in12k_in1k": _SQUARE_256,
    "convnext_base.clip_laion2b_augreg_ft_in1k": _SQUARE_256,
    "convnext_large_mlp.clip_laion2b_augreg_ft_in1k": "Inputs of 256 pixels.",
}
_GELU = "timm builds GELU where OpenAI trained QuickGELU; it was fine-tuned so, and its published accuracy is for it."


def fine_tuned_models(rows: Sequence[Row], equal: Mapping[str, str]) -> list[Model]:
    """Return the models of all rows, in their order.

    Parameters
    ----------
    rows
        The table.
    equal
        For each zero-shot model whose outputs equal another's, the one that stands for both.
    """
    return [_of_timm(row) if row["library"] == "timm" else _of_method(row, equal) for row in rows]


def _of_timm(row: Row) -> Model:
    arch, _, tag = row["id"].partition(".")
    base = _BASES[row["base_source"]]
    said = [_SIZE if "dataset_size" in base and row["base_source"] != "laion400m (EVA-CLIP)" else "", _TOWER]
    said += [_GELU if row["base_source"] == "openai" else "", _NOTES.get(row["id"], "")]
    return Model(
        id=row["id"],
        library="timm",
        arch=arch,
        pretrained=tag,
        group="clip-ft",
        training_source=row["training_source"],
        **base,
        encoder_family=word(row["arch_family"]),
        fine_tuning=_PATHS[row["finetune_path"]],
        resolution=count(row["resolution"]),
        mean=channels(row["mean"]),
        interpolation=word(row["interpolation"]),
        crop_pct=number(row["crop_pct"]),
        parameters_m=number(row["params_m"]),
        label_space="imagenet-1k",
        licence=word(row["license"]),
        source=of_classifier(row["id"]),
        notes=" ".join(filter(None, said)),
    )


def _of_method(row: Row, equal: Mapping[str, str]) -> Model:
    arch, tag, method = row["id"].split("|")
    fine_tuning, recipe = _METHODS[method]
    name, base = f"{arch}.{tag}_{method.lower()}", f"{arch}.{tag}"
    base = equal.get(base, base)
    return Model(
        id=name,
        library="open_clip",
        # OpenAI's weights have QuickGELU, whatever the name that a paper prints.
        arch=f"{arch}-quickgelu",
        preprocess_as=tag,
        group="clip-ft",
        training_source=row["training_source"],
        **_OPENAI,
        encoder_family=word(row["arch_family"]),
        fine_tuning=fine_tuning,
        resolution=count(row["resolution"]),
        quick_gelu=True,
        # A text tower takes its classes from prompts; the others have the columns that they were made for.
        label_space="" if method == "FLYP" else "imagenet-1k",
        derived_from=base,
        obtain="user-made",
        recipe=recipe.format(id=name, base=base),
        source=of_method(method),
        notes=f"{_SIZE} One of the journal's twelve; the authors name no checkpoint.",
    )
