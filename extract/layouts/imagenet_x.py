"""ImageNet-X: annotated factors over the ImageNet validation set, in three readings (manifests/factors)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from manifests.errors import UsageError
from manifests.schema import FactorSet

from .annotation_file import IMAGENET_X, annotation
from .entries import Ask, Entry, Found, Value, natural_key
from .imagenet_real import REAL, accepted_classes
from .imagenet_val import WNID
from .tree import absent, by_file_name, parent


def read_imagenet_x(ask: Ask) -> Iterator[Found]:
    """Yield the annotated images by file name, with one Boolean column a factor.

    The metaclass of each image's class and its reassessed labels (ReaL) join, where the files that tell them stand
    beside the annotations. Samples are the file names, so that rows of listed and of indexed images are the same rows.
    Where images are given in class folders, folder and annotated class must agree.

    Raises
    ------
    UsageError
        When the annotations are not here, or not what the reading of this dataset id asks for.
    """
    if ask.factors is None or ask.dataset not in ask.factors.readings:
        raise UsageError(
            f"layout imagenet-x-annotations is for the ids that a factor set reads; {ask.dataset!r} is none of them."
        )
    reading = ask.factors.readings[ask.dataset]
    others = {other.annotations for other in ask.factors.readings.values()} - {reading.annotations}
    if ask.annotations is not None and ask.annotations.name in others:
        raise UsageError(f"--annotations {ask.annotations}: {ask.dataset} reads {reading.annotations}.")
    data, where = annotation(ask, reading.annotations, _package(ask.factors))
    left_out = frozenset[str]()
    if reading.prototypes == "removed":
        listed = annotation(ask, ask.factors.prototype_list, _package(ask.factors), accept_file=False)
        left_out = _prototypes(*listed)
    rows = _rows(data, where, ask.factors.factors, ask.count)
    of_class = _metaclasses(ask, ask.factors, {label for label, _ in rows.values()})
    accepted = _reassessed(ask, ask.factors)
    if ask.files is not None:
        yield from ask.files.refused
    at_of = {} if ask.files is None else by_file_name(ask.files)
    missing = []
    for name in sorted(rows, key=natural_key):
        if name in left_out:
            continue
        label, flags = rows[name]
        keys = {"class_index": str(label)}
        extra: dict[str, Value] = {**flags, **(of_class[label] if of_class else {})}
        right = None if accepted is None else [{"class_index": str(one)} for one in accepted.get(name, ())]
        if ask.files is None:
            yield Entry(name, None, keys, extra, right, listed_as=name)
        elif (at := at_of.get(name)) is None:
            missing.append(name)
        else:
            folder = parent(ask.files.key(at))
            both = {**keys, "wnid": folder} if WNID.fullmatch(folder) else keys
            yield Entry(name, ask.files.place(at), both, extra, right, listed_as=name)
    if ask.files is not None:
        yield from absent(missing, where, ask.files)


def _package(factors: FactorSet) -> str:
    """Return the package that holds the annotations of a set of factors: images of other sets may share names."""
    return IMAGENET_X if factors.id == IMAGENET_X else ""


def _optional(ask: Ask, factors: FactorSet, name: str) -> tuple[bytes, str] | None:
    """Return a file of the package that a folder of annotations may do without."""
    try:
        return annotation(ask, name, _package(factors), accept_file=False)
    except UsageError:
        return None


def _metaclasses(ask: Ask, factors: FactorSet, seen: Collection[int]) -> list[dict[str, Value]]:
    """Return the columns that tell of the metaclass of each class; none where no file does.

    A wrong answer may be a class that no image has: images of its metaclass name it, in `metaclass_unseen`.
    """
    found = _optional(ask, factors, factors.metaclass_list) if factors.metaclass_list else None
    if found is None:
        return []
    data, where = found
    names = [row.get("name") or "" for row in csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""))]
    if len(names) != ask.count:
        raise UsageError(f"{where}: expected {ask.count} rows, the n-th for class n, got {len(names)}.")
    groups = factors.metaclass_of(names)
    unseen = {group: [n for n in range(ask.count) if n not in seen and groups[n] == group] for group in set(groups)}
    if not any(unseen.values()):
        return [{"metaclass": group} for group in groups]
    return [{"metaclass": group, "metaclass_unseen": unseen[group]} for group in groups]


def _reassessed(ask: Ask, factors: FactorSet) -> dict[str, list[int]] | None:
    found = _optional(ask, factors, REAL)
    return None if found is None else accepted_classes(*found, ask.count)


def _rows(data: bytes, where: str, factors: Sequence[str], count: int) -> dict[str, tuple[int, dict[str, bool]]]:
    found: dict[str, tuple[int, dict[str, bool]]] = {}
    problems = []
    for line, text in enumerate(data.decode("utf-8-sig").splitlines(), 1):
        if not text.strip():
            continue
        row, problem = _row(text, factors, count)
        if problem:
            problems.append(f"line {line}: {problem}")
        elif row["file_name"] in found:
            problems.append(f"line {line}: {row['file_name']!r} stands there twice")
        else:
            found[row["file_name"]] = (row["class"], {factor: bool(row[factor]) for factor in factors})
    if problems or not found:
        what = "; ".join(problems[:10]) or "it has no rows"
        raise UsageError(
            f"{where}: {what}. Expected one JSON object a line with file_name, class and {len(factors)} factors."
        )
    return found


def _row(text: str, factors: Sequence[str], count: int) -> tuple[Any, str]:
    try:
        row = json.loads(text)
    except ValueError as error:
        return None, f"not JSON ({error})"
    if not isinstance(row, dict) or not isinstance(row.get("file_name"), str):
        return None, "no file_name"
    label = row.get("class")
    if not isinstance(label, int) or isinstance(label, bool) or not 0 <= label < count:
        return None, f"class {label!r} is not one of 0..{count - 1}"
    if odd := [factor for factor in factors if row.get(factor) not in (0, 1)]:
        return None, f"{odd[0]} is {row.get(odd[0])!r}, expected 0 or 1"
    return row, ""


def _prototypes(data: bytes, where: str) -> frozenset[str]:
    reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""))
    if "file_name" not in (reader.fieldnames or ()):
        raise UsageError(f"{where}: expected a CSV with the column file_name.")
    return frozenset(row["file_name"] for row in reader)
