"""The miniature of ObjectNet: things in any position, on grounds where they are rarely seen.

Its own classes, two of which join two classes of the world, and folders that no class is told of.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from numpy.random import RandomState

from extract.miniature.sampling import IN, sample
from extract.miniature.scene import Scene
from extract.miniature.world import CLASSES, HELD_OUT_SHAPES, OTHER_SCENES

from .files import between, json_file, one_of, part, picture
from .things import OBJECT_FOLDERS, OBJECT_GROUPS, OTHER_OBJECTS, stranger

A_FOLDER = 26
A_FOLDER_WITHOUT_CLASS = 12


def write_objects(folder: Path, rng: RandomState, share: int) -> None:
    """Write `images/<folder>/<file>.png` and the mappings from folders to classes.

    Differs from ObjectNet: no red frame is drawn, so none has to be cut.
    """
    labels = {}
    for name, group in zip(OBJECT_FOLDERS, OBJECT_GROUPS, strict=True):
        labels[name] = _title(name)
        for number in range(part(A_FOLDER, share)):
            scene = sample(IN, group[number % len(group)], rng)
            picture(_place(folder, name, rng), _unusual(scene, rng))
    unnamed = {CLASSES[at].name: at for at in OTHER_OBJECTS}
    for name in (*unnamed, *HELD_OUT_SHAPES[:2]):
        labels[name] = _title(name)
        for _ in range(part(A_FOLDER_WITHOUT_CLASS, share)):
            scene = sample(IN, unnamed[name], rng) if name in unnamed else stranger(IN, name, rng)
            picture(_place(folder, name, rng), _unusual(scene, rng))
    named = {
        _title(name): "; ".join(CLASSES[at].name for at in group)
        for name, group in zip(OBJECT_FOLDERS, OBJECT_GROUPS, strict=True)
    }
    json_file(folder / "mappings" / "folder_to_objectnet_label.json", labels)
    json_file(folder / "mappings" / "objectnet_to_imagenet_1k.json", named)


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _place(folder: Path, name: str, rng: RandomState) -> Path:
    # Official names are hashes: nothing of the image can be read from them.
    return folder / "images" / name / f"{between(rng, 0, 2**31 - 1):08x}{between(rng, 0, 2**31 - 1):08x}.png"


def _unusual(scene: Scene, rng: RandomState) -> Scene:
    return replace(
        scene,
        angle=between(rng, 0, 359),
        tilt=between(rng, 20, 90) / 100,
        background=one_of(rng, OTHER_SCENES),
    )
