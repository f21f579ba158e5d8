from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import altair as alt
import polars as pl
import pytest
from PIL import Image
from polars.testing import assert_frame_equal

import analyze.figures
from analyze.figures import FIGURES, metric_dots, reliability
from analyze.figures.export import export
from analyze.figures.theme import Medium
from manifests.errors import UsageError


def test_every_module_with_a_name_is_listed() -> None:
    folder = Path(str(analyze.figures.__file__)).parent
    named = {path.stem for path in folder.glob("*.py") if "\nNAME: Final" in path.read_text(encoding="utf-8")}
    assert named == {module.__name__.rpartition(".")[2] for module in FIGURES}
    assert {module.NAME.replace("-", "_") for module in FIGURES} == named
    for module in FIGURES:
        assert callable(module.chart)
        assert callable(module.describe)


def test_six_files_with_text_in_all_of_them(reliability_bins: pl.DataFrame, tmp_path: Path) -> None:
    def draw(medium: Medium) -> alt.TopLevelMixin:
        return reliability.chart(reliability_bins, medium)

    paths = export(draw, reliability_bins, tmp_path / "new", "figure-4", label="four words with numbers")
    assert [path.name for path in paths] == [
        f"figure-4.{end}" for end in ("html", "svg", "png", "pdf", "parquet", "csv")
    ]
    made = {path.suffix: path.read_bytes() for path in paths}
    assert b"ECE 5.1 %, n = 746" in made[".svg"]
    assert b"/BaseFont" in made[".pdf"]
    assert b"four words with numbers" in made[".html"]
    assert_frame_equal(pl.read_parquet(io.BytesIO(made[".parquet"])), reliability_bins)
    assert pl.read_csv(io.BytesIO(made[".csv"])).height == 84


def test_a_title_changes_the_png_and_the_pdf_has_a_font(tmp_path: Path) -> None:
    # With a font that the machine lacks, the converter draws neither title nor labels and says nothing.
    table = pl.DataFrame({"x": [1.0]})

    def draw(title: str) -> alt.TopLevelMixin:
        from analyze.figures.theme import paper_config

        chart: alt.TopLevelMixin = (
            alt.Chart(alt.InlineData(values=table.to_dicts()))
            .mark_point()
            .encode(x="x:Q")
            .properties(title=title, width=200, height=60)
            .configure(**paper_config())
        )
        return chart

    pixels = []
    for name, title in (("with", "WWWW"), ("without", "    ")):
        png, *_ = export(lambda medium, title=title: draw(title), table, tmp_path, name, ["png"])  # type: ignore[misc]
        pixels.append(sum(Image.open(png).convert("L").histogram()[:80]))
    assert pixels[0] > pixels[1] + 200


def test_png_has_300_dots_an_inch(result_rows: pl.DataFrame, tmp_path: Path) -> None:
    svg, png, *_ = export(
        lambda medium: metric_dots.chart(result_rows, "accuracy_top1", medium),
        result_rows,
        tmp_path,
        "dots",
        ["svg", "png"],
    )
    points = float(svg.read_text(encoding="utf-8").split('width="')[1].split('"')[0])
    with Image.open(png) as image:
        assert image.width == pytest.approx(points * 300 / 72, abs=3)


@pytest.mark.parametrize("name", ["a/b", "..", ".hidden", "", "con:1"])
def test_names_that_are_no_file_names_are_refused(result_rows: pl.DataFrame, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="expected a file name"):
        export(lambda medium: pytest.fail("drawn"), result_rows, tmp_path, name)


def test_an_unknown_format_is_refused_before_anything_is_written(result_rows: pl.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="got gif"):
        export(lambda medium: pytest.fail("drawn"), result_rows, tmp_path / "new", "dots", ["svg", "gif"])
    assert not (tmp_path / "new").exists()


def test_5001_rows_are_refused_and_5000_are_not(tmp_path: Path) -> None:
    long = pl.DataFrame({"x": range(5_001)})
    with pytest.raises(UsageError, match=r"at most 5,000 rows in one figure, got 5,001"):
        export(lambda medium: pytest.fail("drawn"), long, tmp_path, "long")
    paths = export(lambda medium: pytest.fail("drawn"), long.head(5_000), tmp_path, "long", [])
    assert [path.suffix for path in paths] == [".parquet", ".csv"]


BUILD = """
import json, sys
import polars as pl
from analyze.figures import metric_dots, reliability
table = pl.read_parquet(sys.argv[1])
if "metric" in table.columns:
    charts = [metric_dots.chart(table, "accuracy_top1", medium) for medium in ("screen", "narrow", "paper")]
else:
    charts = [reliability.chart(table, medium) for medium in ("screen", "paper")]
sys.stdout.write(json.dumps([chart.to_dict() for chart in charts]))
"""


@pytest.mark.parametrize("fixture", ["reliability_bins", "result_rows"])
def test_chart_json_is_byte_stable_across_processes(
    fixture: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    request.getfixturevalue(fixture).write_parquet(tmp_path / "table.parquet")
    builds = [
        subprocess.run(
            [sys.executable, "-c", BUILD, str(tmp_path / "table.parquet")],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(str(analyze.figures.__file__)).parents[2],
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert builds[0] == builds[1]
    assert len(json.loads(builds[0])[0]["concat"]) in (2, 6)
