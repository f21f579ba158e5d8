"""WiSE-FT (Wortsman et al. 2022): the straight line between the weights of two models, at one point."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from extract.weights import load_state_dict
from manifests.errors import UsageError

from .artefact import Converted, Source


def read_wise_ft(zero_shot: Path, fine_tuned: Path, alpha: float) -> Converted:
    """Return the interpolation of two state dicts of one architecture.

    Raises
    ------
    UsageError
        When alpha is no fraction, or the files are of two architectures.
    """
    if not 0 <= alpha <= 1:
        raise UsageError(f"--alpha {alpha}: expected a number from 0 (zero-shot) to 1 (fine-tuned)")
    sources = (Source.of("zero-shot", zero_shot), Source.of("fine-tuned", fine_tuned))
    try:
        tensors = interpolate(load_state_dict(zero_shot), load_state_dict(fine_tuned), alpha)
    except ValueError as error:
        raise UsageError(f"{zero_shot.name} and {fine_tuned.name}: {error}") from None
    return Converted("wise-ft", tensors, sources, "MODEL", {"alpha": alpha})


def interpolate(
    first: Mapping[str, torch.Tensor], second: Mapping[str, torch.Tensor], alpha: float
) -> dict[str, torch.Tensor]:
    """Return `(1 - alpha) first + alpha second` for every tensor, in float32.

    Whole numbers (counters of batch normalisation) have no line between them: they are taken from the second.

    Raises
    ------
    ValueError
        When a name or shape stands in one of them only.

    Examples
    --------
    >>> interpolate({"w": torch.tensor([0.0, 4.0])}, {"w": torch.tensor([2.0, 8.0])}, 0.25)["w"].tolist()
    [0.5, 5.0]
    """
    if alone := sorted(first.keys() ^ second.keys()):
        raise ValueError(f"{len(alone)} tensors stand in one of them only, the first is {alone[0]}")
    out = {}
    for name, ours in first.items():
        theirs = second[name]
        if ours.shape != theirs.shape:
            raise ValueError(f"{name} is {tuple(ours.shape)} in one and {tuple(theirs.shape)} in the other")
        floats = ours.is_floating_point() and theirs.is_floating_point()
        out[name] = (1 - alpha) * ours.float() + alpha * theirs.float() if floats else theirs
    return out
