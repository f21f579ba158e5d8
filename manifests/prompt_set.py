"""One prompt set: the sentences that stand for a class.

Knows no embedding, only how they are to be combined.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, ValidationInfo, field_validator
from pydantic.dataclasses import dataclass

from .errors import UsageError
from .terms import CLOSED, Id, Text, Texts, repeated


def _check_template(text: str) -> str:
    if text.count("{}") != 1:
        raise ValueError(f"a template has exactly one '{{}}', where the class name goes; got {text!r}")
    return text


Template: TypeAlias = Annotated[str, AfterValidator(_check_template)]


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class PromptSet:
    """The sentences whose text embeddings make one classifier column.

    Attributes
    ----------
    id, title
        Name of the set, and what it is in a few words.
    source
        Where the sentences were taken from.
    templates
        Sentences with one ``{}`` for the class name; no two equal.
    combine
        How embeddings become a column: each normalised, averaged, and the mean normalised again.
    per_class
        Sentences of their own for each class name, after the templates.
    """

    id: Id
    title: Text
    source: Text
    templates: tuple[Template, ...] = ()
    combine: Literal["normalise-mean-normalise"] = "normalise-mean-normalise"
    per_class: Mapping[str, Texts] = field(default_factory=dict, hash=False)

    @field_validator("templates")
    @classmethod
    def _distinct(cls, templates: tuple[str, ...]) -> tuple[str, ...]:
        if twice := repeated(templates):
            raise ValueError(f"{len(twice)} template(s) repeat, first {twice[0]!r}; it would count twice")
        return templates

    @field_validator("per_class")
    @classmethod
    def _some_sentence(
        cls, per_class: Mapping[str, tuple[str, ...]], info: ValidationInfo
    ) -> Mapping[str, tuple[str, ...]]:
        if not per_class and info.data.get("templates") == ():
            raise ValueError("a prompt set needs templates, or per_class sentences")
        return per_class

    def sentences(self, name: str) -> tuple[str, ...]:
        """All prompts of one class: the filled templates, then the class's own sentences.

        Raises
        ------
        UsageError
            If the set has sentences by class, and none for this one.

        Examples
        --------
        >>> PromptSet(id="two", title="Two", source="none", templates=("a {}.", "one {}!")).sentences("dog")
        ('a dog.', 'one dog!')
        """
        if self.per_class and name not in self.per_class:
            raise UsageError(f"prompt set {self.id} has sentences for {len(self.per_class)} classes, none for {name!r}")
        # str.replace, not str.format: a class name or template may contain other braces.
        return (*(text.replace("{}", name) for text in self.templates), *self.per_class.get(name, ()))
