"""Words through the whole program: a zero-shot model is extracted once, and a laptop answers for its prompts."""

from __future__ import annotations

import csv
import io
import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
open_clip = pytest.importorskip("open_clip")

from PIL import Image  # noqa: E402

from cache.key import head_id, pack_id, text_id  # noqa: E402
from cache.reader import Reader  # noqa: E402
from cache.store import Store  # noqa: E402
from cache.texts import ClassList, Prompts, prompts_of  # noqa: E402
from manifests.catalogue import load  # noqa: E402
from tests.extract.command_line import REPOSITORY, Done, analyze, extract  # noqa: E402
from tests.extract.pictures import draw  # noqa: E402
from tests.extract.tiny_open_clip import registered  # noqa: E402

CATALOGUE = load()
INSECTS = ("ant", "bee", "cat")
TINY = ("--model", "open_clip:tiny-vit", "--weights", "random:3")
SIGMOID = ("--model", "open_clip:tiny-sigmoid", "--weights", "random:4")
TORCHLESS = """
import sys
for name in ("torch", "torchvision", "timm", "open_clip", "transformers", "extract"):
    sys.modules[name] = None  # what is here is not imported again, and None is no module
from analyze.cli import main
sys.argv = ["assay-analyze", *sys.argv[1:]]
main()
"""


@pytest.fixture(scope="module", autouse=True)
def _tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with registered(tmp_path_factory.mktemp("configs")):
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with twelve pictures of three classes, six of none, and a store of two zero-shot models over them."""
    folder = tmp_path_factory.mktemp("words")
    for at, name in enumerate(INSECTS):
        draw(folder / "insects" / name, 4, first=10 * at)
    draw(folder / "noise", 6, first=100)
    for dataset in ("insects", "noise"):
        ok(extract(folder / "store", "index", dataset, "--root", folder / dataset, "--pack-size", 8))
    (folder / "classes.txt").write_text("\n".join(INSECTS))
    for model in (TINY, SIGMOID):
        ok(extract(folder / "store", "run", *model, "--dataset", "insects", "--kinds", "embeddings,patches,text"))
        ok(extract(folder / "store", "run", *model, "--dataset", "noise", "--classes", folder / "classes.txt"))
    return folder


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Path:
    """A copy of the store, of the test's own."""
    return Path(shutil.copytree(made / "store", tmp_path / "store"))


def ok(done: Done) -> Done:
    assert done.code == 0, done.err
    return done


def torchless(store: Path, *arguments: object) -> Done:
    """Run `assay-analyze` where torch cannot be imported."""
    done = subprocess.run(
        [sys.executable, "-c", TORCHLESS, *map(str, arguments), "--store", str(store)],
        capture_output=True, text=True, check=False, cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)


def values(table: str, **where: str) -> dict[tuple[str, ...], float]:
    """Return (model, dataset, prompt set, detector, metric) -> value of those rows that match."""
    rows = csv.DictReader(io.StringIO(table))
    keys = ("model", "dataset", "prompt_set", "detector", "metric")
    plain = {"calibration": "raw", "slice": "all", "variant": "", **where}
    kept = [row for row in rows if all(row[key] == value for key, value in plain.items())]
    return {tuple(row[key] for key in keys): float(row["value"]) for row in kept}


def library(arch: str, seed: int) -> Any:
    logging.getLogger().addHandler(handler := logging.NullHandler())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model, _, transform = open_clip.create_model_and_transforms(arch, pretrained_text=False)
    logging.getLogger().removeHandler(handler)
    return model.eval(), transform, open_clip.get_tokenizer(arch)


def recipe(arch: str, seed: int, templates: tuple[str, ...], paths: list[Path]) -> tuple[Any, Any, Any]:
    """open_clip's own zero-shot recipe: weights `(d, c)`, cosines and logits `(n, c)`."""
    model, transform, tokenizer = library(arch, seed)
    with torch.inference_mode():
        weights = open_clip.build_zero_shot_classifier(model, tokenizer, INSECTS, list(templates))
        batch = torch.stack([transform(Image.open(path)) for path in paths])
        cosines = model.encode_image(batch, normalize=True) @ weights
        logits = model.logit_scale.exp() * cosines + (0 if model.logit_bias is None else model.logit_bias)
    return weights.numpy(), cosines.numpy(), logits.numpy()


