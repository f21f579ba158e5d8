"""What commands and the page say where stand-ins play."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import analyze.build_report
from analyze.build_report import build_report, gather, write_report
from analyze.cli import app
from analyze.commands.drawing import with_keys
from analyze.named import BY_NAME
from analyze.report_sections.model_cards import model_cards
from analyze.score import Scored
from analyze.seen import Seen
from analyze.table import SCHEMA
from cache.console import run_app
from manifests.claim import Claim
from manifests.schema import StandIns, Study
from tests.analyze import named_world, toy_study
from tests.analyze.made import user_manifests

DATASET = """
id = "{id}"
title = "Drawn"
paper = "none"
obtain = "draw it"
role = "{role}"
protocols = {protocols}
"""
STUDY = """
id = "toys"
title = "Toys"
[[blocks]]
models = ["*"]
datasets = ["toy-val", "toy-ninco", "toy-sun"]
kinds = ["logits"]
[stand_ins]
note = "Drawn shapes."
[stand_ins.datasets]
imagenet-val = "toy-val"
ninco = "toy-ninco"
sun = "toy-sun"
"""
CLAIM = """
id = "toys-detected"
paper = "toys"
section = "1"
sentence = "Toys are told apart by those that are told right."
estimator = "rank-correlation"
direction = "positive"
x = "toy-val"
y = ["toy-ninco:class-mean:auroc"]
cluster = "model"
[models]
group = ["standard"]
"""


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Options of a command: results of toys, and the manifests that say what they are."""
    folder = tmp_path_factory.mktemp("toys")
    told = {"toy_val": ("id", '["1000-way"]'), "toy_ninco": ("ood", "[]"), "toy_sun": ("ood", "[]")}
    files = {
        f"datasets__{name}": DATASET.format(id=name.replace("_", "-"), role=role, protocols=protocols)
        for name, (role, protocols) in told.items()
    }
    made = user_manifests(folder, studies__toys=STUDY, claims__toys_detected=CLAIM, **files)
    names = {"imagenet-val": "toy-val", "ninco": "toy-ninco", "sun": "toy-sun"}
    rows = named_world.results().with_columns(pl.col("dataset", "id_dataset").replace(names))
    rows.write_parquet(folder / "results.parquet")
    return ("--study", "toys", "--manifests", str(made), "--table", str(folder / "results.parquet"))


def run(*words: str) -> int:
    return run_app(app, words)


def test_a_figures_page_says_who_plays(words: tuple[str, ...], tmp_path: Path) -> None:
    assert run("figure", "holistic/fig-4", *words, "--format", "html", "--out", str(tmp_path)) == 0
    page = (tmp_path / "holistic-fig-4.html").read_text("utf-8")
    assert page.count("played by those of study toys. Drawn shapes.") >= 2
    assert pl.read_parquet(tmp_path / "holistic-fig-4.parquet").filter(pl.col("mark") == "model").height > 30


