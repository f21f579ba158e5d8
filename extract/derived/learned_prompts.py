"""CoOp (Zhou et al. 2022): from a learned context and class names to the head of a zero-shot model.

The one derived model that needs the base's text tower, and so torch; no image is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cache.spaces import Space
from cache.texts import ClassList, Prompts
from cache.zero_shot import Head, class_weights
from extract.backbones.learned_context import Position, placeholder
from extract.backbones.protocol import Backbone, ZeroShot
from manifests.errors import UsageError

_TEXT_HALF = ("library", "architecture", "weights", "text")


def read_class_names(path: Path, classes: ClassList) -> tuple[str, ...]:
    """Read `key name` lines, as CoOp's classnames.txt has them, into the order of a class list.

    Raises
    ------
    UsageError
        When a class has no line, or has two.
    """
    try:
        lines = [line.split(maxsplit=1) for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--class-names {path} cannot be read as UTF-8 text ({error})") from error
    named: dict[str, str] = {}
    for number, words in enumerate(lines, 1):
        if len(words) != 2 or words[0] in named:
            raise UsageError(f"--class-names {path}: line {number}: expected a class key that is new and its name")
        named[words[0]] = words[1].strip()
    if lacking := [key for key in classes.keys if key not in named]:
        raise UsageError(
            f"--class-names {path}: {len(lacking)} of the {len(classes.keys)} classes have no line, such as "
            f"{lacking[0]}"
        )
    return tuple(named[key] for key in classes.keys)


def check_text_half(backbone: Backbone, space: Space, base: str) -> None:
    """Check that a model's text tower is the one that belongs to cached embeddings.

    Raises
    ------
    UsageError
        When the model describes itself otherwise, or has no text tower.
    """
    identity = backbone.identity()
    if not isinstance(backbone, ZeroShot):
        raise UsageError(f"{base} has no text tower to read a learned context with")
    different = [part for part in _TEXT_HALF if identity.get(part) != space.identity.get(part)]
    if different:
        raise UsageError(
            f"{base} describes its {' and '.join(different)} otherwise than the cached space {space.label} does; give "
            "the weights that it was extracted with (--weights)"
        )


def learned_head(backbone: ZeroShot, names: Sequence[str], context: NDArray[np.float32], position: Position) -> Head:
    """Return the head of class names under a learned context, from a loaded model.

    Each column is the normalised feature of one sentence; scale and bias are the model's own.

    Raises
    ------
    UsageError
        When the context is of another text tower.
    """
    tower: Any = backbone.text_tower()
    if not hasattr(tower, "encode_learned"):
        raise UsageError("this text tower reads strings only, no learned vectors")
    features = tower.encode_learned(names, context, position)
    weights = class_weights(features, [[row] for row in range(len(names))])
    return Head(weights, tower.logit_scale, tower.logit_bias)


def prompts_of(
    sha256: str, classes: ClassList, names: Sequence[str], context: NDArray[np.float32], position: Position
) -> Prompts:
    """Return the prompt set that names the head: what was tokenized for each class, with X for learned vectors."""
    length = context.shape[-2]
    sentences: Mapping[str, tuple[str, ...]] = {
        key: (placeholder(name, length),) for key, name in zip(classes.keys, names, strict=True)
    }
    return Prompts(f"coop-{sha256[:12]}-{position}", (), sentences)
