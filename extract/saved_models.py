"""Which library saved a model: told from the configuration beside its weights, not from its name."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from manifests.errors import UsageError

from .weights import hub_file

CONFIGS: Final = {"open_clip_config.json": "open_clip", "config.json": "timm"}
"""File -> library; open_clip's first, since its repositories may hold both."""

SCHEMES: Final = ("hf-hub:", "local-dir:")


def library_of(name: str, *, offline: bool = False) -> str:
    """Return the library of `hf-hub:ORG/NAME[@REVISION]` or `local-dir:DIR`.

    Raises
    ------
    UsageError
        When there is no configuration that a library knows, or it is not on this machine and cannot be fetched.
    """
    scheme, _, where = name.partition(":")
    if scheme == "local-dir":
        folder = Path(where)
        found = [library for file, library in CONFIGS.items() if (folder / file).is_file()]
        if not found:
            raise UsageError(
                f"--model {name}: expected a folder with {' or '.join(CONFIGS)}, as open_clip or timm save a model"
            )
        return found[0]
    repository, _, revision = where.partition("@")
    if repository.count("/") != 1:
        raise UsageError(f"--model {name}: expected hf-hub:ORGANISATION/NAME, with @REVISION if you like")
    return CONFIGS[hub_file(repository, tuple(CONFIGS), revision=revision or None, offline=offline).name]
