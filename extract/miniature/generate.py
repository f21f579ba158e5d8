"""`python -m extract.miniature.generate OUT`: draw every evaluation set of the miniature, in its official layout.

Every set has a generator of its own, seeded by the seed and its name: a set that is drawn alone has the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from numpy.random import RandomState

from manifests.errors import AssayError, UsageError

from .sets.captioned import write_flickr30k, write_mscoco
from .sets.class_folders import write_renditions, write_shots, write_sketches, write_v2, write_val
from .sets.contexts import write_contexts
from .sets.corrupted import write_corrupted
from .sets.cues import write_cue_conflict, write_stylized
from .sets.factors import write_factors
from .sets.files import Write
from .sets.filtered import write_adversarial
from .sets.objects import write_objects
from .sets.semantic_pairs import write_spair_71k
from .sets.unfamiliar import (
    write_confusing,
    write_ninco,
    write_places,
    write_plants,
    write_scenes,
    write_textures,
)
from .sets.video import write_video
from .sets.view_pairs import write_navi, write_scannet

SETS: Final[Mapping[str, Write]] = {
    "mini-imagenet-val": write_val,
    "mini-imagenet-v2-matched-frequency": write_v2,
    "mini-imagenet-r": write_renditions,
    "mini-imagenet-a": write_adversarial,
    "mini-imagenet-sketch": write_sketches,
    "mini-objectnet": write_objects,
    "mini-imagenet-vid-robust": write_video,
    "mini-imagenet-x": write_factors,
    "mini-cue-conflict": write_cue_conflict,
    "mini-stylized-imagenet": write_stylized,
    "mini-inaturalist": write_plants,
    "mini-sun": write_scenes,
    "mini-places": write_places,
    "mini-textures": write_textures,
    "mini-imagenet-o": write_confusing,
    "mini-ninco": write_ninco,
    "mini-imagenet-3dcc": write_corrupted,
    "mini-imagenet-d": write_contexts,
    "mini-imagenet-train-16shot": write_shots,
    "mini-flickr30k": write_flickr30k,
    "mini-mscoco": write_mscoco,
    "mini-navi": write_navi,
    "mini-scannet": write_scannet,
    "mini-spair-71k": write_spair_71k,
}
"""Dataset id -> what writes it."""


def generator(seed: int, name: str) -> RandomState:
    """Return the random numbers of one set: the same on every machine and in every version of numpy.

    Examples
    --------
    >>> generator(0, "mini-sun").randint(1000), generator(0, "mini-places").randint(1000)
    (565, 665)
    """
    return RandomState(int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:4], "big"))


def generate(out: Path, seed: int = 0, only: Sequence[str] = (), share: int = 1) -> None:
    """Write sets below a folder, `out/<dataset id>/...`, and tell of each on standard error.

    Parameters
    ----------
    only
        Dataset ids; none for all.
    share
        Write about the share-th part of each set: another, smaller world for tests.

    Raises
    ------
    UsageError
        For an id that is none of `SETS`, a share below 1, or a set that is there already.
    """
    if unknown := [name for name in only if name not in SETS]:
        raise UsageError(f"--only {unknown[0]}: expected one of {', '.join(SETS)}.")
    if share < 1:
        raise UsageError(f"--share {share}: expected at least 1; 20 writes a twentieth of every set.")
    chosen = [name for name in SETS if not only or name in only]
    if there := [name for name in chosen if (out / name).exists()]:
        raise UsageError(f"{out / there[0]} is there already, and stays as it is; give another OUT, or remove it.")
    for name in chosen:
        started = time.monotonic()
        # A set is there when it is whole: what an interrupted drawing leaves is drawn again.
        begun = out / f"{name}.part"
        shutil.rmtree(begun, ignore_errors=True)
        SETS[name](begun, generator(seed, name), share)
        begun.rename(out / name)
        files = sum(path.is_file() for path in (out / name).rglob("*"))
        sys.stderr.write(f"{name}: {files} files, {time.monotonic() - started:.1f} s\n")


def digest(folder: Path) -> str:
    """Return the sha256 of everything below a folder: of each file's path and the sha256 of its bytes, sorted."""
    whole = hashlib.sha256()
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    for name in sorted(files):
        whole.update(f"{name}\0{hashlib.sha256(files[name].read_bytes()).hexdigest()}\n".encode())
    return whole.hexdigest()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, which prints the digest of each set; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m extract.miniature.generate", description=__doc__)
    parser.add_argument("out", type=Path, help="folder that gets one sub-folder a set")
    parser.add_argument("--seed", type=int, default=0, help="another seed draws another world of the same kind")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="write this set alone; repeats")
    parser.add_argument("--share", type=int, default=1, metavar="K", help="write 1/K of each set")
    asked = parser.parse_args(arguments)
    try:
        generate(asked.out, asked.seed, asked.only, asked.share)
    except AssayError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    for name in SETS:
        if not asked.only or name in asked.only:
            sys.stdout.write(f"{digest(asked.out / name)}  {name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
