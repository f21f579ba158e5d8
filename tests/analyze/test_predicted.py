"""Decisions that were made elsewhere, from the file to the table: accuracies by hand, and nothing that is not known."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from analyze.asked import Ask
from analyze.cli import app as analyze_app
from analyze.predicted import applicable_to_decisions
from analyze.score import Scored, score
from cache.cli import app as cache_app
from cache.console import run_app
from cache.errors import IntegrityError, UsageError
from cache.key import image_id, virtual_id
from cache.packs import read_pack
from cache.store import Store
from cache.texts import ClassList
from manifests.catalogue import load
from manifests.errors import AssayError
from tests.cache.damage import Damage, broken_promises, damages, judge
from tests.cache.listing import SAMPLES, csv, listed

CATALOGUE = load()
IMAGENET = ClassList(CATALOGUE.labels["imagenet-1k"].keys, CATALOGUE.labels["imagenet-1k"].names)
CUES = ClassList(CATALOGUE.labels["cue-16"].keys, CATALOGUE.labels["cue-16"].names)
VAL = tuple(f"ILSVRC2012_val_{n:08}.JPEG" for n in range(1, 9))
TRUTH = [65, 970, 230, 809, 516, 57, 334, 415]
# Six of eight right.
ANSWERS = [65, 970, 231, 809, 516, 58, 334, 415]
SURE = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 1.0]
X = "file_name,predicted_class,predicted_probability"


@pytest.fixture(scope="module", autouse=True)
def one_catalogue() -> Iterator[None]:
    """Read the manifests once: they are no part of a store."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("manifests.catalogue.load", lambda folders=(): CATALOGUE)
        yield


def imagenet_x(path: Path, **more: object) -> Store:
    """List eight validation images as ImageNet-X, without an image."""
    ids = [virtual_id("imagenet-val", sample) for sample in VAL]
    return listed(path, "imagenet-x", VAL, ids, labels=TRUTH, classes=IMAGENET, pack=3, **more)  # type: ignore[arg-type]


def ingest(path: Path, dataset: str, *words: str | Path, model: str = "net", kind: str = "predictions") -> int:
    command = ["ingest", "--store", str(path), "--model", model, "--dataset", dataset, "--kind", kind, "-q"]
    return run_app(cache_app, [*command, *map(str, words)])


def scored(path: Path, *, spaces: tuple[str, ...] = (), **more: str) -> Scored:
    return score(Store(path), CATALOGUE, Ask(spaces=spaces, **more))  # type: ignore[arg-type]


def values(path: Path, name: str = "all") -> dict[tuple[str, str, str], float]:
    """Return model, protocol and metric of the rows of the whole set, and their value."""
    table = scored(path).table.filter((pl.col("slice") == name) & (pl.col("variant") == ""))
    return {(row["model"], row["protocol"], row["metric"]): row["value"] for row in table.iter_rows(named=True)}


def in_x_form(path: Path) -> Path:
    rows = list(zip(VAL, ANSWERS, SURE, strict=True))
    return csv(path, rows[::-1], X)


# --- ImageNet-X's form ------------------------------------------------------------------------------------------------


def test_predictions_in_imagenet_x_form(tmp_path: Path) -> None:
    store = tmp_path / "store"
    imagenet_x(store)
    assert ingest(store, "imagenet-x", "--format", "imagenet-x", in_x_form(tmp_path / "net.csv")) == 0
    found = scored(store)
    assert (found.failed, found.missing) == ((), ())
    rows = {row["metric"]: row for row in found.table.filter(slice="all", calibration="raw").iter_rows(named=True)}
    top = rows["accuracy_top1"]
    assert (top["value"], top["n"], top["n_total"], top["n_failed"]) == (6 / 8, 8, 8, 0)
    assert (top["protocol"], top["prompt_set"], top["group"]) == ("1000-way", "", "other")
    gap = sum(SURE) / 8 - 6 / 8
    assert rows["confidence_gap"]["value"] == pytest.approx(gap)
    right = [answer == truth for answer, truth in zip(ANSWERS, TRUTH, strict=True)]
    # Fifteen bins hold one answer each, but for none: every error stands alone.
    assert rows["ece_15"]["value"] == pytest.approx(np.mean(np.abs(np.array(right) - np.array(SURE))))
    assert not {"accuracy_top5", "nll", "brier", "ece_classwise", "temperature"} & set(rows)
    assert found.table["value"].is_finite().all()


