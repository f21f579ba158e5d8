"""Which heads a zero-shot model gets: prompt sets as the user named them, over the classes of a dataset.

Reads manifests, prompt files and class lists; encodes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from cache.captions import captions_of, has_captions
from cache.class_file import class_list
from cache.store import Store
from cache.texts import ClassList, prompts_of, read_classes
from cache.views import View
from manifests.catalogue import Catalogue
from manifests.errors import UsageError
from manifests.prompt_file import find_prompts
from manifests.schema import LabelSpace
from manifests.selection import no_match

from .text_unit import TEXT_KINDS, Pairs

log = logging.getLogger("assay")

DEFAULT_PROMPTS = ("openai-80",)
IMAGENET = "imagenet-1k"


def heads_for(
    store: Store,
    catalogue: Catalogue,
    view: View,
    kinds: Sequence[str],
    prompts: Sequence[str],
    classes: ClassList | None,
) -> Pairs:
    """Return the prompt sets and class lists of the heads that were asked for.

    Parameters
    ----------
    kinds
        As asked for; none means all that metrics need, heads among them.
    prompts
        As `--prompts` was given; none means openai-80 where heads are asked for.
    classes
        What `--classes` says; else the dataset's own, or those that they are made of or part of.

    Raises
    ------
    UsageError
        For prompts that nobody knows, or when heads were asked for by name and there are no classes.
    """
    if not prompts and kinds and not set(kinds) & set(TEXT_KINDS):
        return ()
    found, unknown = find_prompts(catalogue.prompts, prompts or DEFAULT_PROMPTS)
    if unknown:
        known = no_match(catalogue.prompts, unknown[0], "prompts")
        raise UsageError(f"{known}; a file ends in .toml or .json")
    names = classes or classes_of(store, catalogue, view)
    if names is None:
        said = f"{view.name} has no classes to put into prompts"
        if has_captions(view.table) and "heads" not in kinds:
            # Its text is its captions, which are encoded as they stand.
            log.log(logging.WARNING if prompts else logging.DEBUG, "%s, so it gets its captions and no heads", said)
            return ()
        if prompts or kinds:
            raise UsageError(f"{said}; name them with --classes FILE (one a line) or --classes {IMAGENET}")
        log.info("%s, so it gets embeddings and no heads; --classes FILE or --classes %s names some", said, IMAGENET)
        return ()
    return tuple((prompts_of(one), names) for one in found)


def captions_for(view: View, kinds: Sequence[str]) -> tuple[str, ...]:
    """Return the captions of a dataset that are to be encoded: all of them, unless other kinds were asked for."""
    return captions_of(view.table).texts if not kinds or "text" in kinds else ()


def classes_of(store: Store, catalogue: Catalogue, view: View) -> ClassList | None:
    """Return the classes of a dataset's heads; None where nothing says what could be on its images."""
    labels, manifest = catalogue.labels, catalogue.datasets.get(view.name)
    if manifest is not None and manifest.role == "ood":
        # Its folders name what the in-distribution classes lack; what counts is how it looks to their head.
        return _told_apart(labels, labels[manifest.label_space or IMAGENET])
    if not view.classes:
        return None
    own, imagenet = read_classes(store.disk, store.layout, view.classes), class_list(labels[IMAGENET])
    said = labels.get(str(view.facts.get("label_space", "")))
    if said is not None and said.keys == own.keys and said.over:
        return _told_apart(labels, said)
    # 200 of ImageNet's classes are told apart among all 1,000, and so are classes made up of ImageNet's; protocols
    # then choose columns.
    made_up = any(
        space.over == IMAGENET and space.keys == own.keys and not space.by_own_names for space in labels.values()
    )
    return imagenet if made_up or set(own.keys) <= set(imagenet.keys) else own


def _told_apart(labels: Mapping[str, LabelSpace], space: LabelSpace) -> ClassList:
    """Return the classes that a head has columns for, where images are of the classes of a space."""
    return class_list(labels[space.over] if space.over and not space.by_own_names else space)
