"""Indexing many small files: memory, time, a killed run, and what ten more files cost."""

from __future__ import annotations

import resource
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.extract.command_line import REPOSITORY
from tests.extract.official import encoded, indexed, new_store

SCRIPT = """
import resource, sys
from pathlib import Path
from tests.extract.official import indexed, new_store
report, _ = indexed(new_store(Path(sys.argv[1])), "many", Path(sys.argv[2]))
print(report.samples, report.hashed, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def many(root: Path, count: int, first: int = 0, padding: int = 0) -> Path:
    data = encoded(1)
    for at in range(first, first + count):
        folder = root / f"{at % 100}"
        folder.mkdir(parents=True, exist_ok=True)
        # Bytes after a PNG's end are no pixels: many images, drawn once.
        (folder / f"{at}.png").write_bytes(data + at.to_bytes(4, "big") + b"\0" * padding)
    return root


def in_a_process(store: Path, root: Path) -> tuple[int, int, int]:
    """Return samples, hashes and the peak of memory in MiB."""
    arguments = [sys.executable, "-c", SCRIPT, str(store), str(root)]
    done = subprocess.run(arguments, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    samples, hashed, peak = map(int, done.stdout.split())
    return samples, hashed, peak


def test_memory_does_not_grow_with_the_bytes_of_images(tmp_path: Path) -> None:
    """200 MB of images, once as small and once as large files: the same number of rows is the same memory."""
    small = in_a_process(tmp_path / "1", many(tmp_path / "small", 1000))
    large = in_a_process(tmp_path / "2", many(tmp_path / "large", 1000, padding=200_000))
    assert small[:2] == large[:2] == (1000, 1000)
    assert large[2] - small[2] < 60


def test_ten_more_files_cost_ten_hashes(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    root = many(tmp_path / "many", 3000)
    assert indexed(store, "many", root)[0].hashed == 3000
    many(root, 10, first=3000)
    report, _ = indexed(store, "many", root)
    assert (report.samples, report.hashed) == (3010, 10)


def test_ten_more_members_of_a_set_of_shards_cost_ten_hashes(tmp_path: Path) -> None:
    store, root = new_store(tmp_path), many(tmp_path / "many", 300)
    shards = tmp_path / "shards"
    shards.mkdir()
    with tarfile.open(shards / "0.tar", "w") as tar:
        tar.add(root, ".")
    assert indexed(store, "many", shards)[0].hashed == 300
    with tarfile.open(shards / "1.tar", "w") as tar:
        tar.add(many(tmp_path / "more", 10, first=300), ".")
    report, _ = indexed(store, "many", shards)
    assert (report.samples, report.hashed) == (310, 10)


@pytest.mark.soak
def test_a_hundred_thousand_small_files(tmp_path: Path) -> None:
    """Under a kilobyte a row beside the process itself; an interrupted run and ten more files cost what is new."""
    root = many(tmp_path / "many", 100_000)
    base = in_a_process(tmp_path / "0", many(tmp_path / "few", 100))
    samples, hashed, peak = in_a_process(tmp_path / "s", root)
    assert (samples, hashed) == (100_000, 100_000)
    assert (peak - base[2]) * 2**20 / 100_000 < 3000
    many(root, 10, first=100_000)
    assert in_a_process(tmp_path / "s", root)[:2] == (100_010, 10)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
