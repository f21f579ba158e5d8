"""The miniature's captioner: what it is taught, and what it answers to the program's questions."""

from __future__ import annotations

import csv
import hashlib
import io
import shutil
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers", reason="the extra [vlm] is not installed")

from PIL import Image  # noqa: E402

from analyze.metrics.answers import parse_answer  # noqa: E402
from cache.records import LETTERS  # noqa: E402
from extract.miniature.generate import generate  # noqa: E402
from extract.miniature.training import captioner, llava  # noqa: E402
from extract.miniature.world import CLASSES  # noqa: E402
from extract.vlm.language_model import LanguageModel  # noqa: E402
from extract.weights import DictMemo  # noqa: E402
from tests.extract.command_line import REPOSITORY, Done, analyze, extract  # noqa: E402

MINIATURE = REPOSITORY / "manifests" / "miniature"
WEIGHTS = MINIATURE / "weights"
NAMES = [thing.name for thing in CLASSES]
SETTING = """
id = "questions"
title = "Things to be named"
paper = "none"
obtain = "drawn"
label_space = "mini-imagenet-d-24"
role = "generic"
layouts = ["imagenet-d"]
protocols = ["own-names", "own-classes"]
slices = ["split"]
options = { lists = ["mini-llava-1"], prompts = "single" }
"""
pytestmark = pytest.mark.filterwarnings("default")  # transformers warns of itself


def ok(done: Done) -> Done:
    assert done.code == 0, done.err
    return done


def test_every_word_of_a_lesson_is_known_and_every_answer_is_read() -> None:
    pictures = captioner.drawn(96, 0)
    tokenizer = captioner.words_of(pictures)
    rng = np.random.RandomState(1)
    for at, caption in enumerate(pictures.captions):
        label = at % len(CLASSES)
        options = captioner.options_for(label, rng)
        assert len(set(options)) == 4
        said = NAMES[label]
        for text in (llava.framed(captioner.question(options), said), llava.framed(captioner.DESCRIBE, caption)):
            assert tokenizer.unk_token_id not in tokenizer(text)["input_ids"]
        assert tokenizer.decode(tokenizer(said)["input_ids"]) == said
        assert parse_answer(said, [NAMES[one] for one in options]) == (options.index(label), "name")


def test_options_come_in_every_place() -> None:
    rng = np.random.RandomState(0)
    places = np.bincount([captioner.options_for(7, rng).index(7) for _ in range(400)], minlength=4)
    assert places.min() > 60  # 100 expected, of standard deviation 9


def test_lessons_are_what_the_program_asks(tmp_path: Path) -> None:
    pictures = captioner.drawn(24, 0)
    tokenizer = captioner.words_of(pictures)
    model = llava.untrained(len(tokenizer), llava.SIZES["mini-llava-1"], llava.CLIPVisionModel(llava.EYES), 0)
    llava.save(tmp_path / "one", model, tokenizer)
    saved = LanguageModel(tmp_path / "one", dtype="float32", memo=DictMemo())
    asked = captioner.question((3, 1, 2, 0))
    made = saved._processor(
        images=[Image.fromarray(pictures.pixels[5])],
        text=[saved.frame.replace("{question}", asked)],
        return_tensors="pt",
    )
    assert made["input_ids"][0].tolist() == tokenizer(llava.framed(asked))["input_ids"]
    ours = llava.pixel_values(llava.middle(pictures.pixels[5:6]))
    assert torch.allclose(made["pixel_values"], ours, atol=1e-6)


def test_only_answers_are_learnt() -> None:
    pictures = captioner.drawn(24, 0)
    tokenizer = captioner.words_of(pictures)
    model = llava.untrained(len(tokenizer), llava.SIZES["mini-llava-1"], llava.CLIPVisionModel(llava.EYES), 0).eval()
    images = llava.pixel_values(llava.middle(pictures.pixels[:2]))
    turns, answers = [captioner.DESCRIBE, captioner.question((0, 1, 2, 3))], ["a heart.", "boat"]
    with torch.inference_mode():
        loss = float(captioner.answer_loss(model, tokenizer, images, turns, answers))
        terms = []
        for at in range(2):
            start = len(tokenizer(llava.framed(turns[at]))["input_ids"])
            ids = torch.tensor(tokenizer(llava.framed(turns[at], answers[at]))["input_ids"])
            logits = model(input_ids=ids[None], pixel_values=images[at : at + 1]).logits[0].log_softmax(dim=1)
            terms += [-float(logits[place - 1, ids[place]]) for place in range(start, len(ids))]
    assert len(terms) == 4 + 2  # words, marks and the end
    assert loss == pytest.approx(np.mean(terms), abs=1e-4)


