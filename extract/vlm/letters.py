"""Which tokens stand for the letter of an option, and how likely each letter is as the first word of an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cache.records import LETTERS
from manifests.errors import UsageError

SPACED = ("", "▁", "Ġ", " ")
"""What tokenizers put before a token that begins a word: nothing, sentencepiece's mark, byte-level BPE's, a space."""


def letter_tokens(tokenizer: Any) -> tuple[tuple[int, ...], ...]:
    """Return the tokens of each letter, bare and with a space before it.

    Parameters
    ----------
    tokenizer
        Has `get_vocab()`.

    Raises
    ------
    UsageError
        When a letter is no token: then nothing could be said of its likelihood.

    Examples
    --------
    >>> class Words:
    ...     def get_vocab(self):
    ...         return {"A": 0, "▁A": 4, "B": 1, "C": 2, "D": 3}
    >>> letter_tokens(Words())
    ((0, 4), (1,), (2,), (3,))
    """
    vocabulary: Mapping[str, int] = tokenizer.get_vocab()
    found = tuple(
        tuple(sorted({vocabulary[mark + letter] for mark in SPACED if mark + letter in vocabulary}))
        for letter in LETTERS
    )
    lacking = [letter for letter, tokens in zip(LETTERS, found, strict=True) if not tokens]
    if lacking:
        raise UsageError(
            f"the tokenizer has no token for the letters {', '.join(lacking)}, so options cannot be scored"
        )
    return found


def letter_logits(first: ArrayLike, tokens: Sequence[Sequence[int]], options: int) -> tuple[float, ...]:
    """Return the logit of each letter at the first step: the larger of its bare and its spaced token.

    Parameters
    ----------
    first : float (v,)
        Logits over the vocabulary.
    options
        How many options there are.

    Examples
    --------
    >>> letter_logits([0.0, 1.0, 2.0, 3.0, 9.0], ((0, 4), (1,), (2,), (3,)), 2)
    (9.0, 1.0)
    """
    logits = np.asarray(first, np.float64)
    return tuple(float(logits[list(ids)].max()) for ids in tokens[:options])
