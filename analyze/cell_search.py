"""What a search for cells has seen so far: bindings and views read once, and what was found.

Holds; decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cache.bindings import Binding, bind
from cache.reader import Reader
from cache.requests import Request
from cache.store import Store
from cache.texts import read_prompts
from cache.views import View

from .asked import SCORABLE, Ask, Known, Roles
from .caption_cells import CaptionCell
from .cell import Cell, Missing
from .prompt_sets import FromFiles
from .record_cells import RecordCell


@dataclass(slots=True)
class Search:
    """What one call of `find_cells` has seen so far."""

    store: Store
    reader: Reader
    ask: Ask
    asked: Mapping[tuple[str, str], tuple[Request, ...]]
    known: Known
    roles: Roles
    files: FromFiles
    matched: frozenset[tuple[str, str]] = frozenset()
    bindings: dict[tuple[str, str], Binding] = field(default_factory=dict)
    views: dict[str, View] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    captions: list[CaptionCell] = field(default_factory=list)
    records: list[RecordCell] = field(default_factory=list)
    dense: list[Binding] = field(default_factory=list)

    def binding(self, model: str, dataset: str) -> Binding:
        """Return what binds a pair that is asked for."""
        if (model, dataset) not in self.bindings:
            self.bindings[model, dataset] = bind(self.store, self.asked[model, dataset], self.ask.spaces, SCORABLE)
        return self.bindings[model, dataset]

    def view(self, dataset: str) -> View:
        """Return a dataset's current version."""
        if dataset not in self.views:
            self.views[dataset] = self.store.version(dataset)
        return self.views[dataset]

    def prompt_set(self, prompts: str) -> str:
        """Return the name of a prompt set."""
        return read_prompts(self.store.disk, self.store.layout, prompts).name