def test_predictions_without_probabilities_are_accuracies(tmp_path: Path) -> None:
    store = tmp_path / "store"
    imagenet_x(store)
    rows = list(zip(VAL, ANSWERS, strict=True))
    assert ingest(store, "imagenet-x", "--format", "imagenet-x", csv(tmp_path / "n.csv", rows, X[: X.rindex(",")])) == 0
    metrics = {metric for _, _, metric in values(store)}
    assert "accuracy_top1" in metrics
    assert not [metric for metric in metrics if "ece" in metric or "risk" in metric or metric in ("nll", "auroc")]
    assert run_app(analyze_app, ["report", "--store", str(store), "-q", "--out", str(tmp_path / "out")]) == 0
    assert "net" in (tmp_path / "out" / "report.html").read_text("utf-8")


def test_one_detector_is_known(tmp_path: Path) -> None:
    store = tmp_path / "store"
    listed(store, "inside", SAMPLES, labels=[0] * 10)
    listed(store, "outside", SAMPLES, [image_id(b"%d" % n) for n in range(10)])
    for name, start in (("inside", 0.9), ("outside", 0.5)):
        rows = [(sample, 0, start - n / 20) for n, sample in enumerate(SAMPLES)]
        path = csv(tmp_path / f"{name}.csv", rows, "sample,predicted_class,predicted_probability")
        assert ingest(store, name, path) == 0
    found = scored(store, id_dataset="inside", ood_datasets=("outside",)).table.filter(metric="auroc")  # type: ignore[arg-type]
    # 0.9 ... 0.45 against 0.5 ... 0.05: all pairs but those of 0.45 and 0.5 with 0.5 and 0.45 are in order.
    ours, theirs = 0.9 - np.arange(10) / 20, 0.5 - np.arange(10) / 20
    pairs = np.round(ours[:, None] - theirs[None], 9)
    expected = ((pairs > 0) + 0.5 * (pairs == 0)).mean()
    assert found["detector"].to_list() == ["msp"]
    assert found["value"].item() == pytest.approx(expected)


def test_logits_and_predictions_do_not_mix(tmp_path: Path) -> None:
    store = tmp_path / "store"
    imagenet_x(store)
    assert ingest(store, "imagenet-x", "--format", "imagenet-x", in_x_form(tmp_path / "net.csv")) == 0
    logits = np.zeros((8, 1000), np.float32)
    logits[np.arange(8), TRUTH] = 1
    np.save(tmp_path / "net.npy", logits)
    assert ingest(store, "imagenet-x", tmp_path / "net.npy", kind="logits") == 0
    with pytest.raises(UsageError, match="is bound 2 times"):
        scored(store)
    labels = {request.kinds[0]: request.label for request in Store(store).requests().live}
    for kind, accuracy in (("logits", 1.0), ("predictions", 0.75)):
        table = scored(store, spaces=(labels[kind],)).table.filter(
            metric="accuracy_top1", slice="all", calibration="raw"
        )
        assert table["value"].to_list() == [accuracy]


# --- model-vs-human's trials ------------------------------------------------------------------------------------------

PAIRS = [("airplane", "bear"), ("cat", "dog"), ("truck", "truck"), ("clock", "oven")]
TRIALS = "subj,session,trial,rt,object_response,category,condition,imagename"


def cue_conflict(path: Path, scheme: str) -> Store:
    names = {
        "texture": [f"{shape}/{shape}7-{texture}2.png" for shape, texture in PAIRS],
        "mvh": [f"{s}/{n:04}_s5n_dnn_0_{s}_00_{s}7-{t}2.png" for n, (s, t) in enumerate(PAIRS)],
    }[scheme]
    cues = {name: [CUES.keys.index(pair[at]) for pair in PAIRS] for at, name in enumerate(("shape", "texture"))}
    return listed(path, "cue-conflict", tuple(names), labels=cues["shape"], classes=CUES, own=dict(cues))  # type: ignore[arg-type]


