"""`assay-extract convert clip-adapter`, `linear-probe` and `wise-ft-head`: trained layers on cached embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from cache.console import Options
from manifests.errors import UsageError

from .derivation import DEFAULT_PROMPTS, Derivation, PromptChoice, Target

DEFAULT_OPTIONS = Options()


def clip_adapter(
    file: Path,
    *,
    target: Target,
    head: PromptChoice = DEFAULT_PROMPTS,
    ratio: float = 0.2,
    options: Options = DEFAULT_OPTIONS,
) -> int:
    """Make a CLIP-Adapter of a zero-shot model: adapted embeddings under its head.

    Parameters
    ----------
    file
        State dict with adapter.fc.0.weight and adapter.fc.2.weight.
    ratio
        Share of the adapted embedding.
    """
    from extract.converting.adapter_files import read_clip_adapter
    from extract.converting.artefact import Source
    from extract.derived import recipes

    if not 0 <= ratio <= 1:
        raise UsageError(f"--ratio {ratio}: expected a number from 0 to 1")
    opened = Derivation.open(target, options)
    choice, _ = opened.head(head)
    source = Source.of("adapter", file)
    recipe = recipes.clip_adapter(opened.store, opened.reader, choice, read_clip_adapter(file), source.sha256, ratio)
    return opened.finish(recipe, "clip-adapter", (source,), {"prompts": choice.prompt_set, "ratio": ratio})


def linear_probe(
    file: Path,
    *,
    target: Target,
    classes: Path | None = None,
    features: Literal["raw", "unit"] = "raw",
    options: Options = DEFAULT_OPTIONS,
) -> int:
    """Make a classifier of a linear layer on cached embeddings.

    Parameters
    ----------
    file
        weight (classes, width) and bias: safetensors, a state dict, or a pickled ClassificationHead.
    classes
        One class a line, in the order of the rows, or the id of a label space; none means imagenet-1k.
    features
        Whether it was trained on embeddings as they are, or of unit length.
    """
    from extract.converting.adapter_files import read_linear
    from extract.converting.artefact import Source
    from extract.derived import recipes
    from extract.derived.linear_head import Linear

    opened = Derivation.open(target, options)
    source = Source.of("classifier", file)
    recipe = recipes.linear_probe(
        opened.reader, opened.classes(classes), Linear(*read_linear(file)), source.sha256, features
    )
    return opened.finish(recipe, "linear-probe", (source,), {"features": features})


def wise_ft_head(
    file: Path,
    *,
    target: Target,
    alpha: float,
    head: PromptChoice = DEFAULT_PROMPTS,
    options: Options = DEFAULT_OPTIONS,
) -> int:
    """Average the zero-shot head with a fine-tuned one, both on embeddings of unit length (WiSE-FT of a head).

    Parameters
    ----------
    file
        The fine-tuned head, as in linear-probe, logit scale included; rows in the order of the zero-shot classes.
    alpha
        0 is the zero-shot head, 1 the fine-tuned one.
    """
    from extract.converting.adapter_files import read_linear
    from extract.converting.artefact import Source
    from extract.derived import recipes
    from extract.derived.linear_head import Linear

    if not 0 <= alpha <= 1:
        raise UsageError(f"--alpha {alpha}: expected a number from 0 (zero-shot) to 1 (fine-tuned)")
    opened = Derivation.open(target, options)
    choice, _ = opened.head(head)
    source = Source.of("classifier", file)
    fine_tuned = Linear(*read_linear(file))
    recipe = recipes.wise_ft_head(opened.store, opened.reader, choice, fine_tuned, source.sha256, alpha)
    return opened.finish(recipe, "wise-ft-head", (source,), {"prompts": choice.prompt_set, "alpha": alpha})
