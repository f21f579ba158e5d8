"""From what a layout says of a sample's class to an index into a class list; never by the order of folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cache.class_file import class_list
from cache.texts import ClassList
from manifests.errors import UsageError
from manifests.schema import LabelSpace

from .layouts.entries import Entry, natural_key


@dataclass(frozen=True, slots=True)
class Labels:
    """What became of the words of samples.

    classes
        The class list that labels index into; None where nothing is labelled.
    indices
        One index a sample, or None.
    accepted
        Every index that counts as right, for sets that say so of each sample; else None.
    """

    classes: ClassList | None
    indices: tuple[int | None, ...]
    accepted: tuple[tuple[int, ...] | None, ...] = ()


def assign(entries: Sequence[Entry], spaces: Mapping[str, LabelSpace], label_space: str) -> Labels:
    """Give every sample its class.

    Parameters
    ----------
    label_space
        Id of a label space; empty means imagenet-1k where `class_index` or `wnid` is given, else the sorted labels
        are the dataset's own space.

    Raises
    ------
    UsageError
        With every sample whose class is unknown, or whose columns contradict each other.
    """
    if not any(entry.keys for entry in entries):
        return Labels(None, (None,) * len(entries), (None,) * len(entries))
    coded = any("class_index" in entry.keys or "wnid" in entry.keys for entry in entries)
    name = label_space or ("imagenet-1k" if coded else "")
    if name:
        if name not in spaces:
            raise UsageError(f"--label-space {name!r} is unknown; the manifests have {', '.join(sorted(spaces))}")
        classes = class_list(spaces[name])
    else:
        own = tuple(sorted({entry.keys["label"] for entry in entries if "label" in entry.keys}, key=natural_key))
        classes = ClassList(own, own)
    index_of = {key: index for index, key in enumerate(classes.keys)}
    # A name that two classes share ("missile" in ImageNet) is no key.
    unique = {n: i for i, n in enumerate(classes.names) if classes.names.count(n) == 1} if name else {}
    indices: list[int | None] = []
    accepted: list[tuple[int, ...] | None] = []
    problems: list[str] = []

    def index(sample: str, keys: Mapping[str, str]) -> int | None:
        found = _candidates(sample, keys, index_of, unique, len(classes.keys), problems)
        if len(set(found.values())) > 1:
            said = ", ".join(f"{column} {keys[column]!r} is class {number}" for column, number in found.items())
            problems.append(f"{sample}: its columns contradict each other ({said})")
        return next(iter(found.values()), None)

    for entry in entries:
        indices.append(index(entry.sample, entry.keys))
        if entry.accepted is None:
            accepted.append(None)
        else:
            numbers = (index(entry.sample, keys) for keys in entry.accepted)
            accepted.append(tuple(number for number in numbers if number is not None))
    if problems:
        more = f" and {len(problems) - 20} more" if len(problems) > 20 else ""
        if any(entry.keys.get("class_index") == str(len(classes.keys)) for entry in entries):
            more += f". Numbers 1..{len(classes.keys)} are ids of the devkit or count from 1; class_index counts from 0"
        raise UsageError(f"labels in {name or 'the own label space'}: " + "; ".join(problems[:20]) + more)
    return Labels(classes, tuple(indices), tuple(accepted))


def _candidates(
    sample: str,
    keys: Mapping[str, str],
    index_of: Mapping[str, int],
    unique: Mapping[str, int],
    count: int,
    problems: list[str],
) -> dict[str, int]:
    found: dict[str, int] = {}
    if text := keys.get("class_index"):
        if text.isascii() and text.isdigit() and int(text) < count:
            found["class_index"] = int(text)
        else:
            problems.append(f"{sample}: class_index {text!r} is not one of 0..{count - 1}")
    for column in ("wnid", "label"):
        if text := keys.get(column):
            if text in index_of:
                found[column] = index_of[text]
            elif column == "label" and text in unique:
                found[column] = unique[text]
            elif column == "wnid" or not found:
                problems.append(f"{sample}: {column} {text!r} is not a class of this label space")
    return found