def trials(folder: Path, answers: dict[str, list[str]]) -> list[Path]:
    paths = []
    for subject, said in answers.items():
        rows = []
        for n, ((shape, texture), answer) in enumerate(zip(PAIRS, said, strict=True)):
            image = f"{9 - n:04}_s5n_{subject}_0_{shape}_00_{shape}7-{texture}2.png"
            rows.append((subject, 1, n + 1, 0.5, answer, shape, 0, image))
        paths.append(csv(folder / f"cue-conflict_{subject}_session_1.csv", rows, TRIALS))
    return paths


@pytest.mark.parametrize("scheme", ["texture", "mvh"])
def test_trials_of_people(scheme: str, tmp_path: Path) -> None:
    store = tmp_path / "store"
    cue_conflict(store, scheme)
    said = {
        "subject-01": ["airplane", "dog", "truck", "clock"],
        "subject-02": ["bear", "na", "truck", "na"],
    }
    paths = trials(tmp_path, said)
    assert ingest(store, "cue-conflict", "--format", "model-vs-human", "--group", "other", *paths, model="human") == 0
    found = values(store)
    top = {
        model: value
        for (model, protocol, metric), value in found.items()
        if (protocol, metric) == ("cue-16", "accuracy_top1")
    }
    assert top == {"human.subject-01": 0.75, "human.subject-02": 0.25}
    # Of three images whose cues conflict: shape, texture, shape; and texture, nothing, nothing. The observers pooled
    # are 2 of 4, which is not the mean of 2/3 and 0.
    told = scored(store).table.filter(slice="all", protocol="cue-16")
    columns = ("model", "variant", "value", "n")
    assert set(told.filter(metric="shape_bias").select(columns).rows()) == {
        ("human.subject-01", "", 2 / 3, 3),
        ("human.subject-02", "", 0.0, 1),
        ("human", "pooled", 0.5, 4),
    }
    assert set(told.filter(metric="cue_coverage").select(columns).rows()) == {
        ("human.subject-01", "", 1.0, 3),
        ("human.subject-02", "", 1 / 3, 3),
        ("human", "pooled", 4 / 6, 6),
    }
    assert {protocol for _, protocol, _ in found} <= {"cue-16", "cue-16-sum", "cue-16-max"}
    assert not [metric for _, _, metric in found if "ece" in metric or metric == "accuracy_top5"]
    # Again, one file after the other: other files are other input.
    assert ingest(store, "cue-conflict", "--format", "model-vs-human", *paths, model="human") == 0
    assert ingest(store, "cue-conflict", "--format", "model-vs-human", paths[0], model="human") == 2


def test_trials_that_do_not_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = tmp_path / "store"
    cue_conflict(store, "texture")
    for answers, code, said in (
        (["airplane", "cat", "lorry", "clock"], 2, "row 3 (lorry)"),
        (["airplane", "cat", "truck", "clock"], 3, "no row for 1 of the 4 samples"),
    ):
        (path,) = trials(tmp_path, {"subject-01": answers})
        if code == 3:
            path.write_text("\n".join(path.read_text("utf-8").splitlines()[:-1]), "utf-8")
        assert ingest(store, "cue-conflict", "--format", "model-vs-human", path, model="human") == code
        assert said in capsys.readouterr().err
    (path,) = trials(tmp_path, {"subject-01": ["airplane", "cat", "truck", "clock"]})
    path.write_text(path.read_text("utf-8").replace(",cat,0,", ",dog,0,"), "utf-8")
    assert ingest(store, "cue-conflict", "--format", "model-vs-human", path, model="human") == 2
    assert "of another class" in capsys.readouterr().err
    assert not Store(store).requests().live


# --- which protocols a decision can answer ----------------------------------------------------------------------------


def _protocols(dataset: str, keys: ClassList, own: ClassList, **columns: object) -> tuple[list[str], bool, str]:
    view = pl.DataFrame({"sample": ["a"], "label": [0], **columns})
    found = applicable_to_decisions(CATALOGUE.datasets[dataset], CATALOGUE.labels, view, own, keys)
    return [one.protocol.id for one in found.judges], found.as_they_stand, " ".join(found.notes)