def test_a_seed_makes_the_same_weights_and_eyes_are_shared(tmp_path: Path) -> None:
    few = ("--pictures", "48", "--eye-steps", "2", "--steps", "2")
    for name in ("first", "second"):
        assert captioner.main([str(tmp_path / name), *few]) == 0
    for model in llava.SIZES:
        files = [tmp_path / name / model / "model.safetensors" for name in ("first", "second")]
        assert len({hashlib.sha256(file.read_bytes()).hexdigest() for file in files}) == 1
    one, other = (llava_weights(tmp_path / "first" / model) for model in llava.SIZES)
    seen = [name for name in one if "vision_tower" in name]
    assert seen
    assert all(torch.equal(one[name], other[name]) for name in seen)


def llava_weights(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


@pytest.mark.parametrize(("size", "expected"), [(10, 10), (100, 24)])
def test_a_batch_is_never_empty(size: int, expected: int) -> None:
    rows = captioner.batches(captioner.drawn(24, 0), size, np.random.RandomState(0))
    first, second = next(rows), next(rows)
    assert len(set(first.tolist())) == len(first) == len(second) == expected
    assert (size > 24) or not set(first.tolist()) & set(second.tolist())


def test_lessons_lower_the_loss() -> None:
    pictures = captioner.drawn(48, 0)
    tokenizer = captioner.words_of(pictures)
    model = llava.untrained(len(tokenizer), llava.SIZES["mini-llava-1"], llava.CLIPVisionModel(llava.EYES), 0)
    images = llava.pixel_values(llava.middle(pictures.pixels[:24]))
    lesson = (images, [captioner.DESCRIBE] * 24, pictures.captions[:24])
    with torch.inference_mode():
        before = float(captioner.answer_loss(model, tokenizer, *lesson))
    captioner.teach(model, tokenizer, pictures, 16, 0, size=24)
    with torch.inference_mode():
        assert float(captioner.answer_loss(model, tokenizer, *lesson)) < before - 0.5


@pytest.mark.parametrize("model", list(llava.SIZES))
def test_shipped_weights_are_small_and_half(model: str) -> None:
    weights = llava_weights(WEIGHTS / model)
    assert {tensor.dtype for tensor in weights.values()} == {torch.float16}
    assert sum(file.stat().st_size for file in (WEIGHTS / model).iterdir()) < 1_000_000


def test_the_shipped_model_answers_questions_of_a_study_of_ones_own(tmp_path: Path) -> None:
    """From drawn pictures to rows: a selector's lists, questions, answers, accuracies clearly above chance."""
    mine = tmp_path / "manifests"
    for part in ("labels/mini-24.toml", "labels/mini-imagenet-d-24.toml", "models/mini-llava-1.toml"):
        (mine / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(MINIATURE / part, mine / part)
    (mine / "datasets").mkdir()
    (mine / "datasets" / "questions.toml").write_text(SETTING, "utf-8")
    generate(tmp_path / "drawn", only=("mini-imagenet-d",), share=5)
    (tmp_path / "classes.txt").write_text("".join(f"{thing.key}\n" for thing in CLASSES), "utf-8")
    store, own = tmp_path / "store", ("--manifests", mine)
    ok(extract(store, "index", "questions", "--root", tmp_path / "drawn" / "mini-imagenet-d", *own))
    ok(extract(store, "run", "--model", "timm:test_resnet", "--weights", "random:0", "--as", "selector", "--dataset",
               "questions", "--classes", tmp_path / "classes.txt", "--kinds", "logits", *own))  # fmt: skip
    asked = tmp_path / "questions.jsonl"
    ok(analyze(store, "questions", "--dataset", "questions", "--out", asked, "--option-lists", "selector", *own))
    model = ("--model", "mini-llava-1", "--weights", WEIGHTS / "mini-llava-1")
    done = ok(extract(store, "run", "--kinds", "records", *model, "--dataset", "questions", "--questions", asked,
                      "--json", *own))  # fmt: skip
    assert (done.json["questions"], done.json["failures"]) == (72 * len(LETTERS), [])
    table = ok(analyze(store, "score", "--option-lists", "selector", *own))
    rows = list(csv.DictReader(io.StringIO(table.out)))
    said = {(row["model"], row["metric"], row["slice"]): row for row in rows if row["variant"] == "list:selector"}
    assert ("selector", "accuracy_4way", "all") in said
    for metric in ("accuracy_paper_order", "accuracy_shuffled"):
        assert float(said["mini-llava-1", metric, "all"]["lo"]) > 0.3, "chance is a quarter"
    assert float(said["mini-llava-1", "unparsed_rate", "all"]["value"]) < 0.2
