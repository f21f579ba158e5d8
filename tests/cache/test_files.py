"""The portability rules, each forced on this machine by a patched system call."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from cache.files import Disk
from cache.layout import Layout, is_run
from cache.runs import new_run_id
from cache.store import Store
from cache.writing import create, stage
from tests.cache.synthetic import answer, fill

DISK = Disk()


def _refuse(code: int, winerror: int | None = None) -> OSError:
    error = OSError(code, os.strerror(code))
    if winerror is not None:
        error.winerror = winerror  # type: ignore[attr-defined,unused-ignore]
    return error


# --- hard links ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EXDEV, errno.EMLINK])
def test_without_hard_links_a_store_is_filled_all_the_same(
    tmp_path: Path, filled: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(source: Any, target: Any) -> None:
        raise _refuse(code)

    monkeypatch.setattr(os, "link", refuse)
    fill(tmp_path / "store")
    assert answer(tmp_path / "store") == answer(filled)


def test_without_hard_links_creation_is_exclusive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: Any, target: Any) -> None:
        raise _refuse(errno.EPERM)

    monkeypatch.setattr(os, "link", refuse)
    with stage(DISK, Layout(tmp_path)) as staged:
        assert create(staged, tmp_path / "record.json", b"first")
        assert not create(staged, tmp_path / "record.json", b"second")
    assert (tmp_path / "record.json").read_bytes() == b"first"


def test_a_record_that_cannot_be_finished_is_taken_away(tmp_path: Path) -> None:
    class Full(Disk):
        def write_some(self, handle: int, data: memoryview) -> int:
            os.write(handle, data[: len(data) // 2])
            raise _refuse(errno.ENOSPC)

    with pytest.raises(OSError, match="No space left"):
        Full().write_new(tmp_path / "record.json", b"a whole record")
    assert list(tmp_path.iterdir()) == []
    DISK.write_new(tmp_path / "record.json", b"a whole record")


def test_a_network_link_whose_reply_was_lost_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.link

    def lossy(source: Any, target: Any) -> None:
        real(source, target)
        raise _refuse(errno.EEXIST)

    (tmp_path / "staged").write_bytes(b"ours")
    monkeypatch.setattr(os, "link", lossy)
    DISK.link_new(tmp_path / "staged", tmp_path / "record")
    assert (tmp_path / "record").read_bytes() == b"ours"


def test_a_network_link_that_lost_the_race_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "staged").write_bytes(b"ours")
    (tmp_path / "record").write_bytes(b"theirs")
    with pytest.raises(FileExistsError):
        DISK.link_new(tmp_path / "staged", tmp_path / "record")
    # Two names, but of two files: a backup that hard-links the other writer's record proves nothing about ours.
    os.link(tmp_path / "record", tmp_path / "backup")
    with pytest.raises(FileExistsError):
        DISK.link_new(tmp_path / "staged", tmp_path / "record")


# --- Windows -----------------------------------------------------------------------------------------------------


def test_windows_syncs_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Any, *rest: Any) -> int:
        raise _refuse(errno.EACCES)

    monkeypatch.setattr(os, "open", refuse)
    Disk("win32").sync_folder(tmp_path)
    with pytest.raises(PermissionError):
        Disk("linux").sync_folder(tmp_path)


@pytest.mark.parametrize(("call", "winerror"), [("rename", 5), ("replace", 32), ("unlink", 33), ("link", 32)])
def test_windows_sharing_violations_are_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, winerror: int
) -> None:
    left = 3
    real = getattr(os, call)

    def busy(*arguments: Any) -> None:
        nonlocal left
        if left:
            left -= 1
            raise _refuse(errno.EACCES, winerror)
        real(*arguments)

    monkeypatch.setattr(os, call, busy)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    disk = Disk("win32")
    (tmp_path / "a").write_bytes(b"1")
    actions = {
        "rename": lambda: disk.rename_new(tmp_path / "a", tmp_path / "b"),
        "replace": lambda: disk.replace(tmp_path / "a", tmp_path / "b"),
        "link": lambda: disk.link_new(tmp_path / "a", tmp_path / "b"),
        "unlink": lambda: disk.remove(tmp_path / "a"),
    }
    actions[call]()
    assert left == 0
    assert (tmp_path / "b").exists() == (call != "unlink")


def test_a_real_permission_error_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    def refuse(*arguments: Any) -> None:
        nonlocal calls
        calls += 1
        raise _refuse(errno.EACCES)

    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.raises(PermissionError):
        DISK.remove(tmp_path / "a")
    assert calls == 1


def test_windows_answers_permission_for_a_folder_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> None:
        raise _refuse(errno.EACCES)

    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(FileExistsError):
        Disk("win32").rename_new(tmp_path / "a", tmp_path / "b")


# --- macOS -------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fcntl")
def test_macos_empties_the_cache_of_the_drive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    full: list[int] = []
    plain: list[int] = []
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", lambda handle, command: full.append(command))
    monkeypatch.setattr(os, "fsync", plain.append)
    Disk("darwin").write_new(tmp_path / "a", b"1")
    Disk("darwin").sync_folder(tmp_path)
    assert (full, plain) == ([51, 51], [])

    def refuse(handle: int, command: int) -> None:
        raise _refuse(errno.ENOTSUP)

    monkeypatch.setattr(fcntl, "fcntl", refuse)
    Disk("darwin").write_new(tmp_path / "b", b"1")
    assert len(plain) == 1, "a network volume without F_FULLFSYNC gets an fsync"


# --- odd file systems --------------------------------------------------------------------------------------------


def test_short_writes_are_continued(tmp_path: Path, filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, bytes(data)[:97]))
    fill(tmp_path / "store")
    assert answer(tmp_path / "store") == answer(filled)


def test_interrupted_calls_are_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = {"write": 2, "fsync": 2, "open": 2}

    def interrupted(name: str) -> Any:
        real = getattr(os, name)

        def call(*arguments: Any) -> Any:
            if left[name]:
                left[name] -= 1
                raise _refuse(errno.EINTR)
            return real(*arguments)

        return call

    for name in left:
        monkeypatch.setattr(os, name, interrupted(name))
    DISK.write_new(tmp_path / "a", b"all of it")
    monkeypatch.undo()
    assert (tmp_path / "a").read_bytes() == b"all of it"
    assert left == {"write": 0, "fsync": 0, "open": 0}


def test_folders_that_cannot_be_synced_are_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(code: int) -> Any:
        def call(handle: int) -> None:
            raise _refuse(code)

        return call

    monkeypatch.setattr(os, "fsync", refuse(errno.EINVAL))
    Disk("linux").sync_folder(tmp_path)
    monkeypatch.setattr(os, "fsync", refuse(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        Disk("linux").sync_folder(tmp_path)


def test_names_differ_in_more_than_letter_case(filled: Path) -> None:
    for folder in (filled, *(path for path in filled.rglob("*") if path.is_dir())):
        names = [path.name for path in folder.iterdir()]
        assert len({name.lower() for name in names}) == len(names), folder


def test_names_are_short_and_legal_on_windows(path: Path) -> None:
    from cache.repair import repair

    next(path.glob("data/patches/*/*/c/0/0/0/0")).write_bytes(b"")
    (path / "local" / "staging" / "old").mkdir(parents=True)
    assert repair(Store(path))
    for found in path.rglob("*"):
        relative = found.relative_to(path).as_posix()
        assert len(relative) < 160, relative
        assert not set(relative) & set(':|?*<>"\\'), relative
        assert not relative.endswith((".", " "))


def test_the_longest_names_are_short(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    label = f"{'s' * 40}-{'0' * 16}"
    segment = layout.segment("predictions", label, "0" * 64)
    longest = (
        segment / "rows.parquet",
        segment / "c" / "0" / "0" / "0" / "0" / "0",
        layout.record("predictions", label, "0" * 64),
        layout.marker("d" * 80, "0" * 16, "0" * 16),
        layout.retired("0" * 64),
        layout.quarantine / ("0" * 32) / ("0" * 64) / "c" / "0" / "0" / "0" / "0" / "0",
        layout.runs / f"{'0' * 16}-{'h' * 40}-{'0' * 32}.end.json",
    )
    for path in longest:
        assert len(layout.relative(path)) < 160, layout.relative(path)


def test_any_host_makes_a_legal_run_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for host in ("GPU_01.cluster.example", "büro", "", "x" * 90, "..."):
        monkeypatch.setattr("socket.gethostname", lambda host=host: host)
        assert is_run(f"{new_run_id(DISK)}.json"), host


# --- plain behaviour -----------------------------------------------------------------------------------------------


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"first")
    with pytest.raises(FileExistsError):
        DISK.write_new(tmp_path / "a", b"second")
    (tmp_path / "b").write_bytes(b"second")
    with pytest.raises(FileExistsError):
        DISK.rename_new(tmp_path / "b", tmp_path / "a")
    for name in ("full", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").write_bytes(name.encode())
    with pytest.raises(FileExistsError):
        DISK.rename_new(tmp_path / "other", tmp_path / "full")
    with pytest.raises(FileExistsError):
        DISK.rename_new(tmp_path / "other", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"first"
    assert (tmp_path / "full" / "x").read_bytes() == b"full"


def test_a_file_in_the_place_of_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        DISK.make_folder(tmp_path / "a")
    with pytest.raises(NotADirectoryError):
        DISK.make_folder(tmp_path / "a" / "b")


def test_absent_things(tmp_path: Path) -> None:
    assert DISK.status(tmp_path / "no") is None
    assert DISK.names(tmp_path / "no") == []
    assert DISK.walk(tmp_path / "no") == []
    DISK.remove(tmp_path / "no")
    DISK.remove_folder(tmp_path / "no")
    assert DISK.read_at(_written(tmp_path / "a", b"0123456789"), 4, 3) == b"456"


def _written(path: Path, data: bytes) -> Path:
    DISK.write_new(path, data)
    return path


def test_the_clock_of_the_file_system(tmp_path: Path) -> None:
    first = DISK.touch(tmp_path / "clock")
    os.utime(tmp_path / "clock", (0, 0))
    assert DISK.touch(tmp_path / "clock") >= first
    assert DISK.touch(tmp_path) >= first