def test_the_best_of_1000_answers_some_protocols() -> None:
    spaces = {name: ClassList(space.keys, space.names) for name, space in CATALOGUE.labels.items()}
    judges, plain, note = _protocols("imagenet-r", IMAGENET, spaces["imagenet-r-200"])
    assert (judges, plain) == ([], True)
    assert note == ("imagenet-r: decisions between 1000 classes tell nothing under subset-200; that needs logits.")
    # The official ObjectNet challenge asks which of 1000 classes is best; the merged readings do not.
    judges, _, _ = _protocols("objectnet", IMAGENET, spaces["objectnet-113"])
    assert judges == ["objectnet-official-313"]
    assert "real" in _protocols("imagenet-real", IMAGENET, IMAGENET, labels=[[0, 1]])[0]
    # Decisions between a protocol's very classes are its decisions.
    assert _protocols("cue-conflict", CUES, CUES)[0][0] == "cue-16"
    assert _protocols("cue-conflict", CUES, CUES)[1] is False
    assert _protocols("cue-conflict", IMAGENET, CUES)[0] == []
    # In another order too, since classes meet by key.
    turned = ClassList(CUES.keys[::-1], CUES.names[::-1])
    assert _protocols("cue-conflict", turned, CUES)[0][0] == "cue-16"


def test_any_of_several_labels(tmp_path: Path) -> None:
    store = tmp_path / "store"
    ids = [virtual_id("imagenet-val", sample) for sample in VAL]
    sets = [[65], [970, 1], [230, 231], [], [516], [57, 58], [334], [1]]
    listed(store, "imagenet-real", VAL, ids, labels=TRUTH, classes=IMAGENET, own={"labels": sets})  # type: ignore[dict-item]
    assert ingest(store, "imagenet-real", "--format", "imagenet-x", in_x_form(tmp_path / "net.csv")) == 0
    found = {key[1:]: value for key, value in values(store).items()}
    assert found["real", "accuracy_top1"] == 6 / 7


# --- listed first, indexed later --------------------------------------------------------------------------------------


def _indexed_later(path: Path, samples: tuple[str, ...]) -> None:
    """Write what `index --root` leaves after the same samples were listed: real images, and the ids from before."""
    at = [VAL.index(sample) for sample in samples]
    listed(
        path,
        "imagenet-x",
        samples,
        [image_id(sample.encode()) for sample in samples],
        labels=[TRUTH[n] for n in at],
        classes=IMAGENET,
        virtual={sample: virtual_id("imagenet-val", sample) for sample in samples},
    )


def test_numbers_stay_when_the_images_come(tmp_path: Path) -> None:
    store = tmp_path / "store"
    imagenet_x(store)
    listed_packs = Store(store).version("imagenet-x").packs
    path = in_x_form(tmp_path / "net.csv")
    assert ingest(store, "imagenet-x", "--format", "imagenet-x", path) == 0
    before = values(store)
    _indexed_later(store, VAL)
    assert not set(Store(store).version("imagenet-x").packs) & set(listed_packs)
    assert values(store) == before
    # The same file again finds its numbers; another one does not pass for it.
    files = {p: p.read_bytes() for p in store.rglob("*") if p.is_file()}
    assert ingest(store, "imagenet-x", "--format", "imagenet-x", path) == 0
    assert {p: p.read_bytes() for p in store.rglob("*") if p.is_file()} == files
    other = csv(tmp_path / "other.csv", [(sample, 1, 0.5) for sample in VAL], X)
    assert ingest(store, "imagenet-x", "--format", "imagenet-x", other) == 2
    assert ingest(store, "imagenet-x", "--format", "imagenet-x", other, model="other") == 0
    assert {key[0]: value for key, value in values(store).items() if key[2] == "accuracy_top1"} == {
        "net": 0.75,
        "other": 0.0,
    }
    assert run_app(cache_app, ["check", "--read-data", "--store", str(store), "-q"]) == 0


def test_a_part_of_the_images_is_a_part_of_the_numbers(tmp_path: Path) -> None:
    store = tmp_path / "store"
    imagenet_x(store)
    assert ingest(store, "imagenet-x", "--format", "imagenet-x", in_x_form(tmp_path / "net.csv")) == 0
    _indexed_later(store, VAL[1:5])
    found = values(store)
    assert found["net", "1000-way", "accuracy_top1"] == 3 / 4


