"""Class lists and prompt sets by content, so that a store answers without any manifest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from manifests.canonical import digest
from manifests.errors import UsageError
from manifests.schema import PromptSet

from .documents import Document, damaged, seal, unseal
from .errors import IntegrityError
from .files import Disk
from .layout import Layout
from .reading import fields_of, read_bytes, read_document
from .writing import Stage, create_equal


@dataclass(frozen=True, slots=True)
class ClassList:
    """The classes that logit columns or labels stand for: keys (unique, such as wnids) and names (for people)."""

    keys: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def id(self) -> str:
        """The texts id."""
        return digest("classes", self.to_json())

    def to_json(self) -> Document:
        """Return the JSON form."""
        return {"keys": list(self.keys), "names": list(self.names)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ClassList:
        """Read the JSON form."""
        return cls(tuple(value["keys"]), tuple(value["names"]))


@dataclass(frozen=True, slots=True)
class Prompts:
    """A prompt set: templates with one `{}`, or sentences for each class key; `name` is what results show."""

    name: str
    templates: tuple[str, ...]
    per_class: Mapping[str, tuple[str, ...]] | None = None

    @property
    def id(self) -> str:
        """The texts id."""
        return digest("prompts", self.to_json())

    def to_json(self) -> Document:
        """Return the JSON form."""
        per_class = None if self.per_class is None else {key: list(value) for key, value in self.per_class.items()}
        return {"name": self.name, "templates": list(self.templates), "per_class": per_class}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Prompts:
        """Read the JSON form."""
        per_class = None if value["per_class"] is None else {k: tuple(v) for k, v in value["per_class"].items()}
        return cls(str(value["name"]), tuple(value["templates"]), per_class)

    def sentences(self, key: str, name: str) -> tuple[str, ...]:
        """Return what is encoded for one class.

        Raises
        ------
        KeyError
            When the set holds sentences by class and none for this one.

        Examples
        --------
        >>> Prompts("single", ("a photo of a {}.",)).sentences("n01440764", "tench")
        ('a photo of a tench.',)
        """
        if self.per_class is not None:
            return tuple(self.per_class[key] if key in self.per_class else self.per_class[name])
        return tuple(template.replace("{}", name) for template in self.templates)


def prompts_of(manifest: PromptSet) -> Prompts:
    """Return the prompt set of a manifest or file as a store keeps it: templates, or all sentences by class.

    Examples
    --------
    >>> prompts_of(PromptSet(id="one", title="One", source="none", templates=("a {}.",))).templates
    ('a {}.',)
    """
    if not manifest.per_class:
        return Prompts(manifest.id, tuple(manifest.templates))
    return Prompts(manifest.id, (), {name: manifest.sentences(name) for name in manifest.per_class})


def sentences_of(prompts: Prompts, classes: ClassList) -> tuple[tuple[str, ...], ...]:
    """Return the sentences of every class, in the order of the class list.

    Raises
    ------
    UsageError
        Naming the classes for which a set by class has no sentence.

    Examples
    --------
    >>> sentences_of(Prompts("single", ("a photo of a {}.",)), ClassList(("a", "b"), ("cat", "dog")))
    (('a photo of a cat.',), ('a photo of a dog.',))
    """
    if prompts.per_class is not None:
        both = zip(classes.keys, classes.names, strict=True)
        lacking = [name for key, name in both if key not in prompts.per_class and name not in prompts.per_class]
        if lacking:
            shown = ", ".join(repr(name) for name in lacking[:5])
            raise UsageError(
                f"prompt set {prompts.name} has sentences for {len(prompts.per_class)} classes and none for "
                f"{len(lacking)} of the {len(classes.keys)} asked for: {shown}{' ...' if len(lacking) > 5 else ''}"
            )
    return tuple(prompts.sentences(key, name) for key, name in zip(classes.keys, classes.names, strict=True))


def write_text(staged: Stage, value: ClassList | Prompts) -> str:
    """Store a class list or a prompt set and return its id."""
    sort = "classes" if isinstance(value, ClassList) else "prompts"
    create_equal(staged, staged.layout.text(value.id), seal(sort, {"id": value.id, "value": value.to_json()}))
    return value.id


def read_classes(disk: Disk, layout: Layout, text: str) -> ClassList:
    """Return a class list.

    Raises
    ------
    IntegrityError
        When it is missing or damaged.
    """
    return _read(disk, layout, text, "classes", ClassList.from_json)


def read_prompts(disk: Disk, layout: Layout, text: str) -> Prompts:
    """Return a prompt set.

    Raises
    ------
    IntegrityError
        When it is missing or damaged.
    """
    return _read(disk, layout, text, "prompts", Prompts.from_json)


_SORTS = {"classes": "class list", "prompts": "prompt set"}
_Text = TypeVar("_Text", ClassList, Prompts)


def _read(disk: Disk, layout: Layout, text: str, sort: str, parse: Callable[[Mapping[str, Any]], _Text]) -> _Text:
    where = layout.relative(layout.text(text))
    body = read_document(disk, layout.text(text), sort, where)
    with fields_of(where):
        value = parse(body["value"])
        if not value.id == body["id"] == text:
            raise damaged(where, f"is another {_SORTS[sort]} than its name says")
    return value


def read_text(disk: Disk, layout: Layout, text: str) -> ClassList | Prompts:
    """Return whichever of the two stands under an id.

    Raises
    ------
    IntegrityError
        When it is missing or damaged.
    """
    where = layout.relative(layout.text(text))
    try:
        unseal(read_bytes(disk, layout.text(text), where), "classes", where)
    except IntegrityError:
        return read_prompts(disk, layout, text)
    return read_classes(disk, layout, text)
