"""The recipes of derived models: which file or cached rows an adapter is made of, and its arithmetic.

One function an adapter; each returns what `deriving.derive` asks for once for every feature space of the base.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cache.reader import Reader
from cache.spaces import Space
from cache.store import Store
from cache.texts import ClassList, Prompts, read_classes
from cache.zero_shot import Head, zero_shot_logits
from manifests.errors import UsageError

from .clip_adapter import adapt
from .deriving import Recipe
from .linear_head import Linear, average, linear_logits
from .parents import HeadChoice, Parent, labelled_rows, read_head
from .tip_adapter import Shots, Tuned, cache_keys, tip_adapter_logits, tune
from .tuning_half import RULE, in_tuning_half

Features = Literal["raw", "unit"]
RecipeOf = Callable[[Space], Recipe]


@dataclass(frozen=True, slots=True)
class CachedShots:
    """A cache of shots, and what names it in an identity."""

    shots: Shots
    described: dict[str, Any]


def embedding_width(reader: Reader, space: Space) -> int:
    """Return the width of the stored embeddings of a space; ingested ones do not describe themselves."""
    pack = reader.committed("embeddings", space.label)[0]
    commit = reader.commit(reader.unit("embeddings", space, pack))
    assert commit is not None
    return commit.segments[0].shape[1]


def _expect_width(reader: Reader, space: Space, width: int, what: str) -> None:
    if (own := embedding_width(reader, space)) != width:
        raise UsageError(
            f"{what} is for embeddings of {width} numbers; {space.label} has {own}. Is it of another base?"
        )


def shots_from_cache(store: Store, reader: Reader, parents: Sequence[Parent], classes: ClassList) -> CachedShots:
    """Return the shots of a labelled dataset from its cached embeddings.

    Parameters
    ----------
    parents
        The same dataset once for each augmented copy, or once as it is; keys are the mean of un-normalised features.

    Raises
    ------
    UsageError
        When the dataset has no labels, or other classes.
    """
    copies = [labelled_rows(store, reader, parent, classes) for parent in parents]
    keys = cache_keys([copy.embeddings for copy in copies])
    first = parents[0]
    described = {
        "dataset": first.view.name,
        "version": first.view.id,
        "spaces": [parent.space.id for parent in parents],
        "shots": len(keys),
    }
    return CachedShots(Shots(keys, copies[0].labels, len(classes.keys)), described)


def tune_on(
    store: Store, reader: Reader, parent: Parent, choice: HeadChoice, cached: CachedShots
) -> tuple[Tuned, dict[str, Any]]:
    """Return alpha and beta searched on half of a dataset's images, and what names the search in an identity.

    Raises
    ------
    UsageError
        When no labelled image belongs to the half.
    """
    classes = read_classes(store.disk, store.layout, choice.classes)
    rows = labelled_rows(store, reader, parent, classes)
    half = in_tuning_half(rows.images)
    if not half.any():
        raise UsageError(f"--tune {parent.view.name}: none of its {len(half)} images belongs to the tuning half")
    head, _ = read_head(reader, parent.space, choice)
    base = zero_shot_logits(rows.embeddings[half], head)
    tuned = tune(rows.embeddings[half], base, rows.labels[half], cached.shots)
    described = {"dataset": parent.view.name, "version": parent.view.id, "rule": RULE, "images": tuned.n}
    return tuned, described


def tip_adapter(
    store: Store,
    reader: Reader,
    choice: HeadChoice,
    cached: CachedShots,
    alpha: float,
    beta: float,
    *,
    name: str,
    tuning: dict[str, Any] | None = None,
) -> RecipeOf:
    """Return the recipe of Tip-Adapter, or of Tip-Adapter-F with its trained keys.

    # Differs from Tip-Adapter: the zero-shot logits take the model's own logit scale, not 100 (equal for OpenAI's).
    """
    classes = read_classes(store.disk, store.layout, choice.classes)

    def recipe(space: Space) -> Recipe:
        _expect_width(reader, space, cached.shots.keys.shape[1], "the cache of shots")
        head, inputs = read_head(reader, space, choice)

        def rows(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
            return tip_adapter_logits(embeddings, zero_shot_logits(embeddings, head), cached.shots, alpha, beta)

        identity = {
            "head": choice.item,
            "keys": cached.described,
            "parameters": {"alpha": alpha, "beta": beta},
            "tuning": tuning,
        }
        return Recipe(name, identity, classes, rows, inputs=inputs)

    return recipe


def clip_adapter(
    store: Store,
    reader: Reader,
    choice: HeadChoice,
    weights: tuple[NDArray[np.float32], NDArray[np.float32]],
    sha256: str,
    ratio: float,
) -> RecipeOf:
    """Return the recipe of CLIP-Adapter: adapted features under the zero-shot head."""
    classes = read_classes(store.disk, store.layout, choice.classes)
    down, up = weights

    def recipe(space: Space) -> Recipe:
        _expect_width(reader, space, down.shape[1], "the adapter")
        head, inputs = read_head(reader, space, choice)

        def rows(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
            return zero_shot_logits(adapt(embeddings, down, up, ratio), head)

        identity = {"head": choice.item, "file": sha256, "parameters": {"ratio": ratio}}
        return Recipe("clip-adapter", identity, classes, rows, inputs=inputs)

    return recipe


def linear_probe(reader: Reader, classes: ClassList, head: Linear, sha256: str, features: Features) -> RecipeOf:
    """Return the recipe of a linear classifier on embeddings as they are, or of unit length."""
    if len(head.weights) != len(classes.keys):
        raise UsageError(
            f"the classifier has {len(head.weights)} classes, but {len(classes.keys)} were expected; "
            "pass --classes FILE"
        )

    def recipe(space: Space) -> Recipe:
        _expect_width(reader, space, head.weights.shape[1], "the classifier")

        def rows(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
            return linear_logits(embeddings, head, normalised=features == "unit")

        return Recipe("linear-probe", {"file": sha256, "parameters": {"features": features}}, classes, rows)

    return recipe


def wise_ft_head(
    store: Store, reader: Reader, choice: HeadChoice, fine_tuned: Linear, sha256: str, alpha: float
) -> RecipeOf:
    """Return the recipe of the line between the zero-shot head and a fine-tuned one, on features of unit length."""
    classes = read_classes(store.disk, store.layout, choice.classes)

    def recipe(space: Space) -> Recipe:
        _expect_width(reader, space, fine_tuned.weights.shape[1], "the classifier")
        head, inputs = read_head(reader, space, choice)
        try:
            mixed = average(_as_linear(head), fine_tuned, alpha)
        except ValueError as error:
            raise UsageError(f"the zero-shot head and the fine-tuned one: {error}") from None

        def rows(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
            return linear_logits(embeddings, mixed, normalised=True)

        identity = {"head": choice.item, "file": sha256, "parameters": {"alpha": alpha}}
        return Recipe("wise-ft-head", identity, classes, rows, inputs=inputs)

    return recipe


def _as_linear(head: Head) -> Linear:
    weights = np.float32(head.scale) * head.weights.T
    return Linear(weights, np.full(len(weights), head.bias, np.float32))


def coop(reader: Reader, classes: ClassList, prompts: Prompts, head: Head, identity: dict[str, Any]) -> RecipeOf:
    """Return the recipe of learned prompts: the base's embeddings under another head."""

    def recipe(space: Space) -> Recipe:
        _expect_width(reader, space, len(head.weights), "the learned context's text tower")
        return Recipe("coop", identity, classes, head=(prompts, head))

    return recipe
