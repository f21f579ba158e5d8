"""Which cells were asked for, and which of them are here.

A cell is the logits of one model on one dataset under one head. A missing one is named with the command that
mends it; it is never left out in silence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from cache.bindings import Binding, asked_pairs, bind, check_explained, matched_pairs
from cache.captions import has_captions
from cache.image_pairs import scheme_of
from cache.key import pack_id
from cache.reader import Reader, State
from cache.store import Store
from cache.texts import read_prompts
from cache.views import View
from manifests.canonical import digest
from manifests.catalogue import Catalogue

from .asked import Ask, Known, Wanted, roles, wanted_pairs
from .caption_cells import CaptionCell, caption_cell
from .cell import Cell, Found, HeadChoice, Missing
from .cell_remedies import again, ask_again, missing_head, never_asked, never_matched, prompt_words, speaks, text_run
from .cell_search import Search
from .head_choice import choose_heads, source_of_heads
from .prompt_sets import read_files
from .record_cells import RecordCell, record_cell
from .scores import OF_LOGITS, scores_space, usable


def find_cells(store: Store, reader: Reader, catalogue: Catalogue, ask: Ask) -> Found:
    """Return the cells that can be computed and those that cannot.

    Raises
    ------
    UsageError
        When a name is unknown or bound twice.
    IntegrityError
        When the store contradicts itself.
    """
    check_explained(store)
    catalogue, options, files = read_files(catalogue, ask.prompts)
    ask = replace(ask, prompts=options)
    asked = asked_pairs(store)
    texts = {prompts for requests in asked.values() for request in requests for prompts, _ in request.heads}
    prompt_names = {read_prompts(store.disk, store.layout, prompts).name for prompts in texts}
    matched = matched_pairs(store)
    known = Known({*asked, *matched}, store.datasets(), prompt_names, catalogue)
    wanted = wanted_pairs(known, ask)
    search = Search(store, reader, ask, asked, known, roles(known, ask, wanted), files, frozenset(matched))
    for one in wanted:
        if (one.model, one.dataset) in asked:
            _bound(search, one)
        elif (one.model, one.dataset) not in matched:
            search.missing.append(never_asked(search, one))
    found = (tuple(search.cells), tuple(search.missing), search.roles, tuple(search.notes))
    pairs = tuple((one.model, one.dataset) for one in wanted if (one.model, one.dataset) in matched)
    captions, records, dense = tuple(search.captions), tuple(search.records), tuple(search.dense)
    return Found(*found, captions=captions, records=records, matched=pairs, dense=dense)


def _bound(search: Search, one: Wanted) -> None:
    """Judge every head of a pair that is bound."""
    binding = search.binding(one.model, one.dataset)
    source = source_of_heads(search, binding)
    chosen: list[HeadChoice] = []
    captioned = _retrieves(search, one, binding)
    answered = _answers(search, one, binding)
    corresponds = _corresponds(search, one)
    if source.heads:
        chosen, lacking = choose_heads(search, source, one.prompts)
        for pattern in lacking:
            search.missing.append(missing_head(search, one, pattern))
    elif "logits" in binding.kinds:
        chosen = [HeadChoice("", "", binding.classes)]
    elif "predictions" in binding.kinds:
        chosen = [HeadChoice("", "", binding.classes, predicted=True)]
    elif captioned or answered or corresponds:
        pass
    elif speaks(search, binding) and (one.named or one.prompts):
        search.missing += [missing_head(search, one, pattern) for pattern in one.prompts or ("",)]
    elif one.named:
        remedy = f"`{again(search, binding, 'logits')}`"
        search.missing.append(Missing(one.model, one.dataset, "logits", "", "were never asked for", remedy))
    else:
        search.notes.append(
            f"{one.model} on {one.dataset} was extracted without logits and without prompts "
            f"({', '.join(binding.kinds)}), so it has no metrics here."
        )
    for head in chosen:
        _judge(search, binding, head)


def _corresponds(search: Search, one: Wanted) -> bool:
    """Tell whether a model is scored by correspondence on a dataset that lists pairs of images."""
    pair = (one.model, one.dataset)
    if not scheme_of(search.view(one.dataset).table.columns):
        return False
    if pair in search.matched:
        return True
    # Patches of another size than the logits have a space of their own.
    if any("patches" in request.kinds for request in search.asked[pair]):
        search.dense.append(bind(search.store, search.asked[pair], search.ask.spaces, ("patches",)))
        return True
    if one.named:
        search.missing.append(never_matched(one))
    return one.named


def _retrieves(search: Search, one: Wanted, binding: Binding) -> bool:
    """Judge images and captions of a dataset that has them; tell whether a model is scored by retrieval there."""
    view = search.view(binding.dataset)
    asked = "text" in binding.kinds or one.named
    if not (has_captions(view.table) and asked and "embeddings" in binding.kinds and speaks(search, binding)):
        return False
    found = caption_cell(search.reader, binding, view)
    if isinstance(found, CaptionCell):
        search.captions.append(found)
        return True
    for lack in found:
        run = text_run(search, binding, []) if lack.kind == "text" else again(search, binding, lack.kind)
        mend = f"`assay-cache repair`, then `{run}`" if lack.state is State.LOST else f"`{run}`"
        said = f"{lack.state.value}{lack.count}"
        search.missing.append(Missing(one.model, one.dataset, lack.kind, "", said, mend))
    return True


def _answers(search: Search, one: Wanted, binding: Binding) -> bool:
    """Judge the answers of a language model; tell whether a model is scored by its answers."""
    if "records" not in binding.kinds:
        return False
    found = record_cell(search.reader, binding, search.view(binding.dataset), search.asked[one.model, one.dataset])
    if isinstance(found, RecordCell):
        search.records.append(found)
        return True
    for state, count in found:
        run = ask_again(search, binding)
        mend = f"`assay-cache repair`, then `{run}`" if state is State.LOST else f"`{run}`"
        search.missing.append(Missing(one.model, one.dataset, "records", "", f"{state.value}{count}", mend))
    return True


def _judge(search: Search, binding: Binding, head: HeadChoice) -> None:
    """Add a cell, or what is missing of it."""
    reader, kind = search.reader, head.kind
    space = reader.store.space(binding.label)
    view = reader.followed(kind, space, search.view(binding.dataset))
    packs = reader.needed_packs(view)
    units = {pack: reader.unit(kind, space, pack) for pack in packs}
    states = {pack: reader.state(unit) for pack, unit in units.items()}
    head_ids, head_state = (head.parents, State.HERE) if head.words else _head_state(reader, binding, head.head)
    parents = {pack: (*_segment_ids(reader, kind, binding, pack), *head_ids) for pack in packs}
    lacking = {pack for pack, state in states.items() if state is not State.HERE or head_state is not State.HERE}
    scored = scores_space(space, head.head)
    # Scores stand in for data that are gone only while the records of those data say what the scores were made of.
    covered = lacking and all(
        states[pack] is not State.ABSENT
        and head_state is not State.ABSENT
        and usable(reader, reader.unit("scores", scored, pack), parents[pack])
        for pack in lacking
    )
    after = f", so {OF_LOGITS} are missing; the other metrics come from stored scores" if covered else ""
    _list_missing(search, binding, head, states, head_state, after)
    used = view
    if lacking and not covered:
        used = _part(reader, view, [pack for pack in packs if pack not in lacking])
        if not search.ask.allow_partial or not used.table.height:
            return
    inputs = digest(
        "inputs",
        {
            "dataset": view.id,
            "space": space.id,
            "segments": [segment for pack in used.packs if pack in parents for segment in parents[pack]],
            "head": head.head,
            "classes": head.classes,
        },
    )
    search.cells.append(
        Cell(
            binding=binding,
            view=used,
            n_total=view.table.height,
            head=head.head,
            prompt_set=head.prompt_set,
            classes=head.classes,
            inputs=inputs,
            parents=parents,
            from_scores=frozenset(lacking) if covered else frozenset(),
            words=head.words,
            predicted=head.predicted,
        )
    )


def _segment_ids(reader: Reader, kind: str, binding: Binding, pack: str) -> tuple[str, ...]:
    commit = reader.commit(reader.unit(kind, reader.store.space(binding.label), pack))
    return () if commit is None else tuple(segment.id for segment in commit.segments)


def _head_state(reader: Reader, binding: Binding, head: str) -> tuple[tuple[str, ...], State]:
    """Return the segment of a head and whether it can be read; no head is always here."""
    if not head:
        return (), State.HERE
    pack = pack_id([head])
    state = reader.state(reader.unit("heads", reader.store.space(binding.label), pack))
    return _segment_ids(reader, "heads", binding, pack), state


def _part(reader: Reader, view: View, packs: Sequence[str]) -> View:
    """Return the rows of a view whose images are in some of its packs."""
    positions = reader.positions(view)
    rows = sorted(int(row) for pack in packs for row in positions[pack][0])
    return View(view.name, view.id, view.table[rows], view.classes, tuple(packs), view.facts, view.rows)


def _list_missing(
    search: Search,
    binding: Binding,
    head: HeadChoice,
    states: Mapping[str, State],
    head_state: State,
    after: str,
) -> None:
    kind = head.kind
    run = again(search, binding, kind, prompt_words(search, [head.prompt_set] if head.prompt_set else []))

    def listed(what: str, state: State, count: str) -> Missing:
        remedy = f"`assay-cache repair`, then `{run}`" if state is State.LOST else f"`{run}`"
        return Missing(binding.model, binding.dataset, what, head.prompt_set, f"{state.value}{count}{after}", remedy)

    if head_state is not State.HERE:
        search.missing.append(listed("heads", head_state, ""))
    for state in (State.LOST, State.ABSENT):
        count = sum(1 for other in states.values() if other is state)
        if count:
            search.missing.append(listed(kind, state, f" for {count} of {len(states)} packs"))
