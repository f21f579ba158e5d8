"""Cue-conflict images: shape and texture stand in the file name, in either project's spelling.

* texture-vs-shape: `<shape>/<shape><i>-<texture><j>.png`
* model-vs-human: `<shape>/NNNN_s5n_<observer>_0_<shape>_00_<shape><i>-<texture><j>.png`
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from manifests.errors import UsageError

from .entries import Ask, Entry, Found
from .tree import files_of, images, parent, some_images

CLASSES = (
    *("airplane", "bear", "bicycle", "bird", "boat", "bottle", "car", "cat"),
    *("chair", "clock", "dog", "elephant", "keyboard", "knife", "oven", "truck"),
)
_CUES = r"(?P<shape>CLASS)\d+-(?P<texture>CLASS)\d+\.png"
_TEXTURE = _CUES
_MVH = rf"\d+_[^_]+_[^_]+_[^_]+_(?P<category>CLASS)_[^_]+_{_CUES}"


def read_texture(ask: Ask) -> Iterator[Found]:
    """Yield the stimuli as texture-vs-shape names them."""
    yield from _read(ask, "cue-conflict-texture", _TEXTURE, "<shape>/<shape><i>-<texture><j>.png")


def read_mvh(ask: Ask) -> Iterator[Found]:
    """Yield the stimuli as model-vs-human names them."""
    pattern = "<shape>/NNNN_s5n_<observer>_0_<shape>_00_<shape><i>-<texture><j>.png"
    yield from _read(ask, "cue-conflict-mvh", _MVH, pattern)


def _classes(ask: Ask) -> dict[str, int]:
    """Return the place of each word for a class among the set's classes."""
    if ask.space is None:
        return {name: place for place, name in enumerate(CLASSES)}
    return {**{name: place for place, name in enumerate(ask.space.names)}, **ask.space.positions()}


def _pattern(ask: Ask, names: str) -> re.Pattern[str]:
    # Spelled out, since the words of some classes end in digits, as WordNet ids do.
    words = sorted(_classes(ask), key=len, reverse=True)
    return re.compile(names.replace("CLASS", "|".join(map(re.escape, words))))


def _read(ask: Ask, layout: str, names: str, expected: str) -> Iterator[Found]:
    files = files_of(ask, layout)
    pattern, place_of = _pattern(ask, names), _classes(ask)
    yield from files.refused
    for at, key in images(files):
        match = pattern.fullmatch(key.rsplit("/", 1)[-1])
        if match is None:
            count = len(set(place_of.values()))
            raise UsageError(
                f"layout {layout} expects {expected} with the {count} classes; got {key!r} below {files.where}."
            )
        said = match.groupdict()
        shapes = {said["shape"], said.get("category", said["shape"]), parent(key) or said["shape"]}
        if len(shapes) > 1:
            raise UsageError(f"{files.where}: folder and file name of {key!r} disagree ({', '.join(sorted(shapes))}).")
        cues = {"shape": place_of[said["shape"]], "texture": place_of[said["texture"]]}
        yield Entry(key, files.place(at), {"label": said["shape"]}, cues)


def fits_texture(ask: Ask) -> bool:
    """Whether file names are those of texture-vs-shape."""
    return ask.files is not None and _fits(ask, some_images(ask.files), _TEXTURE)


def fits_mvh(ask: Ask) -> bool:
    """Whether file names are those of model-vs-human."""
    return ask.files is not None and _fits(ask, some_images(ask.files), _MVH)


def _fits(ask: Ask, keys: list[str], names: str) -> bool:
    loose = re.compile(names.replace("CLASS", "[a-z]+"))
    return any(all(one.fullmatch(key.rsplit("/", 1)[-1]) for key in keys) for one in (loose, _pattern(ask, names)))
