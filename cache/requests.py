"""Requests: what was asked. The only binding from a model's name to a feature space.

A request is written before any work. It names the model with its facts, the dataset version, the kinds, the
prompts, and the space and packs they resolve to. Retiring one moves its text to `<digest>.retired.json`, so that
the name is free again and the data keep their explanation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .documents import Document, damaged, document_digest, seal
from .errors import IntegrityError
from .files import Disk
from .layout import Layout, parse_forgotten, parse_request
from .reading import fields_of, read_document
from .writing import Stage, create_equal

PROGRAMS: Mapping[str, str] = {"ingest": "assay-cache", "score": "assay-analyze"}
"""Which program a verb is of, where it is not the extractor."""


@dataclass(frozen=True, slots=True)
class Request:
    """One model on one dataset version.

    facts
        The model's manifest facts (group, training source, ...), as the tables show them.
    classes
        Texts id of the class list of the logit columns; empty where the model has none.
    heads
        One (prompts texts id, class list texts id) pair for each zero-shot head that was asked for.
    """

    verb: str
    model: str
    facts: Mapping[str, Any]
    dataset: str
    version: str
    kinds: tuple[str, ...]
    space: str
    label: str
    packs: tuple[str, ...]
    classes: str = ""
    heads: tuple[tuple[str, str], ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Packs of kinds that are not cut by images: `text`, `heads`, `records`."""

    @property
    def digest(self) -> str:
        """Its name."""
        return document_digest("request", self.to_json())

    @property
    def binds(self) -> bool:
        """Whether it binds the model's name to its space. Scores do not: they are found through their parents."""
        return self.verb != "score"

    @property
    def of_images(self) -> bool:
        """Whether it binds numbers of single images. Matches are of pairs, and have a space of their own beside."""
        return self.binds and self.verb != "match"

    @property
    def command(self) -> str:
        """The command that wrote it."""
        return f"{PROGRAMS.get(self.verb, 'assay-extract')} {self.verb}"

    @property
    def group(self) -> str:
        """The model's group."""
        return str(self.facts.get("group", "other"))

    def packs_of(self, kind: str) -> tuple[str, ...]:
        """Return the packs that a kind is cut by."""
        return tuple(self.extra.get(kind, ())) if kind in ("text", "heads", "records") else self.packs

    def to_json(self) -> Document:
        """Return the JSON form."""
        return {
            "verb": self.verb,
            "model": {"id": self.model, "facts": dict(self.facts)},
            "dataset": {"name": self.dataset, "version": self.version},
            "kinds": list(self.kinds),
            "space": {"id": self.space, "label": self.label},
            "packs": list(self.packs),
            "classes": self.classes,
            "heads": [list(pair) for pair in self.heads],
            "extra": {kind: list(packs) for kind, packs in self.extra.items()},
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Request:
        """Read the JSON form."""
        return cls(
            verb=str(body["verb"]),
            model=str(body["model"]["id"]),
            facts=body["model"]["facts"],
            dataset=str(body["dataset"]["name"]),
            version=str(body["dataset"]["version"]),
            kinds=tuple(body["kinds"]),
            space=str(body["space"]["id"]),
            label=str(body["space"]["label"]),
            packs=tuple(body["packs"]),
            classes=str(body["classes"]),
            heads=tuple((str(prompts), str(classes)) for prompts, classes in body["heads"]),
            extra={str(kind): tuple(packs) for kind, packs in body["extra"].items()},
        )


def write_request(staged: Stage, request: Request) -> str:
    """Store a request and return its digest. One that was retired stays retired no longer.

    It binds once a run record names it (`runs.write_start`), so that a request which strays into a store on its
    own cannot make a table longer.
    """
    data = seal("request", request.to_json())
    layout, disk = staged.layout, staged.disk
    create_equal(staged, layout.request(request.digest), data)
    if disk.status(layout.retired(request.digest)) is not None:
        # Asking again for what was retired is a decision of the user; the retired copy gives way.
        disk.remove(layout.retired(request.digest))
        disk.sync_folder(layout.requests)
    return request.digest


def retire_request(staged: Stage, request: Request) -> None:
    """Unbind a request. A crash between the two steps leaves both names, which readers refuse until one goes."""
    layout, disk = staged.layout, staged.disk
    create_equal(staged, layout.retired(request.digest), seal("request", request.to_json()))
    disk.remove(layout.request(request.digest))
    disk.sync_folder(layout.requests)


def forget_request(staged: Stage, digest: str) -> None:
    """Give up a request that is lost, so that the runs that named it no longer miss it."""
    create_equal(staged, staged.layout.forgotten(digest), seal("forgotten", {"request": digest}))
    staged.disk.sync_folder(staged.layout.requests)


@dataclass(frozen=True, slots=True)
class Requests:
    """Every request of a store.

    undecided
        Those that stand there live and retired at once; `settled` refuses them.
    forgotten
        Digests of lost ones that were given up.
    """

    live: tuple[Request, ...]
    retired: tuple[Request, ...]
    undecided: tuple[Request, ...] = ()
    forgotten: frozenset[str] = frozenset()

    @property
    def digests(self) -> frozenset[str]:
        """The digests of those that are here."""
        return frozenset(request.digest for request in (*self.live, *self.retired, *self.undecided))

    def settled(self) -> tuple[Request, ...]:
        """Return the live requests.

        Raises
        ------
        IntegrityError
            When one is both live and retired: a crash, or a copy of another store, left the question open.
        """
        if self.undecided:
            first = self.undecided[0]
            raise IntegrityError(
                f"{len(self.undecided)} request(s) are live and retired at once:\n{describe(self.undecided)}\n"
                f"`assay-cache retire {first.digest[:16]}` retires it for good; the `{first.command}` that "
                "asked for it, repeated, makes it live."
            )
        return self.live


def read_requests(disk: Disk, layout: Layout) -> Requests:
    """Return every request, verified, sorted by digest.

    Raises
    ------
    IntegrityError
        When one is damaged or stands under another name.
    """
    found: dict[bool, dict[str, Request]] = {False: {}, True: {}}
    given_up: set[str] = set()
    for name in disk.names(layout.requests):
        if (parsed := parse_request(name)) is not None:
            digest, retired = parsed
            found[retired][digest] = read_request(disk, layout, name)
        elif (forgotten := parse_forgotten(name)) is not None:
            read_forgotten(disk, layout, name)
            given_up.add(forgotten)
    both = found[False].keys() & found[True].keys()
    return Requests(
        live=tuple(request for digest, request in found[False].items() if digest not in both),
        retired=tuple(request for digest, request in found[True].items() if digest not in both),
        undecided=tuple(found[False][digest] for digest in sorted(both)),
        forgotten=frozenset(given_up),
    )


def read_request(disk: Disk, layout: Layout, name: str) -> Request:
    """Return the request of one file, live or retired.

    Raises
    ------
    IntegrityError
        When it is damaged or stands under another name.
    """
    where = f"requests/{name}"
    body = read_document(disk, layout.requests / name, "request", where)
    with fields_of(where):
        request = Request.from_json(body)
        if request.digest != name.split(".")[0]:
            raise damaged(where, "is another request than its name says")
    return request


def read_forgotten(disk: Disk, layout: Layout, name: str) -> None:
    """Check the note that a request was given up.

    Raises
    ------
    IntegrityError
        When it is damaged or stands under another name.
    """
    where = f"requests/{name}"
    if read_document(disk, layout.requests / name, "forgotten", where).get("request") != parse_forgotten(name):
        raise damaged(where, "gives up another request than its name says")


def same_binding(first: Request, second: Request) -> bool:
    """Tell whether two requests say the same of their model."""
    return (first.space, first.classes, dict(first.facts)) == (second.space, second.classes, dict(second.facts))


def describe(requests: Sequence[Request]) -> str:
    """List requests for an error message."""
    return "\n".join(
        f"  {r.model} on {r.dataset}: space {r.label} (request {r.digest[:16]}, group {r.group})" for r in requests
    )
