"""ImageNet-Vid-Robust: `val/<video>/<frame>.JPEG`, sets of frames and lists of labels in `metadata/`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from manifests.errors import UsageError

from .entries import Ask, Entry, Found, natural_key
from .tree import absent, below, files_of, positions, read_json

CLASSES = (
    *("airplane", "antelope", "bear", "bicycle", "bird", "bus", "car", "cattle", "dog", "domestic_cat", "elephant"),
    *("fox", "giant_panda", "hamster", "horse", "lion", "lizard", "monkey", "motorcycle", "rabbit", "red_panda"),
    *("sheep", "snake", "squirrel", "tiger", "train", "turtle", "watercraft", "whale", "zebra"),
)
"""The classes that the numbers of labels.json count."""


def read_vid_robust(ask: Ask) -> Iterator[Found]:
    """Yield every frame of labels.json, with its list of labels and the anchor whose set it is in.

    Numbers in labels.json are classes of the set's label space; of ImageNet-Vid-Robust's 30 where nothing is said.

    Raises
    ------
    UsageError
        When a frame is in no set or in two, or its labels are no classes.
    """
    files = files_of(ask, "vid-robust")
    prefix = below(files, "metadata/pmsets.json")
    at_of = positions(files)
    if prefix is None or f"{prefix}metadata/labels.json" not in at_of:
        raise UsageError(
            f"layout vid-robust expects val/ and metadata/ below {files.where}, with pmsets.json and labels.json, "
            "as the archive imagenet-vid-robust has them."
        )
    where = f"{files.where}/{prefix}metadata"
    classes = CLASSES if ask.space is None else ask.space.keys
    names = CLASSES if ask.space is None else ask.space.names
    index = read_json(files, at) if (at := at_of.get(f"{prefix}misc/imagenet_vid_class_index.json")) else {}
    _check_classes(files.where, index, [{_plain(one) for one in pair} for pair in zip(classes, names, strict=True)])
    anchors = _anchors(read_json(files, at_of[f"{prefix}metadata/pmsets.json"]), where)
    labels = read_json(files, at_of[f"{prefix}metadata/labels.json"])
    if odd := sorted(set(labels) ^ set(anchors), key=natural_key):
        lacks = "pmsets.json" if odd[0] in labels else "labels.json"
        raise UsageError(f"{where}: {len(odd)} frame(s) are in one file only; {lacks} lacks {odd[0]!r}.")
    yield from files.refused
    missing = []
    for sample in sorted(labels, key=natural_key):
        accepted = [{"label": name} for name in _names(labels[sample], classes, f"{where}/labels.json: {sample}")]
        if (found := at_of.get(prefix + sample)) is None:
            missing.append(sample)
            continue
        yield Entry(sample, files.place(found), accepted[0], {"anchor": anchors[sample]}, accepted)
    yield from absent(missing, "metadata/labels.json", files)


def _anchors(sets: Any, where: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for anchor, neighbours in sets.items():
        for frame in (anchor, *neighbours):
            if frame in found:
                raise UsageError(f"{where}/pmsets.json: {frame!r} is in the sets of {found[frame]!r} and {anchor!r}.")
            found[frame] = anchor
    return found


def _names(labels: Any, classes: Sequence[str], where: str) -> list[str]:
    numbers = labels if isinstance(labels, list) else [labels]
    if not numbers or not all(isinstance(n, int) and 0 <= n < len(classes) for n in numbers):
        raise UsageError(f"{where}: expected a list of classes 0..{len(classes) - 1}, got {labels!r}.")
    return [classes[number] for number in numbers]


def _plain(name: str) -> str:
    return name.lower().replace(" ", "_")


def _check_classes(where: str, index: Mapping[str, Any], accepted: Sequence[Collection[str]]) -> None:
    for number, (_, name) in index.items():
        if not number.isdigit() or int(number) >= len(accepted) or _plain(str(name)) not in accepted[int(number)]:
            raise UsageError(
                f"{where}/misc/imagenet_vid_class_index.json: class {number} is {name!r}, which is unexpected."
            )
