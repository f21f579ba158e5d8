"""`check` names what is wrong, `repair` puts it away, `run` redoes it, `gc` sweeps; none of them does more."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cache.check import Finding, Sample, check, exit_code
from cache.errors import FormatVersionError, IncompleteError
from cache.files import Disk
from cache.gc import gc
from cache.layout import Layout
from cache.repair import open_for_repair, repair
from cache.retire import forget
from cache.runs import named_requests
from cache.store import Store
from cache.writing import Stage
from tests.cache.damage import damages, files_of
from tests.cache.synthetic import CLASSIFIER, SMALL, ZERO_SHOT, Job, answer, fill_other_model, index, run


def _sorts(findings: list[Finding]) -> set[str]:
    return {finding.sort for finding in findings}


def _one(path: Path, pattern: str) -> Path:
    return sorted(path.glob(pattern))[0]


def _redo(path: Path) -> None:
    """Repeat what a user would: the last index, and every run on it."""
    store = Store(path)
    index(store, SMALL, SMALL.second)
    kinds = ("logits", "embeddings", "patches")
    for job in (
        Job("net-a", CLASSIFIER, kinds, SMALL.second),
        Job("clip-b", ZERO_SHOT, ("embeddings",), SMALL.second, zero_shot=True),
    ):
        run(store, SMALL, job)


# --- check -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("read_data", [False, True])
def test_a_sound_store_has_no_findings(store: Store, read_data: bool) -> None:
    assert check(store, read_data) == []
    assert exit_code([]) == 0


def test_damaged_data_are_seen_by_reading_and_by_size(path: Path) -> None:
    chunk = _one(path, "data/logits/*/*/c/0/0")
    data = bytearray(chunk.read_bytes())
    data[3] ^= 1
    chunk.write_bytes(bytes(data))
    assert check(Store(path)) == [], "the same size: only reading tells"
    (finding,) = {(f.path.split("/")[0], f.sort) for f in check(Store(path), read_data=True)}
    assert finding == ("commits", "damaged")
    chunk.write_bytes(bytes(data[:-1]))
    (found,) = check(Store(path))
    assert "its record says" in found.what


def test_lost_data(path: Path) -> None:
    _one(path, "data/embeddings/*/*/zarr.json").unlink()
    (finding,) = check(Store(path))
    assert (finding.sort, exit_code([finding])) == ("lost", 4)
    assert "assay-cache repair" in finding.what


@pytest.mark.parametrize(
    ("pattern", "blamed"),
    [("packs/*.parquet", "packs"), ("spaces/*.json", "spaces"), ("texts/*.json", "texts"),
     ("requests/*.json", "requests"), ("datasets/*.parquet", "datasets"), ("datasets/*.json", "datasets"),
     ("runs/*.json", "runs"),
     ("commits/*/*/*.json", "commits"), ("datasets/*replaced*", "datasets")],
)  # fmt: skip
def test_the_damaged_document_is_blamed_and_not_what_needs_it(path: Path, pattern: str, blamed: str) -> None:
    victim = _one(path, pattern)
    victim.write_bytes(victim.read_bytes()[:-7] + b"x")
    found = check(Store(path))
    assert _sorts(found) == {"damaged"}
    assert {finding.path for finding in found} == {victim.relative_to(path).as_posix().replace(".parquet", ".json")}
    assert blamed in found[0].path


@pytest.mark.parametrize(
    ("pattern", "sort"),
    [("packs/*.json", "inconsistent"), ("spaces/*.json", "inconsistent"), ("texts/*.json", "inconsistent"),
     ("requests/*.json", "inconsistent"), ("datasets/*.parquet", "damaged"), ("datasets/*replaced*", "inconsistent"),],
)  # fmt: skip
def test_every_missing_document_is_missed(path: Path, pattern: str, sort: str) -> None:
    for victim in sorted(path.glob(pattern)):
        held = victim.read_bytes()
        victim.unlink()
        found = check(Store(path))
        victim.write_bytes(held)
        assert sort in _sorts(found), victim
        assert exit_code(found) == 4


def test_a_missing_version_is_missed_unless_it_was_replaced(path: Path) -> None:
    sorts = {}
    for victim in sorted(path.glob("datasets/*[0-9a-f].json")):
        held = victim.read_bytes()
        victim.unlink()
        sorts[victim.stem] = _sorts(check(Store(path)))
        victim.write_bytes(held)
    current = Store(path).version("shapes").reference
    assert sorts.pop(current) >= {"inconsistent"}
    assert list(sorts.values()) == [{"litter"}]


def test_every_flip_is_found_by_reading(path: Path, filled: Path) -> None:
    flips = [damage for damage in damages(path, []) if damage.action == "flip" and damage.detail.startswith("byte 0")]
    assert len(flips) == len(files_of(path))
    for damage in flips:
        if damage.file == "STORE.json":
            continue
        with damage.done_to(path):
            assert exit_code(check(Store(path), read_data=True)) == 4, damage


def test_another_format_version_is_not_damage(path: Path) -> None:
    victim = _one(path, "commits/logits/*/*.json")
    body = json.loads(victim.read_bytes())
    victim.write_text(json.dumps({**body, "format": 2}), encoding="utf-8")
    found = check(Store(path))
    assert _sorts(found) == {"newer"}
    assert exit_code(found) == 6
    assert repair(Store(path)) == []
    assert gc(Store(path), 0) == [], "data of a record that cannot be read are nobody's litter"


def test_litter_is_named_and_harmless(path: Path) -> None:
    before = answer(path)
    litter = {
        "notes.txt": "stays until you remove it",
        "commits/logits/.tmp.x7Qa": "stays until you remove it",
        "packs/README": "stays until you remove it",
        f"packs/{'0' * 64}.parquet": "assay-cache gc` removes it",
        "data/logits/orphan/zarr.json": "assay-cache gc` removes it",
    }
    for name in litter:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(b"?")
    Stage(Store(path).disk, Store(path).layout).open().write(b"half")
    found = check(Store(path))
    assert _sorts(found) == {"litter"}
    assert exit_code(found) == 0
    for name, remark in litter.items():
        (what,) = [finding.what for finding in found if finding.path == name]
        assert remark in what
    assert sum(finding.path.startswith("local/staging/") for finding in found) == 1
    assert answer(path) == before


def test_a_stage_without_a_file_is_named_too(path: Path) -> None:
    """As a kill leaves it, before the first file or while it was removed."""
    store = Store(path)
    (store.layout.staging / ("0" * 32)).mkdir(parents=True)
    assert [(finding.path, finding.sort) for finding in check(store)] == [(f"local/staging/{'0' * 32}", "litter")]


def test_a_request_whose_run_never_began(path: Path, tmp_path: Path) -> None:
    stray = _one(fill_other_model(tmp_path / "other").layout.root, "requests/*.json")
    (path / "requests" / stray.name).write_bytes(stray.read_bytes())
    (path / "spaces" / "x").write_bytes(b"")
    found = check(Store(path))
    assert "unstarted" in _sorts(found)
    assert exit_code([f for f in found if f.sort == "unstarted"]) == 3


def test_samples_are_seeded_shares() -> None:
    names = [str(n) for n in range(2000)]
    tenth = {name for name in names if Sample(0.1, 7).takes(name)}
    assert 140 < len(tenth) < 260
    assert tenth == {name for name in names if Sample(0.1, 7).takes(name)}
    assert tenth != {name for name in names if Sample(0.1, 8).takes(name)}
    assert all(Sample().takes(name) for name in names)
    assert not any(Sample(0.0).takes(name) for name in names)


def test_enough_samples_find_one_flip(path: Path) -> None:
    chunk = _one(path, "data/logits/*/*/c/0/0")
    chunk.write_bytes(b"\xff" + chunk.read_bytes()[1:])
    seen = [bool(check(Store(path), True, Sample(0.3, seed))) for seed in range(20)]
    assert 0 < sum(seen) < 20


# --- repair ------------------------------------------------------------------------------------------------------


def test_a_sound_store_needs_no_repair(store: Store) -> None:
    before = files_of(store.layout.root)
    assert repair(store) == []
    assert files_of(store.layout.root) == before


@pytest.mark.parametrize("action", ["delete", "truncate", "flip", "zero"])
def test_repair_then_run_gives_the_same_store(path: Path, action: str) -> None:
    reference = answer(path)
    seen = set()
    for damage in damages(path, []):
        sort = damage.file.split("/")[0]
        # One of each folder is enough here; the state machine and the soak run try more.
        if damage.action != action or sort in seen or sort == "STORE.json":
            continue
        seen.add(sort)
        with damage.done_to(path):
            moved = repair(Store(path))
            if action == "flip":
                assert moved, damage
            for item in moved:
                assert (path / item.to).exists(), "nothing is deleted"
            _redo(path)
            for digest in Store(path).requests().digests ^ named_requests(Disk(), Layout(path)):
                # The request of the old version: the command that asked for it would ask for the new one today.
                assert sort == "requests"
                assert forget(Store(path), digest)
            assert exit_code(check(Store(path), read_data=True)) == 0, damage
            assert answer(path) == reference, damage
    assert len(seen) >= 7


def test_repair_takes_a_unit_as_a_whole(path: Path) -> None:
    chunk = _one(path, "data/logits/*/*/c/0/0")
    chunk.write_bytes(b"torn")
    segment = chunk.parents[2].name
    moved = {item.path.split("/")[0]: item for item in repair(Store(path))}
    assert set(moved) == {"commits", "data"}
    assert moved["data"].path.endswith(segment)
    assert (path / moved["data"].to / "c" / "0" / "0").read_bytes() == b"torn"
    with pytest.raises(IncompleteError):
        answer(path)


def test_a_damaged_pack_does_not_cost_its_numbers(path: Path) -> None:
    records = sorted(path.glob("commits/*/*/*.json"))
    _one(path, "packs/*.json").write_bytes(b"{}")
    assert {item.path.split("/")[0] for item in repair(Store(path))} == {"packs"}
    assert sorted(path.glob("commits/*/*/*.json")) == records


@pytest.mark.parametrize("data", [None, b"", b"garbage"])
def test_the_head_of_a_store_is_made_again(path: Path, data: bytes | None) -> None:
    before = answer(path)
    (path / "STORE.json").unlink()
    if data is not None:
        (path / "STORE.json").write_bytes(data)
    store, moved = open_for_repair(path)
    assert repair(store) == []
    assert [item.path for item in moved] == ([] if data is None else ["STORE.json"])
    assert answer(path) == before


def test_repair_leaves_other_versions_and_no_stores_alone(path: Path, tmp_path: Path) -> None:
    body = json.loads((path / "STORE.json").read_bytes())
    (path / "STORE.json").write_text(json.dumps({**body, "format": 2}), encoding="utf-8")
    with pytest.raises(FormatVersionError):
        open_for_repair(path)
    with pytest.raises(IncompleteError):
        open_for_repair(tmp_path / "nothing")


# --- gc ----------------------------------------------------------------------------------------------------------


def _age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    for inner in (*path.rglob("*"), path):
        os.utime(inner, (then, then))


def _orphan(path: Path, name: str = "orphan") -> Path:
    folder = path / "data" / "logits" / CLASSIFIER.label / name
    folder.mkdir(parents=True)
    (folder / "zarr.json").write_bytes(b"{}")
    return folder


def test_a_sound_store_has_no_litter(store: Store) -> None:
    before = files_of(store.layout.root)
    assert gc(store, 0) == []
    assert files_of(store.layout.root) == before


def test_old_litter_goes_and_young_litter_stays(path: Path) -> None:
    before = answer(path)
    store = Store(path)
    dead = Stage(store.disk, store.layout).open()
    dead.write(b"half a record")
    orphan = _orphan(path)
    stray = _one(path, "data/logits/*/*/zarr.json").with_name("zarr.json.x7Qa")
    stray.write_bytes(b"12")
    table = path / "packs" / f"{'0' * 64}.parquet"
    table.write_bytes(b"123")
    assert gc(store, 60) == []
    for item in (dead.folder, orphan, stray, table):
        _age(item, 3600)
    removed = {item.path: item.nbytes for item in gc(store, 60)}
    assert removed == {
        store.layout.relative(dead.folder): 13,
        store.layout.relative(orphan): 2,
        store.layout.relative(stray): 2,
        store.layout.relative(table): 3,
    }
    assert check(store, read_data=True) == []
    assert answer(path) == before


def test_what_stands_elsewhere_is_never_removed(path: Path) -> None:
    kept = [path / "notes.txt", path / "packs" / "README", path / "local" / "quarantine" / "x" / "y"]
    for item in kept:
        item.parent.mkdir(parents=True, exist_ok=True)
        item.write_bytes(b"mine")
        _age(item, 1e6)
    assert gc(Store(path), 0) == []
    assert all(item.exists() for item in kept)


def test_data_younger_than_a_live_stage_stay(path: Path) -> None:
    store = Store(path)
    stage = Stage(store.disk, store.layout).open()
    _age(stage.folder, 500)
    stage.write(b"still at it")
    old, young = _orphan(path, "old"), _orphan(path, "young")
    _age(old, 1000)
    _age(young, 300)
    # The grace alone would take both: the stage was born 500 s ago and wrote a moment ago.
    assert [item.path for item in gc(store, 100)] == [store.layout.relative(old)]
    assert stage.folder.exists()
    stage.close()
    assert [item.path for item in gc(store, 100)] == [store.layout.relative(young)]


@pytest.mark.parametrize("offset", [-1e6, 1e6])
def test_no_wall_clock_is_read(path: Path, monkeypatch: pytest.MonkeyPatch, offset: float) -> None:
    store = Store(path)
    old, young = _orphan(path, "old"), _orphan(path, "young")
    _age(old, 1000)
    wrong: Callable[[], float] = lambda: 1e9 + offset  # noqa: E731
    monkeypatch.setattr("time.time", wrong)
    assert [item.path for item in gc(store, 100)] == [store.layout.relative(old)]
    assert young.exists()


def test_a_segment_that_is_wanted_again_is_young_again(path: Path) -> None:
    store = Store(path)
    record = _one(path, "commits/logits/*/*.json")
    held = record.read_bytes()
    record.unlink()
    segment = path / "data" / "logits" / record.parent.name / json.loads(held)["segments"][0]["id"]
    _age(segment, 1000)
    job = Job("net-a", CLASSIFIER, ("logits", "embeddings", "patches"), SMALL.second)
    real = store.disk.link_new

    def sweep_first(source: Path, target: Path) -> None:
        if target.name == record.name:
            assert gc(Store(path), 100) == []
        real(source, target)

    store.disk.link_new = sweep_first  # type: ignore[method-assign]
    assert len(run(store, SMALL, job)) == 1
    assert answer(path)


def test_a_negative_grace_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="0 or more"):
        gc(store, -1)