def pictures(made: Path) -> list[Path]:
    return sorted((made / "insects").rglob("*.*"))


def head_of(prompts: Prompts) -> str:
    return head_id(ClassList(INSECTS, INSECTS).id, prompts.id)


# --- what is stored ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("arch", "seed"), [("tiny-vit", 3), ("tiny-sigmoid", 4)])
def test_text_heads_and_logits_of_the_store_equal_the_library(made: Path, arch: str, seed: int) -> None:
    stored = Store(made / "store")
    prompts = prompts_of(CATALOGUE.prompts["openai-80"])
    weights, _, logits = recipe(arch, seed, prompts.templates, pictures(made))
    space = stored.resolve_space(f"open_clip:{arch}")
    head = Reader(stored).head(space, head_of(prompts))
    np.testing.assert_allclose(head.weights, weights, atol=1e-5)
    assert head.weights.dtype == np.float32
    assert (head.scale, head.bias) == (pytest.approx(1 / 0.07), -10.0 if arch == "tiny-sigmoid" else 0.0)
    view = stored.view("insects")
    assert view["sample"].to_list() == [path.relative_to(made / "insects").as_posix() for path in pictures(made)]
    found = stored.rows("logits", space.id, view["image_id"].to_list(), head=head_of(prompts))
    np.testing.assert_allclose(found, logits, atol=1e-5 * head.scale)
    sentences = [template.replace("{}", "bee") for template in prompts.templates]
    model, _, tokenizer = library(arch, seed)
    with torch.inference_mode():
        fresh = model.encode_text(tokenizer(sentences), normalize=False).numpy()
    text = stored.rows("text", space.id, [text_id(sentence) for sentence in sentences])
    assert text.dtype == np.float16
    assert (np.linalg.norm(text - fresh, axis=1) <= 1e-3 * np.linalg.norm(fresh, axis=1)).all()


def test_every_number_comes_back_on_a_laptop(made: Path) -> None:
    done = ok(torchless(made / "store", "score", "--on-failure", "error", "--no-write-scores"))
    assert done.out == ok(analyze(made / "store", "score", "--no-write-scores")).out
    templates = CATALOGUE.prompts["openai-80"].templates
    labels = np.repeat(np.arange(3), 4)
    for arch, seed in (("tiny-vit", 3), ("tiny-sigmoid", 4)):
        _, _, logits = recipe(arch, seed, templates, pictures(made))
        shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
        nll = (np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(12), labels]).mean()
        key = (f"open_clip:{arch}", "insects", "openai-80", "")
        found = values(done.out, dataset="insects")
        assert found[(*key, "accuracy_top1")] == (logits.argmax(axis=1) == labels).mean()
        assert found[(*key, "nll")] == pytest.approx(nll, abs=1e-4)
    # The set is printed with every result.
    assert {row["prompt_set"] for row in csv.DictReader(io.StringIO(done.out))} == {"openai-80"}


def test_mcm_is_of_cosines_at_temperature_1_and_msp_of_scaled_ones(made: Path) -> None:
    from analyze.metrics.detection import auroc

    done = ok(torchless(made / "store", "score", "--id-dataset", "insects", "--ood-dataset", "noise", "--model",
                        "open_clip:tiny-vit", "--no-write-scores"))  # fmt: skip
    templates = CATALOGUE.prompts["openai-80"].templates
    scores = {}
    for name, paths in (("in", pictures(made)), ("out", sorted((made / "noise").iterdir()))):
        _, cosines, logits = recipe("tiny-vit", 3, templates, paths)
        scores[name] = {
            key: torch.softmax(torch.from_numpy(array), dim=1).max(dim=1).values.double().numpy()
            for key, array in (("mcm", cosines), ("msp", logits))
        }
    found = values(done.out, metric="auroc")
    for detector in ("mcm", "msp"):
        key = ("open_clip:tiny-vit", "noise", "openai-80", detector, "auroc")
        assert found[key] == auroc(scores["in"][detector], scores["out"][detector])


