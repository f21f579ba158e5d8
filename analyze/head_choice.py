"""Which heads of a zero-shot model are meant: stored ones by name, and those whose sentences are all stored."""

from __future__ import annotations

from collections.abc import Sequence

from cache.bindings import Binding
from cache.errors import UsageError
from cache.key import head_id
from cache.stored_text import text_parents
from cache.texts import read_classes
from manifests.selection import is_glob, matching

from .cell import HeadChoice
from .cell_remedies import text_run
from .cell_search import Search
from .prompt_sets import by_content


def choose_heads(search: Search, binding: Binding, patterns: Sequence[str]) -> tuple[list[HeadChoice], list[str]]:
    """Return the heads that patterns of prompt sets mean, stored ones first, and the patterns that mean none."""
    stored = _heads(search, binding, search.view(binding.dataset).classes)
    if not patterns:
        return stored, []
    chosen: dict[str, HeadChoice] = {}
    lacking = []
    for pattern in patterns:
        file = search.files.sets.get(pattern)
        found = [head for head in stored if _is(head.prompt_set, pattern)]
        if file is not None:
            # A file is its content, whatever a stored set of the same name holds.
            found = [head for head in found if head.head == head_id(head.classes, file.id)]
        found = found or _from_words(search, binding, pattern)
        chosen |= {head.head: head for head in found}
        lacking += [] if found else [pattern]
    return list(chosen.values()), lacking


def _from_words(search: Search, binding: Binding, pattern: str) -> list[HeadChoice]:
    """Return heads of prompt sets that were never asked of a model, all of whose sentences are stored."""
    catalogue, store = search.known.catalogue, search.store
    lists = {classes for _, classes in binding.heads}
    own = search.view(binding.dataset).classes
    if own in lists:
        lists = {own}
    found = []
    for name in matching(catalogue.prompts, pattern) if is_glob(pattern) else (pattern,):
        prompts = by_content(catalogue, search.files, name)
        if prompts is None or len(lists) != 1:
            continue
        classes = read_classes(store.disk, store.layout, *lists)
        parents = text_parents(search.reader, store.space(binding.label), prompts, classes)
        if parents is not None:
            words = (prompts, classes)
            found.append(HeadChoice(head_id(classes.id, prompts.id), name, classes.id, words, parents))
            run = text_run(search, binding, [name])
            search.notes.append(
                f"the head of {name} for {binding.model} is made here of stored sentences, which are float16; `{run}` "
                "stores one of float32."
            )
    return found


def _is(name: str, pattern: str) -> bool:
    return name == pattern or (is_glob(pattern) and bool(matching([name], pattern)))


def source_of_heads(search: Search, binding: Binding) -> Binding:
    """Return the binding whose heads a pair is scored with: out of distribution, that of the set inside.

    An out-of-distribution set may have been extracted with its own class names; what is asked of it is how a
    classifier of the in-distribution classes takes its images.
    """
    inside = search.roles.inside
    if binding.dataset in search.roles.outside and (binding.model, inside) in search.asked:
        other = search.binding(binding.model, inside)
        if other.space == binding.space and other.heads:
            return other
    return binding


def _heads(search: Search, binding: Binding, view_classes: str) -> list[HeadChoice]:
    """Return one head for each prompt set of a binding: that of the dataset's own classes, where there are several."""
    by_name: dict[str, list[tuple[str, str]]] = {}
    for prompts, classes in binding.heads:
        by_name.setdefault(search.prompt_set(prompts), []).append((prompts, classes))
    found = []
    for name, pairs in sorted(by_name.items()):
        meant = [pair for pair in pairs if pair[1] == view_classes] or pairs
        if len(meant) > 1:
            raise UsageError(
                f"{binding.model} on {binding.dataset} has {len(meant)} heads for prompts {name!r}, expected one: "
                f"{', '.join(f'prompts {p[:16]} over classes {c[:16]}' for p, c in meant)}. Give them two names, or "
                "unbind a request with `assay-cache retire`."
            )
        prompts, classes = meant[0]
        found.append(HeadChoice(head_id(classes, prompts), name, classes))
    return found
