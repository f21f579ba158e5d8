"""Rows of what is fitted on the in-distribution set, end to end: temperatures, their transfer, detectors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from analyze.asked import Ask
from analyze.fitting import Fitting, Split, read_split
from analyze.metrics.calibration import expected_calibration_error
from analyze.metrics.detection import aupr, auroc
from analyze.metrics.kl_matching import ClassMeans, kl_matching
from analyze.metrics.ood_features import fit_mahalanobis, fit_neighbours
from analyze.metrics.ood_scores import mcm, msp
from analyze.metrics.proper import brier, negative_log_likelihood
from analyze.metrics.softmax import summarize
from analyze.metrics.split import calibration_half
from analyze.metrics.temperature import fit_temperature
from analyze.score import Scored, score
from analyze.table import INTERVALS, KEY, table_bytes
from cache.errors import UsageError
from cache.texts import ClassList
from cache.zero_shot import Head, cosines
from tests.analyze.made import CATALOGUE, Made, ZeroShot, catalogue_with, images, space_of

TEN = ClassList(tuple(f"k{n}" for n in range(10)), tuple(f"class {n}" for n in range(10)))
N, SHIFTED, ODD = 120, 40, 30
MANIFESTS = {
    "labels__four": 'id="four"\ntitle="t"\nsource="s"\nkeys=["k1","k3","k4","k8"]\nnames=["a","b","c","d"]\n',
    "datasets__shifted": 'id="shifted"\ntitle="t"\npaper="p"\nobtain="o"\nrole="generic"\nlabel_space="four"\n'
    'protocols=["subset-200","10-way"]\n',
}
WHAT = Ask(id_dataset="in", ood_datasets=("odd-a", "odd-b"))
RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 10, N)
FOUR = np.array([1, 3, 4, 8])
SHIFTED_LABELS = RNG.integers(0, 4, SHIFTED)
MEANS = RNG.standard_normal((10, 6))
EMBEDDINGS = {
    "in": (MEANS[LABELS] + RNG.standard_normal((N, 6)) * 0.6).astype(np.float32),
    "shifted": (MEANS[FOUR[SHIFTED_LABELS]] + RNG.standard_normal((SHIFTED, 6)) * 1.2).astype(np.float32),
    "odd-a": RNG.standard_normal((ODD, 6)).astype(np.float32),
    "odd-b": (RNG.standard_normal((ODD, 6)) - 1).astype(np.float32),
}
HEAD = (MEANS / np.linalg.norm(MEANS, axis=1, keepdims=True)).T.astype(np.float32)
LOGITS = {name: (rows @ HEAD * 4).astype(np.float32) for name, rows in EMBEDDINGS.items()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    made = Made(tmp_path_factory.mktemp("fitted") / "s", pack=32)
    made.dataset("in", LABELS.tolist(), classes=TEN)
    made.dataset("shifted", FOUR[SHIFTED_LABELS].tolist(), classes=TEN)
    for name in ("odd-a", "odd-b"):
        made.dataset(name, [None] * ODD, classes=None)
    for name in EMBEDDINGS:
        space = space_of("net-a")
        made.model("net-a", name, LOGITS[name], classes=TEN, space=space)
        made.model("net-a", name, EMBEDDINGS[name], kind="embeddings", classes=TEN, space=space)
        head = ZeroShot("one", HEAD, TEN, scale=20.0, bias=-3.0)
        made.model("clip", name, EMBEDDINGS[name], kind="embeddings", classes=None, heads=[head])
    return made


@pytest.fixture(scope="module")
def scored(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Scored:
    return ask(made, tmp_path_factory.mktemp("manifests"))


def ask(made: Made, folder: Path, fitting: Fitting | None = None, what: Ask = WHAT) -> Scored:
    return score(made.store, catalogue_with(folder, **MANIFESTS), what, fitting=fitting or Fitting())


def one(scored: Scored, **columns: str) -> dict[str, float]:
    """Return the one row with these values in its columns."""
    table = scored.table.filter(*(pl.col(name) == value for name, value in columns.items()))
    assert table.height == 1, f"{table.height} rows for {columns}"
    return table.row(0, named=True)


HALF = calibration_half(images("in", N))
T = fit_temperature(LOGITS["in"][HALF], LABELS[HALF])


def test_the_table_is_sound(made: Made, scored: Scored, tmp_path: Path) -> None:
    table = scored.table
    assert not table.select(KEY).is_duplicated().any()
    assert table["value"].is_finite().all()
    assert (table["lo"] <= table["value"]).all()
    assert (table["value"] <= table["hi"]).all()
    assert set(table["metric"]) <= set(INTERVALS)
    assert set(table["calibration"]) == {"raw", "ts", "ts-restricted"}
    again = ask(made, tmp_path).table
    for suffix in (".csv", ".parquet"):
        assert table_bytes(table, suffix) == table_bytes(again, suffix)


def test_the_temperature_is_that_of_the_calibration_half(scored: Scored) -> None:
    row = one(scored, model="net-a", dataset="in", metric="temperature")
    assert row["value"] == pytest.approx(T.temperature, rel=1e-6)
    assert (row["lo"], row["hi"]) == pytest.approx(T.interval(), rel=1e-4)
    assert (row["slice"], row["calibration"], row["n"], row["n_total"]) == ("calibration-half", "ts", N // 2, N)
    assert row["id_dataset"] == ""


@pytest.mark.parametrize(("calibration", "temperature"), [("raw", 1.0), ("ts", T.temperature)])
def test_the_test_half_before_and_after(scored: Scored, calibration: str, temperature: float) -> None:
    logits, labels = LOGITS["in"][~HALF] / temperature, LABELS[~HALF]
    about = {"model": "net-a", "dataset": "in", "slice": "test-half", "calibration": calibration}
    confidence, correct = summarize(logits).confidence, logits.argmax(axis=1) == labels
    assert one(scored, **about, metric="nll")["value"] == pytest.approx(
        negative_log_likelihood(logits, labels), rel=1e-5
    )
    assert one(scored, **about, metric="brier")["value"] == pytest.approx(brier(logits, labels), rel=1e-5)
    ece = one(scored, **about, metric="ece_15")
    assert ece["value"] == pytest.approx(expected_calibration_error(confidence, correct), rel=1e-5)
    assert ece["n"] == N // 2


def test_deltas_are_differences_of_their_rows(scored: Scored) -> None:
    for dataset, name in (("in", "test-half"), ("shifted", "all")):
        for metric in ("ece_15", "nll", "brier"):
            about = {"model": "net-a", "dataset": dataset, "slice": name, "protocol": "10-way"}
            raw, ts = (one(scored, **about, metric=metric, calibration=how)["value"] for how in ("raw", "ts"))
            delta = one(scored, **about, metric=f"{metric}_delta", calibration="ts")
            assert delta["value"] == pytest.approx(ts - raw, abs=1e-9)
            assert delta["lo"] < delta["hi"]
    # The half that it was fitted on says so: scaling helps where it can be seen at all.
    assert one(scored, model="net-a", dataset="in", metric="nll_delta")["value"] < 0


def test_transfer_to_a_restricted_set(scored: Scored) -> None:
    restricted, right = LOGITS["shifted"][:, FOUR], SHIFTED_LABELS
    inside = HALF & np.isin(LABELS, FOUR)
    own = fit_temperature(LOGITS["in"][inside][:, FOUR], np.searchsorted(FOUR, LABELS[inside]))
    about = {"model": "net-a", "dataset": "shifted", "protocol": "subset-200", "metric": "nll", "slice": "all"}
    for calibration, temperature in (("raw", 1.0), ("ts", T.temperature), ("ts-restricted", own.temperature)):
        row = one(scored, **about, calibration=calibration)
        assert row["value"] == pytest.approx(negative_log_likelihood(restricted / temperature, right), rel=1e-5)
        assert row["id_dataset"] == ("" if calibration == "raw" else "in")
    fitted = one(scored, model="net-a", dataset="shifted", metric="temperature")
    assert fitted["value"] == pytest.approx(own.temperature, rel=1e-6)
    assert (fitted["protocol"], fitted["n"], fitted["n_total"]) == ("subset-200", inside.sum(), N)
    inputs = {calibration: one(scored, **about, calibration=calibration)["inputs"] for calibration in ("raw", "ts")}
    assert inputs["raw"] != inputs["ts"]


def test_zero_shot_models_have_a_temperature_of_their_logits(scored: Scored) -> None:
    unit = EMBEDDINGS["in"] / np.linalg.norm(EMBEDDINGS["in"], axis=1, keepdims=True)
    fit = fit_temperature((unit @ HEAD * 20)[HALF], LABELS[HALF])
    row = one(scored, model="clip", dataset="in", metric="temperature")
    assert row["value"] == pytest.approx(fit.temperature, rel=1e-4)
    assert row["prompt_set"] == "one"


def test_detectors_that_are_fitted_are_told_on_the_test_half(scored: Scored) -> None:
    means = ClassMeans(10)
    means.add(LOGITS["in"][HALF])
    ours, theirs = (kl_matching(rows, means.templates()) for rows in (LOGITS["in"][~HALF], LOGITS["odd-a"]))
    about = {"model": "net-a", "dataset": "odd-a", "metric": "auroc", "variant": "held-out-half"}
    row = one(scored, **about, detector="kl_matching")
    assert row["value"] == pytest.approx(auroc(ours, theirs), abs=2e-3)
    assert row["n"] == N // 2 + ODD
    scaled = one(scored, **about, detector="msp", calibration="ts")
    expected = auroc(msp(LOGITS["in"][~HALF] / T.temperature), msp(LOGITS["odd-a"] / T.temperature))
    assert scaled["value"] == pytest.approx(expected, abs=2e-3)


def test_every_detector_by_model(scored: Scored) -> None:
    table = scored.table.filter(
        pl.col("metric") == "aupr_out", pl.col("calibration") == "raw", pl.col("slice") == "all"
    )
    plain = {"msp", "max_logit", "energy", "entropy", "gen", "kl_matching"}
    for model, detectors in (("net-a", plain), ("clip", plain | {"mcm", "max_cosine"})):
        assert set(table.filter(pl.col("model") == model)["detector"]) == detectors
    for model, default in (("net-a", "msp"), ("clip", "mcm")):
        rules = scored.table.filter(pl.col("model") == model, pl.col("variant").is_in(["hendrycks", "openood"]))
        assert set(rules["detector"]) == {default}


def test_a_seed_and_a_file_move_the_halves(made: Made, scored: Scored, tmp_path: Path) -> None:
    other = ask(made, tmp_path, Fitting(Split(seed=1)))
    about = {"model": "net-a", "dataset": "in", "metric": "temperature"}
    half = calibration_half(images("in", N), 1)
    assert one(other, **about)["value"] == pytest.approx(fit_temperature(LOGITS["in"][half], LABELS[half]).temperature)
    assert one(other, **about)["value"] != one(scored, **about)["value"]
    file = tmp_path / "calibration.csv"
    file.write_text("sample,why\n" + "".join(f"{n:05}.jpg,x\n" for n in range(50)))
    listed = ask(made, tmp_path, Fitting(Split(listed=read_split(file))))
    fit = fit_temperature(LOGITS["in"][:50], LABELS[:50])
    assert one(listed, **about)["value"] == pytest.approx(fit.temperature, rel=1e-6)
    assert one(listed, **about)["n"] == 50
    with pytest.raises(UsageError, match=r"'nope'.*of in"):
        ask(made, tmp_path, Fitting(Split(listed=("nope",))))


def test_images_that_a_temperature_was_fitted_on_do_not_count_elsewhere(tmp_path: Path) -> None:
    made = Made(tmp_path / "s").dataset("in", LABELS.tolist(), classes=TEN)
    made.dataset("again", LABELS[:80].tolist(), items=images("in", N)[:80], classes=TEN)
    made.model("net-a", "in", LOGITS["in"], classes=TEN).model("net-a", "again", LOGITS["in"][:80], classes=TEN)
    scored = score(made.store, CATALOGUE, Ask(id_dataset="in"))
    test = ~HALF[:80]
    rows = scored.table.filter(pl.col("dataset") == "again", pl.col("metric") == "nll")
    assert dict(zip(rows["slice"] + "/" + rows["calibration"], rows["n"], strict=True)) == {
        "all/raw": 80, "test-half/raw": test.sum(), "test-half/ts": test.sum(),
    }  # fmt: skip
    ts = rows.filter(pl.col("calibration") == "ts")["value"][0]
    expected = negative_log_likelihood(LOGITS["in"][:80][test] / T.temperature, LABELS[:80][test])
    assert ts == pytest.approx(expected, rel=1e-5)


def test_all_right_has_no_best_temperature_and_says_so(tmp_path: Path) -> None:
    made = Made(tmp_path / "s").dataset("in", [0, 1, 2, 0, 1, 2]).model("net-a", "in", np.tile(np.eye(3), (2, 1)))
    scored = score(made.store, CATALOGUE, Ask(id_dataset="in"))
    assert one(scored, metric="temperature")["value"] == 1e-3
    assert one(scored, metric="temperature")["hi"] == np.inf
    assert any("every image of the calibration half is right" in note for note in scored.notes)
    assert scored.table["value"].is_finite().all()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_images(tmp_path: Path, n: int) -> None:
    made = Made(tmp_path / "s").dataset("in", [0] * n).model("net-a", "in", np.eye(3)[[0, 1, 1]][:n])
    made.dataset("odd", [None]).model("net-a", "odd", np.zeros((1, 3)))
    scored = score(made.store, CATALOGUE, Ask(id_dataset="in", ood_datasets=("odd",)))
    assert scored.table["value"].is_finite().all()
    assert ("temperature" in set(scored.table["metric"])) == (n > 1)
    assert any("too few images for a temperature" in note for note in scored.notes) == (n == 1)


def test_failed_images_are_in_neither_half(tmp_path: Path) -> None:
    broken = int(np.flatnonzero(HALF)[0])
    made = Made(tmp_path / "s").dataset("in", LABELS.tolist(), classes=TEN)
    made.model("net-a", "in", LOGITS["in"], classes=TEN, failed={broken: "decode_error"})
    scored = score(made.store, CATALOGUE, Ask(id_dataset="in"), on_failure="exclude")
    row = one(scored, metric="temperature")
    assert (row["n"], row["n_failed"]) == (N // 2 - 1, 1)
    refused = score(made.store, CATALOGUE, Ask(id_dataset="in"))
    assert refused.table.is_empty()


def test_features_of_the_held_out_half(made: Made, tmp_path: Path) -> None:
    scored = ask(made, tmp_path, Fitting(features=True, neighbours=5))
    found = scored.table.filter(pl.col("variant") == "held-out-half", pl.col("metric") == "auroc")
    of = {
        model: set(found.filter(pl.col("model") == model, pl.col("calibration") == "raw")["detector"])
        for model in ("net-a", "clip")
    }
    every = {"kl_matching", "mahalanobis", "relative_mahalanobis", "cosine_to_mean", "knn", "nnguide"}
    every |= {"vim", "react", "fdbd"}
    # The store holds no weights of the classifier: they are recovered from its embeddings and logits.
    assert of == {"net-a": every, "clip": every}
    inside, odd = EMBEDDINGS["in"], EMBEDDINGS["odd-a"]
    fitted = fit_mahalanobis(inside[HALF], LABELS[HALF])
    row = one(scored, model="net-a", dataset="odd-a", detector="mahalanobis", metric="auroc")
    assert row["value"] == pytest.approx(auroc(fitted.scores(inside[~HALF]), fitted.scores(odd)), abs=2e-3)
    bank = fit_neighbours(inside[HALF], 5)
    row = one(scored, model="clip", dataset="odd-a", detector="knn", metric="auroc")
    assert row["value"] == pytest.approx(auroc(bank.scores(inside[~HALF]), bank.scores(odd)), abs=2e-3)
    assert row["n"] == N // 2 + ODD


def test_weights_that_cannot_be_recovered_are_said(tmp_path: Path) -> None:
    made = Made(tmp_path / "s").dataset("in", LABELS.tolist(), classes=TEN).dataset("odd", [None] * ODD, classes=None)
    for name, here in (("in", "in"), ("odd", "odd-a")):
        made.model("net-a", name, np.tanh(LOGITS[here]), classes=TEN)
        made.model("net-a", name, EMBEDDINGS[here], kind="embeddings", classes=TEN)
    scored = score(
        made.store, CATALOGUE, Ask(id_dataset="in", ood_datasets=("odd",)), fitting=Fitting(features=True, neighbours=5)
    )
    assert {"knn", "nnguide"} <= set(scored.table["detector"])
    assert not {"vim", "react", "fdbd"} & set(scored.table["detector"])
    assert any("no vim, react, fdbd: its logits are not linear in its embeddings" in note for note in scored.notes)


def test_features_of_training_images_where_they_are_here(made: Made, tmp_path: Path) -> None:
    store = Made(tmp_path / "s", pack=32)
    store.dataset("in", LABELS.tolist(), classes=TEN).dataset("odd", [None] * ODD, classes=None)
    store.dataset("imagenet-train-200k", LABELS.tolist(), classes=TEN)
    rng = np.random.default_rng(1)
    train = (MEANS[LABELS] + rng.standard_normal((N, 6)) * 0.6).astype(np.float32)
    head = ZeroShot("one", HEAD, TEN, scale=20.0)
    for name, rows in (("in", EMBEDDINGS["in"]), ("odd", EMBEDDINGS["odd-a"]), ("imagenet-train-200k", train)):
        store.model("clip", name, rows, kind="embeddings", classes=None, heads=[head])
    scored = score(
        store.store,
        CATALOGUE,
        Ask(id_dataset="in", ood_datasets=("odd",)),
        fitting=Fitting(features=True, neighbours=5),
    )
    row = one(scored, dataset="odd", detector="knn", metric="auroc")
    bank = fit_neighbours(train, 5)
    assert row["variant"] == "train"
    assert row["value"] == pytest.approx(
        auroc(bank.scores(EMBEDDINGS["in"]), bank.scores(EMBEDDINGS["odd-a"])), abs=2e-3
    )
    assert row["n"] == N + ODD


def test_features_that_are_not_here_are_said_with_their_remedy(tmp_path: Path) -> None:
    made = Made(tmp_path / "s").dataset("in", LABELS.tolist(), classes=TEN).dataset("odd", [None] * ODD, classes=None)
    made.model("net-a", "in", LOGITS["in"], classes=TEN).model("net-a", "odd", LOGITS["odd-a"], classes=TEN)
    what = Ask(id_dataset="in", ood_datasets=("odd",))
    scored = score(made.store, CATALOGUE, what, fitting=Fitting(features=True))
    assert "mahalanobis" not in set(scored.table["detector"])
    assert any("--model net-a --dataset in --kinds embeddings" in note for note in scored.notes)


def test_ninco_is_told_class_by_class_and_imagenet_o_over_its_classes(tmp_path: Path) -> None:
    spaces = CATALOGUE.labels
    thousand = ClassList(spaces["imagenet-1k"].keys, spaces["imagenet-1k"].names)
    columns = [thousand.keys.index(key) for key in spaces["imagenet-o-200"].keys]
    rng = np.random.default_rng(2)
    labels = rng.choice([*columns, *range(1000)], 60)
    made = Made(tmp_path / "s", pack=16).dataset("imagenet-val", labels.tolist(), classes=thousand)
    made.dataset("imagenet-o", [None] * 20, classes=None)
    classes = ["bagpipe", "bagpipe", "aloe", "aloe", "aloe", "zebra"]
    made.dataset("ninco", [None] * 6, classes=None, columns={"ood_class": classes})
    sizes = {"imagenet-val": 60, "imagenet-o": 20, "ninco": 6}
    logits = {name: rng.standard_normal((n, 1000)).astype(np.float32) for name, n in sizes.items()}
    for name, rows in logits.items():
        made.model("net-a", name, rows, classes=thousand)
    scored = score(made.store, CATALOGUE, Ask())
    inside = logits["imagenet-val"]
    kept = np.isin(labels, columns)
    ours, theirs = msp(inside[kept][:, columns]), msp(logits["imagenet-o"][:, columns])
    about = {"dataset": "imagenet-o", "protocol": "imagenet-o-200", "detector": "msp", "variant": ""}
    row = one(scored, **about, metric="aupr_out")
    assert row["value"] == pytest.approx(aupr(ours, theirs, "ood"), abs=1e-6)
    assert row["n"] == kept.sum() + 20
    ninco = scored.table.filter(pl.col("dataset") == "ninco", pl.col("metric") == "auroc")
    assert set(ninco["slice"]) == {"all", "aloe", "bagpipe", "zebra", "class-mean", "class-mean-46"}
    assert set(ninco.filter(pl.col("slice") == "aloe")["detector"]) == {"msp"}
    assert {"msp", "energy", "kl_matching"} <= set(ninco.filter(pl.col("slice") == "class-mean")["detector"])
    by = dict(ninco.filter(pl.col("detector") == "msp", pl.col("calibration") == "raw").select("slice", "value").rows())
    assert by["class-mean"] == pytest.approx((by["aloe"] + by["bagpipe"] + by["zebra"]) / 3)
    assert by["class-mean-46"] == pytest.approx((by["aloe"] + by["zebra"]) / 2)


def test_embeddings_of_half_precision_do_not_tie() -> None:
    # Concept matching over a thousand cosines differs from the fourth digit on: a score rounded to half would tie.
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((64, 1000)).astype(np.float32)
    head = Head(weights / np.linalg.norm(weights, axis=0), 100.0, 0.0)
    scores = mcm(cosines(rng.standard_normal((400, 64)).astype(np.float16), head))
    assert len(np.unique(scores)) == 400
    assert len(np.unique(scores.astype(np.float16))) < 200
    # At temperature 1 / scale it is the maximum softmax probability of the logits.
    some = cosines(rng.standard_normal((20, 64)), head)
    assert mcm(some, 1 / head.scale) == pytest.approx(msp(some.astype(float) * head.scale), rel=1e-9)


def test_options_of_the_command(tmp_path: Path) -> None:
    made = Made(tmp_path / "s", pack=32).dataset("in", LABELS.tolist(), classes=TEN)
    made.dataset("odd", [None] * ODD, classes=None)
    for name, rows in (("in", EMBEDDINGS["in"]), ("odd", EMBEDDINGS["odd-a"])):
        head = ZeroShot("one", HEAD, TEN, scale=20.0)
        made.model("clip", name, rows, kind="embeddings", classes=None, heads=[head])
    file, out = tmp_path / "half.txt", tmp_path / "t.csv"
    file.write_text("\n".join(f"{n:05}.jpg" for n in range(30)))
    words = ("score", "--id-dataset", "in", "--ood-dataset", "odd", "--out", str(out), "--no-write-scores")
    assert made.cli(*words, "--split", str(file), "--features", "--neighbours", "3") == 0
    table = pl.read_csv(out)
    assert {"knn", "vim"} <= set(table["detector"])
    assert table.filter(pl.col("metric") == "temperature")["n"].to_list() == [30]
    about = json.loads(out.with_name("t.csv.json").read_text())
    assert about["fitting"] == {"split": "half.txt", "split_seed": 0, "neighbours": 3}
    assert "sandwich" in about["intervals"]["temperature"]
    assert made.cli(*words, "--neighbours", "0") == 2
    for text in ("", "a,b\nc,d\n"):
        file.write_text(text)
        assert made.cli(*words, "--split", str(file)) == 2
    assert made.cli(*words, "--split", str(tmp_path / "none.txt")) == 2