def test_the_laptop_of_these_tests_has_no_torch() -> None:
    code = TORCHLESS.replace("from analyze.cli import main", "import torch")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ModuleNotFoundError" in done.stderr


# --- new prompts ------------------------------------------------------------------------------------------------


def test_a_stored_subset_equals_a_fresh_encoding(made: Path, store: Path) -> None:
    done = torchless(store, "score", "--dataset", "insects", "--prompts", "mcm-5", "--no-write-scores")
    assert done.code == 0, done.err
    assert "the head of mcm-5 for open_clip:tiny-vit is made here of stored sentences" in done.err.replace("\n", " ")
    rebuilt = values(done.out)
    assert {key[2] for key in rebuilt} == {"mcm-5"}
    for model in (TINY, SIGMOID):
        told = ok(extract(store, "run", *model, "--dataset", "insects", "--kinds", "text", "--prompts", "mcm-5"))
        # Every sentence is stored already; only the heads are new, from float32 features.
        assert "0 units, 0 images, 15 sentences" in told.out
    fresh = ok(torchless(store, "score", "--dataset", "insects", "--prompts", "mcm-5", "--no-write-scores"))
    assert "stored sentences" not in fresh.err
    for key, value in values(fresh.out).items():
        assert rebuilt[key] == pytest.approx(value, abs=2e-3), key
    _, _, logits = recipe("tiny-vit", 3, CATALOGUE.prompts["mcm-5"].templates, pictures(made))
    key = ("open_clip:tiny-vit", "insects", "mcm-5", "", "accuracy_top1")
    assert values(fresh.out)[key] == (logits.argmax(axis=1) == np.repeat(np.arange(3), 4)).mean()


def test_a_new_string_needs_one_command_and_no_image(made: Path, store: Path, tmp_path: Path) -> None:
    words = tmp_path / "mine.json"
    words.write_text(json.dumps(["a photo of a {}.", "a tiny {} on a leaf."]))
    done = torchless(store, "score", "--model", "open_clip:tiny-vit", "--dataset", "insects", "--prompts", words)
    assert done.code == 3
    command = (
        "assay-extract run --model open_clip:tiny-vit --weights random:3 --dataset insects --kinds text "
        f"--prompts {words}"
    )
    assert f"`{command}`" in done.err.replace("\n", " ")
    # The images are not needed: without them it works as well.
    moved = made / "insects-elsewhere"
    (made / "insects").rename(moved)
    try:
        told = ok(extract(store, *command.split()[1:]))
    finally:
        moved.rename(made / "insects")
    # One of the two templates is among the stored ones; a head needs both in float32.
    assert "0 units, 0 images, 6 sentences" in told.out
    again = ok(extract(store, *command.split()[1:], "--json"))
    assert again.json["models_constructed"] == 0
    scored = ok(torchless(store, "score", "--model", "open_clip:tiny-vit", "--dataset", "insects", "--prompts", words))
    assert {key[2] for key in values(scored.out)} == {"mine"}
    assert "stored sentences" not in scored.err
    stored = Store(store)
    prompts = Prompts("mine", ("a photo of a {}.", "a tiny {} on a leaf."))
    weights, _, _ = recipe("tiny-vit", 3, prompts.templates, pictures(made))
    head = Reader(stored).head(stored.resolve_space("open_clip:tiny-vit"), head_of(prompts))
    np.testing.assert_allclose(head.weights, weights, atol=1e-5)


def test_an_unknown_set_is_a_wrong_argument(store: Path) -> None:
    assert analyze(store, "score", "--prompts", "nonsense").code == 2
    assert extract(store, "run", *TINY, "--dataset", "insects", "--prompts", "nonsense").code == 2
    assert analyze(store, "score", "--prompts", "gone.json").code == 2


