"""Datasets with pairs made from photographs whose true correspondences are known by construction.

A photograph is a flat picture at one depth that faces the camera. Another crop of it is the camera moved sideways; a
smaller crop at the same number of pixels is the camera moved closer; a turned one is the camera rolled.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.extract.official import Miniature

WIDTH, HEIGHT = 320, 240
FAR = 2.0
"""Metres to the picture in every first view."""

FOCAL = 577.0
SCANNET = np.array([[FOCAL, 0, 319.5], [0, FOCAL, 239.5], [0, 0, 1.0]])


@dataclass(frozen=True, slots=True)
class Crop:
    """A window of a photograph: left, upper, and how many of its pixels make a pixel of the crop."""

    left: float = 40.0
    upper: float = 40.0
    scale: float = 1.0

    def image(self, photograph: Image.Image) -> Image.Image:
        box = (self.left, self.upper, self.left + WIDTH * self.scale, self.upper + HEIGHT * self.scale)
        return photograph.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC, box=box)

    def of(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return points of the photograph in this crop."""
        return (points - (self.left, self.upper)) / self.scale

    def back(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return points of this crop in the photograph."""
        return points * self.scale + (self.left, self.upper)

    def centre(self) -> NDArray[np.float64]:
        return np.array([self.left + WIDTH * self.scale / 2, self.upper + HEIGHT * self.scale / 2])


def photographs(shared: Path, count: int) -> list[Image.Image]:
    found = []
    for path in sorted((shared / "images").glob("*.JPEG")):
        with Image.open(path) as image:
            if min(image.size) >= 330 and image.size[0] >= 400:
                found.append(image.convert("RGB").resize((500, 375)))
        if len(found) == count:
            break
    return found


def png(image: Image.Image | NDArray[np.uint16]) -> bytes:
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, "PNG")
    return buffer.getvalue()


def npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def window(value: float, rows: slice, columns: slice) -> NDArray[np.uint16]:
    """Return a depth map of 640 x 480 with depths in a window only, so that few points have to be compared."""
    depth = np.zeros((480, 640), np.uint16)
    depth[rows, columns] = round(value)
    return depth


def scannet(
    root: Path,
    pictures: list[Image.Image],
    crops: list[tuple[Crop, Crop]],
    rows: slice = slice(160, 320),
    columns: slice = slice(200, 440),
) -> Miniature:
    """Write pairs of crops as ScanNet-1500 comes."""
    files = Miniature(root)
    names = []
    for at, (picture, pair) in enumerate(zip(pictures, crops, strict=True)):
        scene = f"scene{700 + at:04d}_00"
        for frame, crop in enumerate(pair):
            files.file(f"{scene}/color/{frame}.jpg", png(crop.image(picture)))
            # Millimetres; closer where a pixel of the crop is less than one of the photograph.
            z = FAR * crop.scale
            files.file(f"{scene}/depth/{frame}.png", png(window(1000 * z, rows, columns)))
            pose = np.eye(4)
            # A pixel of the photograph is FAR / FOCAL metres at two pixels of the intrinsics to one of the crop.
            pose[:2, 3] = (crop.centre() - pair[0].centre()) * 2 * FAR / FOCAL
            pose[2, 3] = FAR - z
            files.file(f"{scene}/pose/{frame}.txt", "\n".join(" ".join(f"{v:.9f}" for v in row) for row in pose))
        names.append((700 + at, 0, 0, 1))
    files.file("intrinsics.npz", npz(**{f"scene{row[0]:04d}_00": SCANNET for row in names}))
    return files.file("test.npz", npz(name=np.array(names)))


def navi(root: Path, picture: Image.Image, roll: float, pairs: Path) -> Miniature:
    """Write one object twice, the second time with the camera rolled by 0, 90 or 180 degrees, and itself as a copy."""
    files = Miniature(root)
    half = np.radians(roll) / 2
    crop = Crop(80.0, 60.0).image(picture).crop((0, 0, 240, 240))
    views = ((crop, 0.0), (crop.rotate(-roll), 1.0))
    notes = []
    for at, (image, turned) in enumerate(views):
        files.file(f"thing/wild_set/images/{at:03d}.jpg", png(image))
        value = np.zeros((240, 240), np.uint16)
        value[72:168, 72:168] = round(655.35 / 0.5)
        files.file(f"thing/wild_set/depth/{at:03d}.png", png(value))
        # q turns the object about the viewing axis; 500 mm away.
        q = [float(np.cos(half)), 0.0, 0.0, float(np.sin(half))] if turned else [1.0, 0.0, 0.0, 0.0]
        camera = {"q": q, "t": [0.0, 0.0, 500.0], "focal_length": 300.0}
        notes.append({"filename": f"{at:03d}.jpg", "image_size": [240, 240], "camera": camera, "split": "val"})
    files.json("thing/wild_set/annotations.json", notes)
    first, second = (f"thing/wild_set/images/{at:03d}.jpg" for at in (0, 1))
    pairs.write_text(f"{first} {second} {roll}\n")
    return files


def spair(root: Path, pictures: list[Image.Image], crops: list[tuple[Crop, Crop]], views: list[int]) -> Miniature:
    """Write pairs of crops as SPair-71k comes: nine keypoints each, in two classes by turns."""
    files = Miniature(root)
    lines = []
    for at, (picture, pair, view) in enumerate(zip(pictures, crops, views, strict=True)):
        category = ("cat", "dog")[at % 2]
        # In the first view the middles of cells of 16 x 15 pixels: a stride of 32 at 512 x 640.
        y, x = np.mgrid[0:3, 0:3]
        points = np.stack([144 + 48 * x.ravel(), 137.5 + 45 * y.ravel()], axis=1).astype(np.float64)
        stems = [f"2008_{2 * at + side:06d}" for side in (0, 1)]
        found = []
        for stem, crop in zip(stems, pair, strict=True):
            files.file(f"JPEGImages/{category}/{stem}.jpg", png(crop.image(picture)))
            found.append([[float(v) for v in point] for point in crop.of(points)])
            note = {"kps": {str(n): p for n, p in enumerate(found[-1])}, "bndbox": [0, 0, 200, 150]}
            files.json(f"ImageAnnotation/{category}/{stem}.json", note)
        name = f"{at:06d}-{stems[0]}-{stems[1]}:{category}"
        said = {
            "src_imname": f"{stems[0]}.jpg", "trg_imname": f"{stems[1]}.jpg", "category": category,
            "src_kps": found[0], "trg_kps": found[1], "src_bndbox": [0, 0, 200, 150], "trg_bndbox": [0, 0, 200, 150],
            "viewpoint_variation": view,
        }  # fmt: skip
        files.json(f"PairAnnotation/test/{name}.json", said)
        lines.append(name)
    return files.file("Layout/large/test.txt", "\n".join(lines) + "\n")
