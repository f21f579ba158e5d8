"""`plan`: what each choice costs before it is paid, with torch and without."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cache.store import Store
from extract.price import measured_speed
from tests.extract.command_line import REPOSITORY, extract
from tests.extract.pictures import draw

TINY = ("--model", "timm:test_resnet", "--weights", "random:0")


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 60 images, indexed in packs of 40, and not extracted."""
    folder = tmp_path_factory.mktemp("big")
    draw(folder / "photos", 60)
    assert extract(folder / "store", "index", "big", "--root", folder / "photos", "--pack-size", 40).code == 0
    return folder


@pytest.fixture
def store(big: Path, tmp_path: Path) -> Path:
    shutil.copytree(big / "store", tmp_path / "store")
    return tmp_path / "store"


def plan(store: Path, *more: object) -> Any:
    done = extract(store, "plan", *TINY, "--json", *more)
    assert done.code == 0, done.err
    return done.json


@pytest.mark.parametrize(
    ("packs", "units", "computed"),
    [("auto", 1, 10), ("own", 1, 10), ("reuse", 1, 40)],
)
def test_plan_says_how_many_images_each_choice_computes(
    packs: str, units: int, computed: int, store: Path, big: Path
) -> None:
    indexed = extract(store, "index", "part", "--root", big / "photos", "--limit", 10, "--packs", packs)
    assert indexed.code == 0, indexed.err
    said = plan(store, "--dataset", "part")
    (work,) = said["works"]
    assert (work["units"], work["images_needed"], work["images_computed"]) == (units, 10, computed)
    assert (said["units"], said["images_computed"]) == (units, computed)
    # Where whole packs cost more than twice what is wanted, the way out is named.
    assert any("--packs own" in remark for remark in said["remarks"]) == (packs == "reuse")
    # And it is what `run` then does.
    ran = extract(store, "run", *TINY, "--dataset", "part", "--json").json
    assert (ran["units"], ran["images"]) == (units, computed)


def test_a_hundred_images_of_a_big_set_do_not_drag_its_packs_through_the_next_model(tmp_path: Path) -> None:
    """One model went over the big set; its first hundred images, or every fourth, are a hundred for the next model.

    As a part by --limit, and as a folder of its own that holds some images of every pack.
    """
    store = tmp_path / "store"
    paths = draw(tmp_path / "big", 400)
    for at in range(0, 400, 4):
        (tmp_path / "some").mkdir(exist_ok=True)
        shutil.copy(paths[at], tmp_path / "some" / paths[at].name)
    assert extract(store, "index", "big", "--root", tmp_path / "big", "--pack-size", 250).code == 0
    assert extract(store, "run", *TINY).code == 0
    assert extract(store, "index", "first", "--root", tmp_path / "big", "--limit", 100).code == 0
    assert extract(store, "index", "some", "--root", tmp_path / "some").code == 0
    for dataset in ("first", "some"):
        for seed, computed in ((0, 100), (1, 100)):
            done = extract(
                store, "plan", *TINY[:-1], f"random:{seed}", "--as", f"m{seed}", "--dataset", dataset, "--json"
            )
            assert done.code == 0, done.err
            (work,) = done.json["works"]
            assert (work["images_needed"], work["images_computed"]) == (100, computed)


def test_what_two_datasets_share_is_counted_once(store: Path, big: Path) -> None:
    assert extract(store, "index", "most", "--root", big / "photos", "--limit", 50).code == 0
    said = plan(store)
    assert [(work["dataset"].split("@")[0], work["images_computed"]) for work in said["works"]] == [
        ("big", 60),
        ("most", 60),
    ]
    assert (said["units"], said["images_computed"]) == (2, 60)
    ran = extract(store, "run", *TINY, "--json").json
    assert (ran["units"], ran["images"]) == (2, 60)


def test_bytes_are_those_that_are_written(store: Path) -> None:
    (work,) = plan(store, "--kinds", "logits,embeddings,patches")["works"]
    ran = extract(store, "run", *TINY, "--kinds", "logits,embeddings,patches")
    assert ran.code == 0, ran.err
    chunks = sum(path.stat().st_size for path in (store / "data").rglob("c/**/*") if path.is_file())
    # Patches are written eight images to a chunk, so that the last chunk of a pack may be padded.
    assert work["bytes"] <= chunks <= 1.05 * work["bytes"]


def test_time_is_that_of_earlier_runs_on_this_machine(store: Path, big: Path) -> None:
    assert plan(store)["works"][0]["seconds"] is None
    assert extract(store, "run", *TINY).code == 0
    draw(big / "more", 20, first=300)
    assert extract(store, "index", "more", "--root", big / "more").code == 0
    (work,) = plan(store, "--dataset", "more")["works"]
    (speed,) = measured_speed(Store(store)).values()
    assert work["seconds"] == pytest.approx(20 / speed)
    shown = extract(store, "plan", *TINY)
    assert "images_computed" in shown.out
    assert "MB free" in shown.err


def test_a_plan_writes_nothing(store: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*") if "local" not in path.parts}
    plan(store)
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*") if "local" not in path.parts} == before


def test_a_second_binding_is_foretold(store: Path) -> None:
    assert extract(store, "run", *TINY).code == 0
    (work,) = plan(store, "--image-size", 96)["works"]
    assert work["images_computed"] == 60
    assert len(work["also_bound_to"]) == 1


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
from extract.cli import main
main()
"""


def test_without_torch_a_plan_knows_what_the_store_was_asked_for(store: Path, big: Path) -> None:
    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", WITHOUT_TORCH, *map(str, arguments), "--store", str(store), "--json"]
        return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)

    nothing = run("plan", "--model", "tf_efficientnet_lite0.pypi")
    assert nothing.returncode == 0, nothing.stderr
    assert json.loads(nothing.stdout)["works"] == []
    assert extract(store, "run", *TINY).code == 0
    draw(big / "photos", 5, first=400)
    try:
        assert extract(store, "index", "big", "--root", big / "photos").code == 0
    finally:
        for path in (big / "photos").glob("04*"):
            path.unlink()
    known = run("plan")
    assert known.returncode == 0, known.stderr
    said = json.loads(known.stdout)
    assert "torch is not installed here" in said["remarks"][0]
    (work,) = said["works"]
    assert (work["model"], work["units"], work["images_needed"], work["images_computed"]) == (
        "timm:test_resnet",
        1,
        65,
        5,
    )
    for command in (("status",), ("doctor",), ("index", "more", "--root", big / "photos")):
        done = run(*command)
        assert done.returncode == 0, done.stderr
    # What needs torch says which extra brings it.
    refused = run("run", *TINY)
    assert refused.returncode == 2, refused.stderr
    assert "pip install 'clip-assay[extract]'" in refused.stderr
