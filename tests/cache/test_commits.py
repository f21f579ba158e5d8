"""Committing a unit: written, the same, different; what a crash left; what two writers do to each other."""

from __future__ import annotations

import dataclasses
import shutil
import threading
from pathlib import Path

import pytest

from cache.commits import Commit, Outcome, RowFailure, Unit, read_commit, write_commit
from cache.errors import IntegrityError
from cache.key import pack_id
from cache.packs import write_pack
from cache.reader import Reader, State
from cache.segments import Segment
from cache.spaces import write_space
from cache.store import Store
from tests.cache.synthetic import CLASSIFIER, image_segments, images, pack_table

ITEMS = tuple(images(5))
UNIT = Unit("logits", CLASSIFIER.id, CLASSIFIER.label, pack_id(ITEMS))


@pytest.fixture
def empty(tmp_path: Path) -> Store:
    store = Store.create(tmp_path / "store")[0]
    with store.stage() as staged:
        write_pack(staged, "image", pack_table(ITEMS))
        write_space(staged, CLASSIFIER)
    return store


def _segments(seed: int = 0, kind: str = "logits") -> tuple[Segment, ...]:
    return image_segments(kind, CLASSIFIER.id, ITEMS, (), seed)


def _write(store: Store, seed: int = 0, run: str = "r") -> Outcome:
    with store.stage() as staged:
        return write_commit(staged, UNIT, _segments(seed), [], run)


def test_a_record_comes_back_as_it_was_written(empty: Store) -> None:
    failure = RowFailure(2, ITEMS[2], "decode_error", "truncated")
    segments = image_segments("patches", CLASSIFIER.id, ITEMS, (ITEMS[2],))
    unit = dataclasses.replace(UNIT, kind="patches")
    with empty.stage() as staged:
        assert write_commit(staged, unit, segments, [failure], "r1", parents=["a"]) is Outcome.WRITTEN
    commit = read_commit(empty.disk, empty.layout, unit)
    assert commit is not None
    assert Commit.from_bytes(commit.to_bytes(), "x") == commit
    assert (commit.rows, commit.failures, commit.run, commit.parents) == (5, (failure,), "r1", ("a",))
    assert [facts.id for facts in commit.segments] == [segment.id for segment in segments]
    assert commit.nbytes() == sum(len(data) for segment in segments for data in segment.files.values())


def test_the_second_writer_of_the_same_numbers_succeeds(empty: Store) -> None:
    assert _write(empty) is Outcome.WRITTEN
    assert _write(empty, run="another") is Outcome.SAME
    commit = read_commit(empty.disk, empty.layout, UNIT)
    assert commit is not None
    assert commit.run == "r", "the first record stays"


def test_the_second_writer_of_other_numbers_is_told(empty: Store) -> None:
    assert _write(empty) is Outcome.WRITTEN
    assert _write(empty, seed=1) is Outcome.DIFFERENT
    (first,) = _segments()
    ((_, rows),) = Reader(empty).segments(UNIT)
    assert rows.tobytes() == first.files["c/0/0"][:-4], "the first numbers stay"


@pytest.mark.parametrize(("seed", "outcome"), [(0, Outcome.SAME), (1, Outcome.DIFFERENT)])
def test_a_race_that_is_lost_at_the_last_step(
    empty: Store, monkeypatch: pytest.MonkeyPatch, seed: int, outcome: Outcome
) -> None:
    real = empty.disk.link_new

    def rival_first(source: Path, target: Path) -> None:
        if target.parent.parent.name == "logits":
            monkeypatch.undo()
            assert _write(Store(empty.layout.root)) is Outcome.WRITTEN
        real(source, target)

    monkeypatch.setattr(empty.disk, "link_new", rival_first)
    assert _write(empty, seed) is outcome


def test_threads_that_write_one_unit_agree(empty: Store) -> None:
    barrier, outcomes = threading.Barrier(6), []

    def work(seed: int) -> None:
        store = Store(empty.layout.root)
        barrier.wait()
        outcomes.append((_write(store, seed), seed))

    threads = [threading.Thread(target=work, args=(n % 2,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 6
    ((_, winner),) = [pair for pair in outcomes if pair[0] is Outcome.WRITTEN]
    expected = {(Outcome.WRITTEN, winner), (Outcome.SAME, winner), (Outcome.DIFFERENT, 1 - winner)}
    assert set(outcomes) == expected
    assert list(empty.layout.staging.iterdir()) == []


def test_a_whole_folder_without_a_record_is_taken_over(empty: Store) -> None:
    assert _write(empty) is Outcome.WRITTEN
    empty.layout.record("logits", UNIT.label, UNIT.pack).unlink()
    assert _write(empty) is Outcome.WRITTEN
    assert not empty.layout.quarantine.exists()


def test_a_torn_folder_without_a_record_is_quarantined(empty: Store) -> None:
    _write(empty)
    empty.layout.record("logits", UNIT.label, UNIT.pack).unlink()
    (chunk,) = empty.layout.segments("logits", UNIT.label).glob("*/c/0/0")
    chunk.write_bytes(b"torn")
    assert _write(empty) is Outcome.WRITTEN
    assert [path.read_bytes() for path in empty.layout.quarantine.glob("*/*/c/0/0")] == [b"torn"]
    assert Reader(empty).state(UNIT) is State.HERE


def test_a_record_in_the_place_of_another_is_refused(empty: Store) -> None:
    _write(empty)
    record = empty.layout.record("logits", UNIT.label, UNIT.pack)
    other = empty.layout.record("embeddings", UNIT.label, UNIT.pack)
    other.parent.mkdir(parents=True)
    shutil.copy(record, other)
    with pytest.raises(IntegrityError, match="is the record of logits"):
        read_commit(empty.disk, empty.layout, dataclasses.replace(UNIT, kind="embeddings"))


def test_rows_without_numbers_need_a_reason(empty: Store) -> None:
    blank = image_segments("logits", CLASSIFIER.id, ITEMS, (ITEMS[3],))
    with empty.stage() as staged:
        with pytest.raises(ValueError, match=r"rows \[3\] hold no numbers, failures are given for rows \[\]"):
            write_commit(staged, UNIT, blank, [], "r")
        with pytest.raises(ValueError, match=r"rows \[\] hold no numbers, failures are given for rows \[3\]"):
            write_commit(staged, UNIT, _segments(), [RowFailure(3, ITEMS[3], "changed", "")], "r")
    assert not empty.layout.records("logits", UNIT.label).exists()
