"""The feature space of numbers that were made elsewhere: all that is known of them is the files that they came in.

Equal input is an equal space, so that ingesting the same files again finds its numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from manifests.canonical import digest

from .documents import Document
from .spaces import Space
from .views import View

LIBRARY = "ingested"
SCHEMA = 1
"""Bumped by hand when the same files would give other numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What determines ingested numbers.

    model
        Id of the model, that of the subject for trials.
    layout
        How the files are laid out: `table`, `imagenet-x`, `model-vs-human` or `testbed`.
    files
        sha256 of each file, in the order that matters.
    classes
        Texts id of the class list of columns or predictions; empty for embeddings.
    """

    model: str
    dataset: str
    kind: str
    layout: str
    files: tuple[str, ...]
    classes: str = ""

    def to_json(self) -> Document:
        """Return the JSON form."""
        return {
            "dataset": self.dataset,
            "kind": self.kind,
            "layout": self.layout,
            "files": list(self.files),
            "classes": self.classes,
        }


def ingested_space(origin: Origin, view: View, names: Sequence[str]) -> Space:
    """Return the space of ingested numbers.

    The samples are part of it: the same array in the order of another version stands for other images.
    """
    pairs = view.table.select("sample", "image_id").rows()
    identity = {
        "library": LIBRARY,
        "architecture": {"name": f"{origin.model} {origin.kind}"},
        "origin": origin.to_json(),
        "samples": digest("samples", [list(pair) for pair in pairs]),
        "ingest_schema": SCHEMA,
    }
    return Space(identity, {"files": list(names)})


def is_ingested(space: Space) -> bool:
    """Tell whether the numbers of a space came out of files of the user's."""
    return space.identity.get("library") == LIBRARY


def same_origin(space: Space, origin: Origin) -> bool:
    """Tell whether a space holds the numbers of these files, for whatever version of the dataset."""
    return (
        is_ingested(space)
        and space.identity.get("architecture") == {"name": f"{origin.model} {origin.kind}"}
        and space.identity.get("origin") == origin.to_json()
        and space.identity.get("ingest_schema") == SCHEMA
    )
