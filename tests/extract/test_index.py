"""Indexing: what is hashed, which packs are cut, and what a second look costs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cache.errors import UsageError
from cache.key import image_id, virtual_id
from cache.packs import read_pack
from cache.store import Store
from cache.views import write_version
from extract import identify
from extract.index import IndexReport, IndexRequest, index
from extract.sources import Sources
from manifests.catalogue import load
from tests.extract.command_line import REPOSITORY, cache, extract
from tests.extract.pictures import draw

CATALOGUE = load()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")[0]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    draw(tmp_path / "photos", 12)
    return tmp_path / "photos"


def look(store: Store, root: Path | None, dataset: str = "photos", **more: Any) -> IndexReport:
    return index(store, CATALOGUE, IndexRequest(dataset=dataset, root=root, **more))


def items(store: Store, dataset: str = "photos") -> list[tuple[str, ...]]:
    return [read_pack(store.disk, store.layout, pack).items for pack in store.version(dataset).packs]


# --- incremental -------------------------------------------------------------------------------------------------


def test_a_second_look_reads_nothing_and_changes_nothing(store: Store, photos: Path) -> None:
    first = look(store, photos)
    assert (first.new, first.images, first.hashed, first.packs) == (True, 12, 12, 1)
    files = sorted(path for path in store.layout.datasets.iterdir())
    again = look(store, photos)
    assert (again.new, again.hashed, again.version) == (False, 0, first.version)
    assert sorted(store.layout.datasets.iterdir()) == files


def test_other_facts_of_the_same_rows_are_a_new_version(store: Store, photos: Path) -> None:
    """The same classes under another label space are judged otherwise, so the version has to say so."""
    csv = photos.parent / "labels.csv"
    csv.write_text("file,wnid\n" + "".join(f"{path.name},n01440764\n" for path in sorted(photos.iterdir())))
    first = look(store, photos, labels=csv)
    packs = store.version("photos").packs
    assert store.version("photos").facts["label_space"] == "own"
    with store.stage() as staged:
        view = store.version("photos")
        facts = {**view.facts, "label_space": "imagenet-a-200"}
        version, new = write_version(staged, "photos", view.table, view.classes, list(view.packs), facts)
    assert new
    assert version != first.version
    assert store.version("photos").facts["label_space"] == "imagenet-a-200"
    again = look(store, photos, labels=csv)
    assert again.new
    assert (again.hashed, store.version("photos").packs) == (0, packs)
    assert store.version("photos").facts["label_space"] == "own"
    assert not look(store, photos, labels=csv).new


def test_ten_new_files_cost_ten_hashes_and_one_pack(store: Store, photos: Path) -> None:
    first = look(store, photos)
    draw(photos, 10, first=100)
    second = look(store, photos)
    assert (second.new, second.images, second.hashed, second.packs) == (True, 22, 10, 2)
    assert [len(pack) for pack in items(store)] == [12, 10]
    # The old version is marked as replaced, and there is one head.
    (marker,) = [path.name for path in store.layout.datasets.iterdir() if ".replaced-by-" in path.name]
    assert marker == f"photos@{first.version[:16]}.replaced-by-{second.version[:16]}"
    assert store.version("photos").id == second.version


def test_a_touched_file_is_hashed_again_and_is_the_same_image(store: Store, photos: Path) -> None:
    first = look(store, photos)
    os.utime(photos / "0003.jpg", ns=(1, 1))
    again = look(store, photos)
    assert (again.new, again.hashed, again.version) == (False, 1, first.version)


def test_a_changed_file_is_another_image(store: Store, photos: Path) -> None:
    look(store, photos)
    (photos / "0003.jpg").write_bytes((photos / "0005.jpg").read_bytes() + b"\0")
    second = look(store, photos)
    assert (second.new, second.hashed, second.images) == (True, 1, 12)
    assert image_id((photos / "0003.jpg").read_bytes()) in store.view("photos")["image_id"].to_list()


def test_a_removed_file_leaves_the_view_and_cuts_no_pack(store: Store, photos: Path) -> None:
    look(store, photos)
    (photos / "0003.jpg").unlink()
    second = look(store, photos)
    assert (second.samples, second.packs, second.hashed) == (11, 1, 0)


def test_other_labels_make_another_version_of_the_same_pack(store: Store, photos: Path, tmp_path: Path) -> None:
    look(store, photos)
    (tmp_path / "l.csv").write_text(
        "file,label,camera\n" + "".join(f"{p.name},x,{p.suffix}\n" for p in photos.iterdir())
    )
    second = look(store, photos, labels=tmp_path / "l.csv")
    assert (second.new, second.hashed, second.packs, second.labelled) == (True, 0, 1, 12)
    assert store.view("photos")["camera"].to_list() == [".png", ".jpg"] * 6
    assert len(list(store.layout.packs.glob("*.json"))) == 1


def test_notes_that_cannot_be_read_cost_hashes_and_no_answer(
    store: Store, photos: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = look(store, photos)
    (note,) = (store.layout.local / "sources").glob("*.parquet")
    note.write_bytes(note.read_bytes()[:-5])
    again = look(store, photos)
    assert "is unreadable and is ignored" in caplog.text
    assert (again.hashed, again.version) == (12, first.version)


def test_a_killed_index_goes_on_where_its_last_note_ends(photos: Path, tmp_path: Path) -> None:
    """Notes are written in parts; the test makes them eight rows long and kills the process at the twentieth hash."""
    draw(photos, 28, first=12)
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from cache.key import image_id\n"
        "from cache.store import Store\n"
        "from extract import identify, index, sources\n"
        "from manifests.catalogue import load\n"
        "sources._PART_ROWS = 8\n"
        "seen = []\n"
        "def deadly(data):\n"
        "    seen.append(None)\n"
        "    if len(seen) == 20:\n"
        "        import time; time.sleep(0.5)  # what was hashed before reaches the notes\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return image_id(data)\n"
        "identify.image_id = deadly\n"
        "store, _ = Store.create(Path(sys.argv[2]))\n"
        "index.index(store, load(), index.IndexRequest(dataset='photos', root=Path(sys.argv[1]), threads=1))\n"
    )
    arguments = [sys.executable, "-c", script, str(photos), str(tmp_path / "store")]
    killed = subprocess.run(arguments, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    store = Store(tmp_path / "store")
    assert store.datasets() == []
    again = look(store, photos)
    assert (again.images, again.hashed) == (40, 40 - 16)


def test_an_interrupt_loses_no_hash(store: Store, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(data: bytes) -> str:
        if data == (photos / "0007.jpg").read_bytes():
            raise KeyboardInterrupt
        return image_id(data)

    monkeypatch.setattr(identify, "image_id", interrupted)
    with pytest.raises(KeyboardInterrupt):
        look(store, photos, threads=1)
    monkeypatch.undo()
    assert look(store, photos).hashed == 12 - 7


# --- rows and packs ----------------------------------------------------------------------------------------------


def test_one_image_under_two_names_is_two_samples_and_one_item(store: Store, photos: Path) -> None:
    (photos / "copy.jpg").write_bytes((photos / "0003.jpg").read_bytes())
    report = look(store, photos)
    assert (report.samples, report.images) == (13, 12)
    ((*pack,),) = items(store)
    assert len(pack) == len(set(pack)) == 12


def test_packs_are_cut_in_the_order_of_the_view(store: Store, photos: Path) -> None:
    report = look(store, photos, pack_size=5)
    assert report.packs == 3
    cut = items(store)
    assert [len(pack) for pack in cut] == [5, 5, 2]
    assert [item for pack in cut for item in pack] == store.view("photos")["image_id"].to_list()
    table = read_pack(store.disk, store.layout, store.version("photos").packs[0]).table
    assert table.row(1) == (cut[0][1], (photos / "0001.jpg").stat().st_size, 48, 40, "JPEG")


def test_a_part_of_a_folder_keeps_the_classes_of_the_whole(store: Store, tmp_path: Path) -> None:
    for at, name in enumerate(("ant", "bee", "cat")):
        draw(tmp_path / "pets" / name, 4, first=4 * at)
    report = look(store, tmp_path / "pets", "pets", limit=5)
    assert (report.samples, report.labelled, report.packs) == (5, 5, 1)
    # Three classes although the first five images show two: with fewer columns the same images are an easier test.
    from cache.texts import read_classes

    classes = read_classes(store.disk, store.layout, store.version("pets").classes)
    assert classes.keys == ("ant", "bee", "cat")
    assert store.view("pets")["label"].to_list() == [0, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("packing", "packs", "computed"),
    [("auto", [4], 4), ("own", [4], 4), ("reuse", [12], 12)],
)
def test_a_small_part_of_a_big_unextracted_set_does_not_drag_whole_packs(
    packing: str, packs: list[int], computed: int, store: Store, photos: Path
) -> None:
    look(store, photos, "big")
    report = look(store, photos, "part", limit=4, packing=packing)
    assert [len(pack) for pack in items(store, "part")] == packs
    assert (report.hashed, report.computed) == (0, computed)


def test_a_large_part_uses_the_packs_that_are_there(store: Store, photos: Path) -> None:
    look(store, photos, "big")
    assert look(store, photos, "most", limit=8).packs == 1
    assert store.version("most").packs == store.version("big").packs
    assert look(store, photos, "most-own", limit=8, packing="own").computed == 8


def test_a_listing_without_a_root_is_virtual(store: Store, tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("sample,class_index,caption\nval_1.JPEG,0,a fish\nval_2.JPEG,1,two\n")
    report = look(store, None, "elsewhere", listing=tmp_path / "l.csv", layout="listing")
    assert (report.samples, report.hashed) == (2, 0)
    view = store.version("elsewhere")
    assert view.facts["virtual"] is True
    assert view.table["image_id"].to_list() == [virtual_id("elsewhere", f"val_{n}.JPEG") for n in (1, 2)]
    done = extract(
        store.layout.root, "run", "--model", "timm:test_resnet", "--weights", "random:0", "--dataset", "elsewhere"
    )
    assert done.code == 2
    assert "assay-extract index elsewhere --root DIR" in done.err


# --- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({"dataset": "a:b"}, "dataset id 'a:b'"),
        ({"dataset": "nul"}, "dataset id 'nul'"),
        ({"layout": "imagenet-val"}, "unknown layout 'imagenet-val'; expected one of folder, listing"),
        ({"layout": "listing"}, "needs --listing FILE"),
        ({"layout": "imagenet-val-flat"}, "needs --labels FILE"),
        ({"layout": "imagenet-val-wnid"}, "directly in the folder"),
        ({"labels": Path("absent.csv")}, "cannot be read"),
        ({"label_space": "imagenet", "layout": "folder", "labels": Path("labels.csv")}, "--label-space 'imagenet'"),
    ],
)
def test_nothing_is_written_when_options_do_not_fit(
    more: dict[str, Any], complaint: str, store: Store, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("labels.csv").write_text("file,label\n" + "".join(f"{path.name},x\n" for path in photos.iterdir()))
    with pytest.raises(UsageError, match=complaint):
        look(store, photos, **more)
    assert sorted(path.name for path in store.layout.root.iterdir() if path.name != "local") == ["STORE.json"]


def test_no_folder_and_no_images(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a folder"):
        look(store, tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no images found"):
        look(store, tmp_path / "empty")
    with pytest.raises(UsageError, match="needs --root DIR, or --listing"):
        look(store, None)


def test_names_that_differ_in_case_only_are_refused(store: Store, photos: Path) -> None:
    look(store, photos)
    with pytest.raises(UsageError, match="letter case only"):
        look(store, photos, "Photos")


def test_a_file_that_vanishes_while_it_is_read_is_refused(
    store: Store, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Path.read_bytes

    def vanishing(path: Path) -> bytes:
        if path.name == "0004.png":
            path.unlink()
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", vanishing)
    report = look(store, photos)
    assert report.samples == 11
    assert [(item.sample, item.why) for item in report.refused] == [("0004.png", "cannot be read")]


def test_the_command_says_what_it_did_and_exits_with_5_for_refused_files(photos: Path, tmp_path: Path) -> None:
    (photos / "away.jpg").symlink_to("/dev/null")
    done = extract(tmp_path / "s", "index", "photos", "--root", photos, "--json")
    assert done.code == 5
    row = done.json
    assert (row["samples"], row["hashed"], row["new"]) == (12, 12, True)
    assert row["refused"] == [
        {"sample": "away.jpg", "why": "a link that leaves --root (--follow-links takes such files)"}
    ]
    assert "refused away.jpg: a link that leaves" in done.err
    assert cache(tmp_path / "s", "check", "--read-data").code == 0


# --- this machine's notes ----------------------------------------------------------------------------------------


def test_paths_of_an_image_come_latest_first(store: Store, photos: Path, tmp_path: Path) -> None:
    look(store, photos)
    moved = photos.rename(tmp_path / "moved")
    look(store, moved)
    image = image_id((moved / "0000.png").read_bytes())
    assert Sources(store).paths(image) == [moved / "0000.png", photos / "0000.png"]
    assert Sources(store).paths("0" * 64) == []


def test_nothing_of_this_machine_leaves_local(store: Store, photos: Path) -> None:
    look(store, photos)
    shared = [path for path in store.layout.root.rglob("*") if path.is_file() and "local" not in path.parts]
    assert shared
    assert not [path for path in shared if str(photos).encode() in path.read_bytes()]
