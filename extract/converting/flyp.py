"""FLYP (Goyal et al. 2023, locuslab/FLYP): a pickled `CLIPEncoder`, whose `.model` is the whole fine-tuned CLIP.

The names in it are OpenAI's, which are open_clip's. Its zero-shot head is made anew from the fine-tuned text tower by
`run`, as FLYP does (80 templates, exp(logit_scale), no bias).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from manifests.errors import UsageError

from .artefact import Converted, Source
from .pickled import Inert, load, modules, state_dict

NEEDED: Final = ("logit_scale", "positional_embedding", "text_projection", "token_embedding.weight")
"""What a CLIP has besides its image tower; an encoder that was saved without language lacks it."""

_ARCHITECTURES: Final = {(768, 16): "ViT-B-16", (768, 32): "ViT-B-32", (1024, 14): "ViT-L-14"}


def read_flyp(path: Path) -> Converted:
    """Return the CLIP inside a FLYP checkpoint; no class of FLYP, CLIP or torch is called.

    Raises
    ------
    UsageError
        When the file is no such checkpoint, or names something that could run code.
    """
    source = Source.of("checkpoint", path)
    root = load(path)
    while isinstance(root, Inert) and isinstance(inner := _child(root, "module"), Inert):
        root = inner
    model = _child(root, "model") if isinstance(root, Inert) else None
    if not isinstance(root, Inert) or not isinstance(model, Inert):
        what = root.name if isinstance(root, Inert) else type(root).__name__
        hint = "; it holds an image tower and a linear head" if what.endswith("ImageClassifier") else ""
        raise UsageError(f"{path}: expected a pickled CLIPEncoder with a CLIP in `.model`, got {what}{hint}")
    tensors = state_dict(model)
    lacking = [name for name in NEEDED if name not in tensors]
    if lacking or not any(name.startswith("visual.") for name in tensors):
        raise UsageError(
            f"{path}: the CLIP in it has no {', '.join(lacking) or 'visual'}; FLYP keeps both towers "
            "(an encoder saved with keep_lang=False has no text tower left)"
        )
    quick = any(module.name.endswith(".QuickGELU") for module in modules(model))
    outside = state_dict(root)
    dropped = tuple(name for name in outside if not name.startswith("model."))
    return Converted("flyp", tensors, (source,), _model(tensors, quick), {"quick_gelu": quick}, dropped)


def _child(module: Inert, name: str) -> object:
    held = module.state.get("_modules")
    return held.get(name) if isinstance(held, dict) else None


def _model(tensors: dict[str, object], quick: bool) -> str:
    stem = tensors.get("visual.conv1.weight")
    shape = tuple(getattr(stem, "shape", ()))
    name = (
        _ARCHITECTURES.get((shape[0], shape[-1])) if len(shape) == 4 and "visual.class_embedding" in tensors else None
    )
    # FLYP starts `ViT-B/16` from OpenAI's weights, and `ViT-B-16` from LAION-400M's.
    tail = "-quickgelu/openai" if quick else "/laion400m_e31"
    return f"open_clip:{name or 'ARCH'}{tail}"
