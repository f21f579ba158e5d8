"""Which cells were asked for, and which of them are here.

A cell is the logits of one model on one dataset under one head. A missing one is named with the command that
mends it; it is never left out in silence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from cache.bindings import Binding, asked_pairs, bind, check_explained, matched_pairs
from cache.captions import has_captions
from cache.errors import UsageError
from cache.image_pairs import scheme_of
from cache.ingested import is_ingested
from cache.key import head_id, pack_id
from cache.reader import Reader, State
from cache.remedies import command, is_derived
from cache.requests import Request
from cache.store import Store
from cache.stored_text import text_parents
from cache.texts import ClassList, Prompts, read_classes, read_prompts
from cache.views import View
from manifests.canonical import digest
from manifests.catalogue import Catalogue
from manifests.selection import is_glob, matching

from .asked import SCORABLE, Ask, Known, Roles, Wanted, roles, wanted_pairs
from .caption_cells import CaptionCell, caption_cell
from .prompt_sets import FromFiles, by_content, read_files
from .record_cells import RecordCell, record_cell
from .scores import OF_LOGITS, scores_space, usable

_WITH_PAIRS = frozenset({"navi", "scannet-1500", "spair-71k"})
"""Layouts of datasets that list pairs of images, and are scored by correspondence."""


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
        return _kind(self.head, self.predicted)


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
class _HeadChoice:
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
        return _kind(self.head, self.predicted)


def _kind(head: str, predicted: bool) -> str:
    return "embeddings" if head else "predictions" if predicted else "logits"


@dataclass(slots=True)
class _Search:
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
    search = _Search(store, reader, ask, asked, known, roles(known, ask, wanted), files, frozenset(matched))
    for one in wanted:
        if (one.model, one.dataset) in asked:
            _bound(search, one)
        elif (one.model, one.dataset) not in matched:
            search.missing.append(_never_asked(search, one))
    found = (tuple(search.cells), tuple(search.missing), search.roles, tuple(search.notes))
    pairs = tuple((one.model, one.dataset) for one in wanted if (one.model, one.dataset) in matched)
    captions, records, dense = tuple(search.captions), tuple(search.records), tuple(search.dense)
    return Found(*found, captions=captions, records=records, matched=pairs, dense=dense)


def _never_asked(search: _Search, one: Wanted) -> Missing:
    listed = search.known.catalogue.models.get(one.model)
    zero_shot = listed is not None and not listed.label_space
    run = f"`{_run(one.model, one.dataset)}{_prompts(search, one.prompts)}`"
    if one.dataset not in search.store.datasets():
        index = f"`assay-extract index {one.dataset or 'DATASET'} --root DIR`"
        if one.dataset in search.known.catalogue.datasets:
            layouts = search.known.catalogue.datasets[one.dataset].layouts
            if _WITH_PAIRS.intersection(layouts):
                return _never_matched(one, f"{index}, then ")
        run = f"{index}, then {run}"
    elif scheme_of(search.view(one.dataset).table.columns):
        return _never_matched(one)
    kind = "embeddings" if zero_shot else "logits"
    if listed is not None and listed.group == "vlm":
        kind, ingest = "records", f"assay-cache ingest --model {one.model} --dataset {one.dataset} --kind records FILE"
        run = f"`assay-analyze questions --out FILE` writes what to ask; `{ingest}` brings the answers"
    return Missing(one.model, one.dataset, kind, "", "were never asked for", run)


def _run(model: str, dataset: str, kinds: str = "") -> str:
    command = f"assay-extract run --model {model or 'MODEL'} --dataset {dataset or 'DATASET'}"
    return f"{command} --kinds {kinds}" if kinds else command


def _again(search: _Search, binding: Binding, kind: str, words: str = "") -> str:
    """Return the command that brings numbers: it depends on where those of this binding came from."""
    space = search.store.space(binding.label)
    if is_ingested(space) or is_derived(space):
        base = str(binding.facts.get("derived_from", "B"))
        return command(kind, space, binding.model, binding.dataset, base)
    return _run(binding.model, binding.dataset, "" if kind == "embeddings" else kind) + words


def _prompts(search: _Search, patterns: Sequence[str]) -> str:
    return "".join(f" --prompts {search.files.option(pattern)}" for pattern in patterns)


def _bound(search: _Search, one: Wanted) -> None:
    """Judge every head of a pair that is bound."""
    binding = search.binding(one.model, one.dataset)
    source = _source_of_heads(search, binding)
    chosen: list[_HeadChoice] = []
    captioned = _retrieves(search, one, binding)
    answered = _answers(search, one, binding)
    corresponds = _corresponds(search, one)
    if source.heads:
        chosen, lacking = _choose(search, source, one.prompts)
        for pattern in lacking:
            search.missing.append(_missing_head(search, one, pattern))
    elif "logits" in binding.kinds:
        chosen = [_HeadChoice("", "", binding.classes)]
    elif "predictions" in binding.kinds:
        chosen = [_HeadChoice("", "", binding.classes, predicted=True)]
    elif captioned or answered or corresponds:
        pass
    elif _speaks(search, binding) and (one.named or one.prompts):
        search.missing += [_missing_head(search, one, pattern) for pattern in one.prompts or ("",)]
    elif one.named:
        remedy = f"`{_again(search, binding, 'logits')}`"
        search.missing.append(Missing(one.model, one.dataset, "logits", "", "were never asked for", remedy))
    else:
        search.notes.append(
            f"{one.model} on {one.dataset} was extracted without logits and without prompts "
            f"({', '.join(binding.kinds)}), so it has no metrics here."
        )
    for head in chosen:
        _judge(search, binding, head)


def _corresponds(search: _Search, one: Wanted) -> bool:
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
        search.missing.append(_never_matched(one))
    return one.named


def _never_matched(one: Wanted, before: str = "") -> Missing:
    run = f"`assay-extract match --model {one.model or 'MODEL'} --dataset {one.dataset}`"
    return Missing(one.model, one.dataset, "matches", "", "were never asked for", before + run)


def _retrieves(search: _Search, one: Wanted, binding: Binding) -> bool:
    """Judge images and captions of a dataset that has them; tell whether a model is scored by retrieval there."""
    view = search.view(binding.dataset)
    asked = "text" in binding.kinds or one.named
    if not (has_captions(view.table) and asked and "embeddings" in binding.kinds and _speaks(search, binding)):
        return False
    found = caption_cell(search.reader, binding, view)
    if isinstance(found, CaptionCell):
        search.captions.append(found)
        return True
    for lack in found:
        run = _text_run(search, binding, []) if lack.kind == "text" else _again(search, binding, lack.kind)
        mend = f"`assay-cache repair`, then `{run}`" if lack.state is State.LOST else f"`{run}`"
        said = f"{lack.state.value}{lack.count}"
        search.missing.append(Missing(one.model, one.dataset, lack.kind, "", said, mend))
    return True


def _answers(search: _Search, one: Wanted, binding: Binding) -> bool:
    """Judge the answers of a language model; tell whether a model is scored by its answers."""
    if "records" not in binding.kinds:
        return False
    found = record_cell(search.reader, binding, search.view(binding.dataset), search.asked[one.model, one.dataset])
    if isinstance(found, RecordCell):
        search.records.append(found)
        return True
    for state, count in found:
        run = _ask_again(search, binding)
        mend = f"`assay-cache repair`, then `{run}`" if state is State.LOST else f"`{run}`"
        search.missing.append(Missing(one.model, one.dataset, "records", "", f"{state.value}{count}", mend))
    return True


def _ask_again(search: _Search, binding: Binding) -> str:
    """Return the command that asks a language model the questions that have no answer."""
    space = search.store.space(binding.label)
    if is_ingested(space):
        return _again(search, binding, "records")
    model = str(space.provenance.get("weights", "")) or binding.model
    called = "" if model == binding.model else f" --as {binding.model}"
    return f"assay-extract run --model {model} --dataset {binding.dataset} --kinds records --questions FILE{called}"


def _speaks(search: _Search, binding: Binding) -> bool:
    return "text" in search.store.space(binding.label).identity


def _missing_head(search: _Search, one: Wanted, pattern: str) -> Missing:
    run = _text_run(search, search.binding(one.model, one.dataset), [pattern] if pattern else [])
    return Missing(one.model, one.dataset, "heads", pattern, State.ABSENT.value, f"`{run}`")


def _text_run(search: _Search, binding: Binding, patterns: Sequence[str]) -> str:
    """Return the command that encodes prompts; it reads no image."""
    said = str(search.store.space(binding.label).provenance.get("weights", ""))
    # What does not follow from the model's name.
    weights = f" --weights {said.removeprefix('file ')}" if said.startswith(("random:", "hf-hub:", "file ")) else ""
    return f"{_run(binding.model, binding.dataset, 'text')}{_prompts(search, patterns)}{weights}"


def _choose(search: _Search, binding: Binding, patterns: Sequence[str]) -> tuple[list[_HeadChoice], list[str]]:
    """Return the heads that patterns of prompt sets mean, stored ones first, and the patterns that mean none."""
    stored = _heads(search, binding, search.view(binding.dataset).classes)
    if not patterns:
        return stored, []
    chosen: dict[str, _HeadChoice] = {}
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


def _from_words(search: _Search, binding: Binding, pattern: str) -> list[_HeadChoice]:
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
            found.append(_HeadChoice(head_id(classes.id, prompts.id), name, classes.id, words, parents))
            run = _text_run(search, binding, [name])
            search.notes.append(
                f"the head of {name} for {binding.model} is made here of stored sentences, which are float16; `{run}` "
                "stores one of float32."
            )
    return found


def _is(name: str, pattern: str) -> bool:
    return name == pattern or (is_glob(pattern) and bool(matching([name], pattern)))


def _source_of_heads(search: _Search, binding: Binding) -> Binding:
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


def _heads(search: _Search, binding: Binding, view_classes: str) -> list[_HeadChoice]:
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
        found.append(_HeadChoice(head_id(classes, prompts), name, classes))
    return found


def _judge(search: _Search, binding: Binding, head: _HeadChoice) -> None:
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
    search: _Search,
    binding: Binding,
    head: _HeadChoice,
    states: Mapping[str, State],
    head_state: State,
    after: str,
) -> None:
    kind = head.kind
    run = _again(search, binding, kind, _prompts(search, [head.prompt_set] if head.prompt_set else []))

    def listed(what: str, state: State, count: str) -> Missing:
        remedy = f"`assay-cache repair`, then `{run}`" if state is State.LOST else f"`{run}`"
        return Missing(binding.model, binding.dataset, what, head.prompt_set, f"{state.value}{count}{after}", remedy)

    if head_state is not State.HERE:
        search.missing.append(listed("heads", head_state, ""))
    for state in (State.LOST, State.ABSENT):
        count = sum(1 for other in states.values() if other is state)
        if count:
            search.missing.append(listed(kind, state, f" for {count} of {len(states)} packs"))
