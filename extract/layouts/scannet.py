"""ScanNet-1500: `<scene>/{color,depth,pose}/<frame>`, intrinsics.npz, and the pairs of test.npz (or a text list)."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from extract.containers.protocol import Container
from manifests.errors import UsageError

from .annotation_file import annotation
from .entries import Ask, Entry, Found, Value, natural_key
from .pairs import Pairs
from .tree import absent, below, files_of, place_of, positions

TEXT_LISTS = ("pairs_calibrated.txt", "scannet_test_pairs_with_gt.txt")
_FRAME = re.compile(r"(scene\d{4}_\d{2})\S*?(\d+)(?:\.color)?\.(?:jpg|png)$")


def read_scannet(ask: Ask) -> Iterator[Found]:
    """Yield the frames of the pairs, with scene, frame, intrinsics and camera-to-world pose.

    Both are matrices (3 x 3 and 4 x 4), row by row.

    Raises
    ------
    UsageError
        When pairs, intrinsics or a pose are missing or malformed.
    """
    files = files_of(ask, "scannet-1500")
    prefix = below(files, "intrinsics.npz")
    if prefix is None:
        raise UsageError(f"layout scannet-1500 expects {files.where}/intrinsics.npz beside the scenes.")
    at_of = {key.removeprefix(prefix): at for key, at in positions(files).items()}
    where = f"{files.where}/{prefix}intrinsics.npz"
    intrinsics = _npz(files.bytes(at_of["intrinsics.npz"]), where)
    pairs = Pairs()
    source = _add_pairs(ask, files, at_of, pairs)
    yield from files.refused
    missing = []
    for sample in sorted(pairs.samples, key=natural_key):
        if (at := at_of.get(sample)) is None:
            missing.append(sample)
            continue
        scene, _, file = sample.split("/")
        frame = int(file.split(".")[0])
        if scene not in intrinsics:
            raise UsageError(f"{where} has no intrinsics of {scene}.")
        extra: dict[str, Value] = {
            "scene": scene,
            "frame": frame,
            "intrinsics": _numbers(intrinsics[scene], (3, 3), f"{where}: {scene}"),
            "pose": _pose(files, at_of, f"{scene}/pose/{frame}.txt"),
            "depth": f"{scene}/depth/{frame}.png",
            "pairs": pairs.of(sample),
        }
        beside = {"depth_sha256": place_of(files, at_of, f"{scene}/depth/{frame}.png")}
        yield Entry(sample, files.place(at), {}, extra, beside=beside)
    yield from absent(missing, source, files)


def _add_pairs(ask: Ask, files: Container, at_of: dict[str, int], pairs: Pairs) -> str:
    if ask.annotations is not None:
        data, where = annotation(ask, "test.npz")
    else:
        name = next((name for name in ("test.npz", *TEXT_LISTS) if name in at_of), None)
        if name is None:
            raise UsageError(
                f"layout scannet-1500 expects test.npz or {' or '.join(TEXT_LISTS)} in {files.where}; test.npz is in "
                "the repository of LoFTR, not beside its images. Copy it there, or give it with --annotations."
            )
        data, where = files.bytes(at_of[name]), f"{files.where}/{name}"
    # A .npz is a zip archive.
    for first, second in _rows(data, where) if data[:2] == b"PK" else _lines(data, where):
        pairs.add(first, second, {})
    return where


def _rows(data: bytes, where: str) -> Iterator[tuple[str, str]]:
    names = _npz(data, where).get("name")
    if names is None or names.ndim != 2 or names.shape[1] != 4:
        raise UsageError(f"{where}: expected an array `name` of rows (scene, sequence, frame, frame).")
    for scene, sequence, first, second in names.tolist():
        folder = f"scene{int(scene):04d}_{int(sequence):02d}/color"
        yield f"{folder}/{int(first)}.jpg", f"{folder}/{int(second)}.jpg"


def _lines(data: bytes, where: str) -> Iterator[tuple[str, str]]:
    for line, text in enumerate(data.decode("utf-8-sig").splitlines(), 1):
        words = text.split()
        if not words or words[0].startswith("#"):
            continue
        found = [_FRAME.search(word) for word in words[:2]]
        if len(found) < 2 or found[0] is None or found[1] is None:
            raise UsageError(
                f"{where} line {line}: expected two frames like scene0707_00/color/15.jpg, got {text[:80]!r}."
            )
        first, second = (f"{m[1]}/color/{int(m[2])}.jpg" for m in found if m)
        yield first, second


def _npz(data: bytes, where: str) -> dict[str, NDArray[np.float64]]:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as held:
            return {name: held[name] for name in held.files}
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"{where} cannot be read as .npz ({error}); copy or download it again.") from error


def _pose(files: Container, at_of: dict[str, int], key: str) -> list[float]:
    where = f"{files.where}/{key}"
    if key not in at_of:
        raise UsageError(f"{where} is missing; it holds the camera's pose.")
    try:
        values = np.array(files.bytes(at_of[key]).split(), np.float64)
    except ValueError as error:
        raise UsageError(f"{where}: expected 16 numbers ({error})") from error
    return _numbers(values, (16,), where)


def _numbers(values: NDArray[np.float64], shape: tuple[int, ...], where: str) -> list[float]:
    if values.shape != shape or not np.isfinite(values).all():
        raise UsageError(f"{where}: expected finite numbers of shape {shape}, got shape {values.shape}.")
    return [float(value) for value in values.ravel()]
