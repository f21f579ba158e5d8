"""Everything that the manifests know, built in and added by the user, read and checked at once.

Knows the folders and that ids are unique; the keys of a file are `schema`'s business, what entries say of each other
is `references`'.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .errors import ManifestError, Problem, UsageError
from .references import (
    claim_problems,
    dataset_problems,
    factor_problems,
    label_problems,
    model_problems,
    stand_in_problems,
    study_problems,
)
from .schema import Claim, Dataset, FactorSet, LabelSpace, Model, PromptSet, Study
from .selection import select
from .toml_file import EntryT, read_entry

__all__ = ["ENVIRONMENT", "FOLDERS", "Catalogue", "load", "select", "user_folders"]

BUILT_IN = Path(__file__).parent
FOLDERS = ("models", "datasets", "labels", "prompts", "factors", "studies", "claims")
ENVIRONMENT = "ASSAY_MANIFESTS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """All entries by id, each mapping in the order of sorted ids; the names of the fields are those of the folders."""

    models: Mapping[str, Model]
    datasets: Mapping[str, Dataset]
    labels: Mapping[str, LabelSpace]
    prompts: Mapping[str, PromptSet]
    factors: Mapping[str, FactorSet]
    studies: Mapping[str, Study]
    claims: Mapping[str, Claim]

    def logit_space(self, dataset: str) -> LabelSpace | None:
        """Return the label space whose classes a classifier of a dataset has, before any class is left out or merged.

        A zero-shot head for ImageNet-R is made for all 1000 classes: then every protocol has what it needs, and all
        sets over ImageNet's classes share one head. None for a dataset without a label space.

        Examples
        --------
        >>> [space.id for name in ("imagenet-r", "imagenet-val") if (space := load().logit_space(name))]
        ['imagenet-1k', 'imagenet-1k']
        """
        manifest = self.datasets.get(dataset)
        if manifest is None or not manifest.label_space:
            return None
        own = self.labels[manifest.label_space]
        return self.labels[own.over] if own.over else own


def user_folders(option: Path | None, environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Folders of the user's own manifests: the ``--manifests`` option, then those of ``$ASSAY_MANIFESTS``.

    Parameters
    ----------
    option
        Value of ``--manifests``, None if not given.
    environment
        Usually ``os.environ``; the variable holds folders separated as in ``$PATH``.

    Raises
    ------
    UsageError
        For every folder that does not exist, all at once.

    Examples
    --------
    >>> user_folders(None, {})
    ()
    """
    given = [("--manifests", option)] if option is not None else []
    given += [(f"${ENVIRONMENT}", Path(text)) for text in environment.get(ENVIRONMENT, "").split(os.pathsep) if text]
    if missing := [f"{origin}: no folder {folder}" for origin, folder in given if not folder.is_dir()]:
        raise UsageError("\n".join(missing))
    first_named: dict[Path, Path] = {}
    for _, folder in given:
        first_named.setdefault(folder.resolve(), folder)
    return tuple(first_named.values())


def load(extra: Sequence[Path] = ()) -> Catalogue:
    """Read the built-in manifests and then the user's.

    Parameters
    ----------
    extra
        Folders with any of the subfolders of `FOLDERS`, as `user_folders` returns them.

    Raises
    ------
    ManifestError
        With everything that is wrong in all files: unreadable, not TOML, unknown or missing keys, wrong values, an id
        that is not the name of its file or is taken (letter case does not tell ids apart, and a user's file replaces
        nothing), a reference that leads nowhere.

    Examples
    --------
    >>> load().models["tf_efficientnet_lite0.pypi"].label_space
    'imagenet-1k'
    """
    reading = _Reading(roots=(BUILT_IN, *extra))
    catalogue = Catalogue(
        models=reading.folder("models", Model),
        datasets=reading.folder("datasets", Dataset),
        labels=reading.folder("labels", LabelSpace),
        prompts=reading.folder("prompts", PromptSet),
        factors=reading.folder("factors", FactorSet),
        studies=reading.folder("studies", Study),
        claims=reading.folder("claims", Claim),
    )
    reading.problems += model_problems(catalogue.models, reading.ids, reading.shown)
    reading.problems += label_problems(catalogue.labels, reading.ids, reading.shown)
    reading.problems += factor_problems(catalogue.factors, reading.ids, reading.shown)
    reading.problems += dataset_problems(catalogue.datasets, reading.ids, reading.shown)
    reading.problems += study_problems(catalogue.studies, reading.ids, reading.shown)
    reading.problems += stand_in_problems(catalogue.studies, catalogue.models, reading.ids, reading.shown)
    reading.problems += claim_problems(catalogue.claims, reading.ids, reading.shown)
    if reading.problems:
        raise ManifestError(sorted(reading.problems, key=lambda problem: problem.file))
    return catalogue


@dataclass(slots=True, kw_only=True)
class _Reading:
    """What one call of `load` has seen so far."""

    roots: tuple[Path, ...]
    problems: list[Problem] = field(default_factory=list)
    ids: dict[str, set[str]] = field(default_factory=dict)
    files: dict[tuple[str, str], str] = field(default_factory=dict)  # (folder, id in lower case) -> file as shown

    def shown(self, folder: str, name: str) -> str:
        return self.files[folder, name.lower()]

    def folder(self, folder: str, schema: type[EntryT]) -> dict[str, EntryT]:
        entries: dict[str, EntryT] = {}
        stems: set[str] = set()
        for root in self.roots:
            for path in self._toml_files(root, folder):
                shown = _shown(path, root)
                stems.add(path.stem)
                entry, problems = read_entry(path, schema, shown)
                self.problems += problems
                taken = self.files.setdefault((folder, path.stem.lower()), shown)
                if taken != shown:
                    message = f"{path.stem!r} is taken by {taken} (letter case aside); choose another id and file name"
                    self.problems.append(Problem(shown, "id", message))
                elif entry is not None and not problems:
                    entries[entry.id] = entry
        self.ids[folder] = stems
        return dict(sorted(entries.items()))

    def _toml_files(self, root: Path, folder: str) -> Iterator[Path]:
        if not (root / folder).is_dir():
            return
        for path in sorted((root / folder).iterdir()):
            # A leading full stop marks the droppings of file managers and editors.
            if path.suffix.lower() == ".toml" and not path.name.startswith("."):
                yield path
            elif path.is_dir():
                for deeper in sorted(path.rglob("*.toml")):
                    self.problems.append(Problem(_shown(deeper, root), "", f"is never read; move it up to {folder}/"))


def _shown(path: Path, root: Path) -> str:
    # The place of the installation says nothing to the reader; the place of a user's folder does.
    return path.relative_to(BUILT_IN.parent).as_posix() if root == BUILT_IN else str(path)
