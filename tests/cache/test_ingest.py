"""`assay-cache ingest`: all of a file becomes units of the store, or nothing does."""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from cache.bindings import bindings, check_explained
from cache.check import check
from cache.cli import app
from cache.console import run_app
from cache.ingested import is_ingested
from cache.key import image_id
from cache.predictions import read_predictions
from cache.reader import Reader, State
from cache.store import Store
from manifests.catalogue import load
from tests.cache.listing import CLASSES, SAMPLES, content, csv, listed


class Cli:
    """Runs `assay-cache` in this process."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path, self.capsys = path, capsys

    def __call__(self, *words: str | Path) -> tuple[int, str, str]:
        code = run_app(app, [*map(str, words), "--store", str(self.path)])
        captured = self.capsys.readouterr()
        return code, captured.out, captured.err

    def ingest(self, kind: str, *words: str | Path, model: str = "net") -> tuple[int, Any, str]:
        code, out, err = self("ingest", "--model", model, "--dataset", "shapes", "--kind", kind, "--json", *words)
        return code, json.loads(out) if out else None, err


@pytest.fixture(scope="module", autouse=True)
def one_catalogue() -> Iterator[None]:
    """Read the manifests once: they are no part of a store."""
    catalogue = load()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("manifests.catalogue.load", lambda folders: catalogue)
        yield


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    listed(tmp_path / "store")
    return Cli(tmp_path / "store", capsys)


def logits(seed: int = 0, n: int = len(SAMPLES)) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).standard_normal((n, 3)).astype(np.float32)


def stored(store: Store, kind: str, model: str = "net", dataset: str = "shapes") -> np.ndarray[Any, Any]:
    """Return what a view reads, in its order."""
    view = store.version(dataset)
    (binding,) = bindings(store, [model], [dataset])
    space, reader = store.space(binding.label), Reader(store)
    if kind == "predictions":
        found = np.full((view.table.height, 2), -9.0)
        seen = reader.followed(kind, space, view)
        for pack, (index, rows) in reader.positions(seen).items():
            decisions, _ = read_predictions(reader, reader.unit(kind, space, pack), rows)
            found[index] = np.stack([decisions.classes, decisions.probability], axis=1)
        return found
    rows = np.full((view.table.height, 3), np.nan, np.float32)
    for block in reader.blocks(kind, space, view):
        rows[block.index] = block.values
    return rows


# --- forms of files ------------------------------------------------------------------------------------------------


def _written(folder: Path, form: str, values: np.ndarray[Any, Any]) -> Path:
    """Write logits with the samples in reverse, except where rows have no names."""
    path, back = folder / f"numbers.{form.split()[0]}", values[::-1]
    names = list(SAMPLES[::-1])
    if form == "npy":
        np.save(path, values)
    elif form == "npz":
        np.savez(path, logits=back.astype(np.float64), sample=np.array(names))
    elif form == "h5":
        import h5py

        with h5py.File(path, "w") as file:
            file["logits"] = back
            file["sample"] = names
            file["something else"] = np.zeros(3)
    elif form == "parquet":
        pl.DataFrame({"sample": names, "logits": back.tolist()}).write_parquet(path)
    elif form == "parquet keys":
        pl.DataFrame({"n03": back[:, 2], "sample": names, "n01": back[:, 0], "n02": back[:, 1]}).write_parquet(path)
    else:
        rows = [(name, *map(repr, row.tolist()[::-1])) for name, row in zip(names, back, strict=True)]
        csv(path, rows, "sample,logit_2,logit_1,logit_0")
    return path


@pytest.mark.parametrize("form", ["npy", "npz", "h5", "parquet", "parquet keys", "csv"])
def test_every_form_gives_the_same_numbers(form: str, cli: Cli, tmp_path: Path) -> None:
    values = logits()
    code, (report,), err = cli.ingest("logits", _written(tmp_path, form, values))
    assert code == 0, err
    assert (report["rows"], report["extra"], report["packs"]) == (10, 0, 3)
    store = Store(cli.path)
    np.testing.assert_array_equal(stored(store, "logits"), values)
    (binding,) = bindings(store)
    assert (binding.model, binding.group, binding.kinds, binding.classes) == ("net", "other", ("logits",), CLASSES.id)
    assert is_ingested(store.space(binding.label))
    check_explained(store)
    assert cli("check", "--read-data")[0] == 0


def test_predictions_with_and_without_probabilities(cli: Cli, tmp_path: Path) -> None:
    rows = [(name, n % 3, 0.25 + n / 20) for n, name in enumerate(SAMPLES)]
    plain = csv(tmp_path / "p.csv", [row[:2] for row in rows])
    sure = csv(tmp_path / "q.csv", rows[::-1], "sample,predicted_class,predicted_probability")
    assert cli.ingest("predictions", plain, model="plain")[0] == 0
    assert cli.ingest("predictions", sure, model="sure")[0] == 0
    store = Store(cli.path)
    np.testing.assert_array_equal(stored(store, "predictions", "sure"), [row[1:] for row in rows])
    found = stored(store, "predictions", "plain")
    np.testing.assert_array_equal(found[:, 0], [row[1] for row in rows])
    assert np.isnan(found[:, 1]).all()
    assert check(store, read_data=True) == []


def test_arrays_of_predictions(cli: Cli, tmp_path: Path) -> None:
    classes = np.arange(10) % 3
    np.save(tmp_path / "a.npy", classes)
    np.savez(tmp_path / "b.npz", predicted_class=classes, predicted_probability=np.full(10, 0.5))
    assert cli.ingest("predictions", tmp_path / "a.npy", model="a")[0] == 0
    assert cli.ingest("predictions", tmp_path / "b.npz", model="b")[0] == 0
    store = Store(cli.path)
    np.testing.assert_array_equal(stored(store, "predictions", "a")[:, 0], classes)
    np.testing.assert_array_equal(stored(store, "predictions", "b")[:, 1], np.full(10, 0.5))


def test_embeddings_have_no_classes(cli: Cli, tmp_path: Path) -> None:
    np.save(tmp_path / "e.npy", logits())
    assert cli.ingest("embeddings", tmp_path / "e.npy", "--label-space", "imagenet-1k")[0] == 2
    assert cli.ingest("embeddings", tmp_path / "e.npy")[0] == 0
    np.testing.assert_array_equal(stored(Store(cli.path), "embeddings"), logits())


def test_files_of_one_model_are_joined(cli: Cli, tmp_path: Path) -> None:
    rows = [(name, n % 3) for n, name in enumerate(SAMPLES)]
    first, second = csv(tmp_path / "1.csv", rows[:4]), csv(tmp_path / "2.csv", rows[4:])
    assert cli.ingest("predictions", first, second)[0] == 0
    # Rows that name their samples mean the same in any order of files.
    code, (report,), err = cli.ingest("predictions", second, first)
    assert (code, report["packs"]) == (0, 0), err
    odd = csv(tmp_path / "3.csv", [(*row, 0.5) for row in rows[:4]], "sample,predicted_class,predicted_probability")
    code, _, err = cli.ingest("predictions", odd, second, model="other")
    assert code == 2
    assert "differ in probabilities" in err
    assert cli.ingest("predictions", first, first, model="other")[0] == 2


def test_pickles_of_the_testbed(cli: Cli, tmp_path: Path) -> None:
    values, order = logits(3, 12), tmp_path / "filename_label.csv"
    names = [f"{n:03}.png" for n in range(12)][::-1]
    csv(order, [(name, 0) for name in names], "file_name,label")
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        path = tmp_path / f"{protocol}.pickle"
        path.write_bytes(pickle.dumps({"model": "net", "logits": values[::-1].copy()}, protocol))
        model = f"net-{protocol}"
        code, reports, err = cli.ingest("logits", "--format", "testbed", "--order", order, path, model=model)
        assert code == 0, err
        assert reports[0]["extra"] == 2
        np.testing.assert_array_equal(stored(Store(cli.path), "logits", model), values[:10])
    code, _, err = cli.ingest("logits", "--format", "testbed", path, model="x")
    assert code == 2
    assert "--order" in err
    code, _, err = cli.ingest("logits", path, model="x")
    assert code == 2
    assert "--format testbed" in err


class _Bomb:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self.target), "w"))


def test_a_pickle_never_runs(cli: Cli, tmp_path: Path) -> None:
    order = csv(tmp_path / "o.csv", [(name, 0) for name in SAMPLES], "file_name,label")
    bad: dict[str, Any] = {
        "bomb": {"model": "net", "logits": _Bomb(tmp_path / "fell")},
        "objects": {"model": "net", "logits": np.array([[object()]])},
        "list": [1, 2],
        "flat": {"logits": np.zeros(3)},
    }
    for name, value in bad.items():
        path = tmp_path / f"{name}.pickle"
        path.write_bytes(pickle.dumps(value))
        code, _, err = cli.ingest("logits", "--format", "testbed", "--order", order, path)
        assert code == 2, name
        assert "Traceback" not in err
    assert not (tmp_path / "fell").exists()
    (tmp_path / "torn.pickle").write_bytes(pickle.dumps({"logits": logits()})[:-9])
    assert cli.ingest("logits", "--format", "testbed", "--order", order, tmp_path / "torn.pickle")[0] == 2
    # Nor do arrays of objects in the forms that could hold them.
    np.save(tmp_path / "o.npy", np.array([_Bomb(tmp_path / "fell")]), allow_pickle=True)
    np.savez(tmp_path / "o.npz", logits=np.array([_Bomb(tmp_path / "fell")]))
    for path in (tmp_path / "o.npy", tmp_path / "o.npz"):
        code, _, err = cli.ingest("logits", path)
        assert code == 2
        assert "objects" in err
    assert not (tmp_path / "fell").exists()


def test_links_of_an_hdf5_file_are_not_followed(cli: Cli, tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "there.h5", "w") as file:
        file["logits"] = logits()
    with h5py.File(tmp_path / "here.h5", "w") as file:
        file["logits"] = h5py.ExternalLink("there.h5", "logits")
    code, _, err = cli.ingest("logits", tmp_path / "here.h5")
    assert code == 2
    assert "not stored in this file" in err


def test_hdf5_without_h5py_names_what_to_install(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.h5").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "h5py", None)
    code, _, err = cli.ingest("logits", tmp_path / "x.h5")
    assert code == 2
    assert "`pip install h5py`" in err


# --- rows and samples ------------------------------------------------------------------------------------------------


def test_extra_rows_are_told_of_and_ignored(cli: Cli, tmp_path: Path) -> None:
    rows = [(name, n % 3) for n, name in enumerate(SAMPLES)]
    more = [("zzz.png", "nan"), ("a/999.png", 99), ("zzz.png", 1)]
    code, (report,), err = cli.ingest("predictions", csv(tmp_path / "p.csv", [*more, *rows]))
    assert (code, report["rows"], report["extra"]) == (0, 10, 3)
    assert "3 rows are of no sample of shapes" in err


REFUSED = [
    ("predictions", "sample,predicted_class", lambda n, s: (s, 3) if n == 4 else (s, 0), 2, "row 5 (a/004.png)"),
    ("predictions", "sample,predicted_class", lambda n, s: (s, -1) if n == 4 else (s, 0), 2, "row 5 (a/004.png)"),
    ("predictions", "sample,predicted_class", lambda n, s: (s, 1.5) if n == 4 else (s, 0), 2, "row 5 (a/004.png)"),
    ("predictions", "sample,predicted_class", lambda n, s: (s, "cat") if n == 4 else (s, 0), 2, "row 5 (a/004.png)"),
    ("predictions", "sample,predicted_class", lambda n, s: (s, "") if n == 4 else (s, 0), 2, "row 5 (a/004.png)"),
    (
        "predictions",
        "sample,predicted_class,predicted_probability",
        lambda n, s: (s, 0, 1.5 if n in (1, 8) else 0.5),
        2,
        "no probability from 0 to 1 in rows 2 (a/001.png), 9 (a/008.png)",
    ),
    (
        "predictions",
        "sample,predicted_class,predicted_probability",
        lambda n, s: (s, 0, "nan" if n == 1 else 0.5),
        2,
        "no probability from 0 to 1 in row 2 (a/001.png)",
    ),
    ("predictions", "sample,predicted_class", lambda n, s: (SAMPLES[0] if n == 6 else s, 0), 3, "'a/006.png'"),
    ("logits", "sample,0,1,2", lambda n, s: (s, 1, 2, "nan" if n == 3 else 3), 2, "no number) in row 4 (a/003.png)"),
    ("logits", "sample,0,1,2", lambda n, s: (s, 1, 2, "inf" if n == 3 else 3), 2, "row 4 (a/003.png)"),
    ("logits", "sample,0,1,2", lambda n, s: (s, 1, 2, 1e300 if n == 3 else 3), 2, "row 4 (a/003.png)"),
    ("logits", "sample,0,1,2", lambda n, s: (s, 1, 2, "?" if n == 3 else 3), 2, "row 4 (a/003.png)"),
    ("logits", "sample,0,1,2,3", lambda n, s: (s, 1, 2, 3, 4), 0, "columns stand for is not known"),
    ("logits", "sample,0,1,3", lambda n, s: (s, 1, 2, 3), 2, "neither the keys of the classes"),
    ("logits", "sample,x,y,z", lambda n, s: (s, 1, 2, 3), 2, "neither the keys of the classes"),
    ("logits", "sample,0,0,1", lambda n, s: (s, 1, 2, 3), 2, "stands there twice"),
    ("logits", "name,0,1,2", lambda n, s: (s, 1, 2, 3), 2, "expected the columns sample"),
    ("predictions", "sample,class", lambda n, s: (s, 1), 2, "expected the columns sample, predicted_class"),
]


@pytest.mark.parametrize(("kind", "header", "row", "code", "said"), REFUSED)
def test_odd_rows_are_named_and_nothing_is_written(
    kind: str, header: str, row: Any, code: int, said: str, cli: Cli, tmp_path: Path
) -> None:
    path = csv(tmp_path / "x.csv", [row(n, sample) for n, sample in enumerate(SAMPLES)], header)
    before = content(cli.path)
    found, _, err = cli.ingest(kind, path)
    assert found == code, err
    assert said in err
    assert "Traceback" not in err
    assert (content(cli.path) == before) == (code != 0)


def test_a_sample_with_two_rows(cli: Cli, tmp_path: Path) -> None:
    rows = [(name, 0) for name in SAMPLES]
    code, _, err = cli.ingest("predictions", csv(tmp_path / "x.csv", [*rows, rows[2]]))
    assert code == 2
    assert "row 11 (a/002.png)" in err


def test_a_missing_row_is_exit_3(cli: Cli, tmp_path: Path) -> None:
    before = content(cli.path)
    code, _, err = cli.ingest("predictions", csv(tmp_path / "x.csv", [(name, 0) for name in SAMPLES[:-2]]))
    assert code == 3
    assert "2 of the 10 samples" in err
    assert "'a/008.png'" in err
    assert content(cli.path) == before


@pytest.mark.parametrize("n", [9, 11])
def test_rows_without_names_are_as_many_as_the_samples(n: int, cli: Cli, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", logits(0, n))
    code, _, err = cli.ingest("logits", tmp_path / "x.npy")
    assert code == 2
    assert f"has {n} rows and no names" in err


@pytest.mark.parametrize(
    ("name", "data"),
    [("x.csv", b""), ("x.csv", b"\xff\xfe\x00"), ("x.parquet", b"PAR1"), ("x.npy", b"no"), ("x.npz", b"PK"),
     ("x.h5", b"\x89HDF"), ("x.txt", b"1"), ("x.csv", b"sample,0,1,2\na,1\n")],
)  # fmt: skip
def test_files_that_cannot_be_read(name: str, data: bytes, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    code, _, err = cli.ingest("logits", tmp_path / name)
    assert code in (2, 3), err
    assert "Traceback" not in err
    assert cli.ingest("logits", tmp_path / "absent.npy")[0] == 2
    assert cli.ingest("logits")[0] == 2


def test_an_image_that_two_samples_share(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ids = [image_id(b"%d" % (n // 2)) for n in range(10)]
    listed(tmp_path / "store", ids=ids)
    cli = Cli(tmp_path / "store", capsys)
    rows = [(name, n // 2 % 3) for n, name in enumerate(SAMPLES)]
    assert cli.ingest("predictions", csv(tmp_path / "same.csv", rows))[0] == 0
    code, _, err = cli.ingest(
        "predictions", csv(tmp_path / "x.csv", [(s, n % 2) for n, (s, _) in enumerate(rows)]), model="x"
    )
    assert code == 2
    assert "of the same image, byte for byte" in err


def test_images_of_a_pack_that_the_dataset_does_not_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    others = tuple(image_id(b"other %d" % n) for n in range(3))
    store = listed(tmp_path / "store", more=others, pack=16)
    cli = Cli(tmp_path / "store", capsys)
    np.save(tmp_path / "x.npy", logits())
    assert cli.ingest("logits", tmp_path / "x.npy")[0] == 0
    rows = [(name, n % 3) for n, name in enumerate(SAMPLES)]
    assert cli.ingest("predictions", csv(tmp_path / "p.csv", rows), model="p")[0] == 0
    store = Store(cli.path)
    np.testing.assert_array_equal(stored(store, "logits"), logits())
    assert check(store, read_data=True) == []
    (binding,) = bindings(store, ["p"])
    reader = Reader(store)
    (pack,) = store.version("shapes").packs
    decisions, failures = read_predictions(
        reader, reader.unit("predictions", store.space(binding.label), pack), np.arange(13)
    )
    assert {row: failure.status for row, failure in failures.items()} == dict.fromkeys((10, 11, 12), "not_given")
    assert decisions.classes[10:].tolist() == [-1] * 3


# --- names, groups, classes ------------------------------------------------------------------------------------------


def test_what_is_not_known(cli: Cli, tmp_path: Path) -> None:
    path = csv(tmp_path / "p.csv", [(name, 0) for name in SAMPLES])
    code, _, err = cli("ingest", "--model", "m", "--dataset", "nowhere", "--kind", "predictions", path)
    assert code == 2
    assert "assay-extract index nowhere --listing FILE" in err
    for words in (["--group", "nobody"], ["--label-space", "none"], ["--format", "imagenet-x", "--order", str(path)]):
        assert cli.ingest("predictions", path, *words)[0] == 2
    assert cli.ingest("predictions", path, model="a,b")[0] == 2
    assert cli.ingest("logits", path, "--format", "imagenet-x")[0] == 2


def test_a_model_of_the_manifests_brings_its_facts(cli: Cli, tmp_path: Path) -> None:
    path = csv(tmp_path / "p.csv", [(name, 0) for name in SAMPLES])
    assert cli.ingest("predictions", path, "--group", "other", model="resnet50.tv_in1k")[0] == 2
    assert cli.ingest("predictions", path, model="resnet50.tv_in1k")[0] == 0
    assert cli.ingest("predictions", path, "--group", "mae", model="mine")[0] == 0
    known, mine = bindings(Store(cli.path), ["resnet50.tv_in1k"]) + bindings(Store(cli.path), ["mine"])
    assert known.group == known.facts["group"] == "standard"
    assert dict(mine.facts) == {"group": "mae"}


def test_classes_from_a_file(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("n03\tstar\nn02\tsquare\nn01\tcircle\nn04\tmoon\n", "utf-8")
    path = csv(tmp_path / "p.csv", [(name, 3) for name in SAMPLES])
    assert cli.ingest("predictions", path)[0] == 2
    assert cli.ingest("predictions", path, "--classes", tmp_path / "classes.txt")[0] == 0
    np.save(tmp_path / "x.npy", logits())
    assert cli.ingest("logits", tmp_path / "x.npy", "--classes", tmp_path / "classes.txt")[0] == 2
    (tmp_path / "twice.txt").write_text("a\na\n", "utf-8")
    assert cli.ingest("predictions", path, "--classes", tmp_path / "twice.txt", model="x")[0] == 2


def test_a_store_is_made_and_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli = Cli(tmp_path / "new", capsys)
    code, _, err = cli.ingest("predictions", csv(tmp_path / "p.csv", [("a", 0)]))
    assert code == 2
    assert f"created a store at {tmp_path / 'new'}" in err
    assert "assay-extract index shapes" in err


# --- once, twice, otherwise ------------------------------------------------------------------------------------------


def test_again_is_nothing_new(cli: Cli, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", logits())
    assert cli.ingest("logits", tmp_path / "x.npy")[0] == 0
    before = content(cli.path)
    (tmp_path / "x.npy").rename(tmp_path / "y.npy")
    code, (report,), err = cli.ingest("logits", tmp_path / "y.npy")
    assert (code, report["packs"]) == (0, 0), err
    assert "in the store already" in err
    assert content(cli.path) == before


def test_other_numbers_are_refused(cli: Cli, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", logits())
    np.save(tmp_path / "y.npy", logits(1))
    assert cli.ingest("logits", tmp_path / "x.npy")[0] == 0
    before = content(cli.path)
    code, _, err = cli.ingest("logits", tmp_path / "y.npy")
    assert code == 2
    (request,) = Store(cli.path).requests().live
    assert f"assay-cache retire {request.digest[:16]}" in err
    assert cli.ingest("logits", tmp_path / "x.npy", "--group", "mae")[0] == 2
    assert content(cli.path) == before
    assert cli("retire", request.digest)[0] == 0
    assert cli.ingest("logits", tmp_path / "y.npy")[0] == 0
    np.testing.assert_array_equal(stored(Store(cli.path), "logits"), logits(1))
    # The first, retired, comes back by retiring the second.
    assert cli("retire", "--model", "net")[0] == 0
    code, (report,), _ = cli.ingest("logits", tmp_path / "x.npy")
    assert (code, report["packs"]) == (0, 0)
    np.testing.assert_array_equal(stored(Store(cli.path), "logits"), logits())
    assert check(Store(cli.path), read_data=True) == []


def test_another_kind_is_another_binding(cli: Cli, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", logits())
    assert cli.ingest("logits", tmp_path / "x.npy")[0] == 0
    code, _, err = cli.ingest("predictions", csv(tmp_path / "p.csv", [(name, 0) for name in SAMPLES]))
    assert code == 0
    assert "--space" in err


def test_lost_data_are_put_away_and_brought_again(cli: Cli, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", logits())
    assert cli.ingest("logits", tmp_path / "x.npy")[0] == 0
    store = Store(cli.path)
    (binding,) = bindings(store)
    chunk = next((cli.path / "data" / "logits" / binding.label).rglob("0"))
    next(path for path in [chunk, *chunk.rglob("0")] if path.is_file()).unlink()
    code, _, err = cli.ingest("logits", tmp_path / "x.npy")
    assert code == 3
    assert "assay-cache repair" in err
    assert cli("repair")[0] == 0
    reader = Reader(store)
    states = {reader.state(reader.unit("logits", store.space(binding.label), p)) for p in store.version("shapes").packs}
    assert states == {State.HERE, State.ABSENT}
    code, (report,), _ = cli.ingest("logits", tmp_path / "x.npy")
    assert (code, report["packs"]) == (0, 1)
    np.testing.assert_array_equal(stored(Store(cli.path), "logits"), logits())
