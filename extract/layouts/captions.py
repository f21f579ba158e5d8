"""Flickr30k and MSCOCO with the captions of Karpathy's test split, from either of two files.

* `dataset_flickr30k.json`, `dataset_coco.json`: Karpathy's own
* `flickr30k_test_karpathy.txt`, `coco_test_karpathy.json`: release 1.0.0 of retrieval_annotations

Both give one row an image with all its captions, in the order of the annotations.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from manifests.errors import UsageError

from .annotation_file import annotation
from .entries import Ask, Entry, Found, Value
from .tree import absent, by_file_name, parse_json

SPLIT = "test"
KARPATHY = {"flickr30k": "dataset_flickr30k.json", "mscoco": "dataset_coco.json"}
RETRIEVAL = {"flickr30k": "flickr30k_test_karpathy.txt", "mscoco": "coco_test_karpathy.json"}
_SAID = {"flickr30k": "flickr30k", "coco": "mscoco"}


def read_karpathy(ask: Ask) -> Iterator[Found]:
    """Yield the test images of Karpathy's own file."""
    data, where = _file(ask, "karpathy", KARPATHY)
    said = parse_json(data, where)
    if not isinstance(said, dict) or not isinstance(said.get("images"), list):
        raise UsageError(f"{where}: expected Karpathy's JSON with a list `images`.")
    if ask.dataset in KARPATHY and (named := str(said.get("dataset", ""))) and _SAID.get(named) != ask.dataset:
        raise UsageError(f"{where} is of {named!r}, not of {ask.dataset}; {KARPATHY[ask.dataset]} is.")
    numbered = []
    for at, image in enumerate(said["images"]):
        try:
            if image["split"] == SPLIT:
                texts = [str(sentence["raw"]) for sentence in image["sentences"]]
                numbered.append((int(image.get("cocoid", at)), str(image["filename"]), texts))
        except (KeyError, TypeError) as error:
            raise UsageError(f"{where}: image {at}: expected filename, split and sentences; {error!r}.") from error
    # COCO's images stand in the order of their ids, as in the other file; Flickr's as they come.
    rows = [(name, texts) for _, name, texts in sorted(numbered, key=lambda row: row[0])]
    yield from _entries(ask, rows, where)


def read_retrieval(ask: Ask) -> Iterator[Found]:
    """Yield the images of retrieval_annotations' file."""
    data, where = _file(ask, "retrieval-annotations", RETRIEVAL)
    is_json = data.lstrip()[:1] == b"{"
    yield from _entries(ask, _coco(parse_json(data, where), where) if is_json else _flickr(data, where), where)


def _flickr(data: bytes, where: str) -> list[tuple[str, list[str]]]:
    captions: dict[str, list[str]] = {}
    for line, text in enumerate(data.decode("utf-8-sig").splitlines(), 1):
        if line == 1 or not text.strip():
            continue  # the first line is a header
        # Captions hold commas, and some `.jpg,` would be no surprise: the first one ends the name.
        stem, mark, caption = text.partition(".jpg,")
        if not mark or not stem or not caption.strip():
            raise UsageError(f"{where} line {line}: expected `<name>.jpg,<caption>`, got {text[:80]!r}.")
        captions.setdefault(f"{stem}.jpg", []).append(caption.strip())
    return list(captions.items())


def _coco(said: Any, where: str) -> list[tuple[str, list[str]]]:
    try:
        names = {int(image["id"]): str(image["file_name"]) for image in said["images"]}
        captions: dict[int, list[str]] = {number: [] for number in sorted(names)}
        for note in said["annotations"]:
            captions[int(note["image_id"])].append(str(note["caption"]))
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{where}: expected COCO's caption format (images, annotations); {error!r}.") from error
    return [(names[number], texts) for number, texts in captions.items()]


def _entries(ask: Ask, rows: list[tuple[str, list[str]]], where: str) -> Iterator[Found]:
    names = [name.rsplit("/", 1)[-1] for name, _ in rows]
    if len(set(names)) != len(names) or not names:
        raise UsageError(
            f"{where}: {len(names)} images with {len(set(names))} distinct names; expected some, each once."
        )
    if bare := [name for name, texts in rows if not texts]:
        raise UsageError(f"{where}: {len(bare)} image(s) have no caption, the first is {bare[0]!r}.")
    if ask.files is not None:
        yield from ask.files.refused
    at_of = {} if ask.files is None else by_file_name(ask.files)
    missing = []
    for name, (_, texts) in zip(names, rows, strict=True):
        extra: dict[str, Value] = {"caption": texts, "split": SPLIT}
        if ask.files is None:
            yield Entry(name, None, {}, extra)
        elif (at := at_of.get(name)) is None:
            missing.append(name)
        else:
            yield Entry(name, ask.files.place(at), {}, extra)
    if ask.files is not None:
        yield from absent(missing, where, ask.files)


def _file(ask: Ask, layout: str, names: dict[str, str]) -> tuple[bytes, str]:
    wanted = [names[ask.dataset]] if ask.dataset in names else list(names.values())
    if ask.annotations is not None:
        there = [name for name in wanted if ask.annotations.is_dir() and (ask.annotations / name).is_file()]
        return annotation(ask, (there or wanted)[0])
    if (at := _beside(ask, wanted)) is not None and ask.files is not None:
        return ask.files.bytes(at), f"{ask.files.where}/{ask.files.key(at)}"
    raise UsageError(
        f"layout {layout} of {ask.dataset} needs {' or '.join(wanted)}, below --root or with --annotations FILE."
    )


def _beside(ask: Ask, names: list[str]) -> int | None:
    if ask.files is None:
        return None
    found = [at for at in range(len(ask.files)) if ask.files.key(at).rsplit("/", 1)[-1] in names]
    if len(found) > 1:
        keys = ", ".join(ask.files.key(at) for at in found)
        raise UsageError(f"{ask.files.where} holds {keys}; say which with --annotations FILE.")
    return found[0] if found else None


def fits_karpathy(ask: Ask) -> bool:
    """Whether Karpathy's own file is there."""
    return _fits(ask, KARPATHY)


def fits_retrieval(ask: Ask) -> bool:
    """Whether retrieval_annotations' file is there."""
    return _fits(ask, RETRIEVAL)


def _fits(ask: Ask, names: dict[str, str]) -> bool:
    if ask.annotations is not None:
        if ask.annotations.is_dir():
            return any((ask.annotations / name).is_file() for name in names.values())
        return ask.annotations.name in names.values()
    return _beside(ask, list(names.values())) is not None
