"""Compute some images again and compare with the store: did hardware, drivers or libraries move the numbers?"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cache.bindings import bindings
from cache.errors import IncompleteError, UsageError
from cache.layout import IMAGE_KINDS
from cache.reader import Reader, State
from cache.store import Store
from manifests.catalogue import Catalogue

from .blocks import Block
from .pixel_steps import pixel_step_of
from .resolve import Choice, candidate, named_models
from .sources import Memo, Sources
from .unit import Settings, compute_unit

log = logging.getLogger("assay")


@dataclass(frozen=True, slots=True)
class Draw:
    """Which images are computed again, and what counts as equal.

    recompute
        Images of each model and dataset.
    tolerance
        Largest difference, relative to the largest stored number.
    """

    recompute: int = 16
    seed: int = 0
    tolerance: float = 1e-3


def verify_rows(
    store: Store, catalogue: Catalogue, blocks: Sequence[Block], choice: Choice, settings: Settings, draw: Draw
) -> list[dict[str, Any]]:
    """Return one row for each (model, dataset, kind).

    Parameters
    ----------
    blocks
        As `run` takes them; no model means all that are bound.
    choice
        As it was given to `run`: a name given with --as is the one that the store knows.

    Raises
    ------
    UsageError
        When a model no longer describes itself as it did when it was stored.
    IncompleteError
        When no number or no image of what was asked for is here.
    """
    rows: list[dict[str, Any]] = []
    for models, datasets, kinds, _ in blocks:
        rows += _block_rows(store, catalogue, models, datasets, kinds, choice, settings, draw)
    if not rows:
        raise IncompleteError(
            "there is nothing to compare: what was asked for is not extracted, or its images are not on this machine. "
            "`assay-extract status` shows which."
        )
    return rows


def _block_rows(
    store: Store,
    catalogue: Catalogue,
    models: Sequence[str],
    datasets: Sequence[str],
    asked: Sequence[str],
    choice: Choice,
    settings: Settings,
    draw: Draw,
) -> list[dict[str, Any]]:
    reader, sources, memo = Reader(store), Sources(store), Memo(store)
    rows: list[dict[str, Any]] = []
    for binding in bindings(store, [choice.name] if choice.name else models, datasets):
        space = store.space(binding.label)
        if "preprocess" not in space.identity:
            log.info("%s on %s was ingested or derived, without a pass over images", binding.model, binding.dataset)
            continue
        (named,) = named_models(catalogue, list(models) if choice.name else [binding.model], choice)
        view = store.version(binding.dataset)
        step = pixel_step_of(catalogue, view.name, view.facts)
        backbone = candidate(catalogue, named, choice, memo, step).backbone
        if dict(backbone.identity()) != space.identity:
            raise UsageError(
                f"{binding.model} describes itself otherwise than space {space.label} does (other weights, size, "
                "classes, dtype or pixels); pass the options that `run` was given. `assay-extract run` would make a "
                "space of its own; there is nothing to compare."
            )
        kinds = tuple(kind for kind in binding.kinds if kind in IMAGE_KINDS and (not asked or kind in asked))
        here = [
            pack
            for pack in reader.needed_packs(view)
            if all(reader.state(reader.unit(kind, space, pack)) is State.HERE for kind in kinds)
        ]
        failed = {f.item for p in here for k in kinds for f in _failures(reader, k, space, p)}
        items = sorted({item for pack in here for item in reader.pack(pack).items} - failed)
        if not items or not kinds:
            continue
        rng = np.random.default_rng(draw.seed)
        chosen = [items[at] for at in sorted(rng.choice(len(items), min(draw.recompute, len(items)), replace=False))]
        backbone.load(settings.device)
        try:
            fresh = compute_unit(store, sources, backbone, chosen, kinds, settings)
        finally:
            backbone.close()
        gone = {f.row for kind in kinds for f in fresh.failures[kind] if f.status != "not_finite"}
        if gone:
            log.warning("%s on %s: %d of the %d images drawn cannot be read here now and are left out",
                        binding.model, binding.dataset, len(gone), len(chosen))  # fmt: skip
        kept = [row for row in range(len(chosen)) if row not in gone]
        for kind in kinds if kept else ():
            stored = store.rows(kind, space.id, [chosen[row] for row in kept])
            rows.append(
                _compare(binding.model, binding.dataset, kind, stored, fresh.arrays[kind][kept], draw.tolerance)
            )
    return rows


def _failures(reader: Reader, kind: str, space: Any, pack: str) -> Sequence[Any]:
    commit = reader.commit(reader.unit(kind, space, pack))
    return () if commit is None else commit.failures


def _compare(model: str, dataset: str, kind: str, stored: Any, fresh: Any, tolerance: float) -> dict[str, Any]:
    old, new = stored.astype(np.float64), fresh.astype(np.float64)
    largest = float(np.abs(old - new).max())
    equal = np.isfinite(new).all() and largest <= tolerance * max(1.0, float(np.abs(old).max()))
    flips = int((old.argmax(1) != new.argmax(1)).sum()) if kind == "logits" else None
    return {
        "model": model,
        "dataset": dataset,
        "kind": kind,
        "images": len(old),
        "largest_difference": largest,
        "top1_flips": flips,
        "result": "equal" if equal else "differs",
    }
