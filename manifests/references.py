"""Whether what entries say of each other holds: label spaces, duplicates, sets over sets, the patterns of studies.

Knows entries and ids; reads no file.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping

from . import cupl
from .errors import Problem, UsageError
from .schema import GROUPS, Block, Claim, Dataset, FactorSet, LabelSpace, Model, StandIns, Study, check_id
from .selection import is_glob, matching, no_match, split_patterns
from .stand_ins import FACTS

Ids = Mapping[str, Collection[str]]
"""Ids that exist, by folder; those of files that could not be read count, so that one fault is told once."""

Shown = Callable[[str, str], str]
"""(folder, id) to the name of its file, for messages."""


def model_problems(models: Mapping[str, Model], ids: Ids, shown: Shown) -> Iterator[Problem]:
    """Check label_space, derived_from and duplicate_of of every model."""
    for model in models.values():
        file = shown("models", model.id)
        if model.label_space and model.label_space not in ids["labels"]:
            yield Problem(file, "label_space", no_match(ids["labels"], model.label_space, "labels"))
        if model.derived_from and model.derived_from not in ids["models"]:
            yield Problem(file, "derived_from", no_match(ids["models"], model.derived_from, "models"))
        elif model.derived_from == model.id:
            yield Problem(file, "derived_from", "a model cannot be made of itself")
        original = model.duplicate_of
        if original and original not in ids["models"]:
            yield Problem(file, "duplicate_of", no_match(ids["models"], original, "models"))
        elif original == model.id:
            yield Problem(file, "duplicate_of", "a model cannot be a duplicate of itself")
        elif original in models and models[original].duplicate_of:
            first = models[original].duplicate_of
            yield Problem(file, "duplicate_of", f"{original!r} is itself a duplicate; name its original, {first!r}")


def label_problems(labels: Mapping[str, LabelSpace], ids: Ids, shown: Shown) -> Iterator[Problem]:
    """Check that `over` leads to a space of its own, whose columns the members are."""
    for space in labels.values():
        if not space.over:
            continue
        file = shown("labels", space.id)
        if space.over not in ids["labels"]:
            yield Problem(file, "over", no_match(ids["labels"], space.over, "labels"))
        elif space.over in labels:
            yield from (Problem(file, key, message) for key, message in _member_problems(space, labels[space.over]))


def _member_problems(space: LabelSpace, over: LabelSpace) -> Iterator[tuple[str, str]]:
    if over.over:
        yield "over", f"{over.id!r} is itself over {over.over!r}; name that one"
        return
    position = over.positions()
    for key, columns in zip(space.keys, space.members, strict=True):
        if columns[-1] >= len(over.keys):
            yield "members", f"{key} has column {columns[-1]}; {over.id} ends at {len(over.keys) - 1}"
        elif key in position and columns != (position[key],):
            yield "members", f"{key} is column {position[key]} of {over.id}; got {list(columns)}"


def factor_problems(factors: Mapping[str, FactorSet], ids: Ids, shown: Shown) -> Iterator[Problem]:
    """Check that every reading is that of a dataset."""
    for entry in factors.values():
        for name in entry.readings:
            if name not in ids["datasets"]:
                message = no_match(ids["datasets"], name, "datasets")
                yield Problem(shown("factors", entry.id), f"readings.{name}", message)


def dataset_problems(datasets: Mapping[str, Dataset], ids: Ids, shown: Shown) -> Iterator[Problem]:
    """Check label_space, over and options of every dataset."""
    for dataset in datasets.values():
        file = shown("datasets", dataset.id)
        if dataset.label_space and dataset.label_space not in ids["labels"]:
            yield Problem(file, "label_space", no_match(ids["labels"], dataset.label_space, "labels"))
        if dataset.over and dataset.over not in ids["datasets"]:
            yield Problem(file, "over", no_match(ids["datasets"], dataset.over, "datasets"))
        elif dataset.over == dataset.id:
            yield Problem(file, "over", "a set cannot name its own images again")
        if dataset.options is not None:
            for name in dataset.options.lists:
                if name not in ids["models"]:
                    yield Problem(file, "options.lists", no_match(ids["models"], name, "models"))
            if dataset.options.prompts not in ids["prompts"]:
                yield Problem(file, "options.prompts", no_match(ids["prompts"], dataset.options.prompts, "prompts"))


def study_problems(studies: Mapping[str, Study], ids: Ids, shown: Shown) -> Iterator[Problem]:
    """Check the patterns of every block of every study, and the ids of its other readings."""
    for study in studies.values():
        file = shown("studies", study.id)
        for name, models in study.readings.items():
            for model in models:
                if model not in ids["models"]:
                    yield Problem(file, f"readings.{name}", no_match(ids["models"], model, "models"))
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
            elif name not in ids[key] and not (is_glob(name) and matching(ids[key], name)):
                yield key, no_match(ids[key], name, key)


def stand_in_problems(
    studies: Mapping[str, Study], models: Mapping[str, Model], ids: Ids, shown: Shown
) -> Iterator[Problem]:
    """Check that parts and players exist: ids of manifests, and what manifests of models say of training."""
    for study in studies.values():
        for key, message in _stand_in_problems(study.stand_ins, models, ids):
            yield Problem(shown("studies", study.id), f"stand_ins.{key}", message)


def _stand_in_problems(cast: StandIns, models: Mapping[str, Model], ids: Ids) -> Iterator[tuple[str, str]]:
    # Sentences of CuPL are a file of the user's own: figures name the two sets, and no manifest has them.
    played: Ids = {**ids, "prompts": {*ids["prompts"], *cupl.KNOWN}}
    for kind, part, player in cast.pairs():
        if kind in FACTS:
            # A model that could not be read may be the one that says it.
            if len(models) == len(ids["models"]):
                known = sorted({text for model in models.values() if (text := getattr(model, FACTS[kind]))})
                yield from ((f"{kind}.{part}", _no_fact(FACTS[kind], one, known)) for one in (part, player)
                            if one not in known)  # fmt: skip
            continue
        if part not in played[kind]:
            yield f"{kind}.{part}", no_match(played[kind], part, kind)
        if player not in ids[kind]:
            yield f"{kind}.{part}", no_match(ids[kind], player, kind)


def _no_fact(key: str, text: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(text, known, n=3, cutoff=0.0)
    return f"no model has {key} = {text!r}; the nearest are {', '.join(map(repr, near)) or 'none'}"


def claim_problems(claims: Mapping[str, Claim], ids: Ids, shown: Shown) -> Iterator[Problem]:
    """Check the study, the datasets of every axis, and the groups and ids of models."""
    for claim in claims.values():
        file = shown("claims", claim.id)
        if claim.paper not in ids["studies"]:
            yield Problem(file, "paper", no_match(ids["studies"], claim.paper, "studies"))
        axes = {"x": (claim.x,) if claim.x else (), "y": claim.y, "minus": claim.minus, "against_y": claim.against_y}
        for key, texts in axes.items():
            for name in sorted({text.partition(":")[0] for text in texts} - set(ids["datasets"])):
                yield Problem(file, key, no_match(ids["datasets"], name, "datasets"))
        for name in sorted({name for pair in claim.pairs for name in pair} - set(ids["models"])):
            yield Problem(file, "pairs", no_match(ids["models"], name, "models"))
        for key in ("models", "against", "reference"):
            side = getattr(claim, key)
            if side is None:
                continue
            for name in (*side.ids, *side.without):
                if not matching(ids["models"], name):
                    yield Problem(file, f"{key}.ids", no_match(ids["models"], name, "models"))
            for name in side.group:
                if not matching(GROUPS, name):
                    yield Problem(file, f"{key}.group", f"no group matches {name!r}; there are {', '.join(GROUPS)}")
