"""`assay-extract list`: what the manifests know."""

from __future__ import annotations

from typing import Annotated, Literal

from cache.console import Options, print_rows

from .opening import open_catalogue
from .selection import Names, many

DEFAULT_OPTIONS = Options()


def list_known(
    what: Literal["models", "datasets", "labels", "prompts", "factors", "studies", "claims"],
    *,
    study: Annotated[Names, many()] = None,
    group: Annotated[Names, many()] = None,
    source: Annotated[Names, many()] = None,
    options: Options = DEFAULT_OPTIONS,
) -> None:
    """Show what the manifests know.

    Parameters
    ----------
    what
        Which manifests.
    study
        Only what these studies name.
    group
        Only models of these groups.
    source
        Only models of these training sources.
    """
    from manifests.listing import rows

    options.start_logging()
    found = rows(open_catalogue(options), what, group=group or (), source=source or (), study=study or ())
    columns = {
        "models": ("id", "group", "training_source", "encoder_family", "resolution", "parameters_m", "obtain"),
        "datasets": ("id", "title", "role", "count", "layouts"),
        "labels": ("id", "title"),
        "prompts": ("id", "title"),
        "factors": ("id", "title"),
        "studies": ("id", "title"),
        "claims": ("id", "paper", "section", "estimator", "direction"),
    }[what]
    print_rows(found, columns, options.json)
