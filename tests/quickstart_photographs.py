"""Copy the photographs that scikit-learn and scikit-image ship into one folder, for `nox -s quickstart`."""

from __future__ import annotations

import shutil
import sys
from importlib.resources import files
from pathlib import Path

PHOTOGRAPHS = {
    "sklearn.datasets.images": ("china.jpg", "flower.jpg"),
    "skimage.data": (
        "astronaut.png",
        "camera.png",
        "chelsea.png",
        "coffee.png",
        "coins.png",
        "horse.png",
        "hubble_deep_field.jpg",
        "moon.png",
        "motorcycle_left.png",
        "rocket.jpg",
    ),
}


def main(folder: Path) -> None:
    """Copy, replacing what is there."""
    folder.mkdir(parents=True, exist_ok=True)
    for package, names in PHOTOGRAPHS.items():
        source = files(package)
        for name in names:
            (folder / name).write_bytes((source / name).read_bytes())


if __name__ == "__main__":
    target = Path(sys.argv[1])
    shutil.rmtree(target, ignore_errors=True)
    main(target)
