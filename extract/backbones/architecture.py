"""What an architecture is, apart from its weights: names and shapes of its tensors, and its activations.

Two libraries that build "the same" network differently are caught here: a QuickGELU in place of a GELU changes no
tensor name, only the list of activations.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final

import torch

from manifests.canonical import canonical_json

_ACTIVATION_MODULES: Final = ("torch.nn.modules.activation", "timm.layers.activations")
_NAMED_ACTIVATIONS: Final = frozenset({"QuickGELU", "QuickGELUActivation"})


def skeleton(model: torch.nn.Module) -> str:
    """Return the sha256 over the sorted (name, shape) of everything that a checkpoint of the model holds.

    Examples
    --------
    >>> skeleton(torch.nn.Linear(2, 3))[:16] == skeleton(torch.nn.Linear(2, 3, device="meta"))[:16]
    True
    >>> skeleton(torch.nn.Linear(2, 3)) == skeleton(torch.nn.Linear(3, 2))
    False
    """
    entries = sorted([name, list(tensor.shape)] for name, tensor in model.state_dict().items())
    return hashlib.sha256(canonical_json(entries)).hexdigest()


def activations(model: torch.nn.Module) -> list[str]:
    """Return the sorted class names of a model's activation modules.

    Examples
    --------
    >>> activations(torch.nn.Sequential(torch.nn.GELU(), torch.nn.Linear(1, 1), torch.nn.GELU()))
    ['GELU']
    """
    kinds = {type(module) for module in model.modules()}
    return sorted(
        {
            kind.__name__
            for kind in kinds
            if kind.__name__ in _NAMED_ACTIVATIONS
            or (kind.__module__.startswith(_ACTIVATION_MODULES) and kind is not torch.nn.MultiheadAttention)
        }
    )


def build_weightless(build: Callable[[], torch.nn.Module], measure: Callable[[torch.nn.Module], Any]) -> Any:
    """Return `measure(build())` on the meta device, where tensors have shapes and no memory.

    Falls back to the CPU for the few models that look at values while they are built.
    """
    try:
        with torch.device("meta"), torch.inference_mode():
            return measure(build().eval())
    except (NotImplementedError, RuntimeError):
        with torch.random.fork_rng(devices=[]), torch.inference_mode():
            return measure(build().eval())
