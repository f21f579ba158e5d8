"""What a plan costs: bytes, and minutes at the speed that earlier runs reached with the same space.

Works without torch as far as the store's own requests tell, and says so.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cache.bindings import asked_pairs, bindings
from cache.layout import IMAGE_KINDS, is_run
from cache.reader import Reader, State
from cache.reading import read_document
from cache.store import Store
from manifests.catalogue import Catalogue
from manifests.selection import is_glob, split_patterns

if TYPE_CHECKING:
    from .plan import Plan
    from .resolve import Choice

Block = tuple[Sequence[str], Sequence[str], Sequence[str], Sequence[str]]
PlanBlocks = Callable[[Store, Catalogue, Sequence[Block], "Choice"], "Plan"]


@dataclass(frozen=True, slots=True)
class Item:
    """One model on one dataset."""

    model: str
    dataset: str
    space: str
    kinds: tuple[str, ...]
    units: int
    needed: int
    computed: int
    nbytes: int | None
    seconds: float | None
    also_bound_to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Price:
    """A priced plan."""

    items: tuple[Item, ...]
    remarks: tuple[str, ...]
    units: int
    computed: int
    """Distinct units and images: what two datasets share is computed once."""

    def rows(self) -> list[dict[str, Any]]:
        """Return rows for people."""
        return [
            {
                "model": item.model,
                "dataset": item.dataset,
                "kinds": ",".join(item.kinds),
                "units": item.units,
                "images_needed": item.needed,
                "images_computed": item.computed,
                "megabytes": "unknown" if item.nbytes is None else f"{item.nbytes / 1e6:.1f}",
                "minutes": "unknown" if item.seconds is None else f"{item.seconds / 60:.1f}",
            }
            for item in self.items
        ]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "units": self.units,
            "images_computed": self.computed,
            "works": [
                {
                    "model": item.model,
                    "dataset": item.dataset,
                    "space": item.space,
                    "kinds": list(item.kinds),
                    "units": item.units,
                    "images_needed": item.needed,
                    "images_computed": item.computed,
                    "bytes": item.nbytes,
                    "seconds": item.seconds,
                    "also_bound_to": list(item.also_bound_to),
                }
                for item in self.items
            ],
            "remarks": list(self.remarks),
        }


def price(
    store: Store, catalogue: Catalogue, blocks: Sequence[Block], choice: Choice, plan_blocks: PlanBlocks
) -> Price:
    """Price a plan."""
    speed = measured_speed(store)
    try:
        import torch  # noqa: F401
    except ImportError:
        # Blocks of a study may name a model and a dataset twice.
        items = dict.fromkeys(
            item for models, datasets, kinds, _ in blocks for item in _from_requests(store, models, datasets, kinds)
        )
        return Price(
            tuple(items),
            ("torch is not installed here: this plan knows only the models that the store was asked for already.",),
            sum(item.units for item in items),
            sum(item.computed for item in items),
        )
    plan = plan_blocks(store, catalogue, blocks, choice)
    items = [
        Item(
            model=work.candidate.name,
            dataset=work.view.reference,
            space=work.space.label,
            kinds=work.request.kinds,
            units=len(work.units),
            needed=work.needed,
            computed=work.computed,
            nbytes=work.nbytes,
            seconds=work.computed / speed[work.space.label] if work.space.label in speed else None,
            also_bound_to=tuple(request.label for request in work.other_bindings),
        )
        for work in plan.works
    ]
    free = shutil.disk_usage(store.layout.root).free
    total = sum(item.nbytes or 0 for item in items)
    remarks = [f"{total / 1e6:.1f} MB to write, {free / 1e6:.0f} MB free"]
    for item in items:
        if item.computed > 2 * item.needed:
            remarks.append(
                f"{item.model} on {item.dataset}: its packs hold {item.computed} images for {item.needed} needed; "
                "`assay-extract index ... --packs own` would cut packs of its own"
            )
    units = plan.units
    return Price(tuple(items), tuple(remarks), len(units), sum(unit.images for unit in units))


def _from_requests(store: Store, models: Sequence[str], datasets: Sequence[str], kinds: Sequence[str]) -> list[Item]:
    bound = asked_pairs(store)
    some_models = _asked_for(models, {model for model, _ in bound})
    some_datasets = _asked_for(datasets, {dataset for _, dataset in bound})
    # No pattern would mean everything.
    if (models and not some_models) or (datasets and not some_datasets):
        return []
    reader = Reader(store)
    items = []
    for binding in bindings(store, some_models, some_datasets):
        space, view = store.space(binding.label), store.version(binding.dataset)
        wanted = tuple(kind for kind in (kinds or binding.kinds) if kind in IMAGE_KINDS)
        packs = reader.needed_packs(view)
        todo = [
            pack for pack in packs
            if any(reader.state(reader.unit(kind, space, pack)) is not State.HERE for kind in wanted)
        ]  # fmt: skip
        computed = sum(len(reader.pack(pack).items) for pack in todo)
        needed = view.table["image_id"].n_unique()
        items.append(Item(binding.model, view.reference, space.label, wanted, len(todo), needed, computed, None, None))
    return items


def _asked_for(patterns: Sequence[str], known: Collection[str]) -> list[str]:
    """Return the patterns that mean something that the store was asked for; a glob that means nothing is told."""
    return [name for name in split_patterns(patterns) if is_glob(name) or name in known] if patterns else []


def measured_speed(store: Store) -> dict[str, float]:
    """Return images a second of each space, from the latest run on this machine that reached it."""
    speeds: dict[str, float] = {}
    host = store.disk.host()
    for name in store.disk.names(store.layout.runs):
        if is_run(name) and name.endswith(".end.json") and f"-{host}-" in name:
            body = read_document(store.disk, store.layout.runs / name, "run-end", f"runs/{name}")
            speeds.update({label: float(rate) for label, rate in body.get("images_per_second", {}).items()})
    return speeds