def test_a_figure_that_lacks_sets_names_the_players(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = pl.read_parquet(words[-1]).filter(pl.col("dataset") != "toy-sun")
    rows.write_parquet(tmp_path / "part.parquet")
    more = ("--table", str(tmp_path / "part.parquet"), "--format", "html", "--out", str(tmp_path))
    assert run("figure", "holistic/fig-3", *words[:-2], *more) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "SUN: AUROC" in said
    assert "assay-extract run --study toys --dataset toy-sun" in said


def test_claims_say_who_plays_and_own_claims_are_answered(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "claims.csv"
    asked = ("--claim", "toys-detected,ood-ninco-accuracy-predicts")
    assert run("claims", *words, *asked, "--out", str(out)) == 0
    assert "played by those of study toys" in " ".join(capsys.readouterr().err.split())
    found = pl.read_csv(out)
    assert set(found["claim"]) == {"toys-detected", "ood-ninco-accuracy-predicts"}
    assert "no data" not in set(found["answer"])
    sidecar = next(path for path in tmp_path.iterdir() if path.suffix == ".json")
    assert json.loads(sidecar.read_text("utf-8"))["stand_ins"].endswith("Drawn shapes.")


def test_without_stand_ins_nothing_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "claims.csv"
    assert run("claims", "--published", "--claim", "overall-*", "--out", str(out)) == 0
    assert "Stand-ins" not in capsys.readouterr().err
    assert "stand_ins" not in "".join(path.read_text("utf-8") for path in tmp_path.iterdir())


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few figures of both papers, since all take a minute."""
    names = ("closer-look/table-1", "closer-look/table-a1", "holistic/fig-4", "holistic/table-1", "before-after")
    monkeypatch.setattr(analyze.build_report, "NAMED", tuple(BY_NAME[name] for name in names))


def own_claim(paper: str) -> Claim:
    return Claim(
        id=f"{paper}-own", paper=paper, section="1", sentence="s", estimator="rank-correlation", direction="positive",
        x="toy-imagenet-val", y=("toy-ninco:class-mean:auroc",),
    )  # fmt: skip


def page(study: Study) -> Any:
    known = toy_study.catalogue()
    claims = {name: known.claims[name] for name in ("ood-ninco-accuracy-predicts", "prompts-five-lower-accuracy")}
    claims |= {name: own_claim(name.removesuffix("-own")) for name in ("toys-own", "twin-own")}
    known = replace(known, claims=claims, studies={**known.studies, study.id: study})
    table = with_keys(toy_study.results()).select(list(SCHEMA))
    store: Any = None
    return gather(Scored(table, (), (), (), ()), Seen(store, known.datasets), ("--study", study.id), known, study)


@pytest.mark.usefixtures("few")
def test_a_study_of_stand_ins_shows_both_papers_and_who_plays(tmp_path: Path) -> None:
    gathered = page(toy_study.TOYS)
    assert len(gathered.named) == 5
    # The study's own finding stands beside the papers'; that of another study does not.
    assert set(gathered.claims["claim"]) == {"ood-ninco-accuracy-predicts", "prompts-five-lower-accuracy", "toys-own"}
    report = build_report(gathered)
    assert "played by those of study toys" in report.lead
    sections = {one.id: one for one in report.sections}
    assert sections["holistic-fig-4"].title == "Detection on NINCO (holistic, Fig. 4)"
    assert sections["holistic-fig-4"].caption.endswith("Drawn shapes.")
    assert sections["holistic-fig-4"].command == "assay-analyze figure holistic/fig-4 --study toys"
    assert "played by those of study toys" in sections["answers"].finding
    parts = sections["stand-ins"].table
    assert parts is not None
    cells = [[cell.text for cell in row] for row in parts.rows]
    assert len(cells) == len(toy_study.TOYS.stand_ins.pairs())
    assert ["training source", "WIT", "toy-a"] in cells
    # Plain tables have the sets' own ids.
    assert "of toy-imagenet-" in sections["accuracy"].finding
    assert gathered.coverage is not None
    assert gathered.coverage.table["dataset"].str.starts_with("toy-").all()
    html = write_report(report, gathered, tmp_path)[0].read_text("utf-8")
    assert html.count("played by those of study") > 5


@pytest.mark.usefixtures("few")
def test_a_study_of_its_own_names_shows_no_paper() -> None:
    plain = replace(toy_study.TOYS, stand_ins=StandIns())
    gathered = page(plain)
    assert gathered.named == ()
    assert set(gathered.claims["claim"]) == {"toys-own"}
    assert "stand-ins" not in {one.id for one in build_report(gathered).sections}


@pytest.mark.usefixtures("few")
def test_a_model_card_takes_the_prompt_set_that_plays_the_usual_one() -> None:
    """By name toy-30 comes first; the usual set is that which plays openai-80."""
    (cards,) = model_cards(page(toy_study.TOYS))
    assert cards.cards is not None
    at = cards.cards["models"].index("ViT-B-16.openai")
    axis = next(one for one in cards.cards["axes"] if one["name"].startswith("toy-imagenet-val ·"))
    found = toy_study.results().filter(
        model="ViT-B-16.openai", dataset="toy-imagenet-val", metric="accuracy_top1", prompt_set="toy-80"
    )
    assert axis["values"][at] == pytest.approx(found["value"].item(), rel=1e-4)
