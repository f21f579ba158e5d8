"""Table I of the journal paper: shape bias of a backbone before and after each algorithm of fine-tuning."""

from __future__ import annotations

from typing import Final

from .material import Drawn, Material
from .recipes.grid import Entry, Measure, grid
from .recipes.lookup import Lookup
from .recipes.readings import ALGORITHMS, TUNED
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
    entries = [
        Entry(words=(f"ViT-{backbone}", algorithm), model=lookup.first(models), among=backbone)
        for backbone in BACKBONES
        for algorithm in ALGORITHMS
        if (models := [name for name, said in TUNED.items() if said == (backbone, algorithm)])
    ]
    return grid(lookup, ("backbone", "algorithm"), entries, MEASURES, TITLE, study_of(ID))
