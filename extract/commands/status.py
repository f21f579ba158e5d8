"""`assay-extract status`: what is done."""

from __future__ import annotations

from typing import Annotated

from cache.console import Options, print_rows

from .opening import open_store
from .selection import Names, many

DEFAULT_OPTIONS = Options()


def status(
    *,
    model: Annotated[Names, many()] = None,
    dataset: Annotated[Names, many()] = None,
    space: Annotated[Names, many()] = None,
    options: Options = DEFAULT_OPTIONS,
) -> None:
    """Show which packs of which kinds are here."""
    from extract.status import status_rows

    options.start_logging()
    rows = status_rows(open_store(options), model or (), dataset or (), space or ())
    columns = ("model", "dataset", "kind", "packs", "here", "lost", "absent", "failed_images", "bytes")
    print_rows(rows, columns, options.json)
