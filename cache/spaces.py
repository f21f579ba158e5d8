"""Feature spaces: everything that determines the numbers of a model, named by content.

Batch size, workers, device and versions are not in a space; they are in the run record.
"""

from __future__ import annotations

from dataclasses import dataclass

from manifests.canonical import digest

from .documents import Document, damaged, seal
from .files import Disk
from .layout import SHORT, SLUG, Layout, parse_space, slug
from .reading import fields_of, read_document
from .writing import Stage, create


@dataclass(frozen=True, slots=True)
class Space:
    """A feature space.

    identity
        The canonical description; its digest is the space's id.
    provenance
        Where the weights came from and which versions described them; says nothing about identity.
    """

    identity: Document
    provenance: Document

    @property
    def id(self) -> str:
        """The digest of the identity."""
        return digest("space", self.identity)

    @property
    def label(self) -> str:
        """The name in paths: a slug of the identity and the head of the id."""
        architecture = self.identity.get("architecture", {})
        name = architecture.get("name", "") if isinstance(architecture, dict) else ""
        words = slug(f"{self.identity.get('library', '')} {name}")
        if variant := self.identity.get("variant"):
            # A geometry or choice of layers; a long name makes room for it.
            end = slug(str(variant))
            words = slug(f"{words[: max(1, SLUG - 1 - len(end))]} {end}")
        return f"{words}-{self.id[:SHORT]}"


def write_space(staged: Stage, space: Space) -> None:
    """Store a space; the first provenance stays."""
    path = staged.layout.space(space.label)
    body = {"id": space.id, "space": space.identity, "provenance": space.provenance}
    if not create(staged, path, seal("space", body)):
        read_space(staged.disk, staged.layout, space.label)


def read_space(disk: Disk, layout: Layout, label: str) -> Space:
    """Return a space whose content was compared with its name.

    Raises
    ------
    IntegrityError
        When it is missing or damaged.
    """
    path = layout.space(label)
    where = layout.relative(path)
    body = read_document(disk, path, "space", where)
    with fields_of(where):
        space = Space(body["space"], body["provenance"])
        if space.id != body["id"] or space.label != label:
            raise damaged(where, "is another space than its name says")
    return space


def labels(disk: Disk, layout: Layout) -> list[str]:
    """Return the labels of the spaces of a store."""
    stems = [name.removesuffix(".json") for name in disk.names(layout.spaces) if name.endswith(".json")]
    return [stem for stem in stems if parse_space(stem)]
