"""The commit protocol's parts: stage, exclusive creation, placing, quarantine."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from cache.errors import IntegrityError
from cache.files import Disk
from cache.layout import Layout
from cache.writing import Stage, create, create_equal, create_table, holds, place_folder, quarantine, stage

FILES = {"zarr.json": b"{}", "c/0/0": b"\x01\x02"}


@pytest.fixture
def staged(tmp_path: Path) -> Stage:
    return Stage(Disk(), Layout(tmp_path)).open()


def test_a_stage_leaves_nothing_behind(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        _interrupted(layout)
    assert list(layout.staging.iterdir()) == []


def _interrupted(layout: Layout) -> None:
    with stage(Disk(), layout) as staged:
        staged.write(b"half")
        staged.write_folder(FILES)
        raise KeyboardInterrupt


@pytest.mark.parametrize("call", ["make_folder", "touch"])
def test_an_interrupt_while_a_stage_is_opened_leaves_nothing_behind(call: str, tmp_path: Path) -> None:
    class Interrupted(Disk):
        """Does what it is asked, and is interrupted before it returns."""

    def interrupted(disk: Disk, path: Path) -> None:
        getattr(Disk, call)(disk, path)
        raise KeyboardInterrupt

    setattr(Interrupted, call, interrupted)
    layout = Layout(tmp_path)
    with pytest.raises(KeyboardInterrupt), stage(Interrupted(), layout):
        pytest.fail("an interrupted stage was opened")
    assert list(layout.staging.iterdir()) == []


def test_creation_is_exclusive_and_leaves_no_second_name(staged: Stage, tmp_path: Path) -> None:
    path = tmp_path / "runs" / "x.json"
    assert create(staged, path, b"first")
    assert not create(staged, path, b"second")
    assert path.read_bytes() == b"first"
    assert path.stat().st_nlink == 1


def test_a_name_that_says_its_content_holds_it(staged: Stage, tmp_path: Path) -> None:
    assert create_equal(staged, tmp_path / "t.json", b"text")
    assert not create_equal(staged, tmp_path / "t.json", b"text")
    with pytest.raises(IntegrityError, match=r"t\.json stands there with other bytes.*assay-cache repair"):
        create_equal(staged, tmp_path / "t.json", b"other")


def test_a_disk_that_reads_back_other_bytes_is_noticed(tmp_path: Path) -> None:
    class Rotten(Disk):
        def read(self, path: Path) -> bytes:
            return super().read(path)[:-1] + b"?"

    with stage(Rotten(), Layout(tmp_path)) as staged:
        with pytest.raises(OSError, match="reads back other than it was written"):
            staged.write(b"abc")
        with pytest.raises(OSError, match="reads back other than it was written"):
            staged.write_folder(FILES)


def test_placing_a_folder(staged: Stage, tmp_path: Path) -> None:
    target = tmp_path / "data" / "x"
    assert place_folder(staged, staged.write_folder(FILES), FILES, target)
    assert holds(staged.disk, target, FILES)
    assert place_folder(staged, staged.write_folder(FILES), FILES, target), "equal data of another writer will do"
    other = {**FILES, "c/0/0": b"\x03"}
    assert not place_folder(staged, staged.write_folder(other), other, target)
    assert holds(staged.disk, target, FILES), "what stood there was left alone"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "c" / "0" / "0").unlink(),
        lambda folder: (folder / "c" / "0" / "0").write_bytes(b"\x01"),
        lambda folder: (folder / "extra").write_bytes(b""),
    ],
)
def test_a_folder_holds_exactly_its_files(staged: Stage, tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    target = tmp_path / "data" / "x"
    place_folder(staged, staged.write_folder(FILES), FILES, target)
    spoil(target)
    assert not holds(staged.disk, target, FILES)


def test_quarantine_keeps_the_bytes_and_says_why(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    path = tmp_path / "packs" / "p.json"
    path.parent.mkdir()
    path.write_bytes(b"torn")
    target = quarantine(Disk(), layout, path, "it was torn")
    assert target.read_bytes() == b"torn"
    assert not path.exists()
    note = json.loads((target.parent / "note.json").read_bytes())
    assert (note["path"], note["why"]) == ("packs/p.json", "it was torn")


def test_a_table_without_its_sidecar_is_taken_over_or_put_away(staged: Stage, tmp_path: Path) -> None:
    table = pl.DataFrame({"a": [1, 2]})
    path = tmp_path / "t.parquet"
    table.write_parquet(path, compression="uncompressed")
    held = path.read_bytes()

    def equal(other: pl.DataFrame) -> bool:
        return other.equals(table)

    assert create_table(staged, path, table, equal).size == len(held), "other bytes, same rows: they count"
    path.write_bytes(held[:-3])
    facts = create_table(staged, path, table, equal)
    assert facts.size == path.stat().st_size
    assert pl.read_parquet(path).equals(table)
    (torn,) = (tmp_path / "local" / "quarantine").glob("*/t.parquet")
    assert torn.read_bytes() == held[:-3]
