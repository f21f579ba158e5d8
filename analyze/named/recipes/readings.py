"""One model read, or made, in several ways: prompt sets at test time, algorithms of fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from analyze.named.material import Drawn, Material
from analyze.panels import Spec

from .calibration import calibration_rows, calibration_spec
from .detection import CLASS_MEAN, detection_spec
from .factors import factor_spec
from .trend_figure import trend_figure

CAPTION_OF_PROMPTS: Final = (
    "Five zero-shot models of WIT, the points of each joined; the shape is the prompt set. The line is the Huber "
    "fit of all zero-shot models of WIT with the usual 80 prompts. Calibration (right) has no line: less is better."
)
CAPTION_OF_TUNING: Final = (
    "Four backbones trained on WIT, zero-shot and fine-tuned on ImageNet; the shape is the algorithm. Lines: Huber "
    "fits of zero-shot models of WIT and of LAION. Calibration has no line: less is better."
)
PROMPT_SETS: Final = ("openai-80", "openai-30", "mcm-5", "single", "cupl-base", "cupl-full")
PROMPTED: Final = {
    "RN50-quickgelu.openai": "RN50",
    "RN50.openai": "RN50",
    "RN50x64.openai": "RN50x64",
    "ViT-B-32-quickgelu.openai": "B/32",
    "ViT-B-32.openai": "B/32",
    "ViT-B-16.openai": "B/16",
    "ViT-L-14-336.openai": "L/14-336",
}
ZERO_SHOT: Final = "zero-shot"
ALGORITHMS: Final = (ZERO_SHOT, "cross-entropy", "FLYP", "CoOp", "Tip-Adapter")
TUNED: Final[Mapping[str, tuple[str, str]]] = {
    "RN50-quickgelu.openai": ("RN50", ZERO_SHOT),
    "RN50.openai": ("RN50", ZERO_SHOT),
    "RN101-quickgelu.openai": ("RN101", ZERO_SHOT),
    "RN101.openai": ("RN101", ZERO_SHOT),
    "ViT-B-32-quickgelu.openai": ("B/32", ZERO_SHOT),
    "ViT-B-32.openai": ("B/32", ZERO_SHOT),
    "ViT-B-16.openai": ("B/16", ZERO_SHOT),
    "vit_base_patch32_clip_224.openai_ft_in1k": ("B/32", "cross-entropy"),
    "vit_base_patch16_clip_224.openai_ft_in1k": ("B/16", "cross-entropy"),
    **{
        f"{arch}.openai_{suffix}": (name, algorithm)
        for suffix, algorithm in (("flyp", "FLYP"), ("coop", "CoOp"), ("tip-adapter", "Tip-Adapter"))
        for arch, name in (("RN50", "RN50"), ("RN101", "RN101"), ("ViT-B-32", "B/32"), ("ViT-B-16", "B/16"))
    },
}
"""Model to backbone and algorithm; equal models stand under both names, and the first that is here is taken."""

SOURCES: Final = ("WIT", "LAION")


@dataclass(frozen=True, slots=True)
class Tuned:
    """A model of `TUNED` as it is shown: who it is, whose place it has, and its words."""

    model: str
    place: tuple[str, str]
    backbone: str
    algorithm: str


def prompted(material: Material) -> dict[str, str]:
    """Return the models that are read with every prompt set, and their words; one that plays goes by its id."""
    shown: dict[str, str] = {}
    for part, words in PROMPTED.items():
        if (model := material.player(part)) is not None:
            shown.setdefault(model, words if model == part else model)
    return shown


def tuned(material: Material) -> list[Tuned]:
    """Return the models of every backbone and algorithm; of one that plays, its manifest says both."""
    shown = []
    for part, place in TUNED.items():
        model = material.player(part)
        if model == part:
            shown.append(Tuned(model, place, *place))
        elif model is not None:
            shown.append(Tuned(model, place, *_facts(material, model, place[1])))
    return shown


def _facts(material: Material, name: str, algorithm: str) -> tuple[str, str]:
    model = material.models.get(name)
    if model is None:
        return name, algorithm
    said = model.fine_tuning or (ZERO_SHOT if model.group == "zero-shot-clip" else model.group)
    return model.derived_from or name, algorithm if algorithm.lower() in said.lower() else said


def prompt_figure(material: Material, study: str, detection: Spec) -> Drawn:
    """Draw five models under every prompt set, and the line of models of their source under the usual one."""
    named_models = prompted(material)
    parts = []
    for prompts in PROMPT_SETS:
        rows = _of_three(material, prompts).filter(pl.col("prompt_set") == prompts)
        label = pl.col("model").replace_strict(named_models, default="", return_dtype=pl.String)
        named = label if prompts == PROMPT_SETS[0] else pl.lit("")
        parts.append(rows.with_columns(series=pl.lit(prompts), label=named))
    rows = pl.concat(parts)
    shown = rows.filter(pl.col("model").is_in(_distinct(rows, named_models)))
    source = rows.filter(pl.col("series") == PROMPT_SETS[0], pl.col("training_source") == "WIT")
    specs = [_joined(spec) for spec in (factor_spec("pattern"), detection, _ece())]
    fitted = source.with_columns(series=pl.lit("WIT, 80 prompts"))
    return trend_figure(material, shown, specs, study, fitted=fitted, series=PROMPT_SETS)


def tuning_figure(material: Material, study: str) -> Drawn:
    """Draw four backbones under every algorithm, and the lines of zero-shot models of two sources."""
    rows = _of_three(material, PROMPT_SETS[0])
    words: dict[str, tuple[str, str]] = {}
    for one in tuned(material):
        words.setdefault(one.model, (one.backbone, one.algorithm))
    shown = rows.filter(pl.col("model").is_in(_distinct(rows, words))).with_columns(
        label=_word(words, 0), series=_word(words, 1)
    )
    zero_shot = rows.filter(pl.col("group") == "zero-shot-clip", pl.col("training_source").is_in(SOURCES))
    fitted = zero_shot.with_columns(series=pl.col("training_source"))
    specs = [factor_spec("pattern"), factor_spec("larger"), detection_spec(CLASS_MEAN, "NINCO"), _ece()]
    return trend_figure(material, shown, specs, study, fitted=fitted, row=2, series=(*ALGORITHMS, *SOURCES))


def _word(words: Mapping[str, tuple[str, str]], at: int) -> pl.Expr:
    said = {name: two[at] for name, two in words.items()}
    return pl.col("model").replace_strict(said, default="", return_dtype=pl.String)


def _ece() -> Spec:
    return calibration_spec("imagenet-val", "ImageNet", "ece_15", "raw")


def _joined(spec: Spec) -> Spec:
    return replace(spec, joined=True)


def _of_three(material: Material, prompts: str) -> pl.DataFrame:
    """Factors, detection and calibration under one prompt set."""
    usual = material.headline(prompt_set=prompts).filter(pl.col("id_dataset").is_in(["", "imagenet-val"]))
    ece = calibration_rows(material, ("imagenet-val",), prompts).filter(pl.col("metric") != "accuracy_top1")
    return pl.concat([usual, ece.select(usual.columns)])


def _distinct(rows: pl.DataFrame, names: Mapping[str, object]) -> list[str]:
    """The first that is here of models that are the same one."""
    here = set(rows["model"].to_list())
    taken: dict[object, str] = {}
    for name, said in names.items():
        if name in here:
            taken.setdefault(said, name)
    return list(taken.values())
