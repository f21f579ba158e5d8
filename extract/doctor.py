"""The environment in words, and a contract kit that users can run on their own models."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence

import numpy as np
from PIL import Image

from cache.runs import versions
from manifests.catalogue import Catalogue

from .backbones.protocol import Backbone
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
    """Check that models keep the contract of `Backbone`."""
    rows: list[Row] = []
    for named in named_models(catalogue, models, choice):
        backbone = candidate(catalogue, named, choice, DictMemo()).backbone
        rows += [_row(f"{named.name}: {name}", result, detail) for name, result, detail in contract(backbone, device)]
    return rows


def contract(backbone: Backbone, device: str) -> list[tuple[str, str, str]]:
    """Return (check, result, detail) for one model; result is `holds` or `fails`."""
    rng = np.random.default_rng(0)
    pictures = [Image.fromarray(rng.integers(0, 256, (300, 400, 3), np.uint8)) for _ in range(3)]
    import torch

    batch = torch.stack([backbone.transform(picture) for picture in pictures])
    kinds = backbone.kinds()
    backbone.load(device)
    try:
        whole = backbone.forward(batch, kinds)
        again = backbone.forward(batch, kinds)
        alone = [backbone.forward(batch[at : at + 1], kinds) for at in range(len(batch))]
    finally:
        backbone.close()
    found = []
    identity = backbone.identity()
    same = identity == backbone.identity()
    found.append(
        ("identity", "holds" if same else "fails", f"{len(identity['preprocess']['ops'])} preprocessing steps")
    )
    finite = all(np.isfinite(values).all() for values in whole.values())
    found.append(("finite", "holds" if finite else "fails", "noise images give finite numbers"))
    with np.errstate(invalid="ignore"):
        repeat = max(float(np.abs(whole[kind].astype(float) - again[kind].astype(float)).max()) for kind in kinds)
    found.append(("determinism", "holds" if repeat == 0 else "fails", f"two passes differ by at most {repeat:.2g}"))
    for kind in kinds:
        single = np.concatenate([one[kind] for one in alone]).astype(np.float64)
        together = whole[kind].astype(np.float64)
        with np.errstate(invalid="ignore"):
            gap = float(np.abs(single - together).max())
        # float16 patches carry 11 bits; the others single precision.
        limit = (5e-3 if kind == "patches" else 1e-4) * max(1.0, float(np.abs(together).max()))
        found.append(
            (f"{kind} do not depend on batch mates", "holds" if gap <= limit else "fails", f"at most {gap:.2g}")
        )
    if "patches" in kinds:
        grid = list(whole["patches"].shape[1:3])
        said = identity["outputs"]["patches"]["grid"]
        found.append(("patch grid", "holds" if grid == list(said) else "fails", f"{grid}, described as {said}"))
    return found


def _row(check: str, result: str, detail: str) -> Row:
    return {"check": check, "result": result, "detail": detail}
