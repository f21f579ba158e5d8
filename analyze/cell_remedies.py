"""Which command brings a cell that is not here: it depends on what was asked before and where numbers came from."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

from cache.bindings import Binding
from cache.image_pairs import scheme_of
from cache.ingested import is_ingested
from cache.reader import State
from cache.remedies import command, convert_command, is_derived
from cache.spaces import Space
from cache.texts import read_classes
from manifests.derived import is_converted

from .asked import Wanted
from .cell import Missing
from .cell_search import Search

_WITH_PAIRS = frozenset({"navi", "scannet-1500", "spair-71k"})
"""Layouts of datasets that list pairs of images, and are scored by correspondence."""


def never_asked(search: Search, one: Wanted) -> Missing:
    """Say that numbers were never asked for, and what asks for them."""
    listed = search.known.catalogue.models.get(one.model)
    zero_shot = listed is not None and not listed.label_space
    run = f"`{_first_time(search, one)}{prompt_words(search, one.prompts)}`"
    if one.dataset not in search.store.datasets():
        index = f"`assay-extract index {one.dataset or 'DATASET'} --root DIR`"
        if one.dataset in search.known.catalogue.datasets:
            layouts = search.known.catalogue.datasets[one.dataset].layouts
            if _WITH_PAIRS.intersection(layouts):
                return never_matched(one, f"{index}, then ")
        run = f"{index}, then {run}"
    elif scheme_of(search.view(one.dataset).table.columns):
        return never_matched(one)
    kind = "embeddings" if zero_shot else "logits"
    if listed is not None and listed.group == "vlm":
        kind, ingest = "records", f"assay-cache ingest --model {one.model} --dataset {one.dataset} --kind records FILE"
        run = f"`assay-analyze questions --out FILE` writes what to ask; `{ingest}` brings the answers"
    return Missing(one.model, one.dataset, kind, "", "were never asked for", run)


def _first_time(search: Search, one: Wanted) -> str:
    """Return the command that brings a model on a dataset; how it came elsewhere says what to call it."""
    dataset = one.dataset or "DATASET"
    requests = [request for pair, some in search.asked.items() if pair[0] == one.model for request in some]
    if not requests:
        listed = search.known.catalogue.models.get(one.model)
        if listed is not None and is_converted(listed):
            return convert_command("ADAPTER", one.model, dataset, listed.derived_from)
        return f"assay-extract run --model {one.model or 'MODEL'} --dataset {dataset}"
    # Patches of larger images have a space of their own, whose options bring nothing to score here.
    request = next((one for one in requests if {"logits", "embeddings"} & set(one.kinds)), requests[0])
    space = search.store.space(request.label)
    if is_ingested(space) or is_derived(space):
        base = str(request.facts.get("derived_from", "B"))
        return command(request.kinds[0], space, one.model, dataset, base)
    return command("embeddings", space, one.model, dataset) + _class_words(search, space, request.classes)


def again(search: Search, binding: Binding, kind: str, words: str = "") -> str:
    """Return the command that brings numbers: it depends on where those of this binding came from."""
    space = search.store.space(binding.label)
    base = str(binding.facts.get("derived_from", "B"))
    run = command(kind, space, binding.model, binding.dataset, base)
    if is_ingested(space) or is_derived(space):
        return run
    return f"{run}{_class_words(search, space, binding.classes)}{words}"


def _class_words(search: Search, space: Space, classes: str) -> str:
    """Return the option that names the classes of a checkpoint of one's own; ImageNet's are taken without it."""
    asked = space.provenance.get("model")
    if not classes or not asked or asked in search.known.catalogue.models:
        return ""
    usual = search.known.catalogue.labels.get("imagenet-1k")
    keys = read_classes(search.store.disk, search.store.layout, classes).keys
    return "" if usual is not None and keys == usual.keys else " --classes FILE"


def prompt_words(search: Search, patterns: Sequence[str]) -> str:
    """Return the options that name prompt sets, as the command spelled them."""
    return "".join(f" --prompts {quote(search.files.option(pattern))}" for pattern in patterns)


def never_matched(one: Wanted, before: str = "") -> Missing:
    """Say that a model was never matched on a dataset of pairs."""
    run = f"`assay-extract match --model {one.model or 'MODEL'} --dataset {one.dataset}`"
    return Missing(one.model, one.dataset, "matches", "", "were never asked for", before + run)


def ask_again(search: Search, binding: Binding) -> str:
    """Return the command that asks a language model the questions that have no answer."""
    space = search.store.space(binding.label)
    if is_ingested(space):
        return again(search, binding, "records")
    model = str(space.provenance.get("weights", "")) or binding.model
    called = "" if model == binding.model else f" --as {binding.model}"
    return f"assay-extract run --model {model} --dataset {binding.dataset} --kinds records --questions FILE{called}"


def speaks(search: Search, binding: Binding) -> bool:
    """Tell whether a model has a text tower."""
    return "text" in search.store.space(binding.label).identity


def missing_head(search: Search, one: Wanted, pattern: str) -> Missing:
    """Say that a head is not here, and what makes it."""
    run = text_run(search, search.binding(one.model, one.dataset), [pattern] if pattern else [])
    return Missing(one.model, one.dataset, "heads", pattern, State.ABSENT.value, f"`{run}`")


def text_run(search: Search, binding: Binding, patterns: Sequence[str]) -> str:
    """Return the command that encodes prompts; it reads no image."""
    return again(search, binding, "text", prompt_words(search, patterns))
