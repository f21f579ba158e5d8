"""Miniatures of Flickr30k and MSCOCO: pictures with five captions each, no two of them equal."""

from __future__ import annotations

from pathlib import Path

from numpy.random import RandomState

from extract.miniature.captions import caption
from extract.miniature.sampling import MORE, SOURCE_A, SOURCE_B, Recipe, sample
from extract.miniature.scene import Scene
from extract.miniature.world import CLASSES

from .files import json_file, part, picture, text_file

IMAGES = 200
CAPTIONS = 5
_TRIES = 400


def write_flickr30k(folder: Path, rng: RandomState, share: int = 1) -> None:
    """Write `<number>.jpg` and `flickr30k_test_karpathy.txt`, as retrieval_annotations has it."""
    lines = ["image,caption"]
    for at, (scene, texts) in enumerate(_described((MORE,), part(IMAGES, share), rng)):
        name = f"{1007129816 + 7919 * at}.jpg"
        picture(folder / name, scene)
        lines += [f"{name},{text}" for text in texts]
    text_file(folder / "flickr30k_test_karpathy.txt", lines)


def write_mscoco(folder: Path, rng: RandomState, share: int = 1) -> None:
    """Write `val2014/COCO_val2014_<number>.jpg` and `dataset_coco.json`, as Karpathy has it.

    Other pictures than those of Flickr30k: of both training sources by turns. One more image is of the split `val`,
    and has to be left out by whoever reads the file.
    """
    images = []
    every = _described((SOURCE_A, SOURCE_B), part(IMAGES, share) + 1, rng)
    for at, (scene, texts) in enumerate(every):
        number = 391895 + 61 * at
        name = f"COCO_val2014_{number:012d}.jpg"
        picture(folder / "val2014" / name, scene)
        split = "val" if at == len(every) - 1 else "test"
        sentences = [{"raw": text, "imgid": at, "sentid": CAPTIONS * at + n} for n, text in enumerate(texts)]
        place = {"filename": name, "filepath": "val2014", "cocoid": number, "imgid": at, "split": split}
        images.append({**place, "sentences": sentences})
    json_file(folder / "dataset_coco.json", {"dataset": "coco", "images": images})


def _described(recipes: tuple[Recipe, ...], count: int, rng: RandomState) -> list[tuple[Scene, list[str]]]:
    """Return scenes, classes and recipes by turns, with their captions."""
    found = []
    for number in range(count):
        at = number % len(CLASSES)
        # Whole rounds of the classes change the recipe too: else a class had only one of two.
        scene = sample(recipes[(number + number // len(CLASSES)) % len(recipes)], at, rng)
        found.append((scene, _captions(scene, at, rng)))
    return found


def _captions(scene: Scene, at: int, rng: RandomState) -> list[str]:
    """Return five different captions of a scene, in the order in which they were drawn."""
    texts: dict[str, None] = {}
    for _ in range(_TRIES):
        texts.setdefault(caption(scene, CLASSES[at], rng))
        if len(texts) == CAPTIONS:
            return list(texts)
    raise ValueError(f"{CLASSES[at].name}: expected {CAPTIONS} different captions in {_TRIES} tries, got {len(texts)}")
