"""CuPL's sentences from a user's file: class name -> sentences that a language model wrote of the class.

No sentence is shipped with this project. Knows neither class lists nor embeddings beyond what the two known files hold.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

KNOWN = ("cupl-base", "cupl-full")
"""Names of the two ImageNet files of Pratt et al. 2023, arXiv:2209.03320."""

BASE_SENTENCES = 30
"""Sentences of each class in the base file; the full file was not at hand to be counted."""

CLASSES = 998
"""Class names in both files: OpenAI's 1000 names, of which "missile" and "sunglasses" name two classes each."""


def read_sentences(text: str) -> Any:
    """Read JSON in which a name that stands twice keeps the sentences of both.

    Two ImageNet classes may share one name; JSON readers would silently keep the last list alone. Sentences are kept
    byte for byte, leading spaces and repetitions too: a sentence that stands twice counts twice, as in the original.

    Raises
    ------
    ValueError
        When the text is not JSON, or a name stands twice with something else than lists.

    Examples
    --------
    >>> read_sentences('{"missile": ["It flies."], "crane": ["A bird."], "missile": ["A rocket."]}')
    {'missile': ['It flies.', 'A rocket.'], 'crane': ['A bird.']}
    """
    return json.loads(text, object_pairs_hook=_merged)


def _merged(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name not in found:
            found[name] = value
        elif isinstance(value, list) and isinstance(found[name], list):
            found[name] = [*found[name], *value]
        else:
            raise ValueError(f"{name!r} stands twice, and not with two lists")
    return found


def cupl_note(name: str, sentences: Mapping[str, Sequence[str]]) -> str:
    """Say how a set that is called like one of the two known ones differs from it; "" where it does not.

    Examples
    --------
    >>> cupl_note("my-sentences", {"dog": ["It barks."]})
    ''
    >>> cupl_note("cupl-base", {"dog": ["It barks."]})
    'cupl-base: 1 class names where CuPL has 998, so results under this name are not comparable with it.'
    """
    if name not in KNOWN:
        return ""
    found = f"{len(sentences)} class names where CuPL has {CLASSES}" if len(sentences) != CLASSES else ""
    odd = [(key, len(value)) for key, value in sentences.items() if len(value) != BASE_SENTENCES]
    if not found and name == "cupl-base" and odd:
        found = f"{odd[0][1]} sentences for {odd[0][0]!r} where CuPL has {BASE_SENTENCES} for every class"
    return f"{name}: {found}, so results under this name are not comparable with it." if found else ""
