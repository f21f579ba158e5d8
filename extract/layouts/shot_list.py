"""A part of the ImageNet training set: the images of a list, or of a draw that gives everybody the same list.

`train/<wnid>/<wnid>_<n>.JPEG`, or the archive of archives as ImageNet gives it.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence

from manifests.errors import UsageError

from .annotation_file import annotation
from .entries import Ask, Entry, Found
from .imagenet_val import WNID
from .labels_file import parse_labels
from .tree import absent, by_file_name, parent

SHOTS = 16
SEED = 1


def read_shot_list(ask: Ask) -> Iterator[Found]:
    """Yield the listed images; the class is the WordNet id of the folder, or of the file name.

    Without --annotations the list is drawn: for imagenet-train-16shot 16 of each class as Tip-Adapter draws them, for
    imagenet-train-200k the 200,000 file names of smallest sha256. Both need the whole training set.

    Raises
    ------
    UsageError
        When there is no list and none can be drawn, or a row's class contradicts its file name.
    """
    if ask.files is None and ask.annotations is None:
        raise UsageError(f"{ask.dataset} needs --root (the training set) or --annotations FILE (the list), or both.")
    at_of = {} if ask.files is None else by_file_name(ask.files)
    if ask.annotations is not None:
        listed = _listed(*annotation(ask, ask.annotations.name))
        where = str(ask.annotations)
    else:
        listed = {name: {} for name in _drawn(ask, list(at_of))}
        where = "the draw"
    if ask.files is not None:
        yield from ask.files.refused
    missing = []
    for name, said in listed.items():
        at = at_of.get(name)
        folder = parent(ask.files.key(at)) if ask.files is not None and at is not None else ""
        keys = {**said, "wnid": _wnid(name, folder, where)}
        if ask.files is None:
            yield Entry(name, None, keys, listed_as=name)
        elif at is None:
            missing.append(name)
        else:
            yield Entry(name, ask.files.place(at), keys, listed_as=name)
    if ask.files is not None:
        yield from absent(missing, where, ask.files)


def _wnid(name: str, folder: str, where: str) -> str:
    own = name.split("_")[0]
    wnids = {text for text in (own, folder) if WNID.fullmatch(text)}
    if len(wnids) != 1:
        raise UsageError(
            f"{where}: {name!r} in the folder {folder!r} is of {len(wnids)} classes, expected one WordNet id."
        )
    return wnids.pop()


def _listed(data: bytes, where: str) -> dict[str, dict[str, str]]:
    """Read `path` or `path class` a line, as ViM writes them, or a CSV with the column file."""
    text = data.decode("utf-8-sig")
    if "," in (text.splitlines() or [""])[0]:
        return {
            name.rsplit("/", 1)[-1]: dict(row.keys) for name, row in parse_labels(text, where, need_class=False).items()
        }
    found: dict[str, dict[str, str]] = {}
    for line, row in enumerate(text.splitlines(), 1):
        if not (words := row.split()):
            continue
        name = words[0].rsplit("/", 1)[-1]
        if len(words) > 2 or name in found:
            raise UsageError(f"{where} line {line}: expected `path` or `path class`, each image once; got {row!r}.")
        found[name] = {"class_index": words[1]} if len(words) == 2 else {}
    if not found:
        raise UsageError(f"{where}: the list is empty.")
    return found


def _drawn(ask: Ask, names: Sequence[str]) -> list[str]:
    if ask.dataset == "imagenet-train-16shot":
        return draw_shots(names, SHOTS, SEED)
    if ask.dataset == "imagenet-train-200k":
        return draw_smallest(names, 200_000)
    raise UsageError(f"{ask.dataset}: give the list of its images with --annotations FILE.")


def draw_shots(names: Sequence[str], shots: int, seed: int) -> list[str]:
    """Draw `shots` training images of each class, as Tip-Adapter does.

    Python's generator, seeded once; classes by WordNet id, their files sorted as text (torchvision's order).

    Raises
    ------
    UsageError
        When a class has too few images.

    Examples
    --------
    >>> draw_shots(["n01_3.JPEG", "n01_1.JPEG", "n01_2.JPEG", "n02_1.JPEG", "n02_9.JPEG"], 2, 1)
    ['n01_1.JPEG', 'n01_3.JPEG', 'n02_9.JPEG', 'n02_1.JPEG']
    """
    generator = random.Random(seed)
    classes: dict[str, list[str]] = {}
    for name in sorted(names):
        classes.setdefault(name.split("_")[0], []).append(name)
    drawn: list[str] = []
    for wnid, files in sorted(classes.items()):
        if len(files) < shots:
            raise UsageError(f"{wnid} has {len(files)} training images here, expected at least {shots}.")
        drawn += generator.sample(files, shots)
    return drawn


def draw_smallest(names: Sequence[str], count: int) -> list[str]:
    """Draw the `count` names of smallest sha256: a random part that is the same for everybody.

    Raises
    ------
    UsageError
        When there are fewer.

    Examples
    --------
    >>> draw_smallest(["a", "b", "c"], 2)
    ['b', 'c']
    """
    if len(names) < count:
        raise UsageError(
            f"{len(names)} training images are here, expected at least {count}; or give a list with --annotations."
        )
    chosen = sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())[:count]
    return sorted(chosen)
