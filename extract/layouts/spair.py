"""SPair-71k: images in `JPEGImages/<class>/`, keypoints in `ImageAnnotation/`, pairs in `PairAnnotation/`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from manifests.errors import UsageError

from .entries import Ask, Entry, Found, Value, natural_key
from .pairs import Pairs
from .tree import absent, below, files_of, positions, read_json

SPLIT = "test"


def read_spair(ask: Ask) -> Iterator[Found]:
    """Yield the images of the test split's pairs, with keypoints, bounding box and pairs.

    Which pairs, and in which order, says `Layout/large/test.txt`. Coordinates are pixels of the original image.

    Raises
    ------
    UsageError
        When an annotation that the split names is missing, or is of other images than its name says.
    """
    files = files_of(ask, "spair-71k")
    tail = f"Layout/large/{SPLIT}.txt"
    prefix = below(files, tail)
    if prefix is None:
        raise UsageError(
            f"layout spair-71k expects {files.where}/JPEGImages, ImageAnnotation, PairAnnotation and {tail}, as the "
            "archive has them."
        )
    at_of = {key.removeprefix(prefix): at for key, at in positions(files).items()}
    pairs = Pairs()
    for line, name in enumerate(files.bytes(at_of[tail]).decode("utf-8-sig").splitlines(), 1):
        if name.strip():
            _add_pair(ask, at_of, pairs, name.strip(), f"{files.where}/{prefix}{tail} line {line}")
    yield from files.refused
    missing = []
    for sample in sorted(pairs.samples, key=natural_key):
        if (at := at_of.get(sample)) is None:
            missing.append(sample)
            continue
        _, folder, file = sample.split("/")
        note = f"ImageAnnotation/{folder}/{file.rsplit('.', 1)[0]}.json"
        said = read_json(files, at_of[note]) if note in at_of else None
        if said is None:
            raise UsageError(f"{files.where}/{prefix}{note} is missing; it holds the keypoints of {sample}.")
        shown = {name: point for name, point in said["kps"].items() if point is not None}
        extra: dict[str, Value] = {
            "category": folder,
            "keypoints": json.dumps(shown, sort_keys=True, separators=(",", ":")),
            "bounding_box": [int(value) for value in said["bndbox"]],
            "pairs": pairs.of(sample),
        }
        yield Entry(sample, files.place(at), {}, extra)
    yield from absent(missing, tail, files)


def _add_pair(ask: Ask, at_of: dict[str, int], pairs: Pairs, name: str, where: str) -> None:
    files = files_of(ask, "spair-71k")
    # Windows cannot have the colon of "id-src-trg:class" in a file name.
    path = next((p for n in (name, name.replace(":", "_")) if (p := f"PairAnnotation/{SPLIT}/{n}.json") in at_of), None)
    if path is None:
        raise UsageError(f"{where}: PairAnnotation/{SPLIT}/{name}.json is missing; copy the archive again.")
    said: Any = read_json(files, at_of[path])
    try:
        category = said["category"]
        first, second = (f"JPEGImages/{category}/{said[end]}" for end in ("src_imname", "trg_imname"))
        stems = [sample.rsplit("/", 1)[-1].rsplit(".", 1)[0] for sample in (first, second)]
        if not name.endswith(f"-{stems[0]}-{stems[1]}:{category}"):
            raise UsageError(f"{where}: {path} is of {stems[0]} and {stems[1]}, expected those of its name.")
        facts = {
            "split": SPLIT,
            "source_points": said["src_kps"],
            "target_points": said["trg_kps"],
            "point_ids": [int(point) for point in said.get("kps_ids", [])],
            "source_box": said["src_bndbox"],
            "target_box": said["trg_bndbox"],
            "viewpoint_variation": int(said["viewpoint_variation"]),
            "scale_variation": int(said.get("scale_variation", 0)),
            "truncation": int(said.get("truncation", 0)),
            "occlusion": int(said.get("occlusion", 0)),
        }
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{files.where}: {path}: expected SPair-71k's pair annotation; {error!r}.") from error
    pairs.add(first, second, facts)
