"""Progress on stderr: a bar on a terminal, plain lines in a log file, nothing with --quiet."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

log = logging.getLogger("assay")

_SECONDS_BETWEEN_LINES = 10.0


class Meter(Protocol):
    """What the engine tells as it goes."""

    def advance(self, images: int) -> None:
        """Count finished images."""


class _Lines:
    """Plain lines, seldom: for logs of batch systems."""

    def __init__(self, what: str, total: int, items: str) -> None:
        self.what, self.total, self.items, self.done = what, total, items, 0
        self.start = self.last = time.monotonic()

    def advance(self, images: int) -> None:
        self.done += images
        now = time.monotonic()
        if now - self.last >= _SECONDS_BETWEEN_LINES:
            self.last = now
            rate = self.done / max(now - self.start, 1e-9)
            left = (self.total - self.done) / max(rate, 1e-9)
            shown = (self.what, self.done, self.total, self.items, rate, left)
            log.info("%s: %d/%d %s, %.1f a second, %.0f s left", *shown)


@contextmanager
def meter(what: str, total: int, items: str = "images") -> Iterator[Meter]:
    """Show progress over `total` images, or what else is counted."""
    if not sys.stderr.isatty() or not log.isEnabledFor(logging.INFO):
        yield _Lines(what, total, items)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    speed = TextColumn("{task.fields[rate]}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), speed, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total, rate="")
        start = time.monotonic()

        class _Bar:
            done = 0

            def advance(self, images: int) -> None:
                self.done += images
                rate = self.done / max(time.monotonic() - start, 1e-9)
                bar.update(task, advance=images, rate=f"{rate:.1f} {items}/s")

        yield _Bar()
