from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from analyze.cell import Missing
from analyze.named.material import Drawn
from analyze.report.answers import Answer, answered, bar
from analyze.report_sections import model_cards as cards_module
from analyze.report_sections.answers import answers
from analyze.report_sections.gathered import Gathered
from analyze.report_sections.model_cards import model_cards
from analyze.report_sections.named_figures import named_figures
from analyze.report_sections.opening import MOST_SENTENCES, missing_sentences, missing_table
from analyze.score import Scored
from analyze.seen import Hits, Seen
from analyze.table import Result, to_table
from manifests.catalogue import load

CATALOGUE = load()


def result(model: str, value: float, **given: Any) -> Result:
    facts: dict[str, Any] = {"group": "standard", "dataset": "imagenet-val", "protocol": "1000-way", "n": 10}
    ends = {
        "lo": value - 0.1,
        "hi": value + 0.1,
        "n_total": 10,
        "n_failed": 0,
        "inputs": "x",
        "metric": "accuracy_top1",
    }
    return Result(model=model, value=value, **(ends | facts | given))


def gathered(rows: list[Result], hits: list[Hits] | None = None, **given: Any) -> Gathered:
    store: Any = None
    seen = Seen(store, CATALOGUE.datasets)
    seen.hits += hits or []
    scored = Scored(to_table(rows), given.pop("missing", ()), (), (), ())
    return Gathered(scored=scored, seen=seen, words=("--model", "*"), datasets=CATALOGUE.datasets, **given)


def hit(model: str, right: list[int], version: str = "v", prompts: str = "") -> Hits:
    used = np.packbits(np.ones(len(right), bool)).tobytes()
    return Hits(model, prompts, "imagenet-val", version, "1000-way", used, np.packbits(np.array(right, bool)).tobytes())


def test_no_test_set_stands_twice_because_it_has_two_protocols() -> None:
    rows = [result("a", 0.5, dataset="imagenet-r", protocol=name) for name in ("subset-200", "1000-way")]
    found = gathered(rows).headline("accuracy_top1")
    assert found.height == 1
    assert found["protocol"].item() == CATALOGUE.datasets["imagenet-r"].protocols[0]


def test_a_card_has_paired_differences_of_models_on_the_same_images() -> None:
    hits = [hit("a", [1, 1, 1, 0]), hit("b", [1, 0, 0, 0]), hit("c", [1, 1, 1, 1], version="other")]
    (section,) = model_cards(gathered([result(name, 0.5) for name in "abc"], hits))
    assert section.cards is not None
    (axis,) = section.cards["axes"]
    assert axis["pairs"]["members"] == [0, 1]
    assert axis["pairs"]["difference"] == [0.5]
    assert axis["values"] == [0.5, 0.5, 0.5]
    assert section.cards["command"] == ["assay-analyze", "report"]


def test_a_group_of_few_has_no_percentiles_and_one_of_five_has() -> None:
    rows = [result(f"m{at}", at / 10) for at in range(1, 6)] + [result("z", 0.9, group="mae")]
    (section,) = model_cards(gathered(rows))
    assert section.cards is not None
    # Of 0.1 to 0.5: tenth and ninetieth percentile.
    assert section.cards["axes"][0]["ranges"] == {"standard": [0.14, 0.46, "14.0 to 46.0"]}


def test_of_several_prompt_sets_one_stands_for_a_model() -> None:
    rows = [result("a", value, prompt_set=name) for name, value in (("single", 0.2), ("openai-80", 0.4))]
    rows += [result("b", value, prompt_set=name) for name, value in (("two", 0.6), ("one", 0.7))]
    hits = [hit("a", [1, 0], prompts="single"), hit("a", [1, 1], prompts="openai-80"), hit("b", [0, 0], prompts="one")]
    (section,) = model_cards(gathered(rows, hits))
    assert section.cards is not None
    assert section.cards["axes"][0]["values"] == [0.4, 0.7]
    assert section.cards["axes"][0]["pairs"]["difference"] == [1.0]


