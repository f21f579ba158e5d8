"""A world of four classes, told by manifests alone: indexed, run by two commands' worth of words, scored."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cache.store import Store
from cache.texts import read_classes
from tests.extract import own_world
from tests.extract.command_line import Done, analyze, extract

CLASSIFIERS = ("own-classifier", "own-second")


def ok(done: Done) -> Done:
    assert done.code == 0, done.err
    return done


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with manifests, weights, and a store in which all was run by one command."""
    folder = tmp_path_factory.mktemp("world")
    told = ("--manifests", own_world.write_manifests(folder / "manifests"))
    for name, words in own_world.draw_sets(folder / "sets").items():
        ok(extract(folder / "store", "index", name, *words, *told, "--pack-size", 64))
    weights = own_world.save_models(folder / "weights")
    ok(extract(folder / "store", "run", "--study", "own-study", "--weights", weights, *told))
    return folder


@pytest.fixture(scope="module")
def rows(world: Path) -> list[dict[str, str]]:
    done = ok(analyze(world / "store", "score", "--study", "own-study", "--manifests", world / "manifests"))
    return list(csv.DictReader(io.StringIO(done.out)))


def found(rows: list[dict[str, str]], column: str, **wanted: str) -> set[str]:
    """Values of a column among the rows that are as wanted."""
    return {row[column] for row in rows if all(row[key] == value for key, value in wanted.items())}


@pytest.mark.parametrize(
    ("dataset", "protocols", "slices", "n"),
    [
        ("w-val", {"4-way"}, {"all"}, 16),
        ("w-v2", {"4-way"}, {"all"}, 16),
        ("w-r", {"own-classes", "4-way"}, {"all"}, 8),
        ("w-objects", {"own-classes", "own-classes-lse", "own-member"}, {"all"}, 6),
        ("w-cue", {"own-cue", "own-cue-sum", "own-cue-max"}, {"all"}, 16),
        ("w-x", {"4-way"}, {"all", "pose", "style", "not-pose", "not-style"}, 8),
        ("w-vid", {"own-pm0", "own-pm10"}, {"all"}, 4),
        ("w-3d", {"4-way"}, {"all"} | {f"{name}/{at}" for name in own_world.SEVERAL for at in (1, 2, 3)}, 8),
        ("w-d", {"own-classes", "own-member"}, {"all", "background", "texture", "material"}, 16),
        ("w-real", {"own-any-of"}, {"all"}, 10),
    ],
)
@pytest.mark.parametrize("model", [*CLASSIFIERS, "own-clip"])
def test_every_set_is_scored_under_its_protocols(
    model: str, dataset: str, protocols: set[str], slices: set[str], n: int, rows: list[dict[str, str]]
) -> None:
    if (model, dataset) == ("own-clip", "w-d"):
        protocols = {"own-names"}
    here = {"model": model, "dataset": dataset, "metric": "accuracy_top1"}
    assert found(rows, "protocol", **here) == protocols
    assert found(rows, "slice", **here) == slices
    whole = found(rows, "n", **here, slice="all")
    # The challenge counts images of classes that no column has.
    assert whole == {str(n), *(("8",) if "own-member" in protocols and dataset == "w-objects" else ())}


def test_each_cue_protocol_tells_of_shapes_and_textures(rows: list[dict[str, str]]) -> None:
    for model in (*CLASSIFIERS, "own-clip"):
        for metric in ("cue_coverage",):
            said = found(rows, "protocol", model=model, dataset="w-cue", metric=metric, slice="all")
            assert said == {"own-cue", "own-cue-sum", "own-cue-max"}
        assert found(rows, "slice", model=model, dataset="w-cue", metric="cue_coverage") == {"all", *own_world.NAMES}
    assert found(rows, "dataset", metric="cue_coverage") == {"w-cue"}


def test_sets_out_of_distribution_are_compared_with_the_one_that_is_in_it(rows: list[dict[str, str]]) -> None:
    for model in (*CLASSIFIERS, "own-clip"):
        auroc = {"model": model, "metric": "auroc"}
        assert found(rows, "dataset", **auroc) == {"w-ood", "w-ninco", "w-o", "w-o2"}
        assert found(rows, "id_dataset", **auroc) == {"w-val"}
        assert found(rows, "protocol", **auroc, dataset="w-ood") == {"4-way"}
        assert found(rows, "slice", **auroc, dataset="w-ninco") == {"all", "cloud", "wave", "class-mean"}
        assert found(rows, "slice", **auroc, dataset="w-o") == {"all"}
        for name in ("w-o", "w-o2"):
            assert found(rows, "protocol", **auroc, dataset=name) == {"4-way", "own-classes"}
            # Half of the world's images are of the classes that are compared: each set has its own half.
            assert found(rows, "n", **auroc, dataset=name, protocol="own-classes") == {str(8 + 16)}


def test_temperatures_are_fitted_on_the_set_of_that_role(rows: list[dict[str, str]]) -> None:
    assert found(rows, "dataset", metric="temperature", calibration="ts") == {"w-val"}
    restricted = found(rows, "dataset", metric="temperature", calibration="ts-restricted")
    assert restricted >= {"w-r", "w-objects"}