def test_rows_by_real_image_id(tmp_path: Path) -> None:
    store = tmp_path / "store"
    imagenet_x(store)
    logits = np.random.default_rng(0).standard_normal((8, 1000)).astype(np.float32)
    np.save(tmp_path / "net.npy", logits)
    assert ingest(store, "imagenet-x", tmp_path / "net.npy", kind="logits") == 0
    before = values(store)
    _indexed_later(store, VAL)
    assert values(store) == before
    found = Store(store).rows("logits", "net", [image_id(VAL[n].encode()) for n in (3, 0)])
    np.testing.assert_array_equal(found, logits[[3, 0]])


def test_an_image_that_joined_later_has_no_answer(tmp_path: Path) -> None:
    store = tmp_path / "store"
    others = (virtual_id("imagenet-val", VAL[-1]),)
    ids = [virtual_id("imagenet-val", sample) for sample in VAL]
    options = {"classes": IMAGENET, "pack": 16}
    listed(store, "imagenet-x", VAL[:-1], ids[:-1], labels=TRUTH[:-1], more=others, **options)  # type: ignore[arg-type]
    path = in_x_form(tmp_path / "net.csv")
    assert ingest(store, "imagenet-x", "--format", "imagenet-x", path) == 0
    assert values(store)["net", "1000-way", "accuracy_top1"] == 5 / 7
    listed(store, "imagenet-x", VAL, ids, labels=TRUTH, **options)  # type: ignore[arg-type]
    found = scored(store)
    assert len(found.failed) == 1
    assert "not_given" in found.failed[0]
    # The way out that is named: unbind, and ingest for the set as it is now.
    assert ingest(store, "imagenet-x", "--format", "imagenet-x", path) == 2
    assert run_app(cache_app, ["retire", "--model", "net", "--store", str(store)]) == 0
    assert ingest(store, "imagenet-x", "--format", "imagenet-x", path) == 0
    assert values(store)["net", "1000-way", "accuracy_top1"] == 6 / 8


# --- damage -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """A store with predictions, listed first and indexed later in part; one of other predictions; the true table."""
    folder = tmp_path_factory.mktemp("damaged")
    for name, answers in (("store", ANSWERS), ("other", TRUTH)):
        imagenet_x(folder / name)
        rows = list(zip(VAL, answers, SURE, strict=True))
        assert ingest(folder / name, "imagenet-x", "--format", "imagenet-x", csv(folder / f"{name}.csv", rows, X)) == 0
    _indexed_later(folder / "store", VAL[:6])
    return folder / "store", folder / "other", _answer(folder / "store")


def _answer(path: Path) -> str:
    found = score(Store(path), CATALOGUE, Ask())
    if found.missing or found.failed:
        raise IntegrityError("; ".join([*map(str, found.missing), *found.failed]))
    return found.table.write_csv()


def _chosen(store: Path, other: Path) -> list[Damage]:
    kept, seen = [], Counter[str]()
    for damage in damages(store, [other]):
        seen[damage.action] += 1
        if damage.action in ("delete", "stale", "foreign") or seen[damage.action] % 15 == 0:
            kept.append(damage)
    return kept


def test_no_damage_gives_another_table(stores: tuple[Path, Path, str]) -> None:
    store, other, true = stores
    assert true.count("\n") > 5
    verdicts = [judge(store, damage, true, _answer) for damage in _chosen(store, other)]
    assert broken_promises(verdicts) == []
    said = Counter(verdict.said for verdict in verdicts)
    assert said["exit 4"] > 50, said
    assert _answer(store) == true


def test_a_removed_unit_is_listed_with_the_command_that_brings_it_back(
    stores: tuple[Path, Path, str], tmp_path: Path
) -> None:
    path = tmp_path / "copy"
    shutil.copytree(stores[0], path)
    record = sorted((path / "commits" / "predictions").rglob("*.json"))[0]
    record.unlink()
    (missing,) = scored(path).missing
    assert missing.kind == "predictions"
    assert "assay-cache ingest --model net --dataset imagenet-x --kind predictions FILE" in missing.remedy


def test_a_table_that_was_swapped_under_its_record(stores: tuple[Path, Path, str], tmp_path: Path) -> None:
    path = tmp_path / "copy"
    shutil.copytree(stores[0], path)
    first, second = sorted((path / "data" / "predictions").rglob("rows.parquet"))[:2]
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)
    with pytest.raises(AssayError):
        _answer(path)
    store = Store(path)
    pack = read_pack(store.disk, store.layout, store.requests().live[0].packs[0])
    assert len(pack.items) == 3