def test_many_models_are_paired_from_every_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards_module, "MOST_PAIRED", 2)
    rows = [result(name, 0.5) for name in "abc"] + [result("z", 0.5, group="mae")]
    (section,) = model_cards(gathered(rows, [hit(name, [1, 0]) for name in "abcz"]))
    assert section.cards is not None
    assert section.cards["axes"][0]["pairs"]["members"] == [0, 3]
    assert "among 2 of 4 models" in section.method


def test_no_numbers_no_cards() -> None:
    assert model_cards(gathered([])) == []


def test_many_missing_cells_are_said_a_test_set_at_a_time_and_stand_in_a_table() -> None:
    few = tuple(Missing("m", f"d{at}", "logits", "", "absent", "`x`") for at in range(MOST_SENTENCES))
    many = tuple(Missing(f"m{at}", "sun", "logits", "", "absent", "`x`") for at in range(MOST_SENTENCES + 1))
    assert len(missing_sentences(gathered([], missing=few))) == len(few)
    assert missing_table(gathered([], missing=few)) is None
    said = missing_sentences(gathered([], missing=many, study=CATALOGUE.studies["holistic"]))
    assert said == ("sun: 13 models without numbers (13 absent). `assay-extract run --study holistic --dataset sun`",)
    table = missing_table(gathered([], missing=many))
    assert table is not None
    assert len(table.rows) == len(many)


CLAIM = {
    **{"claim": "c", "paper": "holistic", "section": "V", "answer": "supported", "unit": "probit", "sentence": "S."},
    **{"effect": 0.2, "lo": 0.1, "hi": 0.4, "p_holm": 0.01, "n_models": 9, "n_families": 4},
    **{"reason": "the interval lies on the stated side", "missing": ""},
}


def test_answers_have_a_bar_where_there_is_an_interval_and_those_without_data_stand_apart() -> None:
    none = {**CLAIM, "claim": "d", "answer": "no data", "effect": None, "lo": None, "hi": None, "missing": "`run`"}
    vague = {**CLAIM, "claim": "e", "answer": "undecided", "lo": None, "hi": None}
    (section,) = answers(gathered([], claims=pl.DataFrame([none, vague, CLAIM])))
    assert section.finding == "3 findings of the papers: 1 supported, 1 undecided, 1 no data."
    known, vague_ones, unknown = answered(section.answers)
    assert [(one.id, one.bar) for one in known] == [("c", bar(0.2, 0.1, 0.4, 0.4))]
    assert [(one.id, one.bar) for one in vague_ones] == [("e", None)]
    assert [(one.id, one.missing) for one in unknown] == [("d", "`run`")]
    assert known[0].reason == "The interval lies on the stated side."


def test_no_findings_no_section_and_unknown_verdicts_are_refused() -> None:
    assert answers(gathered([])) == []
    with pytest.raises(ValueError, match="expected one of supported"):
        Answer(id="a", verdict="true", sentence="", where="", numbers=(), reason="")
    with pytest.raises(ValueError, match="positive length"):
        bar(0, 0, 0, 0)


def test_figures_that_cannot_be_drawn_are_named_in_one_place() -> None:
    module: Any = type("module", (), {"ID": "holistic/fig-1", "TITLE": "Visual factors", "CAPTION": "c"})
    empty = Drawn(table=pl.DataFrame(), label="Nothing.", missing=(("pose", "no numbers"),))
    (section,) = named_figures(gathered([], named=((module, empty), (module, "too many rows"))))
    assert section.id == "not-drawn"
    assert section.table is not None
    assert [[cell.text for cell in row] for row in section.table.rows] == [
        ["Visual factors (Fig. 1)", "pose: no numbers"],
        ["Visual factors (Fig. 1)", "too many rows"],
    ]
