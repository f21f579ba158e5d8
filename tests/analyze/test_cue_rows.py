from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import cohen_kappa_score

from analyze.cue_rows import CueRows
from analyze.judged import Judged
from analyze.results import Key
from analyze.table import INTERVALS, Result, to_table

CLASSES = ("bear", "cat", "dog")
SHAPES, TEXTURES = [0, 0, 1, 1, 2, 2], [1, 2, 0, 1, 0, 1]  # the fourth has no conflict


def key(model: str, group: str = "other") -> Key:
    return Key(model, group, "cue-conflict", "", "", f"digest of {model}", 6)


def table(**columns: Any) -> pl.DataFrame:
    given = {"sample": [f"{n}.png" for n in range(6)], "shape": SHAPES, "texture": TEXTURES}
    return pl.DataFrame({**given, **columns})


def judged(decisions: Sequence[int], *, ok: Sequence[int] = (1,) * 6, protocol: str = "cue-16") -> Judged:
    answers = np.array(decisions)
    return Judged(
        protocol, CLASSES, np.ones(6, bool), np.array(ok, bool), answers == SHAPES, predictions=answers,
        labels=np.array(SHAPES),
    )  # fmt: skip


def checked(found: list[Result]) -> list[Result]:
    assert to_table(found).height == len(found)  # keys are unique
    assert all(np.isfinite([row.value, row.lo, row.hi]).all() and row.lo <= row.value <= row.hi for row in found)
    assert {row.metric for row in found} <= set(INTERVALS)
    return found


def one(answers: Judged, view: pl.DataFrame | None = None, notes: list[str] | None = None) -> dict[Any, Any]:
    cues = CueRows([] if notes is None else notes)
    found = checked(list(cues.one(key("net"), answers, table() if view is None else view)))
    return {(row.metric, row.slice): (row.value, row.n, row.n_failed) for row in found}


def test_by_hand() -> None:
    # shape, texture, texture, (no conflict), shape, neither
    assert one(judged([0, 2, 0, 1, 2, 0])) == {
        ("shape_bias", "all"): (2 / 4, 4, 0),
        ("cue_coverage", "all"): (4 / 5, 5, 0),
        ("shape_bias", "bear"): (1 / 2, 2, 0),
        ("cue_coverage", "bear"): (1, 2, 0),
        ("shape_bias", "cat"): (0, 1, 0),
        ("cue_coverage", "cat"): (1, 1, 0),
        ("shape_bias", "dog"): (1, 1, 0),
        ("cue_coverage", "dog"): (1 / 2, 2, 0),
    }


def test_lost_images_and_answers_that_are_no_class() -> None:
    found = one(judged([0, -1, 0, 1, 2, 0], ok=[0, 1, 1, 1, 1, 1]))
    assert found["shape_bias", "all"] == (1 / 2, 2, 1)
    assert found["cue_coverage", "all"] == (2 / 4, 4, 1)
    assert found["cue_coverage", "bear"] == (0, 1, 1)
    assert found["cue_coverage", "cat"] == (1, 1, 0)


def test_names_in_the_columns_are_the_same_as_indices() -> None:
    names = {"shape": [CLASSES[c] for c in SHAPES], "texture": [CLASSES[c] for c in TEXTURES]}
    answers = judged([0, 2, 0, 1, 2, 0])
    assert one(answers, table(**names)) == one(answers)


def test_without_decisions_for_a_cue_there_is_no_bias_but_a_note() -> None:
    notes: list[str] = []
    found = one(judged([2, 1, 2, 1, 1, 0]), notes=notes)
    assert {metric for metric, _ in found} == {"cue_coverage"}
    assert found["cue_coverage", "all"][0] == 0
    assert notes == [
        "net on cue-conflict (cue-16): no shape bias for any category, since no decision is for the shape or the "
        "texture there."
    ]
    notes.clear()
    found = one(judged([0, 2, 2, 1, 2, 0]), notes=notes)
    assert ("shape_bias", "all") in found
    assert ("shape_bias", "cat") not in found
    assert "no shape bias for cat, since" in notes[0]


