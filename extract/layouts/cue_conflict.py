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
_CUES = r"(?P<shape>[a-z]+)\d+-(?P<texture>[a-z]+)\d+\.png"
_TEXTURE = re.compile(_CUES)
_MVH = re.compile(rf"\d+_[^_]+_[^_]+_[^_]+_(?P<category>[a-z]+)_[^_]+_{_CUES}")


def read_texture(ask: Ask) -> Iterator[Found]:
    """Yield the stimuli as texture-vs-shape names them."""
    yield from _read(ask, "cue-conflict-texture", _TEXTURE, "<shape>/<shape><i>-<texture><j>.png")


def read_mvh(ask: Ask) -> Iterator[Found]:
    """Yield the stimuli as model-vs-human names them."""
    pattern = "<shape>/NNNN_s5n_<observer>_0_<shape>_00_<shape><i>-<texture><j>.png"
    yield from _read(ask, "cue-conflict-mvh", _MVH, pattern)


def _read(ask: Ask, layout: str, names: re.Pattern[str], expected: str) -> Iterator[Found]:
    files = files_of(ask, layout)
    yield from files.refused
    for at, key in images(files):
        match = names.fullmatch(key.rsplit("/", 1)[-1])
        said = {} if match is None else match.groupdict()
        if match is None or said["shape"] not in CLASSES or said["texture"] not in CLASSES:
            raise UsageError(
                f"layout {layout} expects {expected} with the 16 classes; got {key!r} below {files.where}."
            )
        shapes = {said["shape"], said.get("category", said["shape"]), parent(key) or said["shape"]}
        if len(shapes) > 1:
            raise UsageError(f"{files.where}: folder and file name of {key!r} disagree ({', '.join(sorted(shapes))}).")
        cues = {"shape": CLASSES.index(said["shape"]), "texture": CLASSES.index(said["texture"])}
        yield Entry(key, files.place(at), {"label": said["shape"]}, cues)


def fits_texture(ask: Ask) -> bool:
    """Whether file names are those of texture-vs-shape."""
    return ask.files is not None and _fits(some_images(ask.files), _TEXTURE)


def fits_mvh(ask: Ask) -> bool:
    """Whether file names are those of model-vs-human."""
    return ask.files is not None and _fits(some_images(ask.files), _MVH)


def _fits(keys: list[str], names: re.Pattern[str]) -> bool:
    return all(names.fullmatch(key.rsplit("/", 1)[-1]) for key in keys)
