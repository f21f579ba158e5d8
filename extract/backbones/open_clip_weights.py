"""Filling an open_clip architecture with weights: every tensor from the file, none resampled unasked, or an error.

The renaming and resampling are open_clip's own; what its loader would pass over in silence stops here: position
embeddings of another grid or another number of tokens, a missing logit bias set to zero, OpenAI's weights in an
architecture without QuickGELU.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import open_clip
import torch
from open_clip.convert import convert_state_dict
from open_clip.model import convert_to_custom_text_state_dict, resize_pos_embed, resize_text_pos_embed

from extract.weights import ResolvedWeights, load_state_dict
from manifests.errors import UsageError

from .open_clip_config import OpenClipConfig
from .open_clip_twins import right_activation, twins
from .timm_weights import UNFIT, shorten

OPENAI_KEYS: Final = ("input_resolution", "context_length", "vocab_size")
"""What only the state dicts that OpenAI published hold besides tensors of the model."""


def create(config: OpenClipConfig, device: str = "cpu") -> Any:
    """Build the architecture by open_clip's factory, with its own initialisation.

    A ModifiedResNet keeps its native size; a timm tower gets another one by `set_size`, after the weights.
    """
    forced = config.forced if config.family == "vit" else None
    with quiet():
        return open_clip.create_model(
            config.source, load_weights=False, pretrained_text=False, force_image_size=forced, device=device
        )


def set_size(config: OpenClipConfig, model: Any) -> Any:
    """Give a timm tower another input size, its position embedding resampled by timm."""
    if config.forced is not None and config.family == "timm":
        model.visual.set_input_size(config.forced)
    return model


def build(config: OpenClipConfig, resolved: ResolvedWeights) -> Any:
    """Build the architecture with its weights, on the CPU.

    Raises
    ------
    UsageError
        When the weights are of another architecture, activation, image size or context length.
    """
    if resolved.seed is not None:
        # The caller's random state is its own.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(resolved.seed)
            return set_size(config, create(config))
    (path,) = resolved.files
    tensors = load_state_dict(path)
    if any(key in tensors for key in OPENAI_KEYS):
        if not config.model.get("quick_gelu", False):
            raise UsageError(
                f"{path.name} holds weights as OpenAI published them, which were trained with QuickGELU; "
                f"{config.name} has GELU. Use {right_activation(config.name, config.model)}"
            )
        tensors = {name: tensor for name, tensor in tensors.items() if name not in OPENAI_KEYS}
    with torch.random.fork_rng(devices=[]):
        model = create(config)
    return set_size(config, _fill(config, model, tensors, path))


def _fill(config: OpenClipConfig, model: Any, tensors: dict[str, torch.Tensor], path: Path) -> Any:
    try:
        # Half precision files: interpolation on the CPU wants float32, and that is what the model is in.
        tensors = {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}
        tensors = convert_state_dict(model, tensors)
        if "positional_embedding" in tensors and not hasattr(model, "positional_embedding"):
            tensors = convert_to_custom_text_state_dict(tensors)
        for name in ("logit_scale", "logit_bias"):
            # Some are saved with one dimension, some with none.
            own = getattr(model, name, None)
            if name in tensors and own is not None and own.ndim != tensors[name].ndim:
                tensors[name] = tensors[name].reshape(own.shape)
        # transformers stopped to save it.
        stale = "text.transformer.embeddings.position_ids"
        if stale in tensors and stale not in model.state_dict():
            del tensors[stale]
        if not config.paired:
            _check_unasked(config, model, tensors, path)
        resize_pos_embed(tensors, model)
        resize_text_pos_embed(tensors, model)
        model.load_state_dict(tensors, strict=True)
    except UNFIT as error:
        raise UsageError(f"{path.name} does not fit open_clip's {config.name}: {shorten(error)}") from None
    return model


def _check_unasked(config: OpenClipConfig, model: Any, tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    """Refuse what the library would resample or invent although nobody asked for it."""
    if model.logit_bias is not None and "logit_bias" not in tensors:
        others = twins(config.name, config.model, ignoring=("init_logit_bias",))
        raise UsageError(
            f"{path.name} holds no logit_bias, and {config.name} has one; open_clip would set it to 0. "
            f"Use {_or(others, 'an architecture without init_logit_bias')}"
        )
    patches = tensors.get("visual.positional_embedding")
    if patches is not None and config.family == "vit":
        patch = int(config.model["vision_cfg"].get("patch_size", 16))
        cells = {rows // patch * (columns // patch) + 1 for rows, columns in (config.native, config.size)}
        if len(patches) not in cells:
            side = round((len(patches) - 1) ** 0.5) * patch
            near = twins(config.name, config.model, ignoring=("vision_cfg.image_size",))
            fits = [other for other in near if _side(open_clip.get_model_config(other)) == side]
            raise UsageError(
                f"{path.name} was trained on images of {side} pixels (its position embedding has {len(patches)} rows), "
                f"and {config.name} takes {config.native[0]}; open_clip would resample it unasked. "
                f"Use {_or(fits, f'an architecture of {side} pixels')}"
            )
    words = tensors.get("positional_embedding", tensors.get("text.positional_embedding"))
    own = getattr(model, "positional_embedding", getattr(getattr(model, "text", None), "positional_embedding", None))
    if words is not None and own is not None and len(words) != len(own):
        near = twins(config.name, config.model, ignoring=("text_cfg.context_length",))
        raise UsageError(
            f"{path.name} was trained on sentences of {len(words)} tokens, and {config.name} takes {len(own)}; "
            f"open_clip would resample the positions unasked. Use {_or(near, 'the architecture it was trained with')}"
        )


def _side(model: Mapping[str, Any]) -> Any:
    return model["vision_cfg"].get("image_size", 224)


def _or(names: list[str], otherwise: str) -> str:
    return " or ".join(names) or otherwise


@contextmanager
def quiet() -> Iterator[None]:
    """Keep open_clip from warning on the root logger that a model was made without weights.

    `logging.warning` would also install a handler of its own on a root logger that has none.
    """
    root, nowhere = logging.getLogger(), logging.NullHandler()

    def refuse(record: logging.LogRecord) -> bool:
        return False

    root.addHandler(nowhere)
    root.addFilter(refuse)
    try:
        yield
    finally:
        root.removeFilter(refuse)
        root.removeHandler(nowhere)
