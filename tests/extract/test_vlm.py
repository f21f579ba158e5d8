"""A tiny LLaVA through the whole program: asked, killed, asked again, analysed without torch."""

from __future__ import annotations

import csv
import io
import json
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers", reason="the extra [vlm] is not installed")

from PIL import Image  # noqa: E402

from cache.reader import Reader  # noqa: E402
from cache.records import LETTERS, Answer, Record, read_records  # noqa: E402
from cache.store import Store  # noqa: E402
from extract.vlm import questions as question_files  # noqa: E402
from extract.vlm.language_model import LanguageModel  # noqa: E402
from extract.weights import DictMemo  # noqa: E402
from manifests.catalogue import load  # noqa: E402
from tests.extract import tiny_llava  # noqa: E402
from tests.extract.command_line import Done, analyze, cache, extract, finish, start  # noqa: E402
from tests.extract.pictures import picture  # noqa: E402

SPACE = load().labels["imagenet-d-113"]
NAMES = [name for name in SPACE.names if "(" not in name and " " not in name][:8]
TIMM = ("--model", "timm:test_resnet", "--weights", "random:0", "--as", "selector")
pytestmark = pytest.mark.filterwarnings("default")  # transformers warns of itself


def ok(done: Done) -> Done:
    assert done.code == 0, done.err
    return done


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen pictures as ImageNet-D lays them out, a selector's logits, questions, and a language model."""
    folder = tmp_path_factory.mktemp("vlm")
    for at in range(16):
        split, name = ("background", "texture")[at % 2], NAMES[at % 8].replace(" ", "_")
        place = folder / "images" / split / name
        place.mkdir(parents=True, exist_ok=True)
        picture(at).save(place / f"{at}.png")
    store = folder / "store"
    ok(extract(store, "index", "imagenet-d", "--root", folder / "images", "--pack-size", 8))
    ok(extract(store, "run", *TIMM, "--dataset", "imagenet-d", "--kinds", "logits"))
    asked = ("--out", folder / "questions.jsonl", "--option-lists", "selector")
    ok(analyze(store, "questions", *asked))
    tiny_llava.save(folder / "tiny-llava", list(SPACE.names))
    return folder


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "store", tmp_path / "store"))


def words(made: Path) -> tuple[object, ...]:
    model = f"hf:{made / 'tiny-llava'}"
    return ("run", "--kinds", "records", "--model", model, "--dataset", "imagenet-d",
            "--questions", made / "questions.jsonl")  # fmt: skip


def records(store: Path) -> dict[str, Record]:
    opened = Store(store)
    reader, found = Reader(opened), {}
    for request in opened.requests().live:
        for pack in request.packs_of("records") if "records" in request.kinds else ():
            unit = reader.unit("records", opened.space(request.label), pack)
            found |= {record.question.id: record for record in read_records(reader, unit)[0]}
    return found


def test_asked_killed_asked_again_and_analysed(made: Path, store: Path, tmp_path: Path) -> None:
    whole = Path(shutil.copytree(store, tmp_path / "whole"))
    done = ok(extract(whole, *words(made), "--json"))
    assert (done.json["units"], done.json["questions"], done.json["failures"]) == (4, 64, [])
    again = ok(extract(whole, *words(made), "--json"))
    assert (again.json["units"], again.json["questions"]) == (0, 0)

    process = start("extract", *words(made), "--store", store)
    commits = store / "commits" / "records"
    end = time.monotonic() + 200
    while process.poll() is None and not list(commits.rglob("*.json")):
        assert time.monotonic() < end
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    finish(process)
    before = len(list(commits.rglob("*.json")))
    assert 0 < before < 4, "the run was over before it was killed"
    ok(cache(store, "check"))
    missing = analyze(store, "score", "--model", "hf:tiny-llava")
    assert missing.code == 3
    mend = "assay-extract run --model hf:tiny-llava --dataset imagenet-d --kinds records --questions FILE"
    assert mend in missing.err
    rest = ok(extract(store, *words(made), "--json"))
    assert rest.json["units"] == 4 - before
    (row,) = [row for row in ok(extract(store, "status", "--json")).json if row["kind"] == "records"]
    assert (row["packs"], row["here"], row["failed_images"]) == (4, 4, 0)
    # Greedy answers are those of a run that nobody disturbed.
    assert records(store) == records(whole)

    table = ok(analyze(store, "score", "--model", "hf:tiny-llava"))
    rows = list(csv.DictReader(io.StringIO(table.out)))
    always = {"accuracy_paper_order", "accuracy_shuffled", "accuracy_circular", "accuracy_likelihood", "unparsed_rate"}
    # Shares of letters need an answer that can be read.
    assert {row["metric"] for row in rows} - {"letter_share"} == always
    assert {row["variant"] for row in rows} == {"list:selector"}
    assert {row["group"] for row in rows} == {"vlm"}
    assert {row["slice"] for row in rows} >= {"all", "background", "texture"}
    likely = next(row for row in rows if (row["metric"], row["slice"]) == ("accuracy_likelihood", "all"))
    chosen = [
        np.argmax(record.answer.letter_logits) == record.question.rotation
        for record in records(store).values()
        if record.answer is not None and record.answer.letter_logits is not None
    ]
    assert len(chosen) == 64
    assert float(likely["value"]) == pytest.approx(np.mean(chosen))


