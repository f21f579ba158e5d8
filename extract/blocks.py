"""From blocks of names to a plan: every model of a block on every dataset of it.

A study is several blocks; a command line is one.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from cache.bindings import select_ids
from cache.errors import IncompleteError, UsageError
from cache.reader import Reader
from cache.store import Store
from manifests.canonical import canonical_json
from manifests.catalogue import Catalogue

from .backbones.protocol import ZeroShot
from .pixel_steps import pixel_step_of
from .plan import Candidate, Plan, plan_work
from .prompt_choice import captions_for, heads_for
from .resolve import Choice, candidate, named_models
from .sources import Memo

log = logging.getLogger("assay")

Block = tuple[Sequence[str], Sequence[str], Sequence[str], Sequence[str]]
"""Models, datasets, kinds and prompts that belong together."""


def plan_blocks(store: Store, catalogue: Catalogue, blocks: Sequence[Block], choice: Choice) -> Plan:
    """Plan blocks.

    A dataset with a pixel step of its own (ObjectNet's frame) takes a model in another space than the others do.
    """
    reader, memo = Reader(store), Memo(store)
    known: dict[tuple[str, bytes], Candidate] = {}
    works = []
    for models, datasets, kinds, prompts in blocks:
        kinds = kinds or choice.kinds
        views = [store.version(name) for name in indexed_datasets(store, datasets, catalogue)]
        for named in named_models(catalogue, list(models), choice):
            for at, view in enumerate(views):
                step = pixel_step_of(catalogue, view.name, view.facts)
                key = (named.name, canonical_json(step))
                if key not in known:
                    known[key] = candidate(catalogue, named, choice, memo, step)
                model = known[key]
                speaks = isinstance(model.backbone, ZeroShot)
                if prompts and not speaks and at == 0:
                    log.warning("%s has a classifier of its own; --prompts does not concern it", named.name)
                heads = heads_for(store, catalogue, view, kinds, prompts, choice.classes) if speaks else ()
                captions = captions_for(view, kinds) if speaks else ()
                works.append(plan_work(store, reader, model, view, kinds, heads, captions))
    return Plan(tuple(works))


def indexed_datasets(store: Store, patterns: Sequence[str], catalogue: Catalogue) -> tuple[str, ...]:
    """Return the datasets of a store that patterns mean.

    Raises
    ------
    UsageError
        When nothing was indexed, or a pattern matches nothing.
    IncompleteError
        When a dataset of the manifests is not indexed yet.
    """
    known = store.datasets()
    if not known:
        raise UsageError("the store has no dataset yet; `assay-extract index NAME --root DIR` adds one.")
    absent = [name for name in patterns if name not in known and name in catalogue.datasets]
    if absent:
        raise IncompleteError(
            f"not indexed yet: {', '.join(absent)}. `assay-extract index {absent[0]} --root DIR` brings it; --dataset "
            "limits the command to what is here."
        )
    return select_ids(known, patterns, "datasets")
