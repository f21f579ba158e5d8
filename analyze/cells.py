"""Which cells were asked for, and which of them are here.

A cell is the logits of one model on one dataset under one head. A missing one is named with the command that
mends it; it is never left out in silence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cache.bindings import Binding, bindings, check_explained
from cache.key import head_id, pack_id
from cache.reader import Reader, State
from cache.store import Store
from cache.texts import read_prompts
from cache.views import View
from manifests.canonical import digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a command names; an empty tuple means everything that the store was asked for."""

    models: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    spaces: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    allow_partial: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """Logits of a model on a dataset: stored, or embeddings times a head.

    head
        Id of the zero-shot head; empty for stored logits.
    classes
        Texts id of the class list of the columns.
    view
        The dataset's rows, already cut down where a partial answer was allowed.
    """

    binding: Binding
    view: View
    n_total: int
    head: str
    prompt_set: str
    classes: str
    inputs: str

    @property
    def kind(self) -> str:
        """The kind that has to be read."""
        return "embeddings" if self.head else "logits"


@dataclass(frozen=True, slots=True)
class Missing:
    """A cell that was asked for and is not wholly here."""

    model: str
    dataset: str
    kind: str
    prompt_set: str
    state: str
    remedy: str

    def __str__(self) -> str:
        with_prompts = f" under prompts {self.prompt_set}" if self.prompt_set else ""
        return f"{self.model} on {self.dataset}: {self.kind}{with_prompts} {self.state}. {self.remedy}"


def find_cells(store: Store, reader: Reader, ask: Ask) -> tuple[list[Cell], list[Missing]]:
    """Return the cells that can be computed and those that cannot.

    Raises
    ------
    UsageError
        When a name is unknown or bound twice.
    IntegrityError
        When the store contradicts itself.
    """
    check_explained(store)
    views: dict[str, View] = {}
    cells: list[Cell] = []
    missing: list[Missing] = []
    for binding in bindings(store, ask.models, ask.datasets, ask.spaces):
        if binding.dataset not in views:
            views[binding.dataset] = store.version(binding.dataset)
        for head, prompts, classes in _heads(store, binding, ask.prompts):
            _judge(reader, binding, views[binding.dataset], head, prompts, classes, ask, cells, missing)
    return cells, missing


def _heads(store: Store, binding: Binding, wanted: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return (head id, prompt set, class list) for each way to get logits from a binding."""
    found = [("", "", binding.classes)] if "logits" in binding.kinds and not binding.heads else []
    for prompts, classes in binding.heads:
        name = read_prompts(store.disk, store.layout, prompts).name
        if not wanted or name in wanted:
            found.append((head_id(classes, prompts), name, classes))
    return found


def _judge(
    reader: Reader,
    binding: Binding,
    view: View,
    head: str,
    prompts: str,
    classes: str,
    ask: Ask,
    cells: list[Cell],
    missing: list[Missing],
) -> None:
    kind = "embeddings" if head else "logits"
    space = reader.store.space(binding.label)
    packs = reader.needed_packs(view)
    states = {pack: reader.state(reader.unit(kind, space, pack)) for pack in packs}
    if head:
        head_pack = pack_id([head])
        states[head_pack] = reader.state(reader.unit("heads", space, head_pack))
    absent = {pack: state for pack, state in states.items() if state is not State.HERE}
    for state in sorted(set(absent.values()), key=lambda state: state.value):
        count = sum(1 for other in absent.values() if other is state)
        where = f"{state.value} for {count} of {len(states)} packs"
        missing.append(
            Missing(binding.model, binding.dataset, kind, prompts, where, _remedy(binding, kind, state, prompts))
        )
    used = view
    if absent:
        present = {item for pack in packs if pack not in absent for item in reader.pack(pack).items}
        table = view.table.filter(view.table["image_id"].is_in(list(present)))
        if not ask.allow_partial or not table.height or (head and head_pack in absent):
            return
        used = View(view.name, view.id, table, view.classes, tuple(p for p in packs if p not in absent), view.facts)
    commits = [reader.commit(reader.unit(kind, space, pack)) for pack in packs if pack not in absent]
    parts = [segment.id for commit in commits if commit is not None for segment in commit.segments]
    inputs = digest(
        "inputs", {"dataset": view.id, "space": space.id, "segments": parts, "head": head, "classes": classes}
    )
    cells.append(Cell(binding, used, view.table.height, head, prompts, classes, inputs))


def _remedy(binding: Binding, kind: str, state: State, prompts: str) -> str:
    run = f"assay-extract run --model {binding.model} --dataset {binding.dataset} --kinds {kind}"
    if prompts:
        run = f"assay-extract run --model {binding.model} --dataset {binding.dataset} --prompts {prompts}"
    return f"`assay-cache repair`, then `{run}`" if state is State.LOST else f"`{run}`"
