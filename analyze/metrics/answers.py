"""What a language model's answer to a question with options says: one option, or nothing that can be told.

Text in, a choice out; knows no model. Rules are tried in a stated order and the first that applies decides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

How: TypeAlias = Literal["letter", "prefix", "answer-is", "name", "unparsed"]
"""Which rule decided.

letter: the whole answer is one letter.
prefix: it begins with a letter that punctuation sets off: `B.` `B)` `(B)` `B:`.
answer-is: it says "the answer is B", of one letter only.
name: exactly one option, by its name or a synonym, occurs as whole words; longer names first.
unparsed: nothing of that; it counts as wrong, and its rate is told.
"""

LETTERS = "ABCD"
_LETTER = re.compile(r"""["'(\[*]*([A-Za-z])["')\].:*]*""")
_PREFIX = re.compile(r"""["'*]*(?:\(([A-Za-z])\)|\[([A-Za-z])\]|([A-Za-z])[.):])(?=\W|$|\w{2})""")
_SAYS = re.compile(
    r"\b(?:[Aa]nswer|[Cc]hoice|[Oo]ption)(?:\s+is|\s*:)\s*(?:[Oo]ption\s+)?[\"'(\[*]*([A-D])\b"
    r"(?!\s+(?!(?:or|and|because|since|as)\b)[a-z])"
)
"""A letter, and not the article of "the answer is A pen"."""


def parse_answer(
    answer: str, options: Sequence[str], synonyms: Mapping[str, Sequence[str]] | None = None
) -> tuple[int | None, How]:
    """Return which option an answer chooses, and by which rule.

    Parameters
    ----------
    answer
        What the model said.
    options
        Names in the order shown; the first is option A.
    synonyms
        Other words for an option's name.

    Returns
    -------
    choice, how
        Position of the option, None where none can be told.

    Raises
    ------
    ValueError
        Fewer than two options, more than letters, or two of one name.

    Notes
    -----
    Letters first, since an answer like "B. can opener (not a pen)" names two options and chooses one. Substring tests,
    as in ImageNet-D's own scoring, would find "pen" in "can opener".

    Examples
    --------
    >>> options = ["pen", "can opener", "wine bottle", "bottle cap"]
    >>> parse_answer("B. can opener", options)
    (1, 'prefix')
    >>> parse_answer("This is a can opener.", options)
    (1, 'name')
    >>> parse_answer("It could be a pen or a bottle cap.", options)
    (None, 'unparsed')
    """
    names = [_plain(option) for option in options]
    if not 2 <= len(names) <= len(LETTERS) or len(set(names)) != len(names):
        raise ValueError(f"options: expected 2 to {len(LETTERS)} different names, got {list(options)}")
    letters = LETTERS[: len(names)]
    said = answer.strip()
    if (whole := _LETTER.fullmatch(said)) and whole[1].upper() in letters:
        return letters.index(whole[1].upper()), "letter"
    if (prefix := _PREFIX.match(said)) and (letter := "".join(filter(None, prefix.groups())).upper()) in letters:
        return letters.index(letter), "prefix"
    told = {letter for letter in _SAYS.findall(said) if letter in letters}
    if len(told) == 1:
        return letters.index(told.pop()), "answer-is"
    named = _named(_plain(said), names, synonyms or {})
    if len(named) == 1:
        return named.pop(), "name"
    return None, "unparsed"


def _named(said: str, names: Sequence[str], synonyms: Mapping[str, Sequence[str]]) -> set[int]:
    """Return the options whose name or synonym occurs in a text."""
    others = {_plain(name): [_plain(one) for one in words] for name, words in synonyms.items()}
    words = {word: at for at, name in enumerate(names) for word in others.get(name, ()) if word not in names}
    # A bracket tells senses of a word apart, "binder (closed)"; an answer may leave it out.
    bare = [name.partition(" (")[0] for name in names]
    alone = {word: at for at, word in enumerate(bare) if bare.count(word) == 1}
    words = {**alone, **words, **{name: at for at, name in enumerate(names)}}
    found: set[int] = set()
    for word in sorted(words, key=len, reverse=True):
        # No word boundary: a name may end in a bracket.
        pattern = re.compile(rf"(?<!\w){re.escape(word)}(?:s|es)?(?!\w)")
        if pattern.search(said):
            found.add(words[word])
            # What is part of a longer name that was found is not found again: the bottle of a wine bottle.
            said = pattern.sub("|", said)
    return found


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[_\-/]+", " ", text.lower()).split())
