"""Which pairs of model and dataset a command means: those that it or its study names, else all that the store has.

Knows names only. Whether a pair can be computed is `cells`' business.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from manifests.catalogue import Catalogue
from manifests.errors import UsageError
from manifests.schema import Study
from manifests.selection import is_glob, matching, no_match, split_patterns
from manifests.study import Block

IN_DISTRIBUTION = "imagenet-val"
"""The in-distribution set of detection where several could be, or none."""

SCORABLE = frozenset({"logits", "embeddings", "text", "heads", "predictions", "records", "matches"})
"""A request or a block of a study that asks for none of these has nothing to score."""

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a command names; an empty tuple means everything that the store was asked for.

    models, datasets, prompts
        Ids and globs. An id is a demand: where it is not here, it is listed as missing. A glob is a limit.
    spaces
        Which space is meant where a model is bound to several.
    study
        Its blocks are demands; the other fields limit it.
    id_dataset, ood_datasets
        Roles in detection; left empty, the manifests' roles decide; imagenet-val is inside before others.
    """

    models: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    spaces: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    study: Study | None = None
    id_dataset: str = ""
    ood_datasets: tuple[str, ...] = ()
    allow_partial: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """A pair that has to be answered.

    prompts
        Patterns of prompt sets, for a zero-shot model; empty means all that are stored.
    named
        Whether the pair was named, and not only found in the store.
    """

    model: str
    dataset: str
    prompts: tuple[str, ...] = ()
    named: bool = False


@dataclass(frozen=True, slots=True)
class Roles:
    """Which dataset is in-distribution, and which are out of it."""

    inside: str
    outside: frozenset[str]


@dataclass(frozen=True, slots=True)
class Known:
    """What names can mean: the pairs that the store binds, its datasets and prompt sets, and the manifests."""

    bound: Collection[Pair]
    datasets: Collection[str]
    prompts: Collection[str]
    catalogue: Catalogue

    def meant(self, what: str, pattern: str) -> tuple[str, ...]:
        """Return the ids of `models`, `datasets` or `prompts` that a pattern means; a glob prefers what is here.

        Raises
        ------
        UsageError
            When neither the store nor the manifests know any.
        """
        here, listed = set(self.here(what)), set(self._listed(what))
        if pattern in here or pattern in listed:
            return (pattern,)
        found = matching(here, pattern) or matching(listed, pattern) if is_glob(pattern) else ()
        if not found:
            raise UsageError(
                f"known neither to the store nor to the manifests: {no_match(here | listed, pattern, what)}"
            )
        return found

    def here(self, what: str) -> tuple[str, ...]:
        """Return the ids of one sort that the store has."""
        if what == "prompts":
            return tuple(sorted(self.prompts))
        at, more = (0, ()) if what == "models" else (1, self.datasets)
        return tuple(sorted({*(pair[at] for pair in self.bound), *more}))

    def _listed(self, what: str) -> Collection[str]:
        catalogue = self.catalogue
        return {"models": catalogue.models, "datasets": catalogue.datasets, "prompts": catalogue.prompts}[what]


def wanted_pairs(known: Known, ask: Ask) -> tuple[Wanted, ...]:
    """Return what has to be answered, sorted by model and dataset.

    Raises
    ------
    UsageError
        For a name that neither the store nor the manifests know, or one that the study does not hold.
    """
    prompts = split_patterns(ask.prompts) if ask.prompts else ()
    for pattern in prompts:
        known.meant("prompts", pattern)
    if ask.study is not None:
        pairs = _study_pairs(known, ask.study)
        pairs = {pair: pairs[pair] for pair in _limited(known, ask, pairs)}
    else:
        pairs = {pair: Wanted(*pair, named=named) for pair, named in _named_pairs(known, ask).items()}
    for model, dataset in _role_pairs(known, ask, pairs):
        pairs[model, dataset] = replace(pairs.get((model, dataset), Wanted(model, dataset)), named=True)
    return tuple(replace(pairs[pair], prompts=prompts or pairs[pair].prompts) for pair in sorted(pairs))


def _named_pairs(known: Known, ask: Ask) -> dict[Pair, bool]:
    """Return pairs of models and datasets, and whether they were named."""
    pairs: dict[Pair, bool] = {}
    models = _chosen(known, "models", ask.models)
    datasets = _chosen(known, "datasets", ask.datasets)
    for model_exact, some_models in models.values():
        for dataset_exact, some_datasets in datasets.values():
            for pair in ((model, dataset) for model in some_models for dataset in some_datasets):
                both = model_exact and dataset_exact
                if both or pair in known.bound:
                    pairs[pair] = pairs.get(pair, False) or both
    # What leads to nothing is missing as a whole: a command never gives less than its words without saying so.
    for _, names in models.values():
        if ask.models and not any(model in names for model, _ in pairs):
            pairs |= dict.fromkeys(_product(names, (one for _, some in datasets.values() for one in some)), True)
    for _, names in datasets.values():
        if ask.datasets and not any(dataset in names for _, dataset in pairs):
            pairs |= dict.fromkeys(_product((one for _, some in models.values() for one in some), names), True)
    return pairs


