"""The planted world of `named_world` under other names: sets, prompt sets and sources of a study with stand-ins.

What figures and claims make of it can be told by what they make of the world itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import polars as pl

from analyze.named.material import Material, material_of
from analyze.trend_rows import with_facts
from manifests.catalogue import Catalogue
from manifests.schema import Block, Study
from manifests.stand_ins import StandIns
from tests.analyze import named_world

CATALOGUE = named_world.CATALOGUE
NOTE = "Drawn shapes."
DATASETS = {
    name: f"toy-{name}"
    for name in (
        *("imagenet-val", *named_world.SHIFTED, *named_world.OUTSIDE, *named_world.VIEWS, "cue-conflict"),
        *("imagenet-3dcc", "flickr30k", "mscoco", "imagenet-d"),
    )
}
PROMPTS = {"openai-80": "toy-80", "openai-30": "toy-30", "mcm-5": "toy-5", "single": "toy-single"}
SOURCES = {"WIT": "toy-a", "LAION": "toy-b"}
TUNINGS = {
    "ImageNet-1k, cross-entropy": "toys, cross-entropy",
    "ImageNet-1k, contrastive, both towers (FLYP)": "toys, contrastive",
}


def study(datasets: Mapping[str, str], stand_ins: StandIns, name: str = "toys") -> Study:
    """A study of all models of the world over some sets; one model stands beside."""
    beside = "ViT-L-14-quickgelu.dfn2b"
    others = tuple(model for model in named_world.MODELS if model != beside)
    block: dict[str, Any] = {"datasets": tuple(datasets.values()), "kinds": ("logits",), "prompts": ("single",)}
    blocks = (Block(models=others, **block), Block(models=(beside,), in_fits=False, **block))
    return Study(id=name, title="t", blocks=blocks, stand_ins=stand_ins)


TWIN = study({name: name for name in DATASETS}, StandIns(), "twin")
"""The same study of the world under its own names."""

TOYS = study(DATASETS, StandIns(note=NOTE, datasets=DATASETS, prompts=PROMPTS, sources=SOURCES, fine_tunings=TUNINGS))


def catalogue() -> Catalogue:
    """Manifests with those of the toys: each like its part's."""
    sets = {player: replace(CATALOGUE.datasets[part], id=player) for part, player in DATASETS.items()}
    factors = CATALOGUE.factors["imagenet-x"]
    toys = replace(factors, id="toy-x", readings={"toy-imagenet-x": factors.readings["imagenet-x"]})
    return replace(
        CATALOGUE,
        datasets={**CATALOGUE.datasets, **sets},
        factors={**CATALOGUE.factors, "toy-x": toys},
        studies={**CATALOGUE.studies, "toys": TOYS, "twin": TWIN},
    )


def toy_names(table: pl.DataFrame) -> pl.DataFrame:
    """Give a table's sets, prompt sets and facts of training the names of the toys."""
    for column, names in {"dataset": DATASETS, "id_dataset": DATASETS, "prompt_set": PROMPTS}.items():
        if column in table.columns:
            table = table.with_columns(pl.col(column).replace(names))
    return table


def results() -> pl.DataFrame:
    """Results of the world under the names of the toys."""
    told = with_facts(named_world.results(), CATALOGUE).select("model", "training_source", "fine_tuning").unique()
    told = told.with_columns(pl.col("training_source").replace(SOURCES), pl.col("fine_tuning").replace(TUNINGS))
    return toy_names(named_world.results()).join(told, on="model", how="left", maintain_order="left")


def overlaps() -> pl.DataFrame:
    return named_world.overlaps().with_columns(pl.col("first", "second").replace(DATASETS))


def toys() -> Material:
    bins = toy_names(named_world.bins())
    return material_of(results(), catalogue(), bins, study=TOYS, overlaps=overlaps())


def twin() -> Material:
    return material_of(
        named_world.results(), CATALOGUE, named_world.bins(), study=TWIN, overlaps=named_world.overlaps()
    )
