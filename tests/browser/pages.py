"""A page with everything on it: the holistic study over a small planted world, with one hostile name in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from analyze.build_report import Gathered, build_report, gather
from analyze.cell import Missing
from analyze.figure_data import SHORT
from analyze.report.page import render
from analyze.score import Scored
from analyze.seen import Hits, Seen
from tests.analyze.named_world import CATALOGUE, bins, results

HOSTILE = """<script>alert(1)</script> "a" 'b' {{ 7*7 }} & --> ![x](http://example.invalid/x.png)"""
RENAMED = "resnet18.tv_in1k"
IMAGES = 400
WORDS = ("--study", "holistic", "--on-failure", "exclude")


def hostile_world() -> pl.DataFrame:
    """Results of the planted world, one model called like an attack."""
    return results().with_columns(pl.col("model").replace({RENAMED: HOSTILE})).sort("model")


def seen_of(table: pl.DataFrame) -> Seen:
    """What would have been seen of 400 images: bins, first answers, and which answers were right."""
    store: Any = None  # Nothing is read: all that would have been is put in below.
    seen = Seen(store, CATALOGUE.datasets)
    rng = np.random.default_rng(0)
    rows = table.filter(metric="accuracy_top1", slice="all")
    for model, dataset, prompts, value in rows.select("model", "dataset", "prompt_set", "value").iter_rows():
        seen.images[dataset] = IMAGES
        seen.cells += 1
        used = np.packbits(np.ones(IMAGES, bool)).tobytes()
        right = np.packbits(rng.random(IMAGES) < value).tobytes()
        seen.hits.append(Hits(model, prompts, dataset, "v1", "1000-way", used, right))
    seen._bins.append(bins().with_columns(pl.col("model").replace({"MoCoV2": HOSTILE})))
    first = {"dataset": ["imagenet-val"], "image": ["</td>.jpg"], "model": [HOSTILE], "status": ["ok"], "row": [0]}
    seen._first.append(pl.DataFrame(first | {name: ["a"] for name in SHORT if name not in first}).select(*SHORT))
    return seen


def gathered_world() -> Gathered:
    """The study over the world, with some cells missing."""
    table = hostile_world()
    missing = tuple(
        Missing(f"model-{at}", f"set-{at % 3}", "logits", "", "absent", "`assay-extract run`") for at in range(40)
    )
    scored = Scored(table, missing, (), (), (f"A note about {HOSTILE}.",))
    return gather(scored, seen_of(table), WORDS, CATALOGUE, CATALOGUE.studies["holistic"])


def write_page(folder: Path) -> Path:
    """Write the page and return its file."""
    path = folder / "report.html"
    path.write_text(render(build_report(gathered_world())), "utf-8")
    return path
