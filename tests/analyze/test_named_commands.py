"""`figure NAME` and `table NAME`: from a table, from published numbers, from a store; what each leaves behind."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from analyze.cli import app
from cache.console import run_app
from tests.analyze import named_world
from tests.analyze.made import tiny


def run(*words: str) -> int:
    return run_app(app, words)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("world") / "results.parquet"
    named_world.results().write_parquet(path)
    return str(path)


def test_a_figure_of_a_table(results: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--table", results, "--format", "svg,html", "--out", str(tmp_path))
    assert run("figure", "closer-look/fig-a3", *words) == 0
    names = [Path(line).name for line in capsys.readouterr().out.split()]
    assert names == [f"closer-look-fig-a3.{end}" for end in ("svg", "html", "parquet", "csv")]
    assert all((tmp_path / name).stat().st_size for name in names)
    page = (tmp_path / names[1]).read_text(encoding="utf-8")
    assert "Detection on NINCO" in page
    assert "named at its end" in page


def test_a_table_of_a_table(results: str, tmp_path: Path) -> None:
    assert run("table", "holistic/table-3", "--table", results, "--formats", "html,pdf", "--out", str(tmp_path)) == 0
    assert {path.name for path in tmp_path.iterdir()} == {
        f"holistic-table-3.{end}" for end in ("html", "pdf", "parquet", "csv")
    }
    page = (tmp_path / "holistic-table-3.html").read_text(encoding="utf-8")
    assert "<td" in page
    assert "Vicuna-V2-7B" in page
    numbers = pl.read_csv(tmp_path / "holistic-table-3.csv")
    assert numbers.filter(pl.col("value").is_not_null()).height == 3 * (2 * 3 + 1)


def test_published_numbers_need_no_store(tmp_path: Path) -> None:
    assert run("figure", "published", "--published", "--format", "svg", "--out", str(tmp_path)) == 0
    table = pl.read_parquet(tmp_path / "published.parquet")
    models = table.filter(pl.col("mark") == "model")
    assert models.height > 1000
    # The same weights under two names would stand twice: a group comes from one source on each test set.
    assert models["model"].is_unique().all()
    assert not (tmp_path / "store").exists()


def test_what_is_missing_is_named_with_its_command(
    results: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = pl.read_parquet(results).filter(pl.col("dataset") != "sun")
    rows.write_csv(tmp_path / "part.csv")
    words = ("--table", str(tmp_path / "part.csv"), "--format", "html", "--out", str(tmp_path))
    assert run("figure", "holistic/fig-3", *words) == 0
    assert "assay-extract run --study holistic --dataset sun" in capsys.readouterr().err
    assert "--dataset sun" in (tmp_path / "holistic-fig-3.html").read_text(encoding="utf-8").replace(
        "</span> <span>", " "
    )


def test_nothing_to_draw_is_exit_3(results: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pl.read_parquet(results).filter(pl.col("dataset") == "sun").write_csv(tmp_path / "part.csv")
    out = tmp_path / "figures"
    words = ("--table", str(tmp_path / "part.csv"), "--out", str(out))
    assert run("figure", "holistic/fig-7", *words) == 3
    said = capsys.readouterr().err
    assert "nothing to draw for holistic/fig-7" in said
    assert "assay-extract match --study holistic --dataset navi" in said
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("figure", "holistic/fig-11"), "Did you mean holistic/fig-1"),
        (("table", "nonsense"), "There are closer-look/fig-1, "),
        (("figure", "published", "--published", "--table", "x.csv"), "two sources of results"),
        (("figure", "metric-dots", "--published"), "metric-dots draws a store"),
        (("figure", "holistic/fig-1", "--published", "--study", "nope"), "no study 'nope'"),
        (("figure", "holistic/fig-1", "--table", "absent.csv"), "absent.csv"),
    ],
)
def test_wrong_words_are_exit_2(
    words: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words, "--out", str(tmp_path / "out")) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def test_a_store_is_scored_and_covered(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    assert made.cli("table", "coverage", "--allow-missing", "--format", "html", "--out", str(tmp_path / "t")) == 0
    found = pl.read_parquet(tmp_path / "t" / "coverage.parquet")
    assert found["here"].to_list() == found["asked"].to_list()
    assert found.height


def test_leakage_without_shared_images_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = tiny(tmp_path)
    assert made.cli("table", "leakage", "--allow-missing", "--out", str(tmp_path / "t")) == 3
    assert "No two datasets are known to share images" in capsys.readouterr().err
