"""`assay-extract convert tip-adapter` and `tip-adapter-f`: a cache of labelled shots beside a zero-shot head."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cache.console import Options, log
from manifests.errors import UsageError

from .derivation import DEFAULT_PROMPTS, Derivation, PromptChoice, Target

if TYPE_CHECKING:
    from cache.texts import ClassList
    from extract.converting.artefact import Source
    from extract.derived.parents import HeadChoice
    from extract.derived.recipes import CachedShots

DEFAULT_OPTIONS = Options()


def tip_adapter(
    *,
    target: Target,
    head: PromptChoice = DEFAULT_PROMPTS,
    shots: str = "imagenet-train-16shot",
    keys: Path | None = None,
    values: Path | None = None,
    alpha: float | None = None,
    beta: float | None = None,
    tune: str = "",
    options: Options = DEFAULT_OPTIONS,
) -> int:
    """Make a Tip-Adapter of a zero-shot model: its logits plus those of a cache of labelled shots.

    Parameters
    ----------
    shots
        The dataset whose embeddings and labels are the cache.
    keys
        A published cache instead: keys_16shots.pt, one column a shot.
    values
        With --keys: values_16shots.pt, one-hot rows in the order of the head's classes.
    alpha
        Weight of the cache; 1.17 unless tuned, as published for ImageNet.
    beta
        Sharpness; 1 unless tuned.
    tune
        A dataset on half of which, chosen by content, alpha and beta are searched; never a test set.
    """
    opened = Derivation.open(target, options)
    choice, classes = opened.head(head)
    if keys is None:
        if values is not None:
            raise UsageError("--values goes with --keys; without them the cache is made of --shots")
        cached, sources = _cached_shots(opened, shots, classes), ()
    else:
        cached, sources = _published_shots(keys, values, classes, transposed=True)
    return _finish_tip(opened, choice, cached, sources, (alpha, beta, tune), "tip-adapter")


def tip_adapter_f(
    keys: Path,
    *,
    target: Target,
    head: PromptChoice = DEFAULT_PROMPTS,
    values: Path | None = None,
    shots: str = "imagenet-train-16shot",
    alpha: float | None = None,
    beta: float | None = None,
    tune: str = "",
    options: Options = DEFAULT_OPTIONS,
) -> int:
    """Make a Tip-Adapter-F: as tip-adapter, with keys that were trained.

    Parameters
    ----------
    keys
        best_F_16shots.pt, one row a shot.
    values
        values_16shots.pt, one-hot rows in the order of the head's classes.
    shots
        Without --values: the dataset whose labels, in its order, are those of the keys.
    alpha
        As in tip-adapter.
    beta
        As in tip-adapter.
    tune
        As in tip-adapter.
    """
    opened = Derivation.open(target, options)
    choice, classes = opened.head(head)
    labels = None if values is not None else _cached_shots(opened, shots, classes)
    cached, sources = _published_shots(keys, values, classes, transposed=False, labels=labels)
    return _finish_tip(opened, choice, cached, sources, (alpha, beta, tune), "tip-adapter-f")


def _cached_shots(opened: Derivation, dataset: str, classes: ClassList) -> CachedShots:
    from extract.derived.recipes import shots_from_cache

    return shots_from_cache(opened.store, opened.reader, [opened.one(dataset)], classes)


def _published_shots(
    keys: Path, values: Path | None, classes: ClassList, *, transposed: bool, labels: CachedShots | None = None
) -> tuple[CachedShots, tuple[Source, ...]]:
    from extract.converting.adapter_files import read_matrix
    from extract.converting.artefact import Source
    from extract.derived.recipes import CachedShots
    from extract.derived.tip_adapter import Shots, labels_of_values

    sources = [Source.of("keys", keys)]
    layout = "keys (width, shots)" if transposed else "keys (shots, width)"
    array = read_matrix(keys, layout)
    described: dict[str, Any] = {"keys": sources[0].sha256}
    if values is not None:
        sources.append(Source.of("values", values))
        described["values"] = sources[1].sha256
        one_hot = read_matrix(values, "one-hot values (shots, classes)")
        if one_hot.shape[1] != len(classes.keys):
            raise UsageError(
                f"{values}: {one_hot.shape[1]} columns, but the head tells {len(classes.keys)} classes apart"
            )
        try:
            of_keys = labels_of_values(one_hot)
        except ValueError as error:
            raise UsageError(f"{values}: {error}") from None
    elif labels is not None:
        of_keys = labels.shots.labels
        described |= {name: labels.described[name] for name in ("dataset", "version")}
    else:
        raise UsageError("--keys goes with --values: the file says no classes of its shots")
    try:
        shots = Shots(array.T.copy() if transposed else array, of_keys, len(classes.keys))
    except ValueError as error:
        raise UsageError(f"{keys} ({layout}) and its values do not go together: {error}") from None
    return CachedShots(shots, described), tuple(sources)


def _finish_tip(
    opened: Derivation,
    choice: HeadChoice,
    cached: CachedShots,
    sources: tuple[Source, ...],
    asked: tuple[float | None, float | None, str],
    name: str,
) -> int:
    from extract.derived import recipes
    from extract.derived.tip_adapter import ALPHA, BETA
    from extract.derived.tuning_half import refuse_test_set

    alpha, beta, tune = asked
    tuning = None
    if tune:
        if alpha is not None or beta is not None:
            raise UsageError("--tune searches alpha and beta; leave --alpha and --beta out")
        refuse_test_set(tune, opened.catalogue.datasets.get(tune))
        log.info(
            "searching alpha and beta on half of %s; for ImageNet this takes a quarter of an hour on one core", tune
        )
        tuned, tuning = recipes.tune_on(opened.store, opened.reader, opened.one(tune), choice, cached)
        alpha, beta = tuned.alpha, tuned.beta
        log.info("alpha %.3g and beta %.3g: top-1 %.4f on the tuning half of %s, %d images",
                 alpha, beta, tuned.accuracy, tune, tuned.n)  # fmt: skip
        if any(parent.view.name == tune for parent in opened.parents):
            log.info("half of %s chose these two numbers, so results on it are a little optimistic", tune)
    alpha, beta = (ALPHA if alpha is None else alpha), (BETA if beta is None else beta)
    if not (0 <= alpha < float("inf") and 0 <= beta < float("inf")):
        raise UsageError(f"--alpha {alpha} --beta {beta}: expected numbers from 0")
    recipe = recipes.tip_adapter(opened.store, opened.reader, choice, cached, alpha, beta, name=name, tuning=tuning)
    parameters = {"prompts": choice.prompt_set, "alpha": alpha, "beta": beta, "tuned_on": tune or None}
    return opened.finish(recipe, name, sources, parameters)
