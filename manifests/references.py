"""Whether what entries say of each other holds: label spaces, duplicates, the patterns of studies.

Knows entries and ids; reads no file.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from .errors import Problem, UsageError
from .schema import Block, Dataset, Model, Study, check_id
from .selection import is_glob, matching, no_match, split_patterns

Ids = Mapping[str, Collection[str]]
"""Ids that exist, by folder; those of files that could not be read count, so that one fault is told once."""

Shown = Callable[[str, str], str]
"""(folder, id) to the name of its file, for messages."""


def model_problems(models: Mapping[str, Model], ids: Ids, shown: Shown) -> Iterator[Problem]:
    """Check label_space and duplicate_of of every model."""
    for model in models.values():
        file = shown("models", model.id)
        if model.label_space and model.label_space not in ids["labels"]:
            yield Problem(file, "label_space", no_match(ids["labels"], model.label_space, "labels"))
        original = model.duplicate_of
        if original and original not in ids["models"]:
            yield Problem(file, "duplicate_of", no_match(ids["models"], original, "models"))
        elif original == model.id:
            yield Problem(file, "duplicate_of", "a model cannot be a duplicate of itself")
        elif original in models and models[original].duplicate_of:
            first = models[original].duplicate_of
            yield Problem(file, "duplicate_of", f"{original!r} is itself a duplicate; name its original, {first!r}")


def dataset_problems(datasets: Mapping[str, Dataset], ids: Ids, shown: Shown) -> Iterator[Problem]:
    """Check label_space of every dataset."""
    for dataset in datasets.values():
        if dataset.label_space and dataset.label_space not in ids["labels"]:
            file = shown("datasets", dataset.id)
            yield Problem(file, "label_space", no_match(ids["labels"], dataset.label_space, "labels"))


def study_problems(studies: Mapping[str, Study], ids: Ids, shown: Shown) -> Iterator[Problem]:
    """Check the patterns of every block of every study."""
    for study in studies.values():
        file = shown("studies", study.id)
        for number, block in enumerate(study.blocks):
            for key, message in _block_problems(block, ids):
                yield Problem(file, f"blocks.{number}.{key}", message)


def _block_problems(block: Block, ids: Ids) -> Iterator[tuple[str, str]]:
    for key, patterns in (("models", block.models), ("datasets", block.datasets), ("prompts", block.prompts)):
        try:
            pieces = split_patterns(patterns)
        except UsageError as error:
            yield key, str(error)
            continue
        for piece in pieces:
            # A study may name a folder of the user's own, so a dataset id needs no manifest; a glob has to match.
            name = piece.partition(":")[0] if key == "datasets" else piece
            if key == "datasets" and not is_glob(name):
                try:
                    check_id(name)
                except ValueError as error:
                    yield key, str(error)
            elif not matching(ids[key], name):
                yield key, no_match(ids[key], name, key)
