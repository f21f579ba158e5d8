"""Run records: provenance, append-only.

One record is written when a command starts to write, naming its requests; one when it ends. Requests and run records
vouch for each other: a reader checks that every request a run names is still there, so that a lost one cannot make a
table shorter in silence, and that some run names every live request, so that a stray one cannot make it longer.
"""

from __future__ import annotations

import importlib.metadata
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .documents import Document, damaged, seal
from .errors import IncompleteError, IntegrityError
from .files import Disk
from .layout import Layout, is_run
from .reading import fields_of, read_document
from .requests import PROGRAMS, Requests, describe
from .writing import Stage, create

_PACKAGES = ("clip-assay", "numpy", "polars", "zarr", "torch", "torchvision", "timm", "open_clip_torch", "pillow")


def versions() -> dict[str, str]:
    """Return the versions of what can move a number."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def new_run_id(disk: Disk) -> str:
    """Return a name that sorts by time and that no other process will choose."""
    stamp = datetime.now(UTC).strftime("%Y%m%dt%H%M%Sz")
    return f"{stamp}-{disk.host()}-{disk.fresh_name()}"


def write_start(staged: Stage, run: str, requests: Sequence[str], settings: Mapping[str, Any]) -> None:
    """Record that a run begins, after its requests were written."""
    body: Document = {
        "run": run,
        "requests": sorted(requests),
        "argv": sys.argv[1:],
        "platform": platform.platform(),
        "versions": versions(),
        "settings": dict(settings),
    }
    create(staged, staged.layout.runs / f"{run}.json", seal("run", body))


def write_end(staged: Stage, run: str, outcome: Mapping[str, Any]) -> None:
    """Record what came of a run: units, failures, nondeterminism."""
    create(staged, staged.layout.runs / f"{run}.end.json", seal("run-end", {"run": run, **outcome}))


@dataclass(frozen=True, slots=True)
class Run:
    """What a run wrote of itself when it began."""

    id: str
    requests: tuple[str, ...]
    argv: tuple[str, ...]
    ended: bool

    @property
    def command(self) -> str:
        """The command line that it was."""
        return shlex.join([PROGRAMS.get(next(iter(self.argv), ""), "assay-extract"), *self.argv])


def read_runs(disk: Disk, layout: Layout) -> list[Run]:
    """Return every run, verified, oldest first.

    Raises
    ------
    IntegrityError
        When a record is damaged, stands under another name, or tells the end of a run that never began.
    """
    names = [name for name in disk.names(layout.runs) if is_run(name)]
    ends = {name.removesuffix(".end.json") for name in names if name.endswith(".end.json")}
    runs = []
    for name in names:
        body = read_run(disk, layout, name)
        if not name.endswith(".end.json"):
            with fields_of(f"runs/{name}"):
                asked = tuple(str(request) for request in body["requests"])
                run = str(body["run"])
                runs.append(Run(run, asked, tuple(str(word) for word in body["argv"]), run in ends))
    if orphans := sorted(ends - {run.id for run in runs}):
        raise damaged(f"runs/{orphans[0]}.json", "missing, though the record of this run's end is here")
    return runs


def read_run(disk: Disk, layout: Layout, name: str) -> Document:
    """Return one record.

    Raises
    ------
    IntegrityError
        When it is damaged or stands under another name.
    """
    where = f"runs/{name}"
    end = name.endswith(".end.json")
    body = read_document(disk, layout.runs / name, "run-end" if end else "run", where)
    if f"{body.get('run')}{'.end' if end else ''}.json" != name:
        raise damaged(where, "is the record of another run than its name says")
    return body


def named_requests(disk: Disk, layout: Layout) -> frozenset[str]:
    """Return the digests of the requests that some run names. A writer starts a run for each that is not."""
    return frozenset(request for run in read_runs(disk, layout) for request in run.requests)


def check_runs(begun: Sequence[Run], requests: Requests, disk: Disk, layout: Layout) -> None:
    """Compare the runs with the requests that are there.

    Parameters
    ----------
    begun
        Runs as they were read before the requests were: a run that begins meanwhile is not asked for its requests.

    Raises
    ------
    IntegrityError
        When a run record is damaged, or names a request that is neither live nor retired.
    IncompleteError
        When a live request is named by no run.
    """
    for run in begun:
        if lost := sorted(set(run.requests) - requests.digests - requests.forgotten):
            raise IntegrityError(
                f"{len(lost)} request(s) that runs/{run.id}.json wrote are gone from requests/: {', '.join(lost)}. "
                "Without them their models would be missing from every table. Copy requests/ again from a good copy "
                f"of the store, or repeat the run: {run.command}. Where neither brings it "
                f"back, `assay-cache retire {lost[0]}` gives it up for good."
            )
    named = named_requests(disk, layout)
    if unstarted := [request for request in requests.live if request.binds and request.digest not in named]:
        raise IncompleteError(
            f"{len(unstarted)} request(s) were written, but no record in runs/ names them, so their run never began:\n"
            f"{describe(unstarted)}\nRepeat the `{unstarted[0].command}` that asked for them, copy runs/ "
            f"from the store that they came from, or `assay-cache retire {unstarted[0].digest[:16]}`."
        )
