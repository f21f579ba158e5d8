"""From a model's name to its space: what the live requests of a store bind.

Two live bindings for one (model, dataset, kind) are an error that names both; the newest never wins. Data that no
request explains are an error too, since the table would have been longer with it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from manifests.selection import is_glob, matching, no_match, split_patterns

from .errors import IntegrityError, UsageError
from .layout import KINDS, SHORT, parse_marker, parse_record, parse_version
from .requests import Request, Requests, describe, read_requests, same_binding
from .runs import check_runs, read_runs
from .store import Store


@dataclass(frozen=True, slots=True)
class Binding:
    """One model on one dataset: where its numbers are and what was asked."""

    model: str
    dataset: str
    group: str
    facts: Mapping[str, Any]
    space: str
    label: str
    kinds: tuple[str, ...]
    classes: str
    heads: tuple[tuple[str, str], ...]


def select_ids(known: Sequence[str], patterns: Sequence[str], what: str) -> tuple[str, ...]:
    """Choose ids by commas and globs; no pattern means all.

    Raises
    ------
    UsageError
        When a pattern matches nothing.
    """
    if not patterns:
        return tuple(sorted(known))
    chosen: set[str] = set()
    for pattern in split_patterns(patterns):
        # An id may itself hold a character that globs use.
        found = (pattern,) if pattern in known else matching(known, pattern) if is_glob(pattern) else ()
        if not found:
            raise UsageError(f"not in this store: {no_match(known, pattern, what)}")
        chosen.update(found)
    return tuple(sorted(chosen))


def bindings(
    store: Store, models: Sequence[str] = (), datasets: Sequence[str] = (), spaces: Sequence[str] = ()
) -> tuple[Binding, ...]:
    """Return what is bound, sorted by model and dataset, one for each pair; several where kinds lie in several spaces.

    Parameters
    ----------
    models, datasets
        Patterns; none means all that the store was asked for.
    spaces
        Space ids, labels or slugs that settle which of two bindings is meant.

    Raises
    ------
    UsageError
        When a pattern matches nothing, or a pair is bound twice.
    """
    asked = asked_pairs(store)
    chosen_models = set(select_ids(sorted({model for model, _ in asked}), models, "models"))
    chosen_datasets = set(select_ids(sorted({dataset for _, dataset in asked}), datasets, "datasets"))
    pairs = [pair for pair in asked if pair[0] in chosen_models and pair[1] in chosen_datasets]
    return tuple(bind(store, part, spaces) for pair in pairs for part in _apart(asked[pair]))


def _apart(requests: Sequence[Request]) -> list[list[Request]]:
    """Return requests by space, those together whose kinds meet: patches may have a space of their own."""
    parts: list[list[Request]] = []
    for request in requests:
        kinds = set(request.kinds)
        met = [part for part in parts if any(o.space == request.space or kinds & set(o.kinds) for o in part)]
        parts = [part for part in parts if part not in met]
        parts.append([*(one for part in met for one in part), request])
    return parts


def asked_pairs(store: Store) -> dict[tuple[str, str], tuple[Request, ...]]:
    """Return the live requests that bind each (model, dataset), sorted by pair; not those of matches."""
    pairs: dict[tuple[str, str], list[Request]] = {}
    for request in store.requests().settled():
        if request.of_images:
            pairs.setdefault((request.model, request.dataset), []).append(request)
    return {pair: tuple(pairs[pair]) for pair in sorted(pairs)}


def matched_pairs(store: Store) -> dict[tuple[str, str], tuple[Request, ...]]:
    """Return the live requests for matches of each (model, dataset), sorted by pair."""
    pairs: dict[tuple[str, str], list[Request]] = {}
    for request in store.requests().settled():
        if "matches" in request.kinds:
            pairs.setdefault((request.model, request.dataset), []).append(request)
    return {pair: tuple(pairs[pair]) for pair in sorted(pairs)}


def bind(store: Store, requests: Sequence[Request], spaces: Sequence[str] = (), kinds: Collection[str] = ()) -> Binding:
    """Return what the requests for one (model, dataset) say together.

    Parameters
    ----------
    kinds
        What is wanted of them: only requests for any of these count, where there are such.

    Raises
    ------
    UsageError
        When they name two spaces and `spaces` does not settle which is meant.
    """
    allowed = {store.resolve_space(name).id for name in spaces}
    wanted = [request for request in requests if not kinds or set(kinds) & set(request.kinds)] or list(requests)
    meant = [request for request in wanted if request.space in allowed] or wanted
    first = meant[0]
    if not all(same_binding(first, request) for request in meant):
        distinct = [r for i, r in enumerate(meant) if not any(same_binding(r, s) for s in meant[:i])]
        raise UsageError(
            f"{first.model} on {first.dataset} is bound {len(distinct)} times, expected once:\n{describe(distinct)}\n"
            f"Name one with `--space {distinct[0].label}`, or unbind the other for good with "
            f"`assay-cache retire {distinct[1].digest[:16]}`."
        )
    asked = {kind for request in meant for kind in request.kinds}
    return Binding(
        model=first.model,
        dataset=first.dataset,
        group=first.group,
        facts=first.facts,
        space=first.space,
        label=first.label,
        kinds=tuple(kind for kind in KINDS if kind in asked),
        classes=first.classes,
        heads=tuple(sorted({pair for request in meant for pair in request.heads})),
    )


def check_explained(store: Store) -> None:
    """Check that requests, runs, dataset versions and commit records vouch for each other.

    Raises
    ------
    IntegrityError
        When something was asked for once and its request, or the dataset version that it names, is gone.
    IncompleteError
        When a request stands there that no run began with.
    """
    check_asked(store)
    if unexplained := next(unexplained_units(store), None):
        raise IntegrityError(
            "commits/{}/{}/{}.json: no request in requests/ asks for these data, so their model would be missing from "
            "every table. Copy requests/ again from a good copy of the store, or repeat the `assay-extract run` or "
            "`assay-cache ingest` that made them; `assay-cache repair` puts them away.".format(*unexplained)
        )


def check_asked(store: Store) -> None:
    """Check that requests, runs and dataset versions vouch for each other; raises as `check_explained` does."""
    # A writer may begin meanwhile: its requests come first, so a run that was seen before they were listed has lost
    # nothing, and a run that comes after may name a request that was listed.
    begun = read_runs(store.disk, store.layout)
    # Anew: in a store that was opened long ago they may be older than those runs.
    store.forget()
    requests = store.requests()
    requests.settled()
    check_runs(begun, requests, store.disk, store.layout)
    _check_versions(store, requests)


def unexplained_units(store: Store) -> Iterator[tuple[str, str, str]]:
    """Yield kind, space label and pack of every commit record that no request asks for.

    Scores make no table longer: they count only beside the record of the data that they were computed from.
    """
    explained = explained_units(store.requests())
    left = [names for names in commit_names(store) if names[0] != "scores" and names not in explained]
    if left:
        # A writer may have begun since the requests were read. Its own come before its data, so now they are there.
        explained = explained_units(read_requests(store.disk, store.layout))
    return (names for names in left if names not in explained)


def explained_units(requests: Requests) -> set[tuple[str, str, str]]:
    """Return kind, space label and pack of everything that was ever asked for."""
    return {
        (kind, request.label, pack)
        for request in (*requests.live, *requests.retired, *requests.undecided)
        for kind in request.kinds
        for pack in request.packs_of(kind)
    }


def commit_names(store: Store) -> Iterator[tuple[str, str, str]]:
    """Yield kind, space label and pack of every commit record, by name alone."""
    for kind in KINDS:
        for label in store.disk.names(store.layout.root / "commits" / kind):
            for name in store.disk.names(store.layout.records(kind, label)):
                if pack := parse_record(name):
                    yield kind, label, pack


def _check_versions(store: Store, requests: Requests) -> None:
    # A dataset of which every trace is gone would otherwise look like one that was never indexed.
    # One that was replaced may go, as nothing current rests on it.
    names = store.disk.names(store.layout.datasets)
    there = {version for name in names if (version := parse_version(name))}
    there |= {marker[:2] for name in names if (marker := parse_marker(name))}
    for request in requests.live:
        if request.binds and (request.dataset, request.version[:SHORT]) not in there:
            raise IntegrityError(
                f"datasets/{request.dataset}@{request.version[:SHORT]}.json is missing, though {request.model} was run "
                f"on it (request {request.digest[:16]}). Copy datasets/ again from a good copy of the store, or "
                f"`assay-extract index {request.dataset}` again; if the images changed since, "
                f"`assay-cache retire {request.digest[:16]}` gives that version up."
            )
