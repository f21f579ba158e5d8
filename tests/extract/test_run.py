"""Plans and runs over a model that is arithmetic: what is done, what is not done twice, and what is said of it."""

from __future__ import annotations

import dataclasses
import logging
import shutil
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cache import segments
from cache.bindings import check_explained
from cache.check import check
from cache.commits import Unit
from cache.errors import IncompleteError, UsageError
from cache.reader import Reader
from cache.repair import repair
from cache.requests import write_request
from cache.runs import read_runs
from cache.store import Store
from cache.texts import ClassList, write_text
from extract.index import IndexRequest, index
from extract.plan import Candidate, Plan, Work, kinds_for, plan_work
from extract.preflight import check_pixels
from extract.run import run_plan
from extract.unit import Settings
from manifests.catalogue import load
from tests.extract.fake_backbone import FakeBackbone
from tests.extract.pictures import draw

CLASSES = ClassList(("a", "b", "c"), ("A", "B", "C"))
SETTINGS = Settings(batch_size=4, workers=0)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    draw(tmp_path / "photos", 12)
    return tmp_path / "photos"


@pytest.fixture
def store(photos: Path, tmp_path: Path) -> Store:
    store, _ = Store.create(tmp_path / "store")
    look(store, photos, pack_size=5)
    return store


def look(store: Store, root: Path, dataset: str = "photos", **more: Any) -> None:
    index(store, load(), IndexRequest(dataset=dataset, root=root, **more))


def work(
    store: Store,
    backbone: FakeBackbone,
    dataset: str = "photos",
    name: str = "M",
    kinds: Sequence[str] = (),
    **more: Any,
) -> Work:
    candidate = Candidate(name, {"group": "other"}, backbone, CLASSES, {"versions": {"pillow": "1.2.3"}, **more})
    return plan_work(store, Reader(store), candidate, store.version(dataset), kinds)


def run(store: Store, *works: Work) -> Any:
    return run_plan(store, Plan(works), SETTINGS)


# --- what is planned ---------------------------------------------------------------------------------------------


def test_a_plan_counts_units_images_and_bytes(store: Store) -> None:
    planned = work(store, FakeBackbone())
    assert [unit.images for unit in planned.units] == [5, 5, 2]
    assert {unit.kinds for unit in planned.units} == {("logits", "embeddings")}
    assert (planned.needed, planned.computed, planned.nbytes) == (12, 12, 12 * 24)
    run(store, planned)
    assert work(store, FakeBackbone()).units == ()
    # One kind more: every pack again, for that kind only.
    more = work(store, FakeBackbone(), kinds=["patches", "logits"])
    assert {unit.kinds for unit in more.units} == {("patches",)}
    assert more.nbytes == 12 * 24
    assert more.request.kinds == ("logits", "patches")


def test_kinds_that_a_model_does_not_have_are_refused() -> None:
    with pytest.raises(UsageError, match="--kinds attention: expected some of logits, embeddings, patches"):
        kinds_for(FakeBackbone(), ["logits", "attention"])


def test_two_datasets_that_share_images_share_the_work(store: Store, photos: Path) -> None:
    look(store, photos, "most", limit=10)
    backbone = FakeBackbone()
    both = Plan((work(store, backbone), work(store, backbone, "most")))
    assert [len(one.units) for one in both.works] == [3, 2]
    assert len(both.units) == 3
    report = run_plan(store, both, SETTINGS)
    assert sum(backbone.batches) == 12
    assert (len(report.receipts), backbone.loads, backbone.closes) == (3, 1, 1)


def test_a_shared_unit_yields_the_kinds_of_both_who_asked(store: Store) -> None:
    backbone = FakeBackbone()
    plan = Plan((work(store, backbone, kinds=["logits"]), work(store, backbone, name="alias", kinds=["embeddings"])))
    assert {unit.kinds for unit in plan.units} == {("logits", "embeddings")}
    run_plan(store, plan, SETTINGS)
    assert sum(backbone.batches) == 12
    reader = Reader(store)
    for kind in ("logits", "embeddings"):
        assert len(reader.committed(kind, plan.works[0].space.label)) == 3


def test_models_are_loaded_one_after_the_other(store: Store, photos: Path) -> None:
    look(store, photos, "again", pack_size=4, packing="own")
    first, second = FakeBackbone(name="one"), FakeBackbone(name="two")
    works = [
        work(store, backbone, dataset, backbone.name) for dataset in ("photos", "again") for backbone in (first, second)
    ]
    report = run_plan(store, Plan(tuple(works)), SETTINGS)
    assert (first.loads, second.loads, report.models_constructed) == (1, 1, 2)
    assert (first.closes, second.closes) == (1, 1)


