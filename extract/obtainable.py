"""Which models a command can have without being handed a file: the others are told, and left out of studies and globs.

Knows manifests; asks no library and no hub.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from manifests.derived import is_converted
from manifests.schema import Model

if TYPE_CHECKING:
    from .blocks import Block

log = logging.getLogger("assay")

_SHOWN = 5


def needs_a_file(model: Model) -> bool:
    """Return whether the weights of a model are for the user to bring.

    Examples
    --------
    >>> from manifests.catalogue import load
    >>> models = load().models
    >>> needs_a_file(models["PIRL"]), needs_a_file(models["RN50-quickgelu.openai"])
    (True, False)
    """
    return model.obtain in ("user-made", "separate-env")


def without_derived(blocks: Sequence[Block], models: Mapping[str, Model], study: str) -> list[Block]:
    """Return the blocks of a study without the models that `convert` makes; one line tells all of them."""
    left = [
        name
        for name in dict.fromkeys(name for block in blocks for name in block[0])
        if name in models and is_converted(models[name])
    ]
    if left:
        log.info("study %s: %s is left to `assay-extract convert`, which runs no model", study, ", ".join(left))
    some = [(tuple(name for name in block[0] if name not in left), *block[1:]) for block in blocks]
    return [block for block in some if block[0]]


def obtainable(names: Iterable[str], models: Mapping[str, Model], what: str) -> tuple[str, ...]:
    """Return the names without the models that need a file, and warn of those.

    Names without a manifest stay; they may be the user's own. Where nothing would be left, nothing is left out: the
    command then says how the weights of the first one come about.

    Parameters
    ----------
    what
        What named the models, for the warning.
    """
    ids = tuple(names)
    left_out = [name for name in ids if name in models and needs_a_file(models[name])]
    if not left_out or len(left_out) == len(ids):
        return ids
    shown = ", ".join(left_out[:_SHOWN]) + (f" and {len(left_out) - _SHOWN} more" if len(left_out) > _SHOWN else "")
    log.warning("%s: without %s, whose weights no library brings; `--model %s` says how they come about",
                what, shown, left_out[0])  # fmt: skip
    return tuple(name for name in ids if name not in left_out)


def obtainable_blocks(blocks: Sequence[Block], models: Mapping[str, Model], study: str) -> list[Block]:
    """Return the blocks of a study without the models that need a file; one warning tells all of them."""
    named = dict.fromkeys(name for block in blocks for name in block[0])
    kept = set(obtainable(named, models, f"study {study}"))
    some = [(tuple(name for name in block[0] if name in kept), *block[1:]) for block in blocks]
    return [block for block in some if block[0]]
