"""The miniature: what it was made to show is found, and nothing that it was not; every figure is there.

The effects are looked for on the full sets in which they were planted; the whole study, page and all, is run on an
eighth of its images, and in the long runs on all of them.
"""

from __future__ import annotations

import math
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl
import pytest

from analyze.named import NAMED
from extract.miniature.generate import SETS
from tests import miniature_study
from tests.miniature_truth import Finding, alarms, findings, truth, twin_outcomes

# Its tests share two runs of the study, so they stay in one process.
pytestmark = [pytest.mark.xdist_group("miniature"), pytest.mark.timeout(3000)]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the results of the sets in which effects were planted, and of the twins on them."""
    there = tmp_path_factory.mktemp("planted")
    _run(miniature_study.judged(there, seed=0), there)
    _run(miniature_study.twins(there, miniature_study.PLANTED_IN), there)
    return there


@pytest.fixture(scope="module")
def little(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which the whole study was run on an eighth of its images."""
    there = tmp_path_factory.mktemp("little")
    _run(miniature_study.commands(there, list(SETS), share=8), there)
    return there


def _run(steps: Iterable[miniature_study.Step], folder: Path) -> None:
    for step in steps:
        running = [
            subprocess.Popen(
                miniature_study.located(command),
                env=miniature_study.environment(folder, step),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            for command in step
        ]
        for command, one in zip(step, running, strict=True):
            _, said = one.communicate()
            assert one.returncode == 0, f"{' '.join(command)}: exit {one.returncode}\n{said[-3000:]}"


def _found(folder: Path) -> list[Finding]:
    return findings(pl.read_parquet(folder / "results.parquet"), pl.read_parquet(folder / "claims.parquet"))


def test_every_planted_effect_is_recovered(planted: Path) -> None:
    found = _found(planted)
    assert len(found) == len(truth()["planted"]) + len(truth()["pairs"])
    assert {one.id: one.found for one in found} == {one.id: "recovered" for one in found}


def test_twins_raise_alarms_as_often_as_chance_does(planted: Path) -> None:
    hits, trials = alarms(twin_outcomes(pl.read_parquet(planted / "twins.parquet")))
    assert truth()["null"]["study"] == miniature_study.TWINS
    low, high = truth()["null"]["alarms"]
    assert trials >= truth()["null"]["permutations"]
    assert low <= hits / trials <= high, f"{hits} alarms in {trials} contrasts"


def test_the_page_shows_every_figure_and_table_of_both_papers(little: Path) -> None:
    _check_page(little)


def _check_page(folder: Path) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    of_papers = [module for module in NAMED if "/" in module.ID]
    assert len(of_papers) == 27
    for module in of_papers:
        assert f"{module.TITLE} ({module.ID.partition('/')[0]}, " in page, f"{module.ID} is not on the page"
    assert "Nothing to draw" not in page
    assert "Figures without data" not in page


def test_a_second_time_nothing_is_extracted(little: Path) -> None:
    before = _data(little)
    steps = [step for step in miniature_study.commands(little, list(SETS), share=8) if step[0][0] == "assay-extract"]
    assert len(steps) > len(SETS) / 2
    _run(steps, little)
    assert _data(little) == before


def _data(folder: Path) -> dict[str, int]:
    """Every file of numbers in the store, with the time of its last change."""
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for part in ("data", "commits")
        for path in _files(folder / "store" / part)
    }


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


@pytest.mark.soak
def test_the_whole_study_finds_and_shows_everything(tmp_path: Path) -> None:
    _run(miniature_study.commands(tmp_path, list(SETS)), tmp_path)
    _run(miniature_study.twins(tmp_path, list(SETS)), tmp_path)
    _check_page(tmp_path)
    assert [one.id for one in _found(tmp_path) if one.found != "recovered"] == []
    test_twins_raise_alarms_as_often_as_chance_does(tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("seed", truth()["judged_seeds"])
def test_other_evaluation_sets_say_the_same(seed: int, tmp_path: Path) -> None:
    """The same signs: on one set of five an interval may well hold zero."""
    _run(miniature_study.judged(tmp_path, seed=seed), tmp_path)
    directions = dict(pl.read_parquet(tmp_path / "claims.parquet").select("claim", "direction").iter_rows())
    wanted = directions | {pair["id"]: pair["sign"] for pair in truth()["pairs"]}
    found = _found(tmp_path)
    # No number is on no side.
    assert [one.id for one in found if not math.isfinite(one.effect)] == []
    assert [one.id for one in found if (one.effect > 0) != (wanted[one.id] == "positive")] == []