class WidePatches(FakeBackbone):
    """Patches of a megabyte an image, each of its own value."""

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "outputs": {"patches": {"grid": [512, 1024]}}}

    def forward(self, batch: Any, kinds: Sequence[str]) -> dict[str, Any]:
        means = super().forward(batch, ["embeddings"])["embeddings"][:, 0]
        patches = np.broadcast_to(means[:, None, None, None], (len(batch), 512, 1024, 1)).astype(np.float16)
        return dict.fromkeys(kinds, patches)


def test_patches_of_a_pack_need_not_fit_in_memory(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """128 MiB of patches in segments of 8 MiB: what is held at once is a few segments and batches."""
    draw(photos, 116, first=12)
    monkeypatch.setattr(segments, "MAX_PATCH_BYTES", 8 * 2**20)
    store, _ = Store.create(tmp_path / "wide")
    look(store, photos, "photos", pack_size=128)
    planned = work(store, WidePatches(), kinds=["patches"])
    tracemalloc.start()
    try:
        run_plan(store, Plan((planned,)), Settings(batch_size=4, workers=0))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 90 * 2**20
    (unit,) = [Unit("patches", planned.space.id, planned.space.label, pack) for pack in planned.request.packs]
    commit = Reader(store).commit(unit)
    assert commit is not None
    assert [segment.rows for segment in commit.segments] == [(at, at + 8) for at in range(0, 128, 8)]
    some = store.view("photos")["image_id"].to_list()[::25]
    expected = store.rows("patches", planned.space.label, some)
    assert (expected == expected[:, :1, :1, :1]).all()
    assert len({float(row[0, 0, 0]) for row in expected}) == len(some)
    assert check(store, read_data=True) == []
    assert not list((tmp_path / "wide" / "local" / "staging").iterdir())


# --- what a run leaves behind ------------------------------------------------------------------------------------


def test_a_run_says_what_it_did(store: Store) -> None:
    report = run(store, work(store, FakeBackbone()))
    said = report.to_json()
    assert (said["units"], said["images"], said["models_constructed"], said["failures"]) == (3, 12, 1, [])
    assert said["nondeterminism"] == []
    (label,) = said["images_per_second"]
    assert said["images_per_second"][label] > 0
    (record,) = read_runs(store.disk, store.layout)
    assert (record.id, record.ended) == (report.run, True)
    check_explained(store)
    assert check(store, read_data=True) == []


def test_a_second_run_writes_nothing(store: Store) -> None:
    run(store, work(store, FakeBackbone()))
    before = {path: path.stat().st_mtime_ns for path in store.layout.root.rglob("*") if "local" not in path.parts}
    backbone = FakeBackbone()
    report = run(store, work(store, backbone))
    assert (report.run, report.receipts, backbone.loads) == ("", (), 0)
    assert {
        path: path.stat().st_mtime_ns for path in store.layout.root.rglob("*") if "local" not in path.parts
    } == before


def test_a_second_name_for_the_same_numbers_computes_nothing_and_is_bound(store: Store) -> None:
    run(store, work(store, FakeBackbone()))
    backbone = FakeBackbone()
    report = run(store, work(store, backbone, name="alias"))
    assert (len(report.receipts), backbone.loads) == (0, 0)
    assert sorted(request.model for request in store.requests().live) == ["M", "alias"]
    check_explained(store)


def test_a_request_whose_run_was_killed_at_birth_is_begun_by_the_next(store: Store) -> None:
    """The process died between writing a request and the run record that names it; its data are all here."""
    run(store, work(store, FakeBackbone()))
    orphan = work(store, FakeBackbone(), name="alias").request
    with store.stage() as staged:
        write_text(staged, CLASSES)
        write_request(staged, orphan)
    store.forget()
    with pytest.raises(IncompleteError, match="their run never began"):
        check_explained(store)
    run(store, work(store, FakeBackbone(), name="alias"))
    check_explained(store)


def test_a_run_that_breaks_off_keeps_what_it_committed_and_says_so(store: Store) -> None:
    class Breaking(FakeBackbone):
        def forward(self, batch: torch.Tensor, kinds: Sequence[str]) -> Any:
            if sum(self.batches) >= 5:
                raise RuntimeError("the device fell off the bus")
            return super().forward(batch, kinds)

    broken = Breaking()
    with pytest.raises(RuntimeError, match="fell off"):
        run(store, work(store, broken))
    assert broken.closes == 1
    (record,) = read_runs(store.disk, store.layout)
    assert record.ended
    assert [unit.images for unit in work(store, FakeBackbone()).units] == [5, 2]
    assert check(store, read_data=True) == []
    backbone = FakeBackbone()
    run(store, work(store, backbone))
    assert sum(backbone.batches) == 7


# --- what goes wrong ---------------------------------------------------------------------------------------------


def test_images_that_fail_are_reported_once_and_committed(store: Store, photos: Path) -> None:
    (photos / "0003.jpg").unlink()
    report = run(store, work(store, FakeBackbone()))
    assert [(failure.status, failure.detail) for failure in report.failures] == [
        ("missing", "0003.jpg: No such file or directory")
    ]
    assert check(store, read_data=True) == []
    rows = store.rows("embeddings", "M", store.view("photos")["image_id"].to_list())
    assert np.flatnonzero(np.isnan(rows).any(axis=1)).tolist() == [3]


def test_a_folder_that_is_not_mounted_is_no_folder_of_failures(store: Store, photos: Path, tmp_path: Path) -> None:
    photos.rename(tmp_path / "unmounted")
    backbone = FakeBackbone()
    with pytest.raises(IncompleteError, match=r"not one of the 5 images.*assay-extract index DATASET --root DIR"):
        run(store, work(store, backbone))
    assert backbone.loads == 0
    assert not list((store.layout.root / "commits").rglob("*.json"))
    (tmp_path / "unmounted").rename(photos)
    assert len(run(store, work(store, FakeBackbone())).receipts) == 3


def test_lost_data_are_named_with_the_command_that_frees_them(store: Store) -> None:
    first = work(store, FakeBackbone())
    run(store, first)
    before = store.rows("logits", "M", store.view("photos")["image_id"].to_list())
    (gone, *_) = sorted((store.layout.root / "data" / "logits" / first.space.label).iterdir())
    shutil.rmtree(gone)
    again = work(store, FakeBackbone())
    assert [(unit.kinds, unit.lost) for unit in again.units] == [((), ("logits",))]
    with pytest.raises(IncompleteError, match=r"1 unit\(s\) have a record but their data are gone.*assay-cache repair"):
        run(store, again)
    assert IncompleteError.exit_code == 3
    repair(store)
    backbone = FakeBackbone()
    run(store, work(store, backbone))
    assert len(backbone.batches) >= 1
    assert np.array_equal(store.rows("logits", "M", store.view("photos")["image_id"].to_list()), before)


def test_other_numbers_for_the_same_space_are_reported_and_the_first_stay(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    class Drifting(FakeBackbone):
        def forward(self, batch: torch.Tensor, kinds: Sequence[str]) -> Any:
            return {kind: values + values.dtype.type(0.5) for kind, values in super().forward(batch, kinds).items()}

    # Both looked before either wrote, as two machines on one file system may.
    first, second = work(store, FakeBackbone()), work(store, Drifting())
    assert first.space.id == second.space.id
    run(store, first)
    before = store.rows("logits", "M", store.view("photos")["image_id"].to_list())
    with caplog.at_level(logging.WARNING, "assay"):
        report = run(store, second)
    assert "another run committed other numbers" in caplog.text
    said = report.to_json()["nondeterminism"]
    assert len(said) == 6
    assert {round(one["largest_difference"], 3) for one in said} == {0.5}
    assert np.array_equal(store.rows("logits", "M", store.view("photos")["image_id"].to_list()), before)
    assert check(store, read_data=True) == []


def test_equal_numbers_written_twice_are_no_news(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    first, second = work(store, FakeBackbone()), work(store, FakeBackbone())
    run(store, first)
    report = run(store, second)
    assert {outcome for receipt in report.receipts for outcome in receipt.outcomes.values()} == {"same"}
    assert not report.to_json()["nondeterminism"]
    assert "other numbers" not in caplog.text


# --- names and spaces --------------------------------------------------------------------------------------------


def test_another_space_under_the_same_name_is_warned_of(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    run(store, work(store, FakeBackbone(name="old")))
    with caplog.at_level(logging.WARNING, "assay"):
        planned = work(store, FakeBackbone(name="new"))
        assert [request.label for request in planned.other_bindings] == [store.requests().live[0].label]
        run(store, planned)
    assert "M on photos is now bound to more than one space" in caplog.text
    assert caplog.text.count("space tests-") == 2


def test_only_the_pixels_differ(store: Store) -> None:
    class OtherPillow(FakeBackbone):
        def identity(self) -> dict[str, Any]:
            return {**super().identity(), "preprocess": {**super().identity()["preprocess"], "probe": {"png": "1"}}}

    run(store, work(store, FakeBackbone()))
    moved = work(store, OtherPillow(), versions={"pillow": "9.9.9"})
    with pytest.raises(UsageError, match=r"Pillow 9\.9\.9.*Pillow 1\.2\.3.*--accept-new-pixels"):
        check_pixels(store, Plan((moved,)), accepted=False)
    check_pixels(store, Plan((moved,)), accepted=True)
    # Another step of the preprocessing is another model's business, not a Pillow upgrade.
    other = dataclasses.replace(moved, space=work(store, FakeBackbone(name="different")).space)
    check_pixels(store, Plan((other,)), accepted=False)
    check_pixels(store, Plan((work(store, OtherPillow(), name="unknown name"),)), accepted=False)
