"""What is done: for each binding, how many packs of each kind are here, lost or absent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cache.bindings import Binding, asked_pairs, bindings
from cache.reader import Reader, State
from cache.store import Store


def status_rows(
    store: Store, models: Sequence[str], datasets: Sequence[str], spaces: Sequence[str]
) -> list[dict[str, Any]]:
    """Return one row for each (model, dataset, kind) that was asked for."""
    reader = Reader(store)
    rows = []
    for binding in bindings(store, models, datasets, spaces):
        space = store.space(binding.label)
        view = store.version(binding.dataset)
        for kind in (kind for kind in binding.kinds if kind not in ("text", "heads")):
            packs = reader.needed_packs(reader.followed(kind, space, view))
            if kind == "records":
                packs = _asked_packs(store, binding)
            states = [reader.state(reader.unit(kind, space, pack)) for pack in packs]
            commits = [reader.commit(reader.unit(kind, space, pack)) for pack in packs]
            rows.append(
                {
                    "model": binding.model,
                    "dataset": view.reference,
                    "kind": kind,
                    "space": binding.label,
                    "packs": len(packs),
                    **{state.value: states.count(state) for state in State},
                    "failed_images": sum(len(commit.failures) for commit in commits if commit is not None),
                    "bytes": sum(commit.nbytes() for commit in commits if commit is not None),
                }
            )
    return rows


def _asked_packs(store: Store, binding: Binding) -> tuple[str, ...]:
    """Return the packs of questions that a language model was asked."""
    requests = asked_pairs(store)[binding.model, binding.dataset]
    asked = (request for request in requests if request.space == binding.space)
    return tuple(dict.fromkeys(pack for request in asked for pack in request.packs_of("records")))
