"""Table III of the journal paper: CLIP and LLaVA choose between four categories on ImageNet-D."""

from __future__ import annotations

from typing import Final

import polars as pl

from analyze.figures.theme import GROUPS, known_group
from analyze.report.tables import MISSING, Cell, HtmlTable

from .material import Drawn, Material
from .recipes.grid import nothing
from .recipes.lookup import number_cell, numbers_frame
from .recipes.remedies import remedy, study_of

ID: Final = "holistic/table-3"
TITLE: Final = "Four options on ImageNet-D"
CAPTION: Final = (
    "Accuracy in per cent among the right category and the three that the listing model confuses it with most. "
    "Language models answer in the paper's order of options; a dash was not measured."
)
DATASET: Final = "imagenet-d"
LIST: Final = "list:"
METRICS: Final = ("accuracy_4way", "accuracy_paper_order")
SPLITS: Final = ("background", "material", "texture")
LISTS: Final = {
    "resnet50.tv_in1k": "ResNet-50",
    "ViT-L-14-336.openai": "CLIP ViT-L/14-336",
    "ViT-SO400M-14-SigLIP-384.webli": "SigLIP-SO-14",
}
MODELS: Final = {
    "ViT-L-14-336.openai": ("ViT-L/14-336", "CLIP", "–"),
    "prismatic-clip-336.mistral-instruct-v0.2-7b": ("ViT-L/14-336", "LLaVA", "Mistral-Instruct-V2"),
    "prismatic-clip-336.llama2-chat-7b": ("ViT-L/14-336", "LLaVA", "Llama2-Chat"),
    "prismatic-clip-336.vicuna-v1.5-7b": ("ViT-L/14-336", "LLaVA", "Vicuna-V2-7B"),
    "ViT-SO400M-14-SigLIP-384.webli": ("SigLIP-SO-14", "CLIP", "–"),
    "prismatic-siglip-384.mistral-instruct-v0.2-7b": ("SigLIP-SO-14", "LLaVA", "Mistral-Instruct-V2"),
    "prismatic-siglip-384.llama2-chat-7b": ("SigLIP-SO-14", "LLaVA", "Llama2-Chat"),
    "prismatic-siglip-384.vicuna-v1.5-7b": ("SigLIP-SO-14", "LLaVA", "Vicuna-V2-7B"),
}
HEAD: Final = ("category list", "visual encoder", "type", "language model", *SPLITS)


def draw(material: Material) -> Drawn:
    """Return a row a list and model, then those of further models that the results hold."""
    rows = material.results.filter(
        pl.col("dataset") == DATASET, pl.col("metric").is_in(METRICS), pl.col("variant") != ""
    ).with_columns(pl.col("variant").str.strip_prefix(LIST).alias("list"))
    found = {(row["list"], row["model"], row["slice"]): row for row in rows.iter_rows(named=True)}
    lists, named = _lists(material), _models(material)
    lists |= {name: name for name in sorted(set(rows["list"]) - set(lists))}
    models = named | {name: (name, "", "") for name in sorted(set(rows["model"]) - set(named))}
    body, numbers = [], []
    for chosen, title in lists.items():
        for model, words in models.items():
            three = [found.get((chosen, model, split)) for split in SPLITS]
            if model not in named and not any(three):
                continue
            values = [None if row is None else row["value"] for row in three]
            body.append((Cell(title), *map(Cell, words), *(number_cell(value) for value in values)))
            numbers += [
                {"list": chosen, "model": model, "split": split}
                | {name: None if row is None else row[name] for name in ("value", "lo", "hi", "n")}
                for split, row in zip(SPLITS, three, strict=True)
            ]
    if not body:
        return nothing(TITLE, material.cast)
    table = numbers_frame(numbers)
    lacking = table["value"].null_count()
    command = remedy(study_of(ID), DATASET, material.cast)
    why = f"{lacking} of {table.height} numbers; {command}, for language models `--kinds records`"
    said = "; ".join(", ".join(cell.text for cell in row) for row in body)
    return Drawn(
        table=table,
        label=f"{TITLE}, in per cent. {', '.join(HEAD)}: {said}.",
        html=HtmlTable(f"{TITLE}, in per cent", HEAD, tuple(body)),
        missing=((DATASET, why),) if lacking else (),
    )


def _lists(material: Material) -> dict[str, str]:
    """Models whose confusions make the options, and their words; one that plays goes by its id."""
    shown = ((part, material.player(part), words) for part, words in LISTS.items())
    return {model: words if model == part else model for part, model, words in shown if model is not None}


def _models(material: Material) -> dict[str, tuple[str, str, str]]:
    """Models that choose, and their words; of one that plays, its manifest says them."""
    shown: dict[str, tuple[str, str, str]] = {}
    for part, words in MODELS.items():
        model = material.player(part)
        if model is not None:
            shown.setdefault(model, words if model == part else _facts(material, model))
    return shown


def _facts(material: Material, name: str) -> tuple[str, str, str]:
    model = material.models.get(name)
    if model is None:
        return name, MISSING, MISSING
    kind = GROUPS[known_group(model.group)].label
    return (model.derived_from or MISSING, kind, name) if model.group == "vlm" else (name, kind, MISSING)
