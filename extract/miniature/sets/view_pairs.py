"""Miniatures of ScanNet-1500 and NAVI: one place from several cameras, with depth maps and poses that are exact.

ScanNet is a wall of pictures, some of which hang in front of it. NAVI is one thing, cut out of a board, before another
background in every image. Depth is that of a sparse sensor, one pixel in sixteen or in four: enough points to judge by,
and few enough that every pair is compared at once.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from extract.miniature.backgrounds import paint_background
from extract.miniature.bitmap import write
from extract.miniature.draw import draw, layers
from extract.miniature.sampling import IN, sample
from extract.miniature.scene import Scene
from extract.miniature.world import CLASSES, OTHER_SCENES, USUAL_SCENES

from .camera import Camera, looking_at, turned
from .files import between, json_file, one_of, part, text_file
from .stored_files import depth_png, stored_npz

Pixels = NDArray[np.int32]

FINE = 2
"""Rays a pixel in each direction; their colours are averaged."""

NOISE = 3

# --- ScanNet -----------------------------------------------------------------------------------------------------

SCENES = 6
PICTURE = 64
"""Pixels of a picture on the wall; five columns and four rows of them."""

COLUMNS, ROWS = 5, 4
TEXEL = 8
"""Millimetres of a pixel of the wall."""

IN_FRONT = (0, 0, 60, 120)
"""How far a picture may hang in front of the wall, in millimetres."""

FOCAL, WIDTH, HEIGHT = 144, 160, 120
"""A quarter of ScanNet's 640 x 480 pixels; intrinsics are written for those, as they come."""

STEPS = ((0, 0), (3, 1), (6, -3), (14, 4), (36, -5))
"""Roll and yaw of the frames of a scene, of `camera.UNIT`: pairs of them lie in all bins of the angle between views."""

_GREY = 118


def write_scannet(folder: Path, rng: RandomState, share: int = 1) -> None:
    """Write `<scene>/{color,depth,pose}/<frame>`, intrinsics.npz and test.npz: ten pairs of five frames a scene."""
    rows, scenes = [], part(SCENES, share)
    for number in range(707, 707 + scenes):
        scene = f"scene{number:04d}_00"
        wall, heights = hung_wall(rng)
        frames = [15 * at for at in range(len(STEPS))]
        for frame, (roll, yaw) in zip(frames, STEPS, strict=True):
            turn = turned(roll, yaw, between(rng, -1, 1))
            target = (between(rng, -150, 150), between(rng, -100, 100), 0)
            view = looking_at(target, between(rng, 1450, 1750), turn, focal=FOCAL, width=WIDTH, height=HEIGHT)
            image, depth = wall_view(view, wall, heights)
            write(folder / scene / "color" / f"{frame}.jpg", noisy(image, rng))
            _bytes(folder / scene / "depth" / f"{frame}.png", depth_png(sparse(depth, 4)))
            text_file(folder / scene / "pose" / f"{frame}.txt", _camera_to_world(view))
        rows += [(number, 0, a, b) for at, a in enumerate(frames) for b in frames[at + 1 :]]
    scale = 640 // WIDTH
    k = np.array([[FOCAL * scale, 0, 319.5], [0, FOCAL * scale, 239.5], [0, 0, 1]], np.float64)
    named = {f"scene{number:04d}_00": k for number in range(707, 707 + scenes)}
    _bytes(folder / "intrinsics.npz", stored_npz(named))
    _bytes(folder / "test.npz", stored_npz({"name": np.array(rows, np.int64)}))


