"""`assay-extract doctor`: this machine, and whether a model keeps its contract."""

from __future__ import annotations

from typing import Annotated

from cache.console import Options, print_rows

from .model_options import DEFAULT_MODEL_OPTIONS, ModelOptions
from .opening import open_catalogue
from .selection import Names, many

DEFAULT_OPTIONS = Options()


def doctor(
    *,
    model: Annotated[Names, many()] = None,
    built: ModelOptions = DEFAULT_MODEL_OPTIONS,
    device: str = "auto",
    options: Options = DEFAULT_OPTIONS,
) -> int:
    """Inspect this machine, and with --model whether a model keeps its contract.

    Parameters
    ----------
    model
        Models to check: preprocessing, batch independence, determinism, dtype, patch grids, and that numbers are the
        library's own. Exit 5 when a check fails; `absent` is what a model does not offer.
    device
        As in `run`.
    """
    from extract.doctor import environment, examine
    from extract.preflight import choose_device

    options.start_logging()
    rows = environment()
    if model:
        catalogue = open_catalogue(options)
        rows += examine(catalogue, model, built.choice(catalogue), choose_device(device))
    print_rows(rows, ("check", "result", "detail"), options.json)
    return 5 if any(row["result"] == "fails" for row in rows) else 0
