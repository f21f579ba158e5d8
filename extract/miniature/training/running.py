"""One training of the plan, from its pictures to its folder. What was trained with the same work folder is kept."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch

from .classifiers import new_classifier, train_classifier
from .contrastive import model_config, new_clip, train_clip
from .pictures import Pictures, pictures
from .plan import ARCHS, HALF, MODELS, TOWERS, Training
from .saving import save_classifier, save_clip
from .self_supervised import masked, simclr
from .tokens import tokenizer_of, write_merges

STATE = "state.pt"
PLAN = {one.id: one for one in MODELS}


def begun(one: Training, work: Path) -> bool:
    """Tell whether a training was done with this work folder, as the plan says it now."""
    return (_step(one, work) / STATE).is_file()


def _step(one: Training, work: Path) -> Path:
    return work / "steps" / f"{one.id}-{hashlib.sha256(repr(one).encode()).hexdigest()[:8]}"


def train(one: Training, out: Path, work: Path) -> dict[str, Any]:
    """Train a model unless that was done; return what was done, with the seconds that it took."""
    step = _step(one, work)
    if begun(one, work) and (not one.kept or any((out / one.id).glob("*.safetensors"))):
        return {"id": one.id, "seconds": 0}
    data = pictures(one.source, one.unique, work / "pictures", curated=one.curated)
    before = None if not one.start else torch.load(_step(PLAN[one.start], work) / STATE, weights_only=True)
    make = _clip if one.kind == "clip" else _classifier
    model, seconds = make(one, data, before, out, work)
    step.mkdir(parents=True, exist_ok=True)
    part = step / f"{STATE}.part"
    torch.save(model.state_dict(), part)
    part.replace(step / STATE)
    said = {"id": one.id, "seconds": round(seconds)}
    (step / "seconds.json").write_text(json.dumps(said))
    return said


def _clip(one: Training, data: Pictures, before: Any, out: Path, work: Path) -> tuple[Any, float]:
    (work / "words").mkdir(parents=True, exist_ok=True)
    merges = work / "words" / "merges.txt.gz"
    if not merges.is_file():
        write_merges(merges.parent)
    config = model_config(TOWERS[one.tower], tokenizer_of(merges).vocab_size, sigmoid=one.sigmoid)
    model = new_clip(config, one.seed, work / "configs")
    if before is not None:
        model.load_state_dict(before)
    half = one.tower in HALF
    seconds = train_clip(
        model,
        data,
        merges,
        samples=one.samples,
        rate=one.rate,
        seed=one.seed,
        half=half,
        sigmoid=one.sigmoid,
    )
    save_clip(model, config, merges, out / one.id)
    return model, seconds


def _classifier(one: Training, data: Pictures, before: Any, out: Path, work: Path) -> tuple[Any, float]:
    arch, args = ARCHS[one.tower]
    model = new_classifier(arch, args, one.seed)
    if before is not None:
        _begin_with(model, before)
    how: dict[str, Any] = {"samples": one.samples, "rate": one.rate, "seed": one.seed}
    half = one.tower in HALF
    if one.kind == "simclr":
        seconds = simclr(model, data, half=half, **how)
    elif one.kind == "masked":
        seconds = masked(model, data, **how)
    else:
        probe = one.kind == "probed"
        seconds = train_classifier(model, data, half=half, side=one.side, only_head=probe, **how)
    if one.kept:
        save_classifier(model, arch, args, out / one.id, side=one.side)
    return model, seconds


def _begin_with(model: Any, before: dict[str, torch.Tensor]) -> None:
    """Take the tower of a CLIP or of a classifier; the head stays new unless it is the same classifier's."""
    trunk = "visual.trunk."
    of_clip = any(name.startswith(trunk) for name in before)
    tower = {name.removeprefix(trunk): value for name, value in before.items() if not of_clip or name.startswith(trunk)}
    missing, unexpected = model.load_state_dict(tower, strict=False)
    head = {name for name, _ in model.named_parameters() if name.split(".")[0] in ("head", "fc", "classifier")}
    if unexpected or not set(missing) <= head:
        raise ValueError(f"the weights to begin with do not fit: missing {missing}, unexpected {unexpected}")
