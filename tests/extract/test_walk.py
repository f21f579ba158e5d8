"""One photograph from the file to the page, step by step: read this first.

Every step calls what the commands call, looks at what it left on the disk, and says why it is so.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import google_crc32c
import numpy as np
import pytest
import zarr

from cache.key import image_id, pack_id
from cache.reader import Reader, State
from cache.store import Store
from extract.index import IndexRequest, index
from extract.plan import Plan, plan_work
from extract.resolve import Choice, candidate, named_models
from extract.run import run_plan
from extract.sources import Memo
from extract.unit import Settings
from manifests.catalogue import load
from tests.extract.command_line import analyze

MODEL = "tf_efficientnet_lite0.pypi"


def test_one_photograph_from_the_file_to_the_page(shared: Path, lite: tuple[str, ...], tmp_path: Path) -> None:
    catalogue = load()

    # 1. A file. What names an image is its bytes: a copy elsewhere, under any name, is the same image.
    photograph = shared / "images" / "n01440764_tench.JPEG"
    tench = image_id(photograph.read_bytes())
    assert tench == hashlib.sha256(photograph.read_bytes()).hexdigest()

    # 2. A folder to index. The labels file says the class; nothing is guessed from the order of files.
    (tmp_path / "fish").mkdir()
    (tmp_path / "fish" / "a fish.jpg").write_bytes(photograph.read_bytes())
    (tmp_path / "labels.csv").write_text("file,wnid\na fish.jpg,n01440764\n")
    store, new = Store.create(tmp_path / "store")
    assert new
    report = index(
        store,
        catalogue,
        IndexRequest(dataset="one-fish", root=tmp_path / "fish", labels=tmp_path / "labels.csv"),
    )
    assert (report.samples, report.labelled, report.hashed) == (1, 1, 1)

    # 3. The view: one row a sample, with the label as an index into a class list. It holds no path and no number,
    #    so that it can be shared; where the file lies is noted under local/, on this machine only.
    view = store.version("one-fish")
    assert view.table.rows() == [("a fish.jpg", tench, 0)]
    assert str(tmp_path) not in (tmp_path / "store" / "datasets" / f"{view.reference}.json").read_text()

    # 4. The pack: an ordered list of images, named by its content. It is the unit in which work is cut, and any
    #    number of datasets may list it.
    (pack,) = view.packs
    assert pack == pack_id([tench])

    # 5. A model, asked to describe itself. Everything that determines its numbers is in the description: weights by
    #    their sha256, every step of the preprocessing, even what this machine's Pillow makes of two probe images.
    (named,) = named_models(catalogue, [MODEL], Choice())
    model = candidate(catalogue, named, Choice(), Memo(store))
    identity = model.backbone.identity()
    assert [step["op"] for step in identity["preprocess"]["ops"]][:3] == ["ignore-exif", "convert", "resize"]
    assert len(identity["weights"][0]["sha256"]) == 64

    # 6. The plan: the digest of that description names a feature space. One unit of work, (space, pack), is missing.
    reader = Reader(store)
    work = plan_work(store, reader, model, view, ["logits", "embeddings"])
    (todo,) = work.units
    assert (todo.space, todo.pack, todo.kinds) == (work.space.id, pack, ("logits", "embeddings"))
    assert reader.state(reader.unit("logits", work.space, pack)) is State.ABSENT

    # 7. The run. First the request is written, the only thing that binds the model's name to the space; then the
    #    images go through the model, all kinds in one pass; each kind is committed.
    done = run_plan(store, Plan((work,)), Settings(batch_size=4, workers=0))
    assert [receipt.outcomes for receipt in done.receipts] == [{"logits": "written", "embeddings": "written"}]
    (request,) = store.requests().live
    assert (request.model, request.dataset, request.space) == (MODEL, "one-fish", work.space.id)

    # 8. The commit record: one small file, created exclusively and last. No record, no data, whatever else lies
    #    about; with the record, the size and sum of every file are known.
    root = tmp_path / "store"
    record = json.loads((root / "commits" / "logits" / work.space.label / f"{pack}.json").read_text())
    assert (record["pack"], record["rows"], record["failures"]) == (pack, 1, [])
    (segment,) = record["segments"]
    assert (segment["dtype"], segment["shape"]) == ("float32", [1, 1000])

    # 9. The chunk file: 1,000 little-endian floats and four bytes of crc32c, a plain Zarr v3 array. Any Zarr library
    #    opens it; ours reads the one file itself and believes it only if three sums agree.
    folder = root / "data" / "logits" / work.space.label / segment["id"]
    raw = (folder / "c" / "0" / "0").read_bytes()
    assert len(raw) == 4 * 1000 + 4
    assert int.from_bytes(raw[-4:], "little") == google_crc32c.value(raw[:-4]) == segment["crc32c"]
    logits = np.frombuffer(raw[:-4], "<f4")
    assert np.array_equal(zarr.open_array(folder, mode="r")[0], logits)

    # 10. The reader: rows by image id, in the order in which they are asked for. This is all that `analyze` sees, and
    #     from here on neither torch nor the photograph is needed.
    assert np.array_equal(store.rows("logits", MODEL, [tench, tench]), np.stack([logits, logits]))
    assert logits.argmax() == 0  # class 0 of ImageNet is the tench

    # 11. The score: every metric with its interval and the number of images behind it.
    scored = analyze(root, "score", "--json")
    assert scored.code == 0, scored.err
    (top1,) = (row for row in scored.json if row["metric"] == "accuracy_top1")
    assert (top1["value"], top1["n"], top1["protocol"]) == (1.0, 1, "1000-way")
    assert (top1["lo"], top1["hi"]) == (pytest.approx(0.025), 1.0)  # one success in one trial says little

    # 12. The page: one file that opens anywhere.
    assert analyze(root, "report", "--out", tmp_path / "report").code == 0
    page = (tmp_path / "report" / "report.html").read_text("utf-8")
    assert "a fish.jpg" in page
    assert "tench" in page
    assert MODEL in page
