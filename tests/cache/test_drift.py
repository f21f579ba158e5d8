"""The difference of two spaces, by hand and against numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cache.commits import Unit, write_commit
from cache.drift import drift, row_cosines
from cache.errors import IncompleteError
from cache.key import pack_id
from cache.packs import write_pack
from cache.segments import array_segments
from cache.spaces import Space, write_space
from cache.store import Store
from tests.cache.synthetic import images, numbers, pack_table, space_of

FIRST, SECOND = space_of("net", 1), space_of("net", 2)


def _put(store: Store, kind: str, space: Space, items: list[str], rows: np.ndarray) -> None:
    pack = pack_id(items)
    with store.stage() as staged:
        write_pack(staged, "image", pack_table(items))
        write_space(staged, space)
        unit = Unit(kind, space.id, space.label, pack)
        write_commit(staged, unit, list(array_segments(kind, space.id, pack, rows.astype(np.float32))), [], "r")


@pytest.fixture
def empty(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")[0]


def test_by_hand(empty: Store) -> None:
    items = images(3)
    _put(empty, "logits", FIRST, items, np.array([[3.0, 4.0], [1.0, 0.0], [2.0, 1.0]]))
    _put(empty, "logits", SECOND, items, np.array([[4.0, 3.0], [1.0, 0.0], [2.0, 1.5]]))
    (found,) = drift(empty, FIRST, SECOND)
    assert (found.kind, found.items, found.max_abs, found.top1_flips) == ("logits", 3, 1.0, 1)
    assert found.min_cosine == pytest.approx(0.96)
    assert found.mean_cosine == pytest.approx((0.96 + 1 + 5.5 / np.sqrt(5 * 6.25)) / 3)


def test_items_in_other_packs_and_orders(empty: Store) -> None:
    items = images(10)
    rows = numbers("drift", shape=(10, 4))
    _put(empty, "embeddings", FIRST, items[:6], rows[:6])
    _put(empty, "embeddings", FIRST, items[4:], rows[4:])
    order = [9, 3, 0, 5, 7]
    _put(empty, "embeddings", SECOND, [items[at] for at in order], rows[order] + np.float32(0.25))
    for first, second in ((FIRST, SECOND), (SECOND, FIRST)):
        (found,) = drift(empty, first, second)
        assert found.items == 5, "an image in two packs counts once"
        assert found.max_abs == pytest.approx(0.25, abs=1e-6)
        assert found.top1_flips is None


def test_nothing_in_common(empty: Store) -> None:
    _put(empty, "logits", FIRST, images(2), np.ones((2, 2)))
    _put(empty, "logits", SECOND, images(4)[2:], np.ones((2, 2)))
    with pytest.raises(IncompleteError, match="no item in common"):
        drift(empty, FIRST, SECOND)


def test_rows_of_other_shapes_do_not_compare(empty: Store) -> None:
    _put(empty, "logits", FIRST, images(2), np.ones((2, 2)))
    _put(empty, "logits", SECOND, images(2), np.ones((2, 3)))
    with pytest.raises(IncompleteError, match="rows of one shape"):
        drift(empty, FIRST, SECOND)


def test_cosines_against_numpy() -> None:
    a, b = numbers("a", shape=(20, 3, 2), dtype="float16"), numbers("b", shape=(20, 3, 2))
    expected = [
        np.corrcoef(np.r_[x.ravel(), -x.ravel()], np.r_[y.ravel(), -y.ravel()])[0, 1] for x, y in zip(a, b, strict=True)
    ]
    np.testing.assert_allclose(row_cosines(a, b), expected, atol=1e-6)
