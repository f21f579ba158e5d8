"""A small world in which every figure has something to show: some models of the manifests with planted results."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Iterator
from typing import Any

import polars as pl

from analyze.named.material import Material, material_of
from analyze.table import KEY, SCHEMA
from manifests.catalogue import Catalogue, load
from manifests.schema import Model

NORMAL = statistics.NormalDist()
ZERO_SHOT = (
    *("RN50-quickgelu.openai", "RN101-quickgelu.openai", "RN50x64.openai", "ViT-B-32-quickgelu.openai"),
    *("ViT-B-16.openai", "ViT-L-14-336.openai", "ViT-B-32.laion2b_s34b_b79k", "ViT-B-16.laion400m_e32"),
    *("ViT-B-16.laion2b_s34b_b88k", "ViT-L-14.laion2b_s32b_b82k", "convnext_base.laion400m_s13b_b51k"),
    *("convnext_base_w.laion2b_s13b_b82k", "convnext_large_d.laion2b_s26b_b102k_augreg", "ViT-L-14-quickgelu.dfn2b"),
    *("ViT-B-16.commonpool_l_s1b_b8k", "ViT-SO400M-14-SigLIP-384.webli"),
)
TUNED = (
    *("vit_large_patch14_clip_336.laion2b_ft_in12k_in1k", "vit_large_patch14_clip_224.laion2b_ft_in12k_in1k"),
    *("vit_base_patch16_clip_384.openai_ft_in12k_in1k", "vit_base_patch16_clip_224.openai_ft_in12k_in1k"),
    *("vit_base_patch32_clip_224.openai_ft_in1k", "vit_base_patch16_clip_224.openai_ft_in1k"),
    *("RN50.openai_flyp", "ViT-B-32.openai_flyp", "ViT-B-32.openai_coop", "ViT-B-16.openai_tip-adapter"),
)
STANDARD = (
    *("resnet18.tv_in1k", "resnet50.tv_in1k", "resnet152.tv_in1k", "vgg16.tv_in1k", "densenet121.tv_in1k"),
    *("convnext_base.fb_in1k", "deit_base_patch16_224.fb_in1k", "swin_base_patch4_window7_224.ms_in1k"),
)
MORE_DATA = (
    *("vit_base_patch16_224.augreg_in21k_ft_in1k", "convnext_base.fb_in22k_ft_in1k"),
    *("beit_base_patch16_224.in22k_ft_in22k_in1k", "resnet50.fb_swsl_ig1b_ft_in1k"),
)
OTHERS = ("MoCoV2", "simclr_resnet50x4", "mae_vit_base_patch16_ft_in1k", "mae_vit_large_patch16_ft_in1k")
LANGUAGE = ("prismatic-clip-336.vicuna-v1.5-7b",)
MODELS = (*ZERO_SHOT, *TUNED, *STANDARD, *MORE_DATA, *OTHERS, *LANGUAGE)
SHIFTED = {
    "imagenet-v2-matched-frequency": ("1000-way", 10_000, -0.35),
    "imagenet-r": ("subset-200", 30_000, -0.6),
    "imagenet-a": ("subset-200", 7_500, -1.4),
    "imagenet-sketch": ("1000-way", 50_889, -0.9),
    "objectnet": ("objectnet-113", 18_574, -0.8),
    "imagenet-vid-robust": ("vid-pm0", 1_109, -0.3),
    "stylized-imagenet": ("1000-way", 50_000, -1.7),
    "imagenet-x": ("1000-way", 48_868, 0.0),
}
OUTSIDE = ("inaturalist", "sun", "places", "textures", "imagenet-o", "ninco")
CORRUPTED = ("fog_3d", "near_focus", "z_motion_blur", "flash", "xy_motion_blur", "far_focus")
SHAPES = ("airplane", "bear", "cat", "clock")
PROMPTS = ("openai-80", "openai-30", "mcm-5", "single")
CATALOGUE = load()
FACTORS = dict(CATALOGUE.factors["imagenet-x"].readings["imagenet-x"].counts)
VIEWS = {
    "navi": ("recall_2cm", ("0-30", "30-60", "60-90", "90-120")),
    "scannet": ("recall_10px", ("0-15", "15-30", "30-60", "60-180")),
    "spair-71k": ("pck_0.1", ("0", "1", "2")),
}


def wobble(*words: object) -> float:
    """A number in [-1, 1) that is always the same for the same words."""
    return int(hashlib.sha256(repr(words).encode()).hexdigest()[:8], 16) / 2**31 - 1


def clean(model: Model) -> float:
    """Probit of accuracy on ImageNet: larger models are better, and the groups differ."""
    level = {"zero-shot-clip": 0.25, "standard": 0.65, "clip-ft": 0.95, "more-data": 0.9}.get(model.group, 0.7)
    size = (model.parameters_m or 30.0) / 400
    return level + 0.5 * min(size, 1.5) - 0.3 + 0.08 * wobble(model.id, "clean")


def results() -> pl.DataFrame:
    rows = [row for name in MODELS for row in _model(CATALOGUE.models[name])]
    blank = dict.fromkeys(KEY, "")
    filled = [{**blank, "slice": "all", "calibration": "raw", "n_failed": 0, "inputs": "x", **row} for row in rows]
    table = pl.DataFrame([{**row, "n_total": row["n"]} for row in filled], schema=SCHEMA).sort(KEY)
    assert not table.select(KEY).is_duplicated().any()
    return table


def _model(model: Model) -> Iterator[dict[str, Any]]:
    if model.group == "vlm":
        for split in ("background", "material", "texture"):
            yield _rate(
                model, "imagenet-d", "accuracy_paper_order", 1.0, 500, slice=split, variant="list:resnet50.tv_in1k"
            )
        return
    for prompts in PROMPTS if model.group == "zero-shot-clip" else ("",):
        yield from _classified(model, prompts)
    if model.group == "zero-shot-clip":
        yield from _zero_shot(model)


def _classified(model: Model, prompts: str) -> Iterator[dict[str, Any]]:
    z = clean(model) - 0.05 * max(PROMPTS.index(prompts) if prompts else 0, 0)
    above = {"zero-shot-clip": 0.5, "clip-ft": 0.25, "more-data": 0.12}.get(model.group, 0.0)
    told = {"prompt_set": prompts}
    yield _rate(model, "imagenet-val", "accuracy_top1", z, 50_000, protocol="1000-way", **told)
    if prompts in ("", "openai-80"):
        for dataset, (protocol, n, shift) in SHIFTED.items():
            own = above if dataset not in ("imagenet-x", "imagenet-v2-matched-frequency") else 0.0
            own += 0.05 * wobble(model.id, dataset)
            yield _rate(model, dataset, "accuracy_top1", z + shift + own, n, protocol=protocol, **told)
            yield from _calibrated(model, dataset, z, n, "all", protocol, told)
        yield from _shapes(model, z, told)
    else:
        yield _rate(model, "imagenet-x", "accuracy_top1", z, 48_868, protocol="1000-way", **told)
    yield from _calibrated(model, "imagenet-val", z, 25_000, "test-half", "1000-way", told)
    for factor, n in FACTORS.items():
        shift = 0.4 * wobble(factor) + 0.06 * wobble(model.id, factor)
        yield _rate(model, "imagenet-x", "accuracy_top1", z + shift, n, slice=factor, protocol="1000-way", **told)
    yield from _detected(model, z, prompts)


def _calibrated(
    model: Model, dataset: str, z: float, n: int, part: str, protocol: str, told: dict[str, str]
) -> Iterator[dict[str, Any]]:
    for reading, better in (("raw", 0.0), ("ts", 0.03)):
        more = {"slice": part, "protocol": protocol, "calibration": reading, **told}
        ece = 0.08 + 0.04 * wobble(model.id, dataset, "ece") - better
        yield _number(model, dataset, "ece_15", ece, n, **more)
        yield _number(model, dataset, "nll", 1.6 - 0.8 * z + 0.1 * wobble(model.id, dataset) - better, n, **more)


def _shapes(model: Model, z: float, told: dict[str, str]) -> Iterator[dict[str, Any]]:
    bias = 0.1 if model.group == "zero-shot-clip" else -0.6
    for shape in ("all", *SHAPES):
        more = {"slice": shape, "protocol": "cue-16", **told}
        yield _rate(model, "cue-conflict", "shape_bias", bias + 0.5 * wobble(model.id, shape), 700, **more)


def _detected(model: Model, z: float, prompts: str) -> Iterator[dict[str, Any]]:
    detectors = ("mcm", "msp") if prompts else ("msp", "max_logit")
    for dataset in OUTSIDE:
        for detector in detectors:
            for part in ("all", "class-mean") if dataset == "ninco" else ("all",):
                source = {"WIT": 0.2, "LAION": -0.1}.get(model.training_source or "", 0.0)
                z_auroc = 1.0 + 0.3 * z + source + 0.1 * wobble(model.id, dataset, detector)
                more = {"detector": detector, "id_dataset": "imagenet-val", "slice": part, "protocol": "1000-way"}
                for metric, value in (("auroc", z_auroc), ("fpr_at_95", 1.0 - z_auroc)):
                    yield _rate(model, dataset, metric, value, 60_000, prompt_set=prompts, **more)


def _zero_shot(model: Model) -> Iterator[dict[str, Any]]:
    z = clean(model)
    usual = {"prompt_set": "openai-80", "protocol": "1000-way"}
    for corruption in CORRUPTED:
        for severity in range(1, 6):
            steep = 0.12 if model.encoder_family in ("resnet", "convnext") else 0.2
            part = f"{corruption}/{severity}"
            worse = steep * severity + 0.04 * severity * wobble(model.id, part)
            yield _rate(model, "imagenet-3dcc", "accuracy_top1", z - worse, 50_000, slice=part, **usual)
    for dataset in ("flickr30k", "mscoco"):
        for metric in ("image_recall_at_5", "text_recall_at_5"):
            yield _rate(model, dataset, metric, z + 0.3 + 0.1 * wobble(model.id, dataset, metric), 5_000)
    for dataset, (metric, parts) in VIEWS.items():
        for at, part in enumerate(parts):
            worse = 0.3 * at + 0.1 * wobble(model.id, dataset)
            yield _rate(model, dataset, metric, 0.4 - worse, 500, slice=f"view/{part}")
    for chosen in ("resnet50.tv_in1k", "ViT-L-14-336.openai", "ViT-SO400M-14-SigLIP-384.webli"):
        if model.id in ("ViT-L-14-336.openai", "ViT-SO400M-14-SigLIP-384.webli"):
            for split in ("background", "material", "texture"):
                more = {"slice": split, "variant": f"list:{chosen}", "prompt_set": "single"}
                yield _rate(model, "imagenet-d", "accuracy_4way", -0.8 if chosen == model.id else 1.2, 500, **more)


def _rate(model: Model, dataset: str, metric: str, z: float, n: int, **more: Any) -> dict[str, Any]:
    return _number(model, dataset, metric, NORMAL.cdf(z), n, **more)


def _number(model: Model, dataset: str, metric: str, value: float, n: int, **more: Any) -> dict[str, Any]:
    spread = 2 * (0.25 / n) ** 0.5
    ends = {"value": value, "lo": value - spread, "hi": value + spread}
    return {"model": model.id, "group": model.group, "dataset": dataset, "metric": metric, "n": n, **ends, **more}


def bins() -> pl.DataFrame:
    """Bins of two reliability diagrams."""
    rows = []
    for place, (model, group) in enumerate((("resnet50.tv_in1k", "standard"), ("MoCoV2", "contrastive"))):
        for index in range(15):
            confidence = (index + 0.5) / 15
            accuracy = min(1.0, max(0.0, confidence - 0.06 * (place + 1)))
            rows.append(
                {"model": model, "group": group, "dataset": "imagenet-val", "lower": index / 15}
                | {"upper": (index + 1) / 15, "n": 5 + 30 * index, "mean_confidence": confidence}
                | {"accuracy": accuracy, "accuracy_lo": max(0.0, accuracy - 0.05)}
                | {"accuracy_hi": min(1.0, accuracy + 0.05), "ece": 0.04 + 0.02 * place}
            )
    return pl.DataFrame(rows)


def overlaps() -> pl.DataFrame:
    """Two pairs of datasets that share images."""
    return pl.DataFrame(
        {
            "first": ["imagenet-val", "sun"],
            "second": ["imagenet-x", "places"],
            "shared": [48_868, 3],
            "of_first": [0.97736, 0.0003],
            "of_second": [1.0, 0.0003],
            "labels_differ": [0, None],
        }
    )


def material(table: pl.DataFrame | None = None, catalogue: Catalogue = CATALOGUE) -> Material:
    """All of it, as figures see it."""
    return material_of(results() if table is None else table, catalogue, bins(), overlaps=overlaps())