def test_sentences_by_class(made: Path, store: Path, tmp_path: Path) -> None:
    words = {"ant": ["Ants march.", "An ant.", "An ant."], "bee": ["A bee hums."], "cat": ["Cats purr.", "A cat."]}
    cupl = tmp_path / "cupl.json"
    cupl.write_text(json.dumps(words))
    run = ("run", *TINY, "--dataset", "insects", "--kinds", "text", "--prompts", f"cupl-mine={cupl}")
    assert "5 sentences" in ok(extract(store, *run)).out
    model, _, tokenizer = library("tiny-vit", 3)
    columns = []
    with torch.inference_mode():
        for name in INSECTS:
            mean = model.encode_text(tokenizer(words[name]), normalize=True).mean(dim=0)
            columns.append(mean / mean.norm())
    stored = Store(store)
    prompts = Prompts("cupl-mine", (), {name: tuple(said) for name, said in words.items()})
    head = Reader(stored).head(stored.resolve_space("open_clip:tiny-vit"), head_of(prompts))
    np.testing.assert_allclose(head.weights, torch.stack(columns, dim=1).numpy(), atol=1e-5)
    cupl.write_text(json.dumps({"ant": ["An ant."]}))
    done = extract(store, *run)
    assert done.code == 2
    assert "none for 2 of the 3 asked for: 'bee', 'cat'" in done.err.replace("\n", " ")


def test_a_file_is_its_content_whatever_it_is_called(store: Path, tmp_path: Path) -> None:
    other = tmp_path / "openai-80.json"
    other.write_text(json.dumps(["a sketch of the {}."]))
    done = torchless(store, "score", "--model", "open_clip:tiny-vit", "--dataset", "insects", "--prompts", other)
    # All of it is stored, since it is one of the 80; the stored head of that name is another one.
    assert done.code == 0, done.err
    key = ("open_clip:tiny-vit", "insects", "openai-80", "", "nll")
    stored = values(ok(torchless(store, "score", "--dataset", "insects")).out)
    assert values(done.out)[key] != stored[key]


# --- what a run asks for ----------------------------------------------------------------------------------------


def test_classes_come_from_folders_a_file_or_a_label_space(made: Path, store: Path, tmp_path: Path) -> None:
    done = ok(
        extract(store, "run", "--root", made / "noise", "--model", "open_clip:tiny-resnet", "--weights", "random:0")
    )
    assert "no classes" in done.err
    status = ok(extract(store, "status", "--model", "open_clip:tiny-resnet", "--json")).json
    assert [row["kind"] for row in status] == ["embeddings"]
    for words in (("--kinds", "text"), ("--prompts", "single")):
        refused = extract(
            store, "run", "--dataset", "noise", "--model", "open_clip:tiny-resnet", "--weights", "random:0", *words
        )
        assert refused.code == 2
        assert "--classes" in refused.err
    named = tmp_path / "named.txt"
    named.write_text("ant\tbig ant\nwasp\n")
    run = (
        "run",
        "--dataset",
        "noise",
        "--model",
        "open_clip:tiny-resnet",
        "--weights",
        "random:0",
        "--prompts",
        "single",
    )
    assert "2 sentences" in ok(extract(store, *run, "--classes", named)).out
    assert "1000 sentences" not in ok(extract(store, *run, "--classes", "imagenet-r-200")).out
    stored = Store(store)
    packs = {pack for request in stored.requests().live for pack in request.extra.get("text", ())}
    items = {item for pack in packs for item in Reader(stored).pack(pack).items}
    assert {text_id("a photo of a big ant"), text_id("a photo of a wasp")} <= items


