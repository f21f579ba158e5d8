"""The whole miniature, once: what it was made to show is found, and nothing that it was not.

Takes some minutes: every set is drawn, every model run, every figure made, by the commands of `nox -s quickstart`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl
import pytest

from analyze.named import NAMED
from extract.miniature.generate import SETS
from tests import miniature_study
from tests.miniature_truth import alarms, findings, truth, twin_outcomes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which the study was run on the evaluation sets of seed 0."""
    given = os.environ.get("ASSAY_MINIATURE")
    if given:
        return Path(given)
    there = tmp_path_factory.mktemp("miniature")
    _run(miniature_study.commands(there, list(SETS)), there)
    return there


def _run(steps: Iterable[miniature_study.Step], folder: Path) -> None:
    programs = Path(sys.executable).parent
    for step in steps:
        running = [
            subprocess.Popen(
                [str(programs / command[0]) if (programs / command[0]).is_file() else command[0], *command[1:]],
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


@pytest.mark.timeout(3000)
def test_every_planted_effect_is_recovered(folder: Path) -> None:
    found = findings(pl.read_parquet(folder / "results.parquet"), pl.read_parquet(folder / "claims.parquet"))
    assert len(found) == len(truth()["planted"]) + len(truth()["pairs"])
    assert {one.id: one.found for one in found} == {one.id: "recovered" for one in found}


@pytest.mark.timeout(3000)
def test_twins_raise_alarms_as_often_as_chance_does(folder: Path) -> None:
    if not (folder / "twins.parquet").is_file():
        _run(miniature_study.twins(folder), folder)
    hits, trials = alarms(twin_outcomes(pl.read_parquet(folder / "twins.parquet")))
    low, high = truth()["null"]["alarms"]
    assert trials >= truth()["null"]["permutations"]
    assert low <= hits / trials <= high, f"{hits} alarms in {trials} contrasts"


@pytest.mark.timeout(3000)
def test_the_page_shows_every_figure_and_table_of_both_papers(folder: Path) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    of_papers = [module for module in NAMED if "/" in module.ID]
    assert len(of_papers) == 27
    for module in of_papers:
        assert f"{module.TITLE} ({module.ID.partition('/')[0]}, " in page, f"{module.ID} is not on the page"
    assert "Nothing to draw" not in page
    assert "Figures without data" not in page


@pytest.mark.timeout(3000)
def test_a_second_time_nothing_is_extracted(folder: Path) -> None:
    before = _data(folder)
    steps = [step for step in miniature_study.commands(folder, list(SETS)) if step[0][0] == "assay-extract"]
    assert len(steps) > len(SETS) / 2
    _run(steps, folder)
    assert _data(folder) == before


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
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", truth()["judged_seeds"])
def test_other_evaluation_sets_say_the_same(seed: int, tmp_path: Path) -> None:
    _run(miniature_study.judged(tmp_path, seed), tmp_path)
    found = findings(pl.read_parquet(tmp_path / "results.parquet"), pl.read_parquet(tmp_path / "claims.parquet"))
    assert [one.id for one in found if one.found != "recovered"] == []
