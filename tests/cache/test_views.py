"""Dataset versions and their markers: one head, always said, never guessed."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from cache.documents import seal
from cache.errors import IntegrityError, UsageError
from cache.key import pack_id
from cache.layout import SHORT
from cache.packs import write_pack
from cache.retire import retire_version
from cache.store import Store
from cache.views import head_id, names, read_version, rows_digest, version_id, write_version
from tests.cache.synthetic import images, pack_table, view_table

PACKS = [pack_id(images(9))]


@pytest.fixture
def empty(tmp_path: Path) -> Store:
    store = Store.create(tmp_path / "store")[0]
    with store.stage() as staged:
        write_pack(staged, "image", pack_table(images(9)))
    return store


def _write(store: Store, rows: int, name: str = "d", facts: str = "x") -> tuple[str, bool]:
    with store.stage() as staged:
        return write_version(staged, name, view_table(rows), "classes", PACKS, {"layout": facts})


def _head(store: Store, name: str = "d") -> str | None:
    return head_id(store.disk, store.layout, name)


def _rival(store: Store, tmp_path: Path, rows: int, ancestor: int = 0) -> str:
    """Index other rows in another store and copy them over, as a sync of two machines would."""
    other = Store.create(tmp_path / f"rival-{rows}-{ancestor}")[0]
    with other.stage() as staged:
        write_pack(staged, "image", pack_table(images(9)))
    if ancestor:
        _write(other, ancestor)
    version = _write(other, rows)[0]
    for path in other.layout.datasets.iterdir():
        (store.layout.datasets / path.name).write_bytes(path.read_bytes())
    return version[:SHORT]


def test_a_version_comes_back(empty: Store) -> None:
    version, new = _write(empty, 5)
    assert new
    view = read_version(empty.disk, empty.layout, "d", version[:SHORT])
    assert view.table.equals(view_table(5))
    assert (view.id, view.name, view.classes, view.packs) == (version, "d", "classes", tuple(PACKS))
    assert view.facts == {"layout": "x"}
    assert view.reference == f"d@{version[:SHORT]}"
    assert version == version_id("d", rows_digest(view_table(5)), "classes", PACKS, {"layout": "x"})


def test_the_same_rows_are_no_new_version(empty: Store) -> None:
    version, _ = _write(empty, 5)
    assert _write(empty, 5, facts="another layout, same rows") == (version, False)
    assert len(list(empty.layout.datasets.iterdir())) == 2


def test_other_facts_of_the_same_rows_are_a_new_version(empty: Store) -> None:
    first, _ = _write(empty, 5)
    with empty.stage() as staged:
        facts = {"layout": "x", "label_space": "imagenet-a-200"}
        second, new = write_version(staged, "d", view_table(5), "classes", PACKS, facts)
    assert new
    assert second != first
    assert _head(empty) == second[:SHORT]


def test_a_new_version_takes_over(empty: Store) -> None:
    first, _ = _write(empty, 5)
    second, new = _write(empty, 6)
    assert new
    assert _head(empty) == second[:SHORT]
    assert empty.layout.marker("d", first, second).exists()
    assert read_version(empty.disk, empty.layout, "d", first[:SHORT]).table.height == 5, "the old one stays readable"


def test_rows_that_come_back_are_a_version_of_their_own(empty: Store) -> None:
    seen = [_write(empty, rows)[0] for rows in (5, 6, 5, 6, 5)]
    assert len(set(seen)) == 5
    assert _head(empty) == seen[-1][:SHORT]
    assert empty.view("d").height == 5


def test_no_dataset_and_no_head(empty: Store) -> None:
    assert _head(empty) is None
    with pytest.raises(UsageError, match="the store knows no dataset 'd'; it has none"):
        empty.version("d")


@pytest.mark.parametrize("table", [view_table(3).drop("label"), pl.concat([view_table(2), view_table(2)])])
def test_odd_tables_are_refused(empty: Store, table: pl.DataFrame) -> None:
    with empty.stage() as staged, pytest.raises(ValueError, match="unique samples"):
        write_version(staged, "d", table, "", PACKS, {})


def test_names_that_differ_in_letter_case_only_are_refused(empty: Store) -> None:
    _write(empty, 5, "ImageNet")
    with pytest.raises(UsageError, match="'ImageNet'; 'imagenet' differs in letter case only"):
        _write(empty, 5, "imagenet")
    assert names(empty.disk, empty.layout) == ["ImageNet"]


def test_two_heads_are_an_error_until_somebody_decides(empty: Store, tmp_path: Path) -> None:
    first = _write(empty, 5)[0][:SHORT]
    second = _rival(empty, tmp_path, 6)
    with pytest.raises(IntegrityError, match=r"has 2 current versions.*assay-cache retire --dataset d@ID"):
        _head(empty)
    assert retire_version(empty, f"d@{first}") == f"d@{second}"
    assert _head(empty) == second


def test_indexing_settles_two_heads(empty: Store, tmp_path: Path) -> None:
    _write(empty, 4)
    first = _write(empty, 5)[0][:SHORT]
    _rival(empty, tmp_path, 6, ancestor=4)
    with pytest.raises(IntegrityError, match="2 current"):
        _head(empty)
    assert _write(empty, 5) == (empty.version("d").id, True)
    assert _head(empty) == first
    _rival(empty, tmp_path, 7, ancestor=4)
    third = _write(empty, 8)[0][:SHORT]
    assert _head(empty) == third


def test_a_crash_before_the_marker_is_finished_by_indexing_again(empty: Store) -> None:
    first, _ = _write(empty, 5)
    second, _ = _write(empty, 6)
    empty.layout.marker("d", first, second).unlink()
    with pytest.raises(IntegrityError, match="2 current"):
        _head(empty)
    assert _write(empty, 6)[0] == second
    assert _head(empty) == second[:SHORT]


def test_no_head_is_an_error(empty: Store) -> None:
    first, second = _write(empty, 5)[0][:SHORT], _write(empty, 6)[0][:SHORT]
    marker = empty.layout.marker("d", second, first)
    marker.write_bytes(seal("marker", {"name": "d", "old": second, "new": first}))
    with pytest.raises(IntegrityError, match=r"0 current versions .none."):
        _head(empty)
    assert _write(empty, 7)[1]
    assert empty.view("d").height == 7


def test_a_marker_to_a_version_that_is_not_there(empty: Store) -> None:
    first, second = _write(empty, 5)[0], _write(empty, 6)[0]
    for suffix in ("json", "parquet"):
        (empty.layout.datasets / f"d@{second[:SHORT]}.{suffix}").unlink()
    with pytest.raises(IntegrityError, match=f"version {second[:SHORT]} is missing although a marker"):
        _head(empty)
    assert _write(empty, 6)[0] == second, "indexing again brings it back"
    assert _head(empty) == second[:SHORT]
    (empty.layout.datasets / f"d@{first[:SHORT]}.json").unlink()
    assert _head(empty) == second[:SHORT], "nothing current rests on an old version"


def test_new_rows_replace_a_version_that_is_lost(empty: Store) -> None:
    _write(empty, 5)
    second = _write(empty, 6)[0]
    (empty.layout.datasets / f"d@{second[:SHORT]}.json").unlink()
    third = _write(empty, 7)[0]
    assert _head(empty) == third[:SHORT]


def test_a_marker_under_another_name_is_refused(empty: Store) -> None:
    first, second = _write(empty, 5)[0], _write(empty, 6)[0]
    marker = empty.layout.marker("d", first, second)
    marker.rename(empty.layout.marker("d", first, "0" * 16))
    with pytest.raises(IntegrityError, match="the marker of other versions"):
        _head(empty)


def test_a_version_under_another_name_is_refused(empty: Store) -> None:
    version = _write(empty, 5)[0][:SHORT]
    for suffix in ("json", "parquet"):
        (empty.layout.datasets / f"d@{version}.{suffix}").rename(empty.layout.datasets / f"d@{'0' * 16}.{suffix}")
    with pytest.raises(IntegrityError, match="the sidecar of another version"):
        empty.version("d")


def test_a_dataset_of_which_every_trace_is_gone_is_missed(store: Store) -> None:
    for path in store.layout.datasets.iterdir():
        path.unlink()
    with pytest.raises(IntegrityError, match="missing, though requests name the dataset"):
        store.version("shapes")


@pytest.mark.parametrize("reference", ["d", "d@", "d@xyz", "@0123456789abcdef", "e@0123456789abcdef"])
def test_retiring_what_is_not_there(empty: Store, reference: str) -> None:
    _write(empty, 5)
    with pytest.raises(UsageError):
        retire_version(empty, reference)


def test_the_only_version_cannot_be_retired(empty: Store) -> None:
    version = _write(empty, 5)[0][:SHORT]
    with pytest.raises(UsageError, match="the only current version of d"):
        retire_version(empty, f"d@{version}")