def test_an_answer_is_that_of_a_plain_greedy_loop(made: Path, tmp_path: Path) -> None:
    from transformers import AutoProcessor, LlavaForConditionalGeneration

    lines = [json.loads(line) for line in (made / "questions.jsonl").read_text("utf-8").splitlines()]
    line = next(line for line in lines if line["rotation"] == 2)
    image = Image.open(made / "images" / line["sample"]).convert("RGB")
    model = LanguageModel(made / "tiny-llava", dtype="float32", memo=DictMemo())
    model.load("cpu")
    (question,) = [one for one in question_files.read_questions(made / "questions.jsonl") if one.id == line["request"]]
    ours: Answer = model.answer(image, question)

    processor = AutoProcessor.from_pretrained(made / "tiny-llava")
    plain = LlavaForConditionalGeneration.from_pretrained(made / "tiny-llava", dtype=torch.float32).eval()
    text = f"USER: <image>\n{line['prompt']} ASSISTANT:"
    inputs = dict(processor(images=[image], text=[text], return_tensors="pt"))
    ids, first = [], None
    with torch.inference_mode():
        for _ in range(32):
            logits = plain(**inputs).logits[0, -1]
            first = logits if first is None else first
            ids.append(int(logits.argmax()))
            if ids[-1] == 2:
                break
            more = torch.tensor([[ids[-1]]])
            inputs["input_ids"] = torch.cat([inputs["input_ids"], more], dim=1)
            inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    assert ours.text == processor.tokenizer.decode(ids, skip_special_tokens=True)
    assert ours.finish_reason == ("stop" if ids[-1] == 2 else "length")
    vocabulary = processor.tokenizer.get_vocab()
    expected = [max(float(first[vocabulary[letter]]), float(first[vocabulary[f"▁{letter}"]])) for letter in LETTERS]
    assert ours.letter_logits == pytest.approx(expected, abs=1e-4)


def test_weights_words_and_frame_are_the_space(made: Path, tmp_path: Path) -> None:
    def identity(folder: Path, dtype: str = "float32") -> object:
        return LanguageModel(folder, dtype=dtype, memo=DictMemo()).identity()

    first = identity(made / "tiny-llava")
    moved = Path(shutil.copytree(made / "tiny-llava", tmp_path / "moved"))
    assert identity(moved) == first
    assert identity(moved, "bfloat16") != first
    assert identity(tiny_llava.save(tmp_path / "other", list(SPACE.names), seed=1)) != first
    words = json.loads((moved / "tokenizer.json").read_text("utf-8"))
    words["added_tokens"][0]["lstrip"] = not words["added_tokens"][0]["lstrip"]
    (moved / "tokenizer.json").write_text(json.dumps(words), "utf-8")
    assert identity(moved) != first


def test_an_image_that_is_gone_keeps_its_row(made: Path, store: Path, tmp_path: Path) -> None:
    images = Path(shutil.copytree(made / "images", tmp_path / "images"))
    ok(extract(store, "index", "imagenet-d", "--root", images))
    for root in (made, tmp_path):
        sample = sorted((root / "images" / "background").rglob("*.png"))[0]
        sample.rename(sample.with_suffix(".away"))
    try:
        done = extract(store, *words(made), "--json")
    finally:
        sample = next((made / "images").rglob("*.away"))
        sample.rename(sample.with_suffix(".png"))
    assert done.code == 5
    assert {failure["status"] for failure in done.json["failures"]} == {"missing"}
    assert len(done.json["failures"]) == 4
    assert analyze(store, "score", "--model", "hf:tiny-llava").code == 5
    left = ok(analyze(store, "score", "--model", "hf:tiny-llava", "--on-failure", "exclude"))
    rows = [row for row in csv.DictReader(io.StringIO(left.out)) if row["metric"] == "accuracy_circular"]
    assert [row["n"] for row in rows if row["slice"] == "all"] == ["15"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"--questions": None}, "needs --questions FILE"),
        ({"--model": "timm:test_resnet"}, "takes one model of transformers"),
        ({"--model": "hf:./nowhere"}, "there is no folder"),
        ({"--kinds": "records,logits"}, "asked for alone"),
    ],
)
def test_refusals(made: Path, store: Path, change: dict[str, str | None], said: str) -> None:
    given = dict(zip(words(made)[1::2], words(made)[2::2], strict=True)) | change
    done = extract(store, "run", *(word for pair in given.items() if pair[1] is not None for word in pair))
    assert done.code == 2
    assert said in done.err


def test_a_tokenizer_without_letters_is_refused(made: Path, store: Path, tmp_path: Path) -> None:
    folder = tiny_llava.save(tmp_path / "mute", ["pen"], letters="ABC")
    done = extract(store, *("run", "--kinds", "records", "--model", f"hf:{folder}", "--dataset", "imagenet-d"),
                   "--questions", made / "questions.jsonl")  # fmt: skip
    assert done.code == 2
    assert "no token for the letters D" in done.err
