"""What analysis computes on: one model on one dataset under one head; and what of that is not here.

Values only; `cells` finds them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cache.bindings import Binding
from cache.texts import ClassList, Prompts
from cache.views import View

from .asked import Roles
from .caption_cells import CaptionCell
from .record_cells import RecordCell


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Logits of a model on a dataset, stored, or embeddings times a head; or decisions that were made elsewhere.

    head
        Id of the zero-shot head; empty for stored logits.
    classes
        Texts id of the class list of the columns.
    view
        The dataset's rows, already cut down where a partial answer was allowed.
    parents
        Segment ids of the data of each pack, and of the head.
    from_scores
        Packs whose data are gone and whose stored scores still answer for some metrics.
    words
        Prompts and classes of a head that is not stored and is made of stored sentences.
    predicted
        Whether decisions are all there is.
    """

    binding: Binding
    view: View
    n_total: int
    head: str = ""
    prompt_set: str = ""
    classes: str = ""
    inputs: str
    parents: Mapping[str, tuple[str, ...]]
    from_scores: frozenset[str] = frozenset()
    words: tuple[Prompts, ClassList] | None = None
    predicted: bool = False

    @property
    def kind(self) -> str:
        """The kind that has to be read."""
        return kind_of(self.head, self.predicted)


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
        where = f"{self.model or 'any model'} on {self.dataset or 'any dataset'}"
        return f"{where}: {self.kind}{with_prompts} {self.state}. {self.remedy}"


@dataclass(frozen=True, slots=True)
class Found:
    """What a command means, sorted into what can be computed and what cannot.

    notes
        What has nothing to compute and was not asked for by name.
    matched
        Pairs of a model and a dataset that were matched.
    dense
        Patches on datasets with pairs of images, from which matches can be made here.
    """

    cells: tuple[Cell, ...]
    missing: tuple[Missing, ...]
    roles: Roles
    notes: tuple[str, ...]
    captions: tuple[CaptionCell, ...] = ()
    records: tuple[RecordCell, ...] = ()
    matched: tuple[tuple[str, str], ...] = ()
    dense: tuple[Binding, ...] = ()


@dataclass(frozen=True, slots=True)
class HeadChoice:
    """One way to get logits: a head (empty for stored logits, and for decisions), its prompt set, its class list.

    words, parents
        For a head that is not stored: what it is made of, and the text segments that hold it.
    """

    head: str
    prompt_set: str
    classes: str
    words: tuple[Prompts, ClassList] | None = None
    parents: tuple[str, ...] = ()
    predicted: bool = False

    @property
    def kind(self) -> str:
        """The kind that has to be read."""
        return kind_of(self.head, self.predicted)


def kind_of(head: str, predicted: bool) -> str:
    """Return the kind that has to be read: embeddings under a head, else decisions or logits."""
    return "embeddings" if head else "predictions" if predicted else "logits"
