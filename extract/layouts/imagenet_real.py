"""ImageNet ReaL: for each validation image, by its number, the list of classes that count as right."""

from __future__ import annotations

from collections.abc import Iterator

from manifests.errors import UsageError

from .annotation_file import IMAGENET_X, annotation
from .entries import Ask, Entry, Found
from .imagenet_val import val_name
from .tree import absent, by_file_name, parse_json

COUNT = 50_000
REAL = "imagenet_real_labels.jsonl"


def read_imagenet_real(ask: Ask) -> Iterator[Found]:
    """Yield the validation images by file name, with their lists; an empty list leaves the label empty.

    Raises
    ------
    UsageError
        When the annotations are not 50,000 lists of classes, or as many as the manifest counts: a list belongs to an
        image by its place alone.
    """
    named = REAL
    if ask.annotations is not None and ask.annotations.is_dir() and (ask.annotations / "real.json").is_file():
        named = "real.json"
    # The lists of the package are of ImageNet's images; those of other worlds may have the same names.
    package = IMAGENET_X if ask.manifest is None or ask.manifest.over == "imagenet-val" else ""
    data, where = annotation(ask, named, package)
    images = COUNT if ask.manifest is None or ask.manifest.count is None else ask.manifest.count
    lists = accepted_classes(data, where, ask.count, images)
    if ask.files is not None:
        yield from ask.files.refused
    at_of = {} if ask.files is None else by_file_name(ask.files)
    missing = []
    for name, labels in lists.items():
        accepted = [{"class_index": str(label)} for label in labels]
        keys = accepted[0] if accepted else {}
        if ask.files is None:
            yield Entry(name, None, keys, accepted=accepted, listed_as=name)
        elif (at := at_of.get(name)) is None:
            missing.append(name)
        else:
            yield Entry(name, ask.files.place(at), keys, accepted=accepted, listed_as=name)
    if ask.files is not None:
        yield from absent(missing, where, ask.files)


def accepted_classes(data: bytes, where: str, classes: int = 1000, images: int = COUNT) -> dict[str, list[int]]:
    """Return the classes that count as right, by file name of the image, from the content of the annotation file.

    Raises
    ------
    UsageError
        When these are not as many lists as there are images, or name other classes.
    """
    lists = parse_json(data, where)
    if not isinstance(lists, list) or len(lists) != images:
        got = len(lists) if isinstance(lists, list) else type(lists).__name__
        raise UsageError(f"{where}: expected a list of {images} lists, the n-th for image number n; got {got}.")
    for number, labels in enumerate(lists, 1):
        if not isinstance(labels, list) or not all(isinstance(n, int) and 0 <= n < classes for n in labels):
            raise UsageError(f"{where}: entry {number}: expected a list of classes 0..{classes - 1}, got {labels!r}.")
    return {val_name(number): labels for number, labels in enumerate(lists, 1)}
