"""The real commands' own code under faults: index, run, ingest and score, each file-system call in turn.

`tests/cache/test_faults.py` does the same for the writers alone, with many more points.
"""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from analyze.asked import Ask
from analyze.score import score
from analyze.table import table_bytes
from cache.check import check
from cache.errors import AssayError
from cache.gc import gc
from cache.ingesting.asked import IngestRequest
from cache.ingesting.ingest import ingest
from cache.reader import Reader
from cache.store import Store
from cache.texts import ClassList
from extract.index import IndexRequest, index
from extract.plan import Candidate, Plan, plan_work
from extract.run import run_plan
from extract.unit import Settings
from manifests.catalogue import Catalogue, load
from tests.cache.faults import FAULTS, Fault, FaultyDisk, Killed
from tests.extract.fake_backbone import FakeBackbone
from tests.extract.pictures import picture

Step = Callable[[Path, Path, FaultyDisk], Any]
CLASSES = ClassList(("a", "b", "c"), ("a", "b", "c"))
CATALOGUE: Catalogue = load()


def _photos(folder: Path) -> Path:
    for at in range(6):
        place = folder / "abc"[at % 3] / f"{at}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        picture(at).save(place)
    return folder


def _index(path: Path, photos: Path, disk: FaultyDisk) -> None:
    store, _ = Store.create(path, disk)
    index(store, CATALOGUE, IndexRequest(dataset="photos", root=photos, pack_size=4, threads=1))


def _run(path: Path, photos: Path, disk: FaultyDisk) -> None:
    store = Store(path, disk)
    model = Candidate("fake", {"group": "other"}, FakeBackbone(), CLASSES, {})
    work = plan_work(store, Reader(store), model, store.version("photos"), ["logits", "embeddings"])
    run_plan(store, Plan((work,)), Settings(batch_size=4, workers=0))


def _ingest(path: Path, photos: Path, disk: FaultyDisk) -> None:
    answers = photos.with_name("answers.csv")
    rows = "".join(f"{'abc'[at % 3]}/{at}.png,{at % 2},0.{at + 1}\n" for at in range(6))
    answers.write_text(f"sample,predicted_class,predicted_probability\n{rows}", "utf-8")
    asked = IngestRequest(model="made", dataset="photos", kind="predictions", files=(answers,))
    ingest(Store(path, disk), CATALOGUE, asked)


def _score(path: Path, photos: Path, disk: FaultyDisk) -> bytes:
    return table_bytes(score(Store(path, disk), CATALOGUE, Ask(), on_failure="error").table, ".csv")


STEPS: tuple[Step, ...] = (_index, _run, _ingest, _score)


@dataclass(frozen=True)
class Course:
    """The undisturbed course.

    before
        A copy of the store before each step.
    calls
        File-system calls of each step.
    tables
        What `score` says after each step; the last is the true table.
    """

    photos: Path
    before: list[Path]
    calls: list[int]
    tables: list[bytes]
    segments: set[str]


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    folder = tmp_path_factory.mktemp("course")
    photos, store = _photos(folder / "photos"), folder / "store"
    before, calls, tables = [], [], []
    for at, step in enumerate(STEPS):
        before.append(folder / f"before-{at}")
        if store.exists():
            shutil.copytree(store, before[-1])
        disk = FaultyDisk()
        step(store, photos, disk)
        calls.append(disk.calls)
        tables.append(_score(store, photos, FaultyDisk()))
    return Course(photos, before, calls, tables, _segments(store))


def _segments(store: Path) -> set[str]:
    return {path.relative_to(store).as_posix() for path in store.glob("data/*/*/*")}


def _disturb(course: Course, at: int, fault: Fault, store: Path, seed: int) -> str:
    true = course.tables[-1]
    shutil.rmtree(store, ignore_errors=True)
    if course.before[at].exists():
        shutil.copytree(course.before[at], store)
    disk, said = FaultyDisk(fault, seed=seed), "done"
    try:
        found = STEPS[at](store, course.photos, disk)
        # A score that ended although a call failed has to be the true one.
        assert STEPS[at] is not _score or found == true
    except (OSError, AssayError, Killed) as error:
        said = type(error).__name__
    if fault.what == "power" and said == "Killed":
        disk.lose_power(share=random.Random(seed).choice([0.3, 0.7, 1.0]))
    try:
        if (store / "STORE.json").exists():
            # What was not asked for yet is no loss.
            assert _score(store, course.photos, FaultyDisk()) in course.tables
    except AssayError:
        pass
    for step in STEPS[at:]:
        last = step(store, course.photos, FaultyDisk())
    assert last == true
    assert _segments(store) == course.segments
    gc(Store(store), 0)
    assert check(Store(store), read_data=True) == []
    return said


def _points(calls: list[int], count: int) -> list[tuple[int, Fault]]:
    every = [(at, Fault(what, n)) for at, most in enumerate(calls) for n in range(1, most + 1) for what in FAULTS]
    return random.Random(5).sample(every, min(count, len(every)))


@pytest.mark.parametrize("count", [40, pytest.param(600, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])])
def test_faults_of_index_run_ingest_and_score(
    course: Course, count: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said: Counter[str] = Counter()
    points = _points(course.calls, count)
    for seed, (at, fault) in enumerate(points):
        try:
            said[f"{STEPS[at].__name__[1:]} {fault.what} {_disturb(course, at, fault, tmp_path / 'store', seed)}"] += 1
        except BaseException as error:
            error.add_note(f"step {at}, {fault}, seed {seed}")
            raise
    with capsys.disabled():
        where = f"{sum(course.calls)} calls of index, run, ingest and score"
        print(f"\n{len(points)} faults in {where}: {dict(sorted(said.items()))}")  # noqa: T201


def test_the_table_is_not_empty(course: Course) -> None:
    lines = course.tables[-1].decode().splitlines()
    models = {line.split(",")[0] for line in lines if ",accuracy_top1," in line}
    assert models == {"fake", "made"}
    assert [table.count(b"\n") > 1 for table in course.tables] == [False, True, True, True]
    assert min(course.calls) > 10
