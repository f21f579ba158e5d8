from __future__ import annotations

from pathlib import Path

import pytest

from cache.errors import IntegrityError
from cache.key import pack_id
from cache.packs import read_pack, write_pack
from cache.store import Store
from tests.cache.synthetic import images, pack_table

ITEMS = images(4)
PACK = pack_id(ITEMS)


@pytest.fixture
def empty(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")[0]


def _write(store: Store) -> str:
    with store.stage() as staged:
        return write_pack(staged, "image", pack_table(ITEMS))


def test_a_pack_comes_back(empty: Store) -> None:
    assert _write(empty) == PACK == _write(empty)
    pack = read_pack(empty.disk, empty.layout, PACK)
    assert pack.items == tuple(ITEMS)
    assert pack.table["nbytes"].to_list() == [100, 101, 102, 103]


@pytest.mark.parametrize("items", [[], ["a", "a"]])
def test_odd_lists_are_refused(empty: Store, items: list[str]) -> None:
    with empty.stage() as staged, pytest.raises(ValueError, match="each once"):
        write_pack(staged, "image", pack_table(items))


def test_a_crash_between_table_and_sidecar_is_mended(empty: Store) -> None:
    _write(empty)
    empty.layout.pack(PACK).unlink()
    _write(empty)
    assert read_pack(empty.disk, empty.layout, PACK).items == tuple(ITEMS)
    empty.layout.pack(PACK).unlink()
    empty.layout.pack(PACK).with_suffix(".parquet").write_bytes(b"PAR1 torn")
    _write(empty)
    assert read_pack(empty.disk, empty.layout, PACK).items == tuple(ITEMS)


def test_a_damaged_pack_is_not_written_over(empty: Store) -> None:
    _write(empty)
    empty.layout.pack(PACK).with_suffix(".parquet").write_bytes(b"damaged")
    with pytest.raises(IntegrityError, match=f"packs/{PACK}.parquet"):
        _write(empty)


def test_a_swapped_pack_is_refused(empty: Store) -> None:
    _write(empty)
    with empty.stage() as staged:
        other = write_pack(staged, "image", pack_table(images(3)))
    for suffix in (".json", ".parquet"):
        (empty.layout.packs / f"{other}{suffix}").replace(empty.layout.packs / f"{PACK}{suffix}")
    with pytest.raises(IntegrityError, match="the pack of other items"):
        read_pack(empty.disk, empty.layout, PACK)