def test_images_labelled_by_wnid_get_the_head_of_all_of_imagenet(made: Path, store: Path, tmp_path: Path) -> None:
    rows = [f"{path.relative_to(made / 'insects').as_posix()},n01440764" for path in pictures(made)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,wnid", *rows]))
    ok(
        extract(
            store,
            "index",
            "tenches",
            "--layout",
            "folder",
            "--root",
            made / "insects",
            "--labels",
            tmp_path / "labels.csv",
        )
    )
    ok(extract(store, "run", *TINY, "--dataset", "tenches", "--prompts", "single"))
    table = ok(torchless(store, "score", "--dataset", "tenches")).out
    assert {row["protocol"] for row in csv.DictReader(io.StringIO(table))} == {"1000-way"}


def test_a_dataset_of_the_same_classes_encodes_nothing_again(made: Path, store: Path) -> None:
    draw(made / "more" / "ant", 1, first=500)
    draw(made / "more" / "bee", 1, first=501)
    draw(made / "more" / "cat", 1, first=502)
    ok(extract(store, "index", "more", "--root", made / "more"))
    told = ok(extract(store, "run", *TINY, "--dataset", "more", "--json")).json
    assert (told["images"], told["sentences"], told["heads"]) == (3, 0, 0)
    assert ok(extract(store, "run", *TINY, "--dataset", "more", "--json")).json["models_constructed"] == 0
    shutil.rmtree(made / "more")


def test_two_datasets_and_two_sets_in_one_run_encode_each_sentence_once(made: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        for at, kind in enumerate(INSECTS):
            draw(tmp_path / name / kind, 1, first=at + (10 if name == "two" else 0))
        ok(extract(tmp_path / "store", "index", name, "--root", tmp_path / name))
    run = ("run", *TINY, "--prompts", "openai-7,mcm-5", "--json")
    told = ok(extract(tmp_path / "store", *run)).json
    shared = set(CATALOGUE.prompts["openai-7"].templates) & set(CATALOGUE.prompts["mcm-5"].templates)
    assert (told["sentences"], told["heads"], told["models_constructed"]) == (3 * (12 - len(shared)), 2, 1)
    assert ok(extract(tmp_path / "store", *run)).json["sentences"] == 0
    scored = ok(torchless(tmp_path / "store", "score"))
    assert {key[1:3] for key in values(scored.out)} == {(d, p) for d in ("one", "two") for p in ("openai-7", "mcm-5")}


def test_stored_logits_of_a_zero_shot_model_are_refused_with_the_way_out(store: Path) -> None:
    done = extract(store, "run", *TINY, "--dataset", "insects", "--kinds", "logits")
    assert done.code == 2
    assert "--kinds embeddings,heads" in done.err


def test_a_plan_counts_sentences_and_their_bytes(store: Path) -> None:
    found = ok(extract(store, "plan", *TINY, "--dataset", "insects", "--prompts", "single", "--json")).json
    (work,) = found["works"]
    assert work["kinds"] == ["embeddings", "text", "heads"]
    # 3 new sentences of 24 halves, and one head of 3 columns.
    assert work["bytes"] == 3 * 24 * 2 + 3 * 24 * 4


def test_lost_words_are_named_and_repaired(store: Path) -> None:
    stored = Store(store)
    space = stored.resolve_space("open_clip:tiny-vit")
    prompts = prompts_of(CATALOGUE.prompts["openai-80"])
    unit = Reader(stored).unit("heads", space, pack_id([head_of(prompts)]))
    commit = Reader(stored).commit(unit)
    assert commit is not None
    shutil.rmtree(stored.layout.segment("heads", space.label, commit.segments[0].id))
    assert analyze(store, "score", "--model", "open_clip:tiny-vit", "--dataset", "insects").code == 3
    refused = extract(store, "run", *TINY, "--dataset", "insects")
    assert refused.code == 3
    assert "assay-cache repair" in refused.err.replace("\n", " ")


def test_a_whole_store_checks_out(made: Path) -> None:
    from tests.extract.command_line import cache

    assert cache(made / "store", "check", "--read-data").code == 0


def test_fewer_prompts_are_resampled_without_torch_and_without_images(store: Path) -> None:
    done = ok(torchless(store, "prompts", "--model", "open_clip:tiny-vit", "--dataset", "insects", "--counts", "1,3,80",
                        "--draws", "4", "--seed", "2"))  # fmt: skip
    rows = [row for row in csv.DictReader(io.StringIO(done.out)) if row["metric"] == "accuracy_top1"]
    rows = [row for row in rows if (row["slice"], row["calibration"]) == ("all", "raw")]
    assert [(row["prompts"], row["draws"]) for row in rows] == [("1", "4"), ("3", "4"), ("80", "1")]
    whole = values(ok(torchless(store, "score", "--prompts", "openai-80")).out, metric="accuracy_top1")
    assert float(rows[2]["mean"]) == whole["open_clip:tiny-vit", "insects", "openai-80", "", "accuracy_top1"]
    assert torchless(store, "prompts", "--counts", "81").code == 2
    assert torchless(store, "prompts", "--counts", "one").code == 2
    assert torchless(store, "prompts", "--from", "nobody").code == 2
