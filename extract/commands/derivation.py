"""What the commands share that make models of cached embeddings: their options, and the store opened for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from cache import console
from cache.console import Options, print_json
from manifests.errors import UsageError

from .opening import open_catalogue, open_store
from .selection import Names, many

if TYPE_CHECKING:
    from cache.reader import Reader
    from cache.store import Store
    from cache.texts import ClassList
    from extract.converting.artefact import Source
    from extract.derived.parents import HeadChoice, Parent
    from extract.derived.recipes import RecipeOf
    from manifests.catalogue import Catalogue


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Target:
    """Which model is made of which, on which datasets."""

    base: Annotated[str, Parameter(help="The model whose cached embeddings are used, as tables call it.")]
    model: Annotated[str, Parameter(help="What tables will call the new model.")]
    dataset: Annotated[Names, many("Datasets; none means all that the base has.")] = None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class PromptChoice:
    """Which of the base's heads is the zero-shot half."""

    prompts: Annotated[str, Parameter(help="The base's prompt set, where it has heads of several.")] = ""


DEFAULT_PROMPTS = PromptChoice()


@dataclass(slots=True)
class Derivation:
    """What every derivation needs: a store, and the base on the datasets that are meant."""

    store: Store
    reader: Reader
    catalogue: Catalogue
    parents: tuple[Parent, ...]
    target: Target
    options: Options

    @classmethod
    def open(cls, target: Target, options: Options) -> Derivation:
        """Open the store and find the base.

        Raises
        ------
        UsageError
            For a name that no model may have, or a base that is not there.
        """
        from cache.reader import Reader
        from extract.derived.parents import find_parents
        from manifests.terms import check_id

        options.start_logging()
        try:
            check_id(target.model)
        except ValueError as error:
            raise UsageError(f"--model: {error}") from None
        if target.model == target.base:
            raise UsageError(f"--model {target.model} is the base's own name; the new model needs another")
        store, catalogue = open_store(options), open_catalogue(options)
        reader = Reader(store)
        parents = find_parents(store, reader, target.base, target.dataset or ())
        return cls(store, reader, catalogue, parents, target, options)

    def one(self, dataset: str) -> Parent:
        """Return the base on one more dataset."""
        from extract.derived.parents import find_parents

        found = find_parents(self.store, self.reader, self.target.base, [dataset])
        if len(found) != 1:
            raise UsageError(f"{dataset} means {len(found)} datasets, expected one")
        return found[0]

    def head(self, prompts: PromptChoice) -> tuple[HeadChoice, ClassList]:
        """Return the base's head and its classes."""
        from cache.texts import read_classes
        from extract.derived.parents import choose_head

        choice = choose_head(self.store, self.parents, prompts.prompts)
        return choice, read_classes(self.store.disk, self.store.layout, choice.classes)

    def classes(self, given: Path | None) -> ClassList:
        """Return the classes of `--classes`; ImageNet's without it."""
        from cache.class_file import class_list, read_classes_file

        name = "imagenet-1k" if given is None else str(given)
        if name in self.catalogue.labels:
            return class_list(self.catalogue.labels[name])
        return read_classes_file(Path(name))

    def finish(self, recipe_of: RecipeOf, what: str, sources: tuple[Source, ...], parameters: Mapping[str, Any]) -> int:
        """Compute, commit and say what was made."""
        from extract.derived.deriving import Named, derive

        files = [source.to_json() for source in sources]
        named = Named(self.target.model, self._facts(what), {"adapter": what, "files": files})
        report = derive(self.store, self.reader, self.parents, named, recipe_of)
        said = {
            "model": self.target.model,
            "base": self.target.base,
            "adapter": what,
            "parameters": dict(parameters),
            "sources": files,
            "spaces": report.spaces,
            "run": report.run,
            "units": report.units,
            "images": report.images,
            "failures": [{"item": f.item, "status": f.status, "detail": f.detail} for f in report.failures],
        }
        if self.options.json:
            print_json(said)
        else:
            settings = ", ".join(f"{name} {value}" for name, value in parameters.items())
            console.print_data(
                f"{self.target.model}: {what} of {self.target.base}{f' ({settings})' if settings else ''} on "
                f"{len(self.parents)} datasets, {report.units} units, {len(report.failures)} rows without numbers; "
                f"`assay-analyze score --model {self.target.model}`"
            )
        return 5 if report.failures else 0

    def _facts(self, what: str) -> dict[str, Any]:
        from extract.resolve import Choice, named_models

        if self.target.model in self.catalogue.models:
            return dict(named_models(self.catalogue, [self.target.model], Choice())[0].facts)
        # Outputs that equal another model's are not inherited, and the head is no parameter of the tower.
        theirs = {
            key: value
            for key, value in self.parents[0].binding.facts.items()
            if key not in ("duplicate_of", "parameters_m")
        }
        return {**theirs, "group": "clip-ft", "fine_tuning": what, "derived_from": self.target.base}