def test_options_of_questions_come_from_the_model_of_the_manifest(rows: list[dict[str, str]], world: Path) -> None:
    four = {"metric": "accuracy_4way", "slice": "all"}
    assert found(rows, "dataset", **four) == {"w-d"}
    assert found(rows, "variant", **four, model="own-clip") == {"list:own-clip", "list:own-classifier"}
    assert found(rows, "protocol", **four, model="own-second") == {"own-classes"}
    out = world / "questions.jsonl"
    told = ("--manifests", world / "manifests")
    ok(analyze(world / "store", "questions", "--dataset", "w-d", "--out", out, *told))
    assert len(out.read_text().splitlines()) == 16 * 4
    refused = analyze(world / "store", "questions", "--dataset", "w-r", "--out", out, *told)
    assert refused.code == 2
    assert "whose manifest has `options`: imagenet-d, w-d" in refused.err


def test_heads_are_of_the_classes_that_are_told_apart(world: Path) -> None:
    store = Store(world / "store")
    heads: dict[str, set[tuple[str, ...]]] = {}
    for request in store.requests().live:
        for _, classes in request.heads:
            keys = read_classes(store.disk, store.layout, classes).keys
            heads.setdefault(request.dataset, set()).add(keys)
    assert heads.pop("w-d") == {own_world.NAMES}
    assert set(heads) == set(store.datasets()) - {"w-d"}
    assert all(keys == {own_world.KEYS} for keys in heads.values())


def identities(store: Path, model: str) -> list[Mapping[str, Any]]:
    opened = Store(store)
    requests = [request for request in opened.requests().live if request.verb == "run"]
    labels = dict.fromkeys(request.label for request in requests if request.model == model)
    return [opened.space(label).identity for label in labels]


def test_words_of_a_models_own_are_part_of_it(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A path beside the configuration, from whatever folder the command is called.
    monkeypatch.chdir(tmp_path)
    weights = Path(shutil.copytree(world / "weights", tmp_path / "weights"))
    own_world.write_words(weights / "own-clip" / "words.gz", ["c a", "t s"])
    store = Path(shutil.copytree(world / "store", tmp_path / "store"))
    words = ("run", "--model", "own-clip", "--dataset", "w-val", "--kinds", "heads", "--prompts", "own-single")
    ok(extract(store, *words, "--weights", weights, "--manifests", world / "manifests"))
    (before,) = identities(world / "store", "own-clip")
    both = identities(store, "own-clip")
    assert len(both) == 2
    assert before in both
    assert len({one["text"]["tokenizer"]["vocabulary"] for one in both}) == 2
    assert both[0]["weights"] == both[1]["weights"]
    assert "words.gz" not in str(both)


def test_models_that_nobody_brought_are_all_named(world: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.mkdir()
    shutil.copy(world / "weights" / "own-second.safetensors", weights)
    told = ("--weights", weights, "--manifests", world / "manifests")
    for command in ("plan", "run", "verify"):
        refused = extract(world / "store", command, "--study", "own-study", *told)
        assert refused.code == 2
        assert "has no entry for own-classifier, own-clip, whose weights no library brings" in refused.err
    done = ok(extract(world / "store", "plan", "--study", "own-study", "--model", "own-second", *told, "--json"))
    assert {work["model"] for work in done.json["works"]} == {"own-second"}
    assert done.json["units"] == 0


@pytest.mark.filterwarnings("default")  # transformers warns of itself
def test_language_models_of_a_study_are_asked_by_the_same_command(world: Path, tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="the extra [vlm] is not installed")
    from tests.extract import tiny_llava

    store = Path(shutil.copytree(world / "store", tmp_path / "store"))
    weights = Path(shutil.copytree(world / "weights", tmp_path / "weights"))
    told = ("--manifests", world / "manifests")
    words = ("--study", "own-questions", *told)
    questions = tmp_path / "questions.jsonl"
    ok(analyze(store, "questions", "--dataset", "w-d", "--out", questions, "--orders", 1, *told))

    lacking = extract(store, "run", *words, "--weights", weights, "--questions", questions)
    assert (lacking.code, "has no entry for own-vlm" in lacking.err) == (2, True)
    study = ("--study", "own-study", *told, "--weights", weights, "--questions", questions)
    assert "has no block of kind records" in extract(store, "run", *study).err

    tiny_llava.save(weights / "own-vlm", list(own_world.NAMES))
    without = ok(extract(store, "run", *words, "--weights", weights))
    assert "`assay-analyze questions --dataset w-d --out FILE` writes them" in without.err
    done = ok(extract(store, "run", *words, "--weights", weights, "--questions", questions, "--json"))
    assert [one["questions"] for one in done.json["records"]] == [16]
    again = ok(extract(store, "run", *words, "--weights", weights, "--questions", questions, "--kinds", "records"))
    assert again.out == "0 units, 0 questions, 0 without an answer\n"
    alone = ("--kinds", "records", "--model", "own-vlm", "--dataset", "w-d", *told)
    ok(extract(store, "run", *alone, "--weights", weights, "--questions", questions))

    table = ok(analyze(store, "score", *words))
    rows = list(csv.DictReader(io.StringIO(table.out)))
    answered = {"model": "own-vlm", "metric": "accuracy_paper_order"}
    assert found(rows, "protocol", **answered) == {"own-names"}
    assert found(rows, "slice", **answered) == {"all", "background", "texture", "material"}
    assert found(rows, "group", **answered) == {"vlm"}
