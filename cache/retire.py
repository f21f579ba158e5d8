"""Unbinding: a model from a space, or a dataset version from its name. Data and their explanation stay."""

from __future__ import annotations

import re
from collections.abc import Sequence

from . import views
from .bindings import select_ids
from .errors import UsageError
from .layout import SHORT
from .requests import Request, forget_request, retire_request
from .runs import named_requests
from .store import Store


def by_digest(store: Store, prefix: str) -> Request:
    """Return the live request whose digest begins with a prefix of at least eight digits.

    Raises
    ------
    UsageError
        When none or more than one does.
    """
    if not re.fullmatch(r"[0-9a-f]{8,64}", prefix):
        raise UsageError(f"expected the digest of a request (8 to 64 hex digits), got {prefix!r}.")
    requests = store.requests()
    found = [r for r in (*requests.live, *requests.undecided) if r.digest.startswith(prefix)]
    if len(found) != 1:
        raise UsageError(f"{len(found)} live requests begin with {prefix}, expected one.")
    return found[0]


def forget(store: Store, digest: str) -> bool:
    """Give up a request of which nothing is left but the runs that name it; tell whether it was one.

    The whole digest is asked for: this cannot be taken back but by asking for the same again.
    """
    requests = store.requests()
    if digest in requests.digests or digest not in named_requests(store.disk, store.layout):
        return False
    with store.stage() as staged:
        forget_request(staged, digest)
    store.forget()
    return True


def by_name(store: Store, models: Sequence[str], datasets: Sequence[str]) -> list[Request]:
    """Return the live requests of models, on all datasets or on some.

    Raises
    ------
    UsageError
        When a pattern matches nothing.
    """
    requests = store.requests()
    live = [*requests.live, *requests.undecided]
    chosen = set(select_ids(sorted({r.model for r in live}), models, "models"))
    on = set(select_ids(sorted({r.dataset for r in live}), datasets, "datasets"))
    found = [request for request in live if request.model in chosen and request.dataset in on]
    if not found:
        raise UsageError(f"{', '.join(sorted(chosen))} is bound on none of {', '.join(sorted(on))}.")
    return found


def retire(store: Store, requests: Sequence[Request]) -> None:
    """Unbind requests; the same `run` binds them again."""
    with store.stage() as staged:
        for request in requests:
            retire_request(staged, request)
    store.forget()


def retire_version(store: Store, reference: str) -> str:
    """Retire one of several current versions, `NAME@ID`, and return the one that takes over.

    Raises
    ------
    UsageError
        When it is not `NAME@ID`, not current, or the only one.
    """
    name, at, short = reference.rpartition("@")
    if not at or not re.fullmatch(r"[0-9a-f]{16,64}", short):
        raise UsageError(f"expected NAME@ID with an id of 16 hex digits, got {reference!r}.")
    with store.stage() as staged:
        winner = views.retire_version(staged, name, short[:SHORT])
    return f"{name}@{winner}"
