"""What is in a store: models, datasets, spaces, and how many packs and bytes of each kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .bindings import commit_names, select_ids
from .layout import KINDS
from .reader import Reader
from .store import Store


@dataclass(slots=True)
class _Amount:
    packs: int = 0
    nbytes: int = 0

    def add(self, nbytes: int) -> None:
        self.packs += 1
        self.nbytes += nbytes

    def to_json(self) -> dict[str, int]:
        return {"packs": self.packs, "bytes": self.nbytes}


@dataclass(slots=True)
class _Tally:
    kinds: dict[str, _Amount] = field(default_factory=dict)

    def add(self, kind: str, nbytes: int) -> None:
        self.kinds.setdefault(kind, _Amount()).add(nbytes)

    def to_json(self) -> dict[str, dict[str, int]]:
        return {kind: self.kinds[kind].to_json() for kind in KINDS if kind in self.kinds}


def inventory(
    store: Store, models: Sequence[str] = (), datasets: Sequence[str] = (), kinds: Sequence[str] = ()
) -> dict[str, Any]:
    """Return what a store holds, as a JSON value.

    Parameters
    ----------
    models, datasets, kinds
        Patterns that limit the list; none means everything, bound to a model or not.

    Raises
    ------
    UsageError
        When a pattern matches nothing.
    """
    live = store.requests().settled()
    model_ids = set(select_ids(sorted({r.model for r in live}), models, "models"))
    dataset_ids = set(select_ids(sorted({*store.datasets(), *(r.dataset for r in live)}), datasets, "datasets"))
    kind_ids = set(select_ids(KINDS, kinds, "kinds"))
    asked = [r for r in live if r.model in model_ids and r.dataset in dataset_ids]
    wanted = {(kind, r.label, pack) for r in asked for kind in r.kinds for pack in r.packs_of(kind)}
    reader = Reader(store)
    by_space: dict[str, _Tally] = {}
    total = _Tally()
    packs: set[str] = set()
    for kind, label, pack in commit_names(store):
        limited = models or datasets
        if kind not in kind_ids or (limited and (kind, label, pack) not in wanted):
            continue
        commit = reader.commit(reader.unit(kind, store.space(label), pack))
        assert commit is not None
        by_space.setdefault(label, _Tally()).add(kind, commit.nbytes())
        total.add(kind, commit.nbytes())
        packs.add(pack)
    used_spaces = sorted({*by_space, *(r.label for r in asked)})
    return {
        "store": str(store.layout.root),
        "models": [
            {
                "id": model,
                "group": next(r.group for r in asked if r.model == model),
                "datasets": sorted({r.dataset for r in asked if r.model == model}),
                "spaces": sorted({r.label for r in asked if r.model == model}),
            }
            for model in sorted({r.model for r in asked})
        ],
        "datasets": [_dataset(store, name) for name in sorted(dataset_ids)],
        "spaces": [
            {
                "label": label,
                "id": store.space(label).id,
                "models": sorted({r.model for r in asked if r.label == label}),
                "kinds": by_space.get(label, _Tally()).to_json(),
            }
            for label in used_spaces
        ],
        "kinds": total.to_json(),
        "packs": len(packs),
        "bytes": sum(amount.nbytes for amount in total.kinds.values()),
    }


def _dataset(store: Store, name: str) -> dict[str, Any]:
    view = store.version(name)
    return {
        "id": name,
        "version": view.reference,
        "samples": view.table.height,
        "images": view.table["image_id"].n_unique(),
        "labelled": view.table.height - view.table["label"].null_count(),
        "packs": len(view.packs),
    }
