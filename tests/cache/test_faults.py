"""Whatever fails, and whenever: a reader is right or says that it cannot be, and doing it again completes it."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from cache.check import check
from cache.errors import AssayError
from cache.files import Disk
from cache.gc import gc
from cache.repair import open_for_repair, repair
from cache.store import Store
from cache.writing import create, quarantine, stage
from tests.cache.faults import FAULTS, Fault, FaultyDisk, Killed
from tests.cache.synthetic import Answer, Size, answer, steps

SIZE = Size(first=3, second=4, pack=16, broken=1)


@dataclass(frozen=True)
class Course:
    """The undisturbed filling of a store: a copy before each step, how many calls each takes, all true answers."""

    before: list[Path]
    calls: list[int]
    answers: list[Answer]
    segments: set[str]


@pytest.fixture(scope="module", params=[True, False], ids=["links", "no-links"])
def links(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory, links: bool) -> Course:
    folder = tmp_path_factory.mktemp("course")
    store = folder / "store"
    before, calls, answers = [], [], []
    for at, step in enumerate(steps(SIZE)):
        before.append(folder / f"before-{at}")
        if at:
            shutil.copytree(store, before[-1])
        disk = FaultyDisk(links=links)
        step(store, disk)
        calls.append(disk.calls)
        if _answer(store) is not None:
            answers.append(answer(store))
    return Course(before, calls, answers, _segments(store))


def _segments(store: Path) -> set[str]:
    return {path.parent.relative_to(store).as_posix() for path in store.glob("data/*/*/*/zarr.json")}


def _answer(store: Path) -> Answer | None:
    try:
        return answer(store)
    except AssayError:
        return None


def _points(course: Course, count: int, seed: int) -> list[tuple[int, Fault]]:
    every = [
        (step, Fault(what, at))
        for step, calls in enumerate(course.calls)
        for at in range(1, calls + 1)
        for what in FAULTS
    ]
    chosen = random.Random(seed).sample(every, min(count, len(every)))
    # Each kind of fault and each step at least once, whatever the sample says.
    first = [(at % len(course.calls), Fault(what, 1 + seed + at)) for at, what in enumerate(FAULTS)]
    return chosen + first if count < len(every) else chosen


def _disturb(course: Course, store: Path, step: int, fault: Fault, links: bool, seed: int) -> str:
    """Let one step fail, look, repeat it and all that follow; return what became of the first attempt."""
    shutil.rmtree(store, ignore_errors=True)
    if course.before[step].exists():
        shutil.copytree(course.before[step], store)
    store.mkdir(exist_ok=True)
    disk = FaultyDisk(fault, links, seed)
    said = "done"
    try:
        steps(SIZE)[step](store, disk)
    except (OSError, AssayError, Killed) as error:
        said = type(error).__name__
    if fault.what == "power" and said == "Killed":
        disk.lose_power(share=random.Random(seed).choice([0.3, 0.7, 1.0]))
    _look(course, store, torn=not links)
    for again in steps(SIZE)[step:]:
        again(store, FaultyDisk(links=links))
    assert answer(store) == course.answers[-1]
    assert _segments(store) == course.segments
    gc(Store(store), 0)
    assert check(Store(store), read_data=True) == []
    return said


def _look(course: Course, store: Path, torn: bool) -> None:
    """What must hold at any moment: no wrong answer, no visible record that does not verify."""
    found = _answer(store)
    assert found is None or found == {} or found in course.answers
    if torn:
        # Without hard links a record is written in place: a torn one is damage that says so, and repair mends.
        if any((store / name).exists() for name in ("STORE.json", "packs", "texts")):
            repair(open_for_repair(store)[0])
        return
    if (store / "STORE.json").exists():
        for finding in check(Store(store), read_data=True):
            # Two heads, between a version and its marker, are the one contradiction that a crash may leave.
            heads = finding.sort == "inconsistent" and finding.path == "datasets/shapes"
            assert finding.sort in ("litter", "unstarted") or heads, finding


def _report(course: Course, points: list[tuple[int, Fault]], links: bool, folder: Path) -> str:
    said: Counter[tuple[str, str]] = Counter()
    for at, (step, fault) in enumerate(points):
        try:
            said[fault.what, _disturb(course, folder / "store", step, fault, links, at)] += 1
        except BaseException as error:
            error.add_note(f"step {step}, {fault}, seed {at}, links {links}")
            raise
    counts = ", ".join(f"{what} {outcome} {number}" for (what, outcome), number in sorted(said.items()))
    return f"{len(points)} faults in {sum(course.calls)} calls: {counts}"


def test_a_sample_of_faults(course: Course, links: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = _report(course, _points(course, 40 if links else 10, seed=11), links, tmp_path)
    with capsys.disabled():
        print("\n" + report)  # noqa: T201


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_many_faults(course: Course, links: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = _report(course, _points(course, 600 if links else 150, seed=23), links, tmp_path)
    with capsys.disabled():
        print("\n" + report)  # noqa: T201


# --- can the harness see anything? -------------------------------------------------------------------------------


class Hasty(FaultyDisk):
    """A disk whose writer forgot to sync folders."""

    def sync_folder(self, folder: Path) -> None:
        self._count(folder)


def test_a_writer_that_syncs_no_folder_is_caught(course: Course, links: bool, tmp_path: Path) -> None:
    if not links:
        pytest.skip("one way of writing records is enough here")
    lost = 0
    for at in range(1, course.calls[1], 7):
        store = tmp_path / f"store-{at}"
        shutil.copytree(course.before[1], store)
        disk = Hasty(Fault("power", at))
        with pytest.raises(Killed):
            steps(SIZE)[1](store, disk)
        disk.lose_power(0.5)
        lost += any(finding.sort in ("lost", "inconsistent") for finding in check(Store(store), read_data=True))
    assert lost, "records survived the data that they name, and the harness saw nothing"


def test_unsynced_things_are_lost_and_synced_ones_are_not(tmp_path: Path) -> None:
    disk = FaultyDisk()
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    disk.write_new(tmp_path / "a" / "kept", b"1")
    disk.sync_folder(tmp_path / "a")
    disk.write_new(tmp_path / "a" / "lost", b"2")
    disk.make_folder(tmp_path / "a" / "folder")
    disk.write_new(tmp_path / "a" / "folder" / "inside", b"3")
    disk.rename_new(tmp_path / "a" / "kept", tmp_path / "b" / "moved")
    disk.lose_power(1.0)
    # make_folder synced `a`, and with it everything that was created there before.
    assert {path.name for path in (tmp_path / "a").iterdir()} == {"kept", "lost", "folder"}
    assert list((tmp_path / "a" / "folder").iterdir()) == []
    assert list((tmp_path / "b").iterdir()) == []


def test_quarantine_survives_a_loss_of_power(tmp_path: Path) -> None:
    for at in range(1, 40):
        root = tmp_path / str(at)
        (root / "packs").mkdir(parents=True)
        (root / "packs" / "p.json").write_bytes(b"torn")
        store = Store.create(root)[0]
        disk = FaultyDisk(Fault("power", at), seed=at)
        try:
            quarantine(disk, store.layout, root / "packs" / "p.json", "torn")
        except Killed:
            disk.lose_power(1.0)
        else:
            assert at > disk.calls, "more calls were made than were tried"
            return
        assert [path.read_bytes() for path in root.rglob("p.json")] == [b"torn"], f"lost at call {at}"
    pytest.fail("quarantine makes more calls than were tried")


def test_no_handle_is_left_open(course: Course, tmp_path: Path) -> None:
    handles = Path("/proc/self/fd")
    if not handles.is_dir():
        pytest.skip("this system does not list open handles")
    before = len(list(handles.iterdir()))
    for at in range(1, 60):
        disk = FaultyDisk(Fault("EIO", at))
        store = Store.create(tmp_path / str(at), Disk())[0]
        try:
            with stage(disk, store.layout) as staged:
                create(staged, store.layout.runs / "x.json", b"data")
                staged.write_folder({"a": b"1", "c/0": b"2"})
        except OSError:
            continue
    assert len(list(handles.iterdir())) == before
