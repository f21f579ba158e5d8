"""Run records: provenance, append-only.

One record is written when a command starts to write, naming its requests; one when it ends. A reader checks
that every request a run names is still there, so that a lost request cannot make a table shorter in silence.
"""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from .documents import Document, damaged, seal
from .errors import IntegrityError
from .files import Disk
from .layout import Layout, is_run
from .reading import read_document
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


def check_runs(disk: Disk, layout: Layout, known: frozenset[str]) -> None:
    """Compare what the runs asked for with the requests that are there.

    Raises
    ------
    IntegrityError
        When a run record is damaged, or names a request that is neither live nor retired.
    """
    for name in disk.names(layout.runs):
        if not is_run(name):
            continue
        where = f"runs/{name}"
        end = name.endswith(".end.json")
        body = read_document(disk, layout.runs / name, "run-end" if end else "run", where)
        if f"{body.get('run')}{'.end' if end else ''}.json" != name:
            raise damaged(where, "is the record of another run than its name says")
        lost = [] if end else sorted(set(body["requests"]) - known)
        if lost:
            raise IntegrityError(
                f"{len(lost)} request(s) that {where} wrote are gone from requests/: {', '.join(lost)}. "
                "Without them their models would be missing from every table. Copy requests/ again from a good copy "
                "of the store, or repeat the run: " + " ".join(["assay-extract", *map(str, body["argv"])])
            )