def _chosen(known: Known, what: str, patterns: Sequence[str]) -> Mapping[str, tuple[bool, tuple[str, ...]]]:
    """Return, for each pattern, whether it is an id and which ids it means; no pattern means all that are here."""
    if not patterns:
        return {"": (False, known.here(what))}
    found = {pattern: known.meant(what, pattern) for pattern in split_patterns(patterns)}
    return {pattern: (names == (pattern,), names) for pattern, names in found.items()}


def _product(models: Iterable[str], datasets: Iterable[str]) -> Iterator[Pair]:
    # An empty name stands for whatever there may be: the store knows none yet.
    some_models, some_datasets = tuple(models) or ("",), tuple(datasets) or ("",)
    return ((model, dataset) for model in some_models for dataset in some_datasets)


def has_numbers(block: Block) -> bool:
    """Tell whether anything of a block of a study can be scored.

    Embeddings alone are the shots of an adapter: nothing says which classes they are to be told apart in.
    """
    return bool((SCORABLE - {"embeddings"}) & set(block.kinds))


def _study_pairs(known: Known, study: Study) -> dict[Pair, Wanted]:
    """Return each block's models on its datasets: blocks do not mix."""
    pairs: dict[Pair, Wanted] = {}
    for block in study.blocks:
        if not has_numbers(block):
            continue
        models = [name for pattern in split_patterns(block.models) for name in _in_study(known, "models", pattern)]
        datasets = [
            name
            for pattern in split_patterns(block.datasets)
            for name in _in_study(known, "datasets", pattern.partition(":")[0])
        ]
        for model, dataset in _product(models, datasets):
            before = pairs.get((model, dataset))
            prompts = dict.fromkeys((*(before.prompts if before else ()), *block.prompts))
            pairs[model, dataset] = Wanted(model, dataset, tuple(prompts), named=True)
    return pairs


def _in_study(known: Known, what: str, pattern: str) -> tuple[str, ...]:
    # A study may name a folder of the user's own, which no manifest knows; a glob means the manifests', as `run` does.
    listed = known.catalogue.models if what == "models" else known.catalogue.datasets
    return matching(listed, pattern) if is_glob(pattern) else (pattern,)


def _limited(known: Known, ask: Ask, pairs: Collection[Pair]) -> list[Pair]:
    """Return those pairs of a study that the command's own names leave."""
    left = list(pairs)
    for what, at, patterns in (("models", 0, ask.models), ("datasets", 1, ask.datasets)):
        if not patterns:
            continue
        chosen: set[str] = set()
        for pattern in split_patterns(patterns):
            inside = {pair[at] for pair in pairs}
            found = matching(inside, pattern) if is_glob(pattern) else tuple({pattern} & inside)
            if not found:
                known.meant(what, pattern)
                raise UsageError(
                    f"--{what.removesuffix('s')} {pattern} is not in study {ask.study.id if ask.study else ''}; "
                    f"it holds {', '.join(sorted(inside)) or 'none'}"
                )
            chosen.update(found)
        left = [pair for pair in left if pair[at] in chosen]
    return left


def _role_pairs(known: Known, ask: Ask, pairs: Collection[Pair]) -> list[Pair]:
    """Return the pairs that the named roles need: every model on the in-distribution set and on the others."""
    roles = tuple(name for name in (ask.id_dataset, *ask.ood_datasets) if name)
    for name in roles:
        if is_glob(name) or not known.meant("datasets", name):
            raise UsageError(f"--id-dataset and --ood-dataset take ids, not patterns; got {name!r}")
    models = {model for model, _ in pairs}
    able = {model for model in models if any((model, name) in known.bound for name in roles)}
    return [(model, name) for model in sorted(able or models) for name in roles]


def roles(known: Known, ask: Ask, wanted: Sequence[Wanted]) -> Roles:
    """Return which datasets are in and out of distribution.

    Raises
    ------
    UsageError
        When sets are named as out of distribution and none as in-distribution, or one as both; when several sets
        could be in-distribution.
    """
    present = {one.dataset for one in wanted}
    inside = ask.id_dataset or _inside(known, present)
    if ask.ood_datasets and not inside:
        raise UsageError("--ood-dataset needs --id-dataset NAME, the set that counts as in-distribution.")
    inside = inside or IN_DISTRIBUTION
    if inside in ask.ood_datasets:
        raise UsageError(
            f"{inside} cannot be in-distribution and out of it; --id-dataset and --ood-dataset both name it."
        )
    listed = known.catalogue.datasets
    by_role = {name for name in present if name in listed and listed[name].role == "ood" and name != inside}
    return Roles(inside, frozenset(ask.ood_datasets or by_role))


def _inside(known: Known, present: Collection[str]) -> str:
    """Return the in-distribution set among those that are wanted, by the manifests' roles; "" where there is none."""
    listed = known.catalogue.datasets
    found = sorted(name for name in present if name in listed and listed[name].role == "id")
    if IN_DISTRIBUTION in found or not found:
        return IN_DISTRIBUTION if found else ""
    if len(found) > 1:
        raise UsageError(
            f"{', '.join(found)} are all in-distribution sets by their manifests; say with --id-dataset {found[0]}, "
            "for one, which of them counts, or limit the command with --dataset."
        )
    return found[0]
