"""The papers' findings and what these results say of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from analyze.report.answers import Answer, bar, counted
from analyze.report.page import Section
from analyze.stand_ins import told

from .gathered import Gathered, command


def answers(gathered: Gathered) -> list[Section]:
    """Return the section, or none where no finding was asked about."""
    rows = gathered.claims
    if not rows.height:
        return []
    reach = _reach(rows)
    found = [_answer(row, reach) for row in rows.iter_rows(named=True)]
    listed = ", ".join(f"{count} {verdict}" for verdict, count in counted(found))
    study = ("--study", gathered.study.id) if gathered.study is not None else ()
    return [
        Section(
            id="answers",
            title="Answers",
            finding=told(f"{len(found)} findings of the papers: {listed}.", gathered.cast),
            answers=tuple(found),
            method="Supported: the 95 % interval lies on the stated side of no effect, and the effect reaches the "
            "smallest one of interest; for findings of no effect: the interval lies within the margin. Contradicted: "
            "it lies on the other side, or ends short of the smallest effect of interest. Undecided: all else. "
            "Intervals count families of models, not models; no adjustment for many findings enters a verdict, Holm's "
            "p stands beside it. Bars of one unit share an axis.",
            command=command(("claims",), study, ("--out", "claims.csv")),
        )
    ]


def _reach(rows: pl.DataFrame) -> Mapping[str, float]:
    """Half the length of each unit's axis: what nine tenths of its intervals need, so that one wide one hides none."""
    ends = pl.max_horizontal(pl.col("lo").abs(), pl.col("hi").abs(), pl.col("effect").abs())
    table = rows.select("unit", ends.alias("end")).drop_nulls().filter(pl.col("end") > 0)
    return dict(table.group_by("unit").agg(pl.col("end").quantile(0.9)).iter_rows())


def _answer(row: Mapping[str, Any], reach: Mapping[str, float]) -> Answer:
    ends = row["effect"], row["lo"], row["hi"]
    whole = all(end is not None for end in ends) and row["unit"] in reach
    return Answer(
        id=row["claim"],
        verdict=row["answer"],
        sentence=row["sentence"],
        where=f"({row['paper']}, {row['section']})",
        numbers=_numbers(row),
        reason=_sentence(row["reason"]),
        missing=row["missing"] or "",
        bar=bar(*ends, reach[row["unit"]]) if whole else None,
    )


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}." if words and words[-1] not in ".!?" else words


def _numbers(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Write effect, interval and counts.

    Examples
    --------
    >>> facts = {"unit": "probit", "n_models": 9, "n_families": 4}
    >>> _numbers({"effect": 0.25, "lo": 0.1, "hi": 0.4, "p_holm": 0.02, **facts})
    ('+0.250 [+0.100, +0.400] probit', '9 models in 4 families', 'p 0.020 after Holm')
    >>> _numbers({"effect": None, "lo": None, "hi": None, "p_holm": None, **facts})
    ('9 models in 4 families',)
    """
    said = []
    if row["effect"] is not None:
        ends = "" if row["lo"] is None or row["hi"] is None else f" [{_signed(row['lo'])}, {_signed(row['hi'])}]"
        said.append(f"{_signed(row['effect'])}{ends} {row['unit']}".strip())
    if row["n_models"]:
        said.append(f"{row['n_models']} models in {row['n_families']} families")
    if row["p_holm"] is not None:
        said.append("p < 0.001 after Holm" if row["p_holm"] < 0.001 else f"p {row['p_holm']:.3f} after Holm")
    return tuple(said)


def _signed(value: float) -> str:
    return f"{value:+#.3g}".replace("-", "−").rstrip(".")
