"""The manifests of the miniature's models, written from the plan: `python -m extract.miniature.training.manifests OUT`.

A test compares them with what is committed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from .plan import ARCHS, MODELS, Training

SOURCE: Final = "this project's miniature, extract/miniature"
SPACE: Final = "mini-24"
NAMES: Final = {"a": "mini-a", "b": "mini-b", "in": "mini-in", "more": "mini-more"}
SETS: Final = {
    "a": "Miniature source A: many poses and backgrounds",
    "b": "Miniature source B: many shapes and styles",
    "in": "Miniature of ImageNet's training set",
    "more": "Miniature of a larger training set",
}
PLAN: Final = {one.id: one for one in MODELS}
TIP_BASE: Final = "mini-clip-byobnet.a-24k"


def facts_of(one: Training) -> dict[str, Any]:
    """Return a manifest's keys and values."""
    first = _first(one)
    with_text = one.kind == "clip"
    tuned = bool(one.start) and one.kind in ("fine-tuned", "clip")
    return {
        "id": one.id,
        "library": "open_clip" if with_text else "timm",
        "arch": one.tower if with_text else ARCHS[one.tower][0],
        "group": _group(one, first),
        "training_source": NAMES[first.source],
        "dataset": SETS[first.source] + ("" if first.curated else ", uncurated"),
        "dataset_size": first.unique,
        "samples_seen": first.samples,
        "encoder_family": one.tower,
        "loss": _loss(first),
        "curation": "none" if not first.curated else "by construction",
        "fine_tuning": _tuning(one) if one.start else None,
        "resolution": one.side,
        "label_space": "" if with_text else SPACE,
        "derived_from": one.start if tuned and first.kind == "clip" and PLAN[one.start].kept else "",
        "obtain": "user-made",
        "recipe": "Shipped: --weights manifests/miniature/weights; "
        f"`python -m extract.miniature.training OUT --only {one.id}` trains it again.",
        "licence": "apache-2.0",
        "source": SOURCE,
    }


def derived() -> tuple[dict[str, Any], ...]:
    """Models that `convert` makes of a base: learned prompts, and a cache of shots."""
    base = facts_of(PLAN[TIP_BASE])
    shared = base | {"group": "clip-ft", "label_space": SPACE, "derived_from": TIP_BASE}
    coop = "`assay-extract convert coop` makes it of the cached embeddings of its base and of the learned context."
    tip = "`assay-extract convert tip-adapter` makes it of the cached embeddings of its base on 16 shots a class."
    return (
        shared | {"id": f"{TIP_BASE}-coop", "fine_tuning": f"{SETS['in']}, learned prompts (CoOp)", "recipe": coop},
        shared | {"id": f"{TIP_BASE}-tip", "fine_tuning": f"{SETS['in']}, 16 shots (Tip-Adapter)", "recipe": tip},
    )


def text_of(facts: Mapping[str, Any]) -> str:
    """Return a manifest as TOML: strings and whole numbers, empty ones left out."""
    lines = []
    for key, value in facts.items():
        if value in (None, ""):
            continue
        lines.append(f"{key} = {f'{value:_}' if isinstance(value, int) else json.dumps(value, ensure_ascii=False)}")
    return "\n".join(lines) + "\n"


def every() -> dict[str, str]:
    """Return all manifests, file name to text."""
    rows = [*(facts_of(one) for one in MODELS if one.kept), *derived()]
    return {f"{row['id']}.toml": text_of(row) for row in rows}


def _first(one: Training) -> Training:
    """The run in which the weights saw most: the pre-training."""
    return _first(PLAN[one.start]) if one.start else one


def _group(one: Training, first: Training) -> str:
    if first.kind == "clip":
        return "clip-ft" if one.start else "zero-shot-clip"
    by_first = {"simclr": "contrastive", "masked": "mae"}
    return by_first.get(first.kind, "more-data" if first.source == "more" else "standard")


def _loss(first: Training) -> str:
    if first.kind == "clip":
        return "sigmoid contrastive" if first.sigmoid else "contrastive"
    return {"simclr": "contrastive between images", "masked": "masked autoencoding"}.get(first.kind, "cross-entropy")


def _tuning(one: Training) -> str:
    how = {"clip": "contrastive, both towers (FLYP)", "probed": "linear classifier"}.get(one.kind, "cross-entropy")
    stages = [SETS[one.source]]
    before = PLAN[one.start]
    if before.start:
        stages.insert(0, SETS[before.source])
    return f"{' then '.join(stages)}, {how}"


def main() -> None:
    """Write every manifest into a folder."""
    parser = argparse.ArgumentParser(prog="python -m extract.miniature.training.manifests", description=__doc__)
    parser.add_argument("out", type=Path, help="e.g. manifests/miniature/models")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    for name, text in every().items():
        (asked.out / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
