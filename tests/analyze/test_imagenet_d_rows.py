"""Questions with four options from a store to rows: the identity of own lists, lists of others, and their files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from analyze.asked import Ask
from analyze.score import Scored, score
from cache.records import Question, ask
from cache.texts import ClassList
from cache.views import write_version
from tests.analyze.made import CATALOGUE, Made, ZeroShot

SPACE = CATALOGUE.labels["imagenet-d-113"]
OWN = ClassList(tuple(SPACE.keys), tuple(SPACE.names))
IMAGENET = ClassList(tuple(CATALOGUE.labels["imagenet-1k"].keys), tuple(CATALOGUE.labels["imagenet-1k"].names))
BY, NAMES = "imagenet-d-113", "imagenet-d-113-names"
N = 48
SPLITS = ("background", "texture", "material")
LABELS = np.random.default_rng(5).integers(0, 113, N)
CLIP = "ViT-L-14-336.openai"
SIGLIP = "ViT-SO400M-14-SigLIP-384.webli"
RESNET = "resnet50.tv_in1k"


def clip(made: Made, name: str, seed: int, prompts: Sequence[str] = ("single",)) -> None:
    """A zero-shot model that is right on about half of the images."""
    rng = np.random.default_rng(seed)
    heads = []
    directions = rng.normal(size=(113, 40)).astype(np.float32)
    for at, prompt in enumerate(prompts):
        weights = directions + 0.3 * at * rng.normal(size=directions.shape).astype(np.float32)
        heads.append(ZeroShot(prompt, (weights / np.linalg.norm(weights, axis=1, keepdims=True)).T, OWN))
    images = directions[LABELS] + 1.6 * rng.normal(size=(N, 40)).astype(np.float32)
    made.model(name, "imagenet-d", images, kind="embeddings", classes=None, heads=heads, group="zero-shot-clip")


@pytest.fixture
def made(tmp_path: Path) -> Made:
    made = Made(tmp_path / "s", pack=16).dataset("imagenet-d", LABELS.tolist(), classes=OWN)
    view = made.store.version("imagenet-d")
    table = view.table.with_columns(pl.Series("split", [SPLITS[n % 3] for n in range(N)]))
    with made.store.stage() as staged:
        write_version(staged, "imagenet-d", table, view.classes, list(view.packs), view.facts)
    logits = np.random.default_rng(3).normal(size=(N, 1000)).astype(np.float32)
    first = [members[0] for members in SPACE.members]
    logits[np.arange(N), np.array(first)[LABELS]] += 2.5
    made.model(RESNET, "imagenet-d", logits, classes=IMAGENET)
    clip(made, CLIP, 1)
    return made


def answer(made: Made, what: Ask | None = None, **more: object) -> Scored:
    return score(made.store, CATALOGUE, what or Ask(), **more)  # type: ignore[arg-type]


def four_way(scored: Scored, model: str, slice: str = "all", prompts: str | None = None) -> dict[str, float]:
    found = scored.table.filter(metric="accuracy_4way", model=model, slice=slice)
    found = found if prompts is None else found.filter(prompt_set=prompts)
    return dict(found.select("variant", "value").rows())


def test_with_its_own_list_a_model_is_as_good_as_over_all_classes_and_with_others_no_worse(made: Made) -> None:
    clip(made, SIGLIP, 2, ("openai-80", "single"))
    scored = answer(made)
    own = pl.col("protocol") == pl.when(pl.col("model") == RESNET).then(pl.lit(BY)).otherwise(pl.lit(NAMES))
    top1 = scored.table.filter(own, metric="accuracy_top1")
    checked = 0
    for row in top1.to_dicts():
        found = four_way(scored, row["model"], row["slice"], row["prompt_set"])
        assert set(found) == {f"list:{name}" for name in (CLIP, SIGLIP, RESNET)}
        assert found[f"list:{row['model']}"] == row["value"]
        assert min(found.values()) == row["value"]
        checked += 1
    assert checked == 4 * 4  # three models, one of them under two prompt sets; all images and three splits
    assert 0 < four_way(scored, CLIP)[f"list:{CLIP}"] < four_way(scored, CLIP)[f"list:{RESNET}"] <= 1
    # The list of a model with two heads is that of the journal's prompt.
    assert f"the lists of {SIGLIP} on imagenet-d are those under prompts single." in scored.notes


def test_rows_do_not_depend_on_what_else_was_asked_for(made: Made) -> None:
    every, alone = answer(made), answer(made, Ask(models=(CLIP,)))
    rows = every.table.filter(model=CLIP, metric="accuracy_4way")
    assert rows.height == 8
    assert rows.equals(alone.table.filter(metric="accuracy_4way"))


def test_lists_that_are_named(made: Made) -> None:
    scored = answer(made, Ask(models=(CLIP,)), option_lists=(RESNET,))
    assert set(four_way(scored, CLIP)) == {f"list:{RESNET}"}
    assert scored.missing == ()
    missing = answer(made, Ask(models=(CLIP,)), option_lists=(SIGLIP,))
    assert four_way(missing, CLIP) == {}
    assert [(one.model, one.dataset) for one in missing.missing] == [(SIGLIP, "imagenet-d")]


def test_a_list_whose_numbers_are_lost_is_missed(made: Made) -> None:
    made.remove_data("logits", "imagenet-d", RESNET)
    scored = answer(made, Ask(models=(CLIP,)))
    assert [(one.model, one.kind) for one in scored.missing] == [(RESNET, "logits")]


def test_intervals_counts_and_splits(made: Made) -> None:
    found = answer(made).table.filter(metric="accuracy_4way", model=CLIP, variant=f"list:{CLIP}")
    sizes = dict(found.select("slice", "n").rows())
    assert sizes == {"all": 48, "background": 16, "texture": 16, "material": 16}
    assert (found["lo"] < found["value"]).all()
    assert (found["n_total"] == 48).all()


def test_questions_show_every_option_at_every_place(made: Made, tmp_path: Path) -> None:
    out = tmp_path / "questions.jsonl"
    assert made.cli("questions", "--out", str(out), "--option-lists", CLIP) == 0
    lines = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert len(lines) == 4 * N
    assert len({line["request"] for line in lines}) == 4 * N
    view = made.store.version("imagenet-d").table
    label = dict(view.select("image_id", "label").rows())
    for line in lines:
        question = Question.from_json(line)
        assert question.id == line["request"]
        assert question.truth == SPACE.names[label[question.image_id]]
        assert line["prompt"] == ask(line["options"])
        assert line["list"] == CLIP
    by_image: dict[str, list[list[str]]] = {}
    for line in lines:
        by_image.setdefault(line["image_id"], []).append(line["options"])
    assert all(len({tuple(sorted(one)) for one in orders}) == 1 for orders in by_image.values())
    assert all(len({one[place] for one in orders}) == 4 for orders in by_image.values() for place in range(4))


def test_questions_of_the_journal_show_the_right_option_first(made: Made, tmp_path: Path) -> None:
    out = tmp_path / "q.jsonl"
    assert made.cli("questions", "--out", str(out), "--orders", "1") == 0
    lines = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert {(line["list"], line["rotation"]) for line in lines} == {(RESNET, 0), (CLIP, 0)}


@pytest.mark.parametrize(
    ("words", "code"), [(("--out", "q.csv"), 2), (("--out", "q.jsonl", "--orders", "5"), 2),
                        (("--out", "q.jsonl", "--dataset", "toys"), 3),
                        (("--out", "q.jsonl", "--option-lists", SIGLIP), 3)]
)  # fmt: skip
def test_refusals(made: Made, words: tuple[str, ...], code: int) -> None:
    assert made.cli("questions", *words) == code
    assert not Path("q.jsonl").exists()


def test_option_lists_on_the_command_line(made: Made, tmp_path: Path) -> None:
    out = tmp_path / "rows.csv"
    words = ("score", "--model", CLIP, "--option-lists", RESNET, "--out", str(out))
    assert made.cli(*words) == 0
    found = pl.read_csv(out).filter(pl.col("metric") == "accuracy_4way")
    assert set(found["variant"]) == {f"list:{RESNET}"}
    assert made.cli("score", "--model", CLIP, "--option-lists", SIGLIP, "--out", str(out)) == 3
