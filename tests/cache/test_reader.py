"""States of a unit, blocks of a view, and records that contradict their data."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cache.commits import Commit, RowFailure, Unit, write_commit
from cache.errors import IncompleteError, IntegrityError
from cache.key import pack_id
from cache.packs import write_pack
from cache.reader import Reader, State
from cache.segments import table_segment
from cache.store import Store
from cache.views import write_version
from tests.cache.synthetic import CLASSIFIER, DATASET, HEAD, ZERO_SHOT, images, pack_table, read_kind, view_table


def _unit(store: Store, kind: str = "logits", at: int = 0) -> Unit:
    reader = Reader(store)
    return reader.unit(kind, CLASSIFIER, store.version(DATASET).packs[at])


def _segment(store: Store, unit: Unit, at: int = 0) -> Path:
    commit = Reader(store).commit(unit)
    assert commit is not None
    return store.layout.segment(unit.kind, unit.label, commit.segments[at].id)


def test_here_lost_and_absent_with_their_remedies(store: Store) -> None:
    unit = _unit(store)
    assert Reader(store).state(unit) is State.HERE
    (_segment(store, unit) / "c" / "0" / "0").unlink()
    reader = Reader(store)
    assert reader.state(unit) is State.LOST
    with pytest.raises(IncompleteError, match=r"are lost.*assay-cache repair`, then `assay-extract run"):
        list(reader.segments(unit))
    store.layout.record(unit.kind, unit.label, unit.pack).unlink()
    reader = Reader(store)
    assert reader.state(unit) is State.ABSENT
    with pytest.raises(IncompleteError, match=r"are absent.*assay-extract run --model M --dataset D"):
        list(reader.segments(unit))


def test_blocks_yield_each_row_of_a_view_once(store: Store) -> None:
    view = store.version(DATASET)
    for kind in ("logits", "embeddings", "patches"):
        blocks = list(Reader(store).blocks(kind, CLASSIFIER, view))
        assert sorted(int(at) for block in blocks for at in block.index) == list(range(24))
        failures = {at: f for block in blocks for at, f in block.failures.items()}
        assert {at: (f.item, f.status) for at, f in failures.items()} == {17: (images(24)[17], "decode_error")}


def test_a_view_in_any_order_with_repeats(store: Store) -> None:
    whole, _ = read_kind(Reader(store), "logits", CLASSIFIER, DATASET)
    order = [5, 23, 0, 17, 5, 16]
    table = pl.DataFrame({"sample": list("abcdef"), "image_id": [images(24)[at] for at in order], "label": [0] * 6})
    with store.stage() as staged:
        write_version(staged, "odd", table, "", list(store.version(DATASET).packs), {})
    rows, failures = read_kind(Reader(store), "logits", CLASSIFIER, "odd")
    np.testing.assert_array_equal(rows, whole[order])
    assert failures == [3]
    assert Reader(store).needed_packs(store.version("odd")) == store.version(DATASET).packs


def test_the_first_listed_pack_wins(store: Store) -> None:
    with store.stage() as staged:
        twin = write_pack(staged, "image", pack_table(images(3)))
        packs = list(store.version(DATASET).packs)
        write_version(staged, "first", view_table(3), "", [packs[0], twin], {})
        write_version(staged, "twin", view_table(3), "", [twin, packs[0]], {})
    reader = Reader(store)
    assert reader.needed_packs(store.version("first")) == (packs[0],)
    assert reader.needed_packs(store.version("twin")) == (twin,)
    with pytest.raises(IncompleteError):
        read_kind(reader, "logits", CLASSIFIER, "twin")


def test_an_image_in_no_pack_is_an_error(store: Store) -> None:
    with store.stage() as staged:
        write_version(staged, "short", view_table(24), "", list(store.version(DATASET).packs[:1]), {})
    with pytest.raises(IntegrityError, match="is in none of its packs"):
        list(Reader(store).blocks("logits", CLASSIFIER, store.version("short")))


Edit = Callable[[dict[str, object]], object]


def _reseal(store: Store, unit: Unit, edit: Callable[[Commit], Commit]) -> None:
    path = store.layout.record(unit.kind, unit.label, unit.pack)
    path.write_bytes(edit(Commit.from_bytes(path.read_bytes(), "x")).to_bytes())


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda c: _with(c, rows=15), "15 rows, its pack has 16"),
        (lambda c: _with(c, failures=(RowFailure(0, images(1)[0], "changed", ""),)), "gives failures for rows"),
        (lambda c: _with(c, failures=(RowFailure(0, images(2)[1], "changed", ""),)), "stands elsewhere"),
        (lambda c: _with(c, failures=(RowFailure(16, images(1)[0], "changed", ""),)), "stands elsewhere"),
        (lambda c: _with(c, stats={"logit_scale": 2.0}), "otherwise than its zarr.json"),
        (lambda c: _with(c, segments=()), "end at row 0 of 16"),
        (lambda c: _with(c, segments=c.segments * 2), "gap at row 16"),
        (lambda c: _segment_with(c, dtype="int32"), "otherwise than its zarr.json"),
        (lambda c: _segment_with(c, shape=(16, 1, 3)), "otherwise than its zarr.json"),
        (lambda c: _segment_with(c, shape=(3, 16)), "for rows"),
        (lambda c: _segment_with(c, crc32c=c.segments[0].crc32c ^ 1), "its record says"),
        (lambda c: _segment_with(c, files=c.segments[0].files[:1]), "names 0 chunk files|names no zarr.json"),
        (lambda c: _segment_with(c, files=c.segments[0].files[1:]), "names 0 chunk files|names no zarr.json"),
    ],
    ids=range(13),
)
def test_an_edited_record_contradicts_its_data(store: Store, edit: Callable[[Commit], Commit], message: str) -> None:
    unit = _unit(store)
    _reseal(store, unit, edit)
    with pytest.raises(IntegrityError, match=message):
        list(Reader(store).segments(unit))


def _with(commit: Commit, **changes: object) -> Commit:
    import dataclasses

    return dataclasses.replace(commit, **changes)  # type: ignore[arg-type]


def _segment_with(commit: Commit, **changes: object) -> Commit:
    import dataclasses

    first = dataclasses.replace(commit.segments[0], **changes)  # type: ignore[arg-type]
    return _with(commit, segments=(first, *commit.segments[1:]))


def test_segments_of_another_pack_are_refused(store: Store) -> None:
    # All data of one pack under the record of another, equal in shape: only what the array says of itself tells.
    first, second = _unit(store, at=1), _unit(store, at=2)
    other = Reader(store).commit(second)
    assert other is not None
    ours, theirs = _segment(store, first), _segment(store, second)
    _reseal(store, first, lambda commit: _with(commit, segments=other.segments, failures=()))
    assert ours != theirs
    with pytest.raises(IntegrityError, match=r"otherwise than its zarr.json"):
        list(Reader(store).segments(first))


@pytest.mark.parametrize("kind", ["logits", "patches"])
def test_swapped_chunks_of_one_shape_are_refused(store: Store, kind: str) -> None:
    a, b = _unit(store, kind, 1), _unit(store, kind, 2)
    name = "c/0/0" if kind == "logits" else "c/0/0/0/0"
    first, second = _segment(store, a) / name, _segment(store, b) / name
    held = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(held)
    for unit in (a, b):
        with pytest.raises(IntegrityError, match="its record says"):
            list(Reader(store).segments(unit))


def test_a_head_knows_its_scale(store: Store) -> None:
    head = Reader(store).head(ZERO_SHOT, HEAD)
    assert (head.scale, head.bias, head.weights.shape) == (14.25, -1.5, (4, 3))
    with pytest.raises(IncompleteError, match="--kinds text"):
        Reader(store).head(CLASSIFIER, HEAD)


def test_tables_are_read_and_compared(store: Store) -> None:
    items = images(3)
    table = pl.DataFrame({"answer": ["a", "b", None]})
    with store.stage() as staged:
        pack = write_pack(staged, "request", pack_table(items))
        unit = Unit("records", CLASSIFIER.id, CLASSIFIER.label, pack)
        assert pack == pack_id(items)
        write_commit(staged, unit, [table_segment("records", CLASSIFIER.id, pack, table)], [], "r")
    assert Reader(store).table(unit).equals(table)
    _reseal(store, unit, lambda commit: _segment_with(commit, shape=(3, 2)))
    with pytest.raises(IntegrityError, match="otherwise than its id"):
        Reader(store).table(unit)


def test_a_flipped_bit_in_a_table_is_an_error(store: Store) -> None:
    items = images(3)
    with store.stage() as staged:
        pack = write_pack(staged, "request", pack_table(items))
        unit = Unit("scores", CLASSIFIER.id, CLASSIFIER.label, pack)
        write_commit(
            staged, unit, [table_segment("scores", CLASSIFIER.id, pack, pl.DataFrame({"x": [1, 2, 3]}))], [], "r"
        )
    path = _segment(store, unit) / "rows.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(IntegrityError, match="sha256"):
        Reader(store).table(unit)


def test_an_extra_file_in_a_segment_changes_nothing(store: Store) -> None:
    unit = _unit(store, "patches")
    before = [values.tobytes() for _, values in Reader(store).segments(unit)]
    folder = _segment(store, unit)
    shutil.copy(folder / "c/0/0/0/0", folder / "c/0/0/0/1")
    assert [values.tobytes() for _, values in Reader(store).segments(unit)] == before
