"""The miniature of ImageNet-Vid-Robust: an anchor frame and the frames around it, in which the thing moves a little."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from numpy.random import RandomState

from extract.miniature.sampling import IN, MORE, sample
from extract.miniature.scene import Scene
from extract.miniature.world import CLASSES

from .files import between, json_file, one_of, part, picture

ANCHORS_A_CLASS = 4
AROUND = (-3, -2, -1, 1, 2)
"""Frames beside the anchor, five of them."""


def write_video(folder: Path, rng: RandomState, share: int) -> None:
    """Write `val/<video>/<frame>.JPEG`, `metadata/{pmsets,labels}.json` and the list of classes in `misc/`."""
    sets: dict[str, list[str]] = {}
    labels: dict[str, list[int]] = {}
    for number in range(len(CLASSES) * part(ANCHORS_A_CLASS, share)):
        at = number % len(CLASSES)
        video = f"val/ILSVRC2015_val_{number:08d}"
        middle = between(rng, 10, 90)
        frames = _frames(sample(MORE if number % 2 else IN, at, rng), rng)
        for step, scene in frames.items():
            name = f"{video}/{middle + step:06d}.JPEG"
            picture(folder / name, scene)
            labels[name] = [at]
        anchor = f"{video}/{middle:06d}.JPEG"
        sets[anchor] = [f"{video}/{middle + step:06d}.JPEG" for step in AROUND]
    json_file(folder / "metadata" / "pmsets.json", sets)
    json_file(folder / "metadata" / "labels.json", labels)
    index = {str(at): [thing.key, thing.name] for at, thing in enumerate(CLASSES)}
    json_file(folder / "misc" / "imagenet_vid_class_index.json", index)


def _frames(anchor: Scene, rng: RandomState) -> dict[int, Scene]:
    """Return the anchor and its neighbours: one movement, and now and then a blurred frame."""
    across, down, turn = between(rng, -2, 2), between(rng, -1, 1), between(rng, -8, 8)
    if not (across or down or turn):
        # Frames that are equal would be one image under several names.
        turn = 1
    found = {0: anchor}
    for step in AROUND:
        blur = anchor.blur + one_of(rng, (0, 0, 1, 2))
        found[step] = replace(
            anchor,
            x=anchor.x + across * step,
            y=anchor.y + down * step,
            angle=anchor.angle + turn * step,
            blur=blur,
        )
    return found
