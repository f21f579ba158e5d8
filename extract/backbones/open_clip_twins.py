"""Which open_clip architectures differ in one thing only, and whether weights and architecture have one activation.

A QuickGELU in place of a GELU changes no tensor, so that nothing but the configuration can tell.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import open_clip

from manifests.errors import UsageError

log = logging.getLogger("assay")


def check_activation(name: str, tag: str, model: Mapping[str, Any], overlay: Mapping[str, Any]) -> None:
    """Compare the activation that a tag was trained with and that of an architecture.

    Parameters
    ----------
    overlay
        open_clip's pretrained configuration of the tag.

    Raises
    ------
    UsageError
        When they differ, naming the right architecture.
    """
    if not tag:
        return
    trained, built = _quick_gelu(overlay), _quick_gelu(model)
    if trained == built:
        return
    words = {True: "QuickGELU", False: "GELU"}
    if not _other_activation(name, model):
        # roberta-ViT-B-32: the tag says nothing of an activation, and no other architecture could take it.
        log.warning("%s/%s: open_clip's tag says %s; taking the architecture's %s, since there is no other for it",
                    name, tag, words[trained], words[built])  # fmt: skip
        return
    raise UsageError(
        f"{name}/{tag}: the weights were trained with {words[trained]}, and {name} has {words[built]}; open_clip "
        f"only warns of it and computes other numbers. Use {right_activation(name, model)}"
    )


def twins(name: str, model: Mapping[str, Any], *, ignoring: tuple[str, ...]) -> list[str]:
    """Return other architectures of the registry with an equal configuration but for some keys.

    Parameters
    ----------
    ignoring
        `quick_gelu`, or a dotted key such as `vision_cfg.image_size`.
    """
    ours = _without(model, ignoring)
    others = (other for other in open_clip.list_models() if other != name)
    return [other for other in others if _without(open_clip.get_model_config(other), ignoring) == ours]


def right_activation(name: str, model: Mapping[str, Any]) -> str:
    """Return the architecture that differs from another in nothing but QuickGELU, in words for a message."""
    quick = _quick_gelu(model)
    wanted = name.removesuffix("-quickgelu") if quick else f"{name}-quickgelu"
    found = _other_activation(name, model)
    if not found:
        return f"an architecture like {name} with quick_gelu = {str(not quick).lower()}"
    return wanted if wanted in found else found[0]


def _other_activation(name: str, model: Mapping[str, Any]) -> list[str]:
    near = twins(name, model, ignoring=("quick_gelu",))
    return [other for other in near if _quick_gelu(open_clip.get_model_config(other)) != _quick_gelu(model)]


def _quick_gelu(fields: Mapping[str, Any]) -> bool:
    return bool(fields.get("quick_gelu", False))


def _without(model: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    rest = deepcopy(dict(model))
    for key in keys:
        *outer, last = key.split(".")
        inner = rest
        for part in outer:
            inner = inner.get(part, {})
        inner.pop(last, None)
    return rest
