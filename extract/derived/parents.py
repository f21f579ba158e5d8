"""What a derived model is made of: the cached embeddings of its base, the base's head, labelled rows.

Reads a store; computes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cache.bindings import Binding, bindings
from cache.errors import FailedItemsError, IncompleteError, UsageError
from cache.key import head_id, pack_id
from cache.reader import Reader, State
from cache.spaces import Space
from cache.store import Store
from cache.texts import ClassList, read_classes, read_prompts
from cache.views import View
from cache.zero_shot import Head
from manifests.selection import is_glob, matching


@dataclass(frozen=True, slots=True)
class Parent:
    """The base model on one dataset."""

    binding: Binding
    view: View
    space: Space
    packs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HeadChoice:
    """A head that the base has on every dataset that is asked for."""

    prompts: str
    prompt_set: str
    classes: str

    @property
    def item(self) -> str:
        """The head's id."""
        return head_id(self.classes, self.prompts)


@dataclass(frozen=True, slots=True)
class Rows:
    """Embeddings of the labelled images of a dataset.

    embeddings
        `(n, d)` float32, un-normalised.
    labels
        `(n,)` indices into a class list.
    images
        Image ids.
    """

    embeddings: NDArray[np.float32]
    labels: NDArray[np.int64]
    images: tuple[str, ...]


def find_parents(store: Store, reader: Reader, base: str, datasets: Sequence[str]) -> tuple[Parent, ...]:
    """Return the base on every dataset that is meant, its embeddings here.

    Raises
    ------
    UsageError
        When the base is several models, or was extracted without embeddings.
    IncompleteError
        When embeddings are not here.
    """
    found = bindings(store, [base], datasets)
    names = sorted({binding.model for binding in found})
    if len(names) != 1:
        raise UsageError(
            f"--base {base} means {len(names)} models with these datasets, expected one: {', '.join(names)}"
        )
    parents = []
    for binding in found:
        if "embeddings" not in binding.kinds:
            raise UsageError(
                f"{binding.model} on {binding.dataset} was extracted without embeddings; "
                f"`assay-extract run --model {binding.model} --dataset {binding.dataset} --kinds embeddings`"
            )
        view, space = store.version(binding.dataset), store.space(binding.label)
        packs = reader.needed_packs(view)
        states = [reader.state(reader.unit("embeddings", space, pack)) for pack in packs]
        run = f"`assay-extract run --model {binding.model} --dataset {binding.dataset} --kinds embeddings`"
        for state, mend in ((State.LOST, f"`assay-cache repair`, then {run}"), (State.ABSENT, run)):
            if count := states.count(state):
                raise IncompleteError(
                    f"embeddings of {binding.model} on {binding.dataset} are {state.value} for {count} of {len(packs)} "
                    f"packs: {mend}"
                )
        parents.append(Parent(binding, view, space, packs))
    return tuple(parents)


def choose_head(store: Store, parents: Sequence[Parent], prompts: str) -> HeadChoice:
    """Return the one head that the base has on all datasets, limited to a prompt set where one is named.

    Raises
    ------
    UsageError
        When there is none, or several.
    """
    shared = set.intersection(*(set(parent.binding.heads) for parent in parents))
    named = {pair: read_prompts(store.disk, store.layout, pair[0]).name for pair in shared}
    if prompts:
        meant = set(matching(set(named.values()), prompts)) if is_glob(prompts) else {prompts}
        named = {pair: name for pair, name in named.items() if name in meant}
    if len(named) != 1:
        first = parents[0].binding
        what = ", ".join(f"{name} over {_count(store, pair[1])} classes" for pair, name in sorted(named.items()))
        raise UsageError(
            f"{first.model} has {len(named)} heads{f' of prompts {prompts}' if prompts else ''} on all of "
            f"{', '.join(parent.view.name for parent in parents)}, expected one{': ' + what if what else ''}. "
            "--prompts NAME chooses; --classes of `assay-extract run --kinds heads` makes them of the same classes; or "
            "convert the datasets one by one"
        )
    ((chosen, name),) = named.items()
    return HeadChoice(chosen[0], name, chosen[1])


def _count(store: Store, classes: str) -> int:
    return len(read_classes(store.disk, store.layout, classes).keys)


def read_head(reader: Reader, space: Space, choice: HeadChoice) -> tuple[Head, tuple[str, ...]]:
    """Return a stored head of a space and the segment that it stands in."""
    head = reader.head(space, choice.item)
    return head, segment_ids(reader, "heads", space, pack_id([choice.item]))


def segment_ids(reader: Reader, kind: str, space: Space, pack: str) -> tuple[str, ...]:
    """Return what the data of a unit are called."""
    commit = reader.commit(reader.unit(kind, space, pack))
    return () if commit is None else tuple(segment.id for segment in commit.segments)


def labelled_rows(store: Store, reader: Reader, parent: Parent, classes: ClassList) -> Rows:
    """Return the embeddings of a dataset with its labels as indices into another class list, joined by key.

    Raises
    ------
    UsageError
        When the dataset has no labels, or a class that the list has not.
    FailedItemsError
        When an image has no embedding.
    """
    view = parent.view
    if not view.classes or view.table["label"].null_count() == view.table.height:
        raise UsageError(f"{view.name} has no labels, so it can be neither shots nor tuning images")
    own = read_classes(store.disk, store.layout, view.classes).keys
    index_of = {key: at for at, key in enumerate(classes.keys)}
    strange = [key for key in own if key not in index_of]
    if strange:
        raise UsageError(
            f"{view.name} has {len(strange)} classes that the head does not tell apart, such as {strange[0]}"
        )
    table = view.table.filter(view.table["label"].is_not_null())
    images = tuple(table["image_id"].to_list())
    rows = reader.rows("embeddings", parent.space, images)
    failed = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if failed.size:
        raise FailedItemsError(
            f"{failed.size} images of {view.name} have no embedding, the first is {table['sample'][int(failed[0])]}; "
            "`assay-extract status` shows why"
        )
    labels = np.asarray([index_of[own[label]] for label in table["label"]], np.int64)
    return Rows(np.asarray(rows, np.float32), labels, images)
