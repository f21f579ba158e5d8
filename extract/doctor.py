"""The environment in words, and models by name through the contract kit."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence

from cache.runs import versions
from manifests.catalogue import Catalogue

from .backbones.geometry import NATIVE
from .contract_kit import SIZES, check_backbone
from .resolve import Choice, candidate, named_models
from .weights import DictMemo

Row = dict[str, str]


def environment() -> list[Row]:
    """Return what this machine offers."""
    rows = [_row("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")]
    rows += [_row(name, "ok", version) for name, version in versions().items() if name != "python"]
    try:
        import torch
    except ImportError:
        rows.append(_row("torch", "absent", "`pip install 'clip-assay[extract]'` to run models here"))
        return rows
    devices = [torch.cuda.get_device_name(at) for at in range(torch.cuda.device_count())]
    rows.append(_row("devices", "ok", ", ".join(devices) or f"CPU only, {torch.get_num_threads()} threads"))
    if not devices and sys.platform == "linux" and not _tuned_allocator():
        # All three: setting any of them freezes glibc's mmap threshold, which alone is slower than doing nothing.
        advice = (
            "on a CPU, MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=-1 MALLOC_TOP_PAD_=67108864 in the environment (or "
            "LD_PRELOAD=libjemalloc.so) makes a forward pass 2 to 5 times faster"
        )
        rows.append(_row("allocator", "advice", advice))
    return rows


def _tuned_allocator() -> bool:
    return "jemalloc" in os.environ.get("LD_PRELOAD", "") or "MALLOC_MMAP_MAX_" in os.environ


def examine(catalogue: Catalogue, models: Sequence[str], choice: Choice, device: str) -> list[Row]:
    """Check that models keep the contract of `Backbone`; see `contract_kit`."""
    rows: list[Row] = []
    for named in named_models(catalogue, models, choice):
        backbone = candidate(catalogue, named, choice, DictMemo()).backbone
        # A geometry that was asked for is the one that is meant.
        sizes = SIZES if choice.geometry == NATIVE and choice.image_size is None else ()
        checks = check_backbone(backbone, device, sizes)
        rows += [_row(f"{named.name}: {check.name}", check.result, check.detail) for check in checks]
    return rows


def _row(check: str, result: str, detail: str) -> Row:
    return {"check": check, "result": result, "detail": detail}
