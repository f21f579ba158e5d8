"""Fine-tuned CLIPs in pairs of a larger and a smaller input: accuracy, shape bias, accuracy on stylized images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from analyze.named.material import Drawn, Material
from analyze.report.tables import MISSING, Cell, HtmlTable

from .grid import nothing
from .lookup import HIGHER, Lookup, number_cell, numbers_frame
from .remedies import remedy

CAPTION_OF_RESOLUTION: Final = (
    "CLIPs fine-tuned on ImageNet at two input sizes, in per cent; ▲ marks the higher number of a pair. Stylized "
    "images are of the user's own making, so that column compares within a pair only."
)
PAIRS: Final = (
    *(
        ("LAION", f"ViT-{size}", f"vit_{name}_clip_{{}}.laion2b_ft_in12k_in1k", large)
        for size, name, large in (
            ("H/14", "huge_patch14", 336),
            ("L/14", "large_patch14", 336),
            ("B/16", "base_patch16", 384),
            ("B/32", "base_patch32", 384),
        )
    ),
    *(
        ("WIT", f"ViT-{size}", f"vit_{name}_clip_{{}}.openai_ft_in12k_in1k", large)
        for size, name, large in (("L/14", "large_patch14", 336), ("B/16", "base_patch16", 384))
    ),
)
CONVNEXT: Final = "convnext_base.clip_laion2b_augreg_ft_in12k_in1k"
AXES: Final = {
    "shape bias": "cue-conflict:all:shape_bias",
    "ImageNet": "imagenet-val",
    "stylized": "stylized-imagenet",
}


@dataclass(frozen=True, slots=True)
class Pair:
    """Two models that differ in their input, the larger input first; an input that nobody states is None."""

    source: str
    backbone: str
    models: tuple[str, str]
    inputs: tuple[int | None, int | None]


def pairs() -> list[Pair]:
    """Return the papers' pairs."""
    found = [
        Pair(source, backbone, (name.format(large), name.format(224)), (large, 224))
        for source, backbone, name, large in PAIRS
    ]
    # The paper says 224 for the smaller ConvNeXt, whose weights take 256.
    convnext = Pair("LAION", "ConvNeXt-B", (f"{CONVNEXT}_384", CONVNEXT), (384, 256))
    return [*found[:4], convnext, *found[4:]]


def played_pairs(material: Material) -> list[Pair]:
    """Return the pairs that are shown; where others play, what is said of a pair comes from their manifests."""
    shown = []
    for pair in pairs():
        first, second = (material.player(model) for model in pair.models)
        if first is None or second is None:
            continue
        if (first, second) != pair.models:
            facts = [material.models.get(name) for name in (first, second)]
            sources = dict.fromkeys(model.training_source or "" for model in facts if model is not None)
            inputs = [None if model is None else model.resolution for model in facts]
            pair = Pair(
                source=" / ".join(filter(None, sources)) or MISSING,
                backbone=f"{first} / {second}",
                models=(first, second),
                inputs=(inputs[0], inputs[1]),
            )
        if pair not in shown:
            shown.append(pair)
    return shown


def resolution_table(material: Material, study: str) -> Drawn:
    """Return both numbers of each pair; the higher one is marked."""
    lookup = Lookup.of(material.headline())
    head = ("CLIP fine-tuned", "source", *(f"{title}, {size}" for title in AXES for size in ("large", "small")))
    shown = played_pairs(material)
    if not shown:
        return nothing("pairs of two inputs", material.cast)
    body, numbers = [], []
    lacking: set[str] = set()
    for pair in shown:
        sizes = " / ".join(MISSING if size is None else str(size) for size in pair.inputs)
        cells = [Cell(f"{pair.backbone} ({sizes})"), Cell(pair.source)]
        for title, axis in AXES.items():
            values = [lookup.value(model, axis) for model in pair.models]
            known = [value for value in values if value is not None]
            for value, model, size in zip(values, pair.models, pair.inputs, strict=True):
                best = len(known) == 2 and value == max(known) and known[0] != known[1]
                cells.append(number_cell(value, best=best))
                row = lookup.row(model, axis) or {}
                numbers.append(
                    {"source": pair.source, "backbone": pair.backbone, "resolution": size}
                    | {"model": model, "metric": title}
                    | {name: row.get(name) for name in ("value", "lo", "hi", "n")}
                )
                if value is None:
                    lacking.add(axis.partition(":")[0])
        body.append(tuple(cells))
    html = HtmlTable(f"Two inputs of each backbone, in per cent; {HIGHER} the higher of a pair", head, tuple(body))
    missing = tuple((name, f"not of every pair; {remedy(study, name, material.cast)}") for name in sorted(lacking))
    said = "; ".join(", ".join(cell.text for cell in row) for row in body)
    label = f"Table of {len(body)} pairs. Columns: {', '.join(head)}. {said}."
    return Drawn(table=numbers_frame(numbers), label=label, html=html, missing=missing)
