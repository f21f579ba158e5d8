"""Floating-point arithmetic of a forward pass, set for the whole process in one place.

PyTorch lets convolutions use TF32 (10 bits of mantissa) unless told otherwise, which moves logits by 1e-3 between
two graphics cards. Here float32 means float32.
"""

from __future__ import annotations

from typing import Final

import torch

from manifests.errors import UsageError

COMPUTE: Final = {
    "float32": torch.float32,
    "tf32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}


def compute_dtype(name: str) -> torch.dtype:
    """Return the tensor type of a `--dtype`.

    Examples
    --------
    >>> compute_dtype("tf32")
    torch.float32
    """
    if name not in COMPUTE:
        raise UsageError(f"--dtype {name}: expected one of {', '.join(COMPUTE)}")
    return COMPUTE[name]


def set_precision(name: str) -> None:
    """Switch TF32 on for "tf32" only, and kernels that depend on timing off."""
    compute_dtype(name)
    tf32 = name == "tf32"
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True


def open_device(name: str) -> torch.device:
    """Return a device that works here.

    Raises
    ------
    UsageError
        For a name that torch does not know, or a device that this machine lacks.

    Examples
    --------
    >>> open_device("cpu").type
    'cpu'
    """
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UsageError(f"--device {name}: {reason}") from None
    return device