@pytest.mark.parametrize(
    ("answers", "view"),
    [
        (judged([0] * 6, protocol="1000-way"), table()),
        (judged([0] * 6), table().drop("texture")),
        (judged([0] * 6), table(texture=SHAPES)),
        (judged([0] * 6, ok=[0] * 6), table()),
        (judged([0] * 6), table(shape=[0.5] * 6)),
    ],
)
def test_nothing_to_say(answers: Judged, view: pl.DataFrame) -> None:
    assert one(answers, view) == {}


def across(deciders: dict[str, Judged], notes: list[str] | None = None) -> list[Result]:
    cues = CueRows([] if notes is None else notes)
    for model, answers in deciders.items():
        assert all(row.model == model for row in cues.one(key(model), answers, table()))
    return checked(list(cues.across()))


FIRST, SECOND, NET = [0, 0, 1, 1, 2, 0], [0, 2, 1, 0, 2, 2], [1, 0, 1, 0, 2, 2]


def test_models_against_observers() -> None:
    found = across({"human.subject-01": judged(FIRST), "human.subject-02": judged(SECOND), "net": judged(NET)})
    right = {name: np.array(rows) == SHAPES for name, rows in zip("abn", (FIRST, SECOND, NET), strict=True)}
    expected = {
        ("human.subject-01", "human.subject-02"): cohen_kappa_score(right["a"], right["b"]),
        ("net", "human.subject-01"): cohen_kappa_score(right["n"], right["a"]),
        ("net", "human.subject-02"): cohen_kappa_score(right["n"], right["b"]),
    }
    expected["net", "human"] = (expected["net", "human.subject-01"] + expected["net", "human.subject-02"]) / 2
    kappas = {(row.model, row.variant): row.value for row in found if row.metric == "error_consistency"}
    assert kappas == {pair: pytest.approx(value) for pair, value in expected.items()}
    assert {row.inputs for row in found if row.model == "net"}.isdisjoint({"digest of net"})


def test_observers_pooled() -> None:
    found = across({"human.subject-01": judged(FIRST), "human.subject-02": judged(SECOND)})
    pooled = {row.metric: row for row in found if row.variant == "pooled"}
    # Of 5 conflict images each: 4 shapes of the first, and one neither; 4 shapes and one texture of the second.
    assert {row.model for row in pooled.values()} == {"human"}
    assert (pooled["shape_bias"].value, pooled["shape_bias"].n) == (8 / 9, 9)
    assert (pooled["cue_coverage"].value, pooled["cue_coverage"].n) == (9 / 10, 10)
    assert pooled["shape_bias"].n_total == 12


def test_lost_images_are_left_out_of_a_pair() -> None:
    first = judged(FIRST, ok=[1, 1, 1, 1, 1, 0])
    found = across({"human.subject-01": first, "net": judged(NET)})
    pair = next(row for row in found if row.variant == "human.subject-01")
    right = np.array(NET[:5]) == SHAPES[:5]
    assert (pair.n, pair.n_failed) == (5, 1)
    assert pair.value == pytest.approx(cohen_kappa_score(right, np.array(FIRST[:5]) == SHAPES[:5]))


def test_no_kappa_is_no_row_but_a_note() -> None:
    notes: list[str] = []
    found = across({"human.subject-01": judged(SHAPES), "net": judged(SHAPES)}, notes)
    assert not [row for row in found if row.metric == "error_consistency"]
    assert notes == [
        "net on cue-conflict (cue-16): no error consistency with human.subject-01, since both are right on every "
        "image, so they agree by chance alone."
    ]


def test_without_observers_nothing_is_compared() -> None:
    assert across({"net": judged(NET), "other": judged(FIRST)}) == []


def test_protocols_are_not_mixed() -> None:
    found = across({"human.subject-01": judged(FIRST), "net": judged(NET, protocol="cue-16-sum")})
    assert not [row for row in found if row.metric == "error_consistency"]
