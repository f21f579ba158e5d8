"""Table I of the journal paper: shape bias of a backbone before and after each algorithm of fine-tuning."""

from __future__ import annotations

from typing import Final

from .material import Drawn, Material
from .recipes.grid import Entry, Measure, grid
from .recipes.lookup import Lookup
from .recipes.readings import ALGORITHMS, tuned
from .recipes.remedies import study_of

ID: Final = "holistic/table-1"
TITLE: Final = "Shape bias after fine-tuning"
CAPTION: Final = (
    "Share of decisions for the shape, of those for shape or texture, in per cent; zero-shot models of WIT, and the"
    " same fine-tuned on ImageNet by four algorithms."
)
BACKBONES: Final = ("B/32", "B/16")
MEASURES: Final = (
    Measure(title="shape bias", axes=("cue-conflict:all:shape_bias",)),
    Measure(title="ImageNet top-1", axes=("imagenet-val",)),
)


def draw(material: Material) -> Drawn:
    """Return a row a backbone and algorithm."""
    lookup = Lookup.of(material.headline())
    shown = tuned(material)
    entries = []
    for backbone in BACKBONES:
        for algorithm in ALGORITHMS:
            models = {one.model: one for one in shown if one.place == (backbone, algorithm)}
            if not models:
                continue
            one = models[lookup.first(list(models))]
            # The papers' backbones here are all ViTs; one that plays goes by its own id.
            words = f"ViT-{backbone}" if one.backbone == backbone else one.backbone
            entries.append(Entry(words=(words, one.algorithm), model=one.model, among=backbone))
    return grid(lookup, ("backbone", "algorithm"), entries, MEASURES, TITLE, study_of(ID), material.cast)