def hung_wall(rng: RandomState) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the pixels of a wall of pictures, and how far each hangs in front of it, (rows, columns)."""
    wall = np.zeros((ROWS * PICTURE, COLUMNS * PICTURE, 3), np.uint8)
    heights = np.zeros((ROWS, COLUMNS), np.int64)
    for at, thing in enumerate(rng.permutation(len(CLASSES))[: ROWS * COLUMNS].tolist()):
        row, column = divmod(at, COLUMNS)
        plain = replace(sample(IN, thing, rng), noise=0, blur=0, occluder=0.0, distractors=())
        wall[row * PICTURE : (row + 1) * PICTURE, column * PICTURE : (column + 1) * PICTURE] = draw(plain, PICTURE)
        heights[row, column] = one_of(rng, IN_FRONT)
    return wall, heights


def wall_view(
    view: Camera, wall: NDArray[np.uint8], heights: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """Return what a camera sees of a wall, and depths in millimetres, 0 where it sees no picture's face."""
    fine_shape = (view.height * FINE, view.width * FINE)
    image = np.full((*fine_shape, 3), _GREY, np.int32)
    depth = np.zeros((view.height, view.width), np.uint16)
    free_fine, free = np.ones(fine_shape, bool), np.ones(depth.shape, bool)
    # The nearest first: what it covers is not asked again.
    for height in sorted(set(heights.ravel().tolist()), reverse=True):
        column, row, met = _met(view, heights, height, FINE)
        image[free_fine & met] = wall[row[free_fine & met], column[free_fine & met]]
        free_fine &= ~met
        _, _, met = _met(view, heights, height, 1)
        top, bottom = view.depth(-height)
        depth[free & met] = ((2 * top + bottom) // (2 * bottom))[free & met]
        free &= ~met
    return averaged(image), depth


def _met(
    view: Camera, heights: NDArray[np.int64], height: int, fine: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return column and row on the wall where each ray meets the layer at a height, and whether a picture is there."""
    corner = (-COLUMNS * PICTURE * TEXEL // 2, -ROWS * PICTURE * TEXEL // 2)
    column, row = view.cells(-height, corner, TEXEL, fine)
    inside = (column >= 0) & (column < COLUMNS * PICTURE) & (row >= 0) & (row < ROWS * PICTURE)
    met = inside & (heights[np.where(inside, row, 0) // PICTURE, np.where(inside, column, 0) // PICTURE] == height)
    return column, row, met


def _camera_to_world(view: Camera) -> list[str]:
    rows, length = view.rotation
    lines = [[*(row[at] / length for row in rows), view.centre[at] / 1000] for at in range(3)]
    return [" ".join(f"{value:.9f}" for value in line) for line in (*lines, (0.0, 0.0, 0.0, 1.0))]


# --- NAVI --------------------------------------------------------------------------------------------------------

THINGS = ("boot", "fish", "hammer", "house", "key", "mug", "bolt", "tree")
WILD = 20
"""Images of a thing in the wild; the reader pairs every fourth with another."""

BOARD = 256
"""Pixels, and millimetres, of the board that a thing is cut from."""

SIDE, NAVI_FOCAL = 128, 160


def write_navi(folder: Path, rng: RandomState, share: int = 1) -> None:
    """Write `<object>/{wild_set,multiview_00_mini}/{annotations.json,images,depth}`."""
    for name in THINGS[: part(len(THINGS), share)]:
        thing = next(thing for thing in CLASSES if thing.name == name)
        scene = Scene(
            shape=thing.shape, texture=thing.texture, colour=thing.colour, radius=30, seed=int(rng.randint(1 << 30))
        )
        board = layers(scene, BOARD)
        for collection, count in (("wild_set", WILD), ("multiview_00_mini", 2)):
            behind = ("plain",) if collection != "wild_set" else USUAL_SCENES + OTHER_SCENES
            notes = []
            for at in range(count):
                # Rolls are spread so widely that all bins of the angle between two views have their share.
                turn = turned(between(rng, -29, 29), between(rng, -7, 7), between(rng, -7, 7))
                target = (between(rng, -25, 25), between(rng, -25, 25), 0)
                view = looking_at(target, between(rng, 430, 540), turn, focal=NAVI_FOCAL, width=SIDE, height=SIDE)
                # Of its own generator: how a background is painted moves no camera.
                canvas = paint_background(one_of(rng, behind), SIDE, RandomState(int(rng.randint(1 << 30))))
                image, depth = board_view(view, board.image, board.mask, canvas)
                write(folder / name / collection / "images" / f"{at:03d}.jpg", noisy(image, rng))
                _bytes(folder / name / collection / "depth" / f"{at:03d}.png", depth_png(sparse(depth, 2)))
                notes.append(_navi_note(f"{at:03d}.jpg", view, collection))
            json_file(folder / name / collection / "annotations.json", notes)


def board_view(
    view: Camera, board: NDArray[np.uint8], mask: NDArray[np.bool_], behind: Pixels
) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """Return what a camera sees of a thing cut from a board, and 655350 over its depth in millimetres, 0 beside it."""
    column, row, met = _cut(view, mask, FINE)
    image = np.repeat(np.repeat(behind, FINE, axis=0), FINE, axis=1)
    image[met] = board[row[met], column[met]]
    _, _, met = _cut(view, mask, 1)
    top, bottom = view.depth(0)
    values = (2 * 655350 * bottom + top) // (2 * top)
    return averaged(image), np.where(met, values, 0).astype(np.uint16)


def _cut(
    view: Camera, mask: NDArray[np.bool_], fine: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    column, row = view.cells(0, (-BOARD // 2, -BOARD // 2), 1, fine)
    inside = (column >= 0) & (column < BOARD) & (row >= 0) & (row < BOARD)
    return column, row, inside & mask[np.where(inside, row, 0), np.where(inside, column, 0)]


def _navi_note(name: str, view: Camera, collection: str) -> dict[str, object]:
    # A square root is rounded correctly everywhere, unlike a sine.
    length = math.sqrt(sum(part * part for part in view.turn))
    camera = {
        "q": [part / length for part in view.turn],
        "t": list(view.translation),
        "focal_length": float(view.focal),
    }
    size = [view.height, view.width]
    split = "val" if collection == "wild_set" else "train"
    return {"filename": name, "image_size": size, "camera": camera, "split": split, "occluded": False}


# --- both --------------------------------------------------------------------------------------------------------


def averaged(fine: Pixels) -> NDArray[np.uint8]:
    """Return the means of squares of `FINE` x `FINE` pixels, rounded.

    Examples
    --------
    >>> averaged(np.array([[[1], [2]], [[3], [4]]], np.int32)).tolist()
    [[[3]]]
    """
    height, width = fine.shape[0] // FINE, fine.shape[1] // FINE
    total = fine.reshape(height, FINE, width, FINE, -1).sum(axis=(1, 3))
    return np.asarray((total + FINE * FINE // 2) // (FINE * FINE)).astype(np.uint8)


def noisy(image: NDArray[np.uint8], rng: RandomState) -> NDArray[np.uint8]:
    """Return an image with the noise of a camera."""
    noise = rng.randint(-NOISE, NOISE + 1, size=image.shape)
    return np.asarray(np.clip(image + noise, 0, 255)).astype(np.uint8)


def sparse(depth: NDArray[np.uint16], step: int) -> NDArray[np.uint16]:
    """Return depths at every `step`-th row and column, 0 elsewhere.

    Examples
    --------
    >>> sparse(np.ones((2, 3), np.uint16), 2).tolist()
    [[1, 0, 1], [0, 0, 0]]
    """
    kept = np.zeros_like(depth)
    kept[::step, ::step] = depth[::step, ::step]
    return kept


def _bytes(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
