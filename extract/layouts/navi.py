"""NAVI: `<object>/{wild_set,multiview*}/{annotations.json,images,depth,masks}`.

Videos and derived files are left alone.
Both spellings of multiview folders are taken (`multiview_00...`, `multiview-00-...`). Pairs are those of a list of
NAVI's own (`--annotations pairs-wild_set.txt`), else drawn as probe3d describes it: of wild sets, every fourth image
with one partner of the same object, at most 120 degrees apart.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from extract.containers.protocol import Container
from manifests.errors import UsageError

from .annotation_file import annotation
from .entries import Ask, Entry, Found, Value, natural_key
from .pairs import Pairs
from .tree import absent, files_of, place_of, positions, read_json

SEED = 8
STEP = 4
MOST_DEGREES = 120.0
_COLLECTION = re.compile(r"wild_set|multiview[-_].*")


@dataclass(frozen=True, slots=True)
class _View:
    sample: str
    thing: str
    collection: str
    rotation: tuple[float, ...]
    extra: dict[str, Value]


def read_navi(ask: Ask) -> Iterator[Found]:
    """Yield every image of wild sets and multi-view scenes, with object, collection, camera and pairs.

    Raises
    ------
    UsageError
        When there are no annotations, or they are malformed, or a list of pairs names images that are not there.
    """
    files = files_of(ask, "navi")
    at_of = positions(files)
    views: list[_View] = []
    for key, at in at_of.items():
        parts = key.split("/")
        if len(parts) >= 3 and parts[-1] == "annotations.json" and _COLLECTION.fullmatch(parts[-2]):
            views += _views(files, at, parts)
    if not views:
        raise UsageError(
            f"layout navi expects {files.where}/<object>/wild_set/annotations.json, or the like of multiview folders."
        )
    views.sort(key=lambda view: [natural_key(part) for part in view.sample.split("/")])
    pairs = Pairs()
    if ask.annotations is not None:
        _listed(ask, views, pairs)
    else:
        _draw(views, pairs)
    yield from files.refused
    missing = []
    for view in views:
        if (found := at_of.get(view.sample)) is None:
            missing.append(view.sample)
        else:
            extra = {**view.extra, "pairs": pairs.of(view.sample)}
            beside = {"depth_sha256": place_of(files, at_of, str(view.extra["depth"]))}
            yield Entry(view.sample, files.place(found), {}, extra, beside=beside)
    yield from absent(missing, "an annotations.json", files)


def _views(files: Container, at: int, parts: Sequence[str]) -> Iterator[_View]:
    folder, where = "/".join(parts[:-1]), f"{files.where}/{files.key(at)}"
    for row, note in enumerate(read_json(files, at)):
        try:
            name, camera = str(note["filename"]), note["camera"]
            rotation = tuple(float(value) for value in camera["q"])
            extra: dict[str, Value] = {
                "object": parts[-3],
                "collection": parts[-2],
                "split": str(note.get("split", "")),
                "image_size": [int(value) for value in note["image_size"]],
                "focal_length": float(camera["focal_length"]),
                "rotation": list(rotation),
                "translation": [float(value) for value in camera["t"]],
                "depth": f"{folder}/depth/{name.rsplit('.', 1)[0]}.png",
            }
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"{where}: image {row}: expected filename, image_size and camera; {error!r}.") from error
        if len(rotation) != 4 or not math.isclose(math.hypot(*rotation), 1.0, abs_tol=1e-3):
            raise UsageError(f"{where}: image {row}: q is {rotation}, expected a unit quaternion (w, x, y, z).")
        yield _View(f"{folder}/images/{name}", parts[-3], parts[-2], rotation, extra)


def angle(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the angle between two rotations, in degrees: 2 arccos |q1 . q2| of unit quaternions.

    Examples
    --------
    >>> round(angle((1, 0, 0, 0), (math.sqrt(0.5), math.sqrt(0.5), 0, 0)), 6)
    90.0
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    cosine = abs(float(a @ b)) / (float(np.linalg.norm(a)) * float(np.linalg.norm(b)))
    return math.degrees(2 * math.acos(min(1.0, cosine)))


def _draw(views: Sequence[_View], pairs: Pairs) -> None:
    # Differs from [probe3d]: the list is sorted, so that it does not depend on the file system, and an image is never
    # its own partner (there: unless its angle to itself rounds to exactly 0).
    kinds: dict[str, set[str]] = {}
    for view in views:
        kinds.setdefault(view.thing, set()).add("wild" if view.collection == "wild_set" else "multi")
    wild = [view for view in views if view.collection == "wild_set" and len(kinds[view.thing]) == 2]
    of: dict[str, list[_View]] = {}
    for view in wild:
        of.setdefault(view.thing, []).append(view)
    rng = np.random.default_rng(SEED)
    for at, view in enumerate(wild):
        others = [(other, angle(view.rotation, other.rotation)) for other in of[view.thing] if other is not view]
        near = [(other, degrees) for other, degrees in others if 0 < degrees <= MOST_DEGREES]
        if not near:
            continue
        # Drawn for every image, kept for every fourth: so the list of the whole set holds this one.
        partner, degrees = near[int(rng.integers(len(near)))]
        if at % STEP == 0:
            pairs.add(view.sample, partner.sample, {"angle_deg": round(degrees, 4)})


def _listed(ask: Ask, views: Sequence[_View], pairs: Pairs) -> None:
    data, where = annotation(ask, "pairs-wild_set.txt")
    short = {view.sample.split("/", view.sample.count("/") - 3)[-1]: view.sample for view in views}
    known = {view.sample: view.sample for view in views} | short
    for line, text in enumerate(data.decode("utf-8-sig").splitlines(), 1):
        if not (words := text.split()):
            continue
        try:
            first, second, degrees = known[words[0]], known[words[1]], float(words[2])
        except (KeyError, IndexError, ValueError) as error:
            raise UsageError(
                f"{where} line {line}: expected `image image degrees` with images of the annotations, "
                f"got {text[:80]!r}."
            ) from error
        pairs.add(first, second, {"angle_deg": degrees})
