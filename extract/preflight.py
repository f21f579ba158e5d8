"""What is checked before a run starts: the device, and whether the pixels are still those of before."""

from __future__ import annotations

from cache.errors import UsageError
from cache.store import Store

from .plan import Plan, same_but_for_pixels


def choose_device(name: str) -> str:
    """Return the device to run on.

    Raises
    ------
    UsageError
        When the named one is not there.
    """
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"--device {name}: not usable here ({str(error).splitlines()[0]})") from error
    return name


def check_pixels(store: Store, plan: Plan, accepted: bool) -> None:
    """Stop when a model differs from what is stored in nothing but its pixels.

    Raises
    ------
    UsageError
        Naming both Pillow versions.
    """
    if accepted:
        return
    for work in plan.works:
        other = same_but_for_pixels(store, work)
        if other is None:
            continue
        ours = work.space.provenance.get("versions", {}).get("pillow", "unknown")
        theirs = other.provenance.get("versions", {}).get("pillow", "unknown")
        raise UsageError(
            f"{work.candidate.name}: the same preprocessing gives other pixels here (Pillow {ours}) than in space "
            f"{other.label} (Pillow {theirs}). Numbers of the two must not be mixed. Install Pillow {theirs}, or pass "
            "--accept-new-pixels to extract into a space of its own."
        )
