"""Answers of language models: from a file of questions over `ingest` to rows, and what is refused on the way."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from analyze.asked import Ask
from analyze.record_rows import choice_rows
from analyze.results import OnFailure
from analyze.row_key import Key
from analyze.score import Scored, score
from analyze.slices import Slice
from analyze.table import INTERVALS, Result
from cache.cli import app as cache_app
from cache.console import run_app
from cache.records import LETTERS
from cache.texts import ClassList
from cache.views import write_version
from tests.analyze.made import CATALOGUE, Made

SPACE = CATALOGUE.labels["imagenet-d-113"]
IMAGENET = ClassList(tuple(CATALOGUE.labels["imagenet-1k"].keys), tuple(CATALOGUE.labels["imagenet-1k"].names))
VLM = "prismatic-clip-336.vicuna-v1.5-7b"
LIST = "resnet50.tv_in1k"
N = 12
KEY = Key(VLM, "vlm", "imagenet-d", "imagenet-d-113-names", "", "i", N)
Line = dict[str, Any]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 113, N)
    own = ClassList(tuple(SPACE.keys), tuple(SPACE.names))
    made = Made(tmp_path / "s", pack=8).dataset("imagenet-d", labels.tolist(), classes=own)
    view = made.store.version("imagenet-d")
    table = view.table.with_columns(pl.Series("split", ["background"] * 8 + ["texture"] * 4))
    with made.store.stage() as staged:
        write_version(staged, "imagenet-d", table, view.classes, list(view.packs), view.facts)
    made.model(LIST, "imagenet-d", rng.normal(size=(N, 1000)), classes=IMAGENET)
    assert made.cli("questions", "--out", str(tmp_path / "questions.jsonl"), "--option-lists", LIST) == 0
    return made


def questions(made: Made) -> list[Line]:
    return [json.loads(line) for line in (made.path.parent / "questions.jsonl").read_text("utf-8").splitlines()]


def answered(made: Made, say: Callable[[Line], str], logits: bool = True) -> Path:
    """Write the questions with what a model says, and logits that favour the option that it says first."""
    path = made.path.parent / "answers.jsonl"
    lines = []
    for line in questions(made):
        text = say(line)
        more: Line = {"answer": text, "finish_reason": "stop"}
        if logits:
            more["letter_logits"] = [float(text.startswith(letter)) for letter in LETTERS]
        lines.append(json.dumps({**line, **more}))
    path.write_text("\n".join(lines), "utf-8")
    return path


def ingest(made: Made, *files: Path, model: str = VLM) -> int:
    words = ("ingest", *map(str, files), "--model", model, "--dataset", "imagenet-d", "--kind", "records")
    return run_app(cache_app, [*words, "--store", str(made.path)])


def values(scored: Scored, slice: str = "all") -> dict[str, tuple[float, int]]:
    found = scored.table.filter(model=VLM, variant=f"list:{LIST}", slice=slice)
    return {row["metric"]: (row["value"], row["n"]) for row in found.to_dicts()}


def ask(made: Made, **more: Any) -> Scored:
    return score(made.store, CATALOGUE, Ask(models=(VLM,)), **more)


def test_a_model_that_always_takes_the_first_option(made: Made) -> None:
    assert ingest(made, answered(made, lambda line: f"A. {line['options'][0]}")) == 0
    scored = ask(made)
    found = values(scored)
    assert found == {
        "accuracy_paper_order": (1.0, N),
        "accuracy_shuffled": (0.25, N),
        "accuracy_circular": (0.0, N),
        "accuracy_likelihood": (0.25, N),
        "unparsed_rate": (0.0, N),
    }
    shares = {letter: values(scored, letter)["letter_share"][0] for letter in LETTERS}
    assert shares == {"A": 1.0, "B": 0.0, "C": 0.0, "D": 0.0}
    assert values(scored, "background")["accuracy_paper_order"] == (1.0, 8)
    assert set(scored.table["metric"]) <= set(INTERVALS)
    assert set(scored.table["group"]) == {"vlm"}
    assert (scored.table["n_total"] == N).all()


def test_a_model_that_knows_and_one_that_mumbles(made: Made) -> None:
    assert ingest(made, answered(made, lambda line: f"It is a {line['options'][line['rotation']]}.", False)) == 0
    found = values(ask(made))
    assert found["accuracy_circular"] == (1.0, N)
    assert "accuracy_likelihood" not in found
    assert ingest(made, answered(made, lambda line: "Hard to say.", False), model="mumbler") == 0
    scored = score(made.store, CATALOGUE, Ask(models=("mumbler",)))
    by_metric = dict(scored.table.filter(slice="all").select("metric", "value").rows())
    assert by_metric["unparsed_rate"] == 1
    assert by_metric["accuracy_shuffled"] == 0
    assert "letter_share" not in by_metric


def test_the_same_file_again_and_another_one(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    first = answered(made, lambda line: "A")
    assert ingest(made, first) == 0
    before = sorted(path for path in made.path.rglob("*") if path.is_file())
    assert ingest(made, first) == 0
    assert "all of it was in the store already" in capsys.readouterr().err
    assert sorted(path for path in made.path.rglob("*") if path.is_file()) == before
    assert ingest(made, answered(made, lambda line: "B")) == 2
    assert "is bound to other records already" in capsys.readouterr().err
    assert run_app(cache_app, ["check", "--read-data", "--store", str(made.path)]) == 0


def test_a_parquet_file_says_the_same(made: Made) -> None:
    path = answered(made, lambda line: "B. it")
    table = pl.DataFrame([json.loads(line) for line in path.read_text().splitlines()])
    table.write_parquet(made.path.parent / "answers.parquet")
    copy = Made(Path(shutil.copytree(made.path, made.path.parent / "copy")))
    assert ingest(made, path) == 0
    assert ingest(copy, made.path.parent / "answers.parquet") == 0
    one, other = (ask(store).table.drop("inputs") for store in (made, copy))
    assert one.height > 0
    assert one.equals(other)


def changed(**fields: Any) -> Callable[[list[Line]], list[Line]]:
    return lambda lines: [{**lines[0], **fields}, *lines[1:]]


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (changed(prompt="What?"), 2, "another one than its id says"),
        (changed(answer=3), 2, "answer: expected text"),
        (changed(rotation=7), 2, "rotation: expected the place"),
        (changed(letter_logits=[1.0]), 2, "letter_logits: expected 4"),
        (changed(image_id="0" * 64, request=None), 2, "about no image of imagenet-d"),
        (lambda lines: lines[1:], 3, "have no answer"),
        (lambda lines: [*lines, {**lines[0], "answer": "C"}], 2, "has another answer before"),
        (lambda lines: [], 2, "0 of 0 questions"),
        (
            lambda lines: [
                {**line, "request": None, "options": line["options"][1:] + line["options"][:1]} for line in lines
            ],
            2,
            "for right; imagenet-d says",
        ),
    ],
)
def test_refusals_write_nothing(
    made: Made,
    change: Callable[[list[Line]], list[Line]],
    code: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = answered(made, lambda line: "A")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("\n".join(json.dumps(line) for line in change(lines)))
    before = sorted(path for path in made.path.rglob("*") if path.is_file())
    assert ingest(made, path) == code
    assert said in capsys.readouterr().err
    assert sorted(path for path in made.path.rglob("*") if path.is_file()) == before


def test_a_truncated_line_is_named(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    path = answered(made, lambda line: "A")
    path.write_text(path.read_text()[:-20])
    assert ingest(made, path) == 2
    assert "answers.jsonl line 48: no JSON" in capsys.readouterr().err


def test_records_that_are_lost_are_missed_and_damage_is_found(made: Made) -> None:
    assert ingest(made, answered(made, lambda line: "A")) == 0
    whole = ask(made).table
    for path in sorted((made.path / "data" / "records").rglob("*.parquet")):
        data = path.read_bytes()
        path.write_bytes(data[:-8] + bytes([data[-8] ^ 1]) + data[-7:])
        with pytest.raises(Exception, match="rows.parquet"):
            ask(made)
        path.unlink()
        scored = ask(made)
        assert [one.kind for one in scored.missing] == ["records"]
        assert "assay-cache ingest" in scored.missing[0].remedy
        assert scored.table.height == 0
        path.write_bytes(data)
    assert ask(made).table.equals(whole)


def test_what_a_study_misses_is_named_with_how_to_get_it(made: Made) -> None:
    (missing,) = score(made.store, CATALOGUE, Ask(models=(VLM,), datasets=("imagenet-d",))).missing
    assert missing.kind == "records"
    assert "assay-analyze questions" in missing.remedy
    assert "--kind records" in missing.remedy


def rows(said: list[list[int]], policy: OnFailure, likely: list[list[int]] | None = None) -> dict[str, Result]:
    array = np.array(said)
    parts = [Slice("all", np.arange(len(said)))]
    found = choice_rows(KEY, "list:x", array, np.array(likely) if likely else array, parts, policy)
    return {row.metric: row for row in found if row.slice == "all"}


def test_failures_by_policy() -> None:
    # Right in all orders; the second image could not be shown once.
    said = [[0, 1, 2, 3], [0, -2, 2, 3], [0, 1, 2, 3]]
    left_out, wrong = rows(said, "exclude"), rows(said, "count-wrong")
    assert (left_out["accuracy_circular"].value, left_out["accuracy_circular"].n) == (1.0, 2)
    assert (wrong["accuracy_circular"].value, wrong["accuracy_circular"].n) == (2 / 3, 3)
    assert wrong["accuracy_shuffled"].value == pytest.approx(11 / 12)
    assert wrong["accuracy_circular"].n_failed == left_out["accuracy_circular"].n_failed == 1
    assert left_out["accuracy_circular"].lo < 1


def test_one_order_alone_tells_only_the_journal_s_reading() -> None:
    assert set(rows([[0, -3, -3, -3], [1, -3, -3, -3]], "error")) == {"accuracy_paper_order"}
