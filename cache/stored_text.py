"""Heads from stored words: any prompt set of which every sentence was encoded once, without torch.

A head that `run` made comes from float32 features and is preferred; one that is made here comes from the stored
halves of float16, which moves a cosine by some 1e-4.
"""

from __future__ import annotations

from .errors import IncompleteError
from .key import text_id
from .reader import Reader, State
from .reading import fields_of
from .spaces import Space
from .texts import ClassList, Prompts, sentences_of
from .zero_shot import Head, class_weights


def text_parents(reader: Reader, space: Space, prompts: Prompts, classes: ClassList) -> tuple[str, ...] | None:
    """Return the text segments that hold the sentences of a prompt set; None where one is not stored.

    Raises
    ------
    UsageError
        When the set has no sentence for a class.
    """
    wanted = {text_id(sentence) for group in sentences_of(prompts, classes) for sentence in group}
    parents: list[str] = []
    for pack in reader.committed("text", space.label):
        unit = reader.unit("text", space, pack)
        found = wanted.intersection(reader.pack(pack).items)
        commit = reader.commit(unit)
        if found and commit is not None and reader.state(unit) is State.HERE:
            parents += [segment.id for segment in commit.segments]
            wanted -= found
    return None if wanted else tuple(parents)


def build_head(reader: Reader, space: Space, prompts: Prompts, classes: ClassList) -> Head:
    """Return the head of a prompt set over a class list, made from stored text features.

    Raises
    ------
    IncompleteError
        When a sentence is not stored, or has no numbers.
    """
    groups = sentences_of(prompts, classes)
    items = list(dict.fromkeys(text_id(sentence) for group in groups for sentence in group))
    row = {item: at for at, item in enumerate(items)}
    features = reader.rows("text", space, items)
    pack = next(one for one in reader.committed("text", space.label) if items[0] in reader.pack(one).items)
    commit = reader.commit(reader.unit("text", space, pack))
    assert commit is not None
    try:
        weights = class_weights(features, [[row[text_id(sentence)] for sentence in group] for group in groups])
    except ValueError as error:
        raise IncompleteError(
            f"prompts {prompts.name} make no head in {space.label}: {error}. `assay-cache check` tells more."
        ) from None
    with fields_of(f"commits/text/{space.label}/{pack}.json"):
        return Head(weights, commit.stats["logit_scale"], commit.stats["logit_bias"])
