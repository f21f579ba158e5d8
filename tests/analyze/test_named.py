"""Named figures and tables: all names of the contract are there, and each shows a small planted world."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import polars.selectors as cs
import pytest
import vl_convert
from PIL import Image
from polars.testing import assert_frame_equal

import analyze.named
from analyze.figures import cell_table
from analyze.figures.export import Words, export
from analyze.figures.rows import MAX_ROWS
from analyze.figures.theme import Medium
from analyze.named import BY_NAME, NAMED
from analyze.named.material import Drawn, Material, material_of
from analyze.report.figure import figure_of
from analyze.report.page import vega_lite_version
from manifests.errors import UsageError
from tests.analyze import named_world

CONTRACT = (
    *(f"closer-look/fig-{at}" for at in range(1, 6)),
    *(f"closer-look/fig-a{at}" for at in range(1, 7)),
    "closer-look/table-1",
    "closer-look/table-a1",
    *(f"holistic/fig-{at}" for at in range(1, 11)),
    *(f"holistic/table-{at}" for at in range(1, 5)),
)
EXTRAS = ("published", "deviations", "before-after", "reliability", "coverage", "leakage")
TABLES = {name for name in CONTRACT if "/table-" in name} | {"coverage", "leakage"}
GOLDEN = ("closer-look/fig-a3", "holistic/fig-7", "holistic/fig-9", "deviations", "closer-look/fig-2")
HERE = Path(__file__).parent / "golden"
FILES = ("html", "svg", "png", "pdf")
TWICE = ("holistic/fig-1", "holistic/fig-2", "holistic/fig-3", "holistic/fig-5", "holistic/table-2")
"""Figures that the other paper has, too: drawn by the same code, and rendered as PNG and PDF once."""


@pytest.fixture(scope="module")
def material() -> Material:
    return named_world.material()


_DRAWN: dict[tuple[str, int], tuple[Material, Drawn]] = {}


def drawn(name: str, material: Material) -> Drawn:
    """Draw once: most of the time goes into lines and their bands."""
    key = (name, id(material))
    if key not in _DRAWN:
        # The material is kept, so that its id is nobody else's.
        _DRAWN[key] = material, BY_NAME[name].draw(material)
    return _DRAWN[key][1]


def rounded(spec: Any) -> Any:
    """A spec with numbers to five digits: ends of axes are sums, whose last bits depend on the number of threads."""
    return json.loads(json.dumps(spec, sort_keys=True), parse_float=lambda text: float(f"{float(text):.5g}"))


MEDIA: Mapping[str, Medium] = {"spec": "screen", "paper": "paper"}
"""Digests of a figure, and what they are digests of."""


def fingerprint(made: Drawn) -> dict[str, Any]:
    """What a figure shows and how, with numbers to five digits: bytes of doubles differ between machines."""
    floats = cs.float().round_sig_figs(5) + 0.0
    data = made.table.with_columns(floats).write_csv()
    shown: dict[str, Any] = {}
    if made.chart is not None:
        for key, medium in MEDIA.items():
            spec = made.chart(medium).to_dict()
            spec["data"] = {name: value for name, value in spec["data"].items() if name != "values"}
            shown[key] = rounded(spec)
    elif made.html is not None:
        shown["spec"] = [[cell.text for cell in row] for row in made.html.rows]
    told = {name: json.dumps(one, sort_keys=True) for name, one in shown.items()} | {"data": data}
    digests = {name: hashlib.sha256(text.encode()).hexdigest()[:16] for name, text in told.items()}
    return {"rows": made.table.height, **digests}


def svg_of(spec: dict[str, Any]) -> str:
    text: str = vl_convert.vegalite_to_svg(spec, vl_version=vega_lite_version())
    return text


def symbols(text: str) -> int:
    """Symbols in mark groups; those of legends do not count."""
    groups = re.findall(r'class="mark-symbol role-mark[^"]*"[^>]*(?<!/)>(.*?)</g>', text, flags=re.S)
    return sum(group.count("<path ") for group in groups)


def test_the_names_are_those_of_the_contract() -> None:
    assert tuple(module.ID for module in NAMED) == (*CONTRACT, *EXTRAS)


def test_every_module_of_the_folder_is_listed() -> None:
    folder = Path(str(analyze.named.__file__)).parent
    named = {path.stem for path in folder.glob("*.py") if "\nID: Final" in path.read_text(encoding="utf-8")}
    assert named == {module.__name__.rpartition(".")[2] for module in NAMED}
    for module in NAMED:
        assert str(module.ID).replace("/", "_").replace("-", "_") == module.__name__.rpartition(".")[2]


@pytest.mark.parametrize("module", NAMED, ids=lambda module: str(module.ID))
def test_every_name_becomes_all_its_files(module: ModuleType, material: Material, tmp_path: Path) -> None:
    made = drawn(module.ID, material)
    assert (made.html is not None) == (module.ID in TABLES)
    html, chart = made.html, made.chart
    if html is not None:
        chart = lambda medium: cell_table.chart(html, medium)  # noqa: E731
    assert chart is not None
    words = Words(title=module.TITLE, caption=module.CAPTION)
    formats = FILES[:2] if module.ID in TWICE else FILES
    files = export(chart, made.table, tmp_path, "made", formats, label=made.label, words=words, html=html)
    assert [path.suffix[1:] for path in files] == [*formats, "parquet", "csv"]
    content = {path.suffix[1:]: path.read_bytes() for path in files}
    assert module.TITLE.encode() in content["html"]
    assert b"<text" in content["svg"]
    assert pl.read_parquet(tmp_path / "made.parquet").height == made.table.height > 0
    if module.ID not in TWICE:
        assert b"/BaseFont" in content["pdf"]
        # Without a font the converter draws no text, and says nothing: there must be dark ink, as letters are.
        assert sum(Image.open(tmp_path / "made.png").convert("L").histogram()[:90]) > 500


@pytest.mark.parametrize("name", [name for name in (*CONTRACT, *EXTRAS) if name not in TABLES])
def test_a_page_can_embed_every_figure(name: str, material: Material) -> None:
    made = drawn(name, material)
    assert made.chart is not None
    figure = figure_of(made.chart("screen"), made.label, made.chart("narrow"))
    assert 0 < len(next(iter(figure.data.values()))) <= MAX_ROWS


@pytest.mark.parametrize("name", [*CONTRACT, *EXTRAS])
def test_every_figure_is_what_it_was(name: str, material: Material) -> None:
    """Specs and data of all, as digests; some are kept whole below, to see what moved.

    To renew after a change that was meant: `ASSAY_RENEW_GOLDEN=1 pytest tests/analyze/test_named.py -k what_it_was`.
    """
    file = HERE / "fingerprints.json"
    kept = json.loads(file.read_text("utf-8")) if file.exists() else {}
    found = fingerprint(drawn(name, material))
    if os.environ.get("ASSAY_RENEW_GOLDEN"):
        file.write_text(json.dumps({**kept, name: found}, indent=1, sort_keys=True) + "\n", "utf-8")
        return
    assert kept.get(name) == found


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_specs_and_data(name: str, material: Material) -> None:
    """To renew after a change that was meant: delete the figure's files, run the test twice, look at the diff."""
    made = drawn(name, material)
    assert made.chart is not None
    spec = json.loads(json.dumps(made.chart("paper").to_dict()))
    rows = spec["data"].pop("values")
    stem = name.replace("/", "-")
    spec_file, data_file = HERE / f"{stem}.json", HERE / f"{stem}.parquet"
    if not spec_file.exists():
        HERE.mkdir(exist_ok=True)
        spec_file.write_text(json.dumps(spec, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        made.table.write_parquet(data_file)
        pytest.fail(f"{spec_file.name} was not there and has been written: look at it, then run again")
    assert rounded(spec) == rounded(json.loads(spec_file.read_text(encoding="utf-8")))
    assert_frame_equal(made.table, pl.read_parquet(data_file), rel_tol=1e-9, abs_tol=1e-12)
    assert len(rows) >= made.table.height


TRENDS = ("closer-look/fig-3", "closer-look/fig-a5", "holistic/fig-5", "holistic/fig-9", "published")


@pytest.mark.parametrize("name", TRENDS)
def test_marks_drawn_are_the_models_of_the_table_in_every_panel(name: str, material: Material) -> None:
    made = drawn(name, material)
    assert made.chart is not None
    spec = made.chart("paper").to_dict()
    models = made.table.filter(pl.col("mark") == "model")
    panels = re.split(r"concat_\d+_group", svg_of(spec))[1:]
    assert len(panels) == len(spec["concat"])
    for index, panel in enumerate(panels):
        assert symbols(panel) == models.filter(pl.col("panel") == index).height > 0, spec["concat"][index]["title"]


def test_a_model_without_size_is_drawn(material: Material) -> None:
    unsized = named_world.material().results.with_columns(parameters_m=pl.lit(None, pl.Float64))
    made = drawn("closer-look/fig-a3", Material(results=unsized, datasets=material.datasets, bins=material.bins))
    assert made.chart is not None
    count = made.table.filter(pl.col("mark") == "model").height
    assert made.table["parameters_m"].null_count() == made.table.height
    assert symbols(svg_of(made.chart("paper").to_dict())) == count > 40


@pytest.mark.parametrize("name", ["closer-look/fig-1", "holistic/fig-3", "published", "deviations"])
def test_a_group_that_is_off_takes_its_lines_and_bands_along(name: str, material: Material) -> None:
    made = drawn(name, material)
    assert made.chart is not None
    spec = made.chart("screen").to_dict()

    def strokes(off: list[str]) -> int:
        for param in spec["params"]:
            param["value"] = off if param["name"] == "off" else []
        text = svg_of(spec)
        return text.count('"#c04100"')

    assert strokes([]) > 0
    assert strokes(["clip-ft"]) == 0


@pytest.mark.parametrize("name", ["holistic/fig-3", "holistic/fig-8", "published"])
def test_tick_labels_are_never_empty_and_reach_below_a_half(name: str, material: Material) -> None:
    made = drawn(name, material)
    assert made.chart is not None
    groups = re.findall(r'role-axis-label"[^>]*>(.*?)</g>', svg_of(made.chart("paper").to_dict()), flags=re.S)
    labels = [label for group in groups for label in re.findall(r"<text[^>]*>([^<]*)</text>", group)]
    assert len(groups) == 2 * made.table["panel"].n_unique()
    assert all(float(label) > 0 for label in labels)
    assert min(map(float, labels)) < 50


def without(material: Material, *datasets: str) -> Material:
    rows = material.results.filter(~pl.col("dataset").is_in(datasets))
    return Material(results=rows, datasets=material.datasets, bins=material.bins)


def test_a_panel_without_data_says_so_and_how_to_get_it(material: Material) -> None:
    made = drawn("holistic/fig-3", without(material, "sun"))
    assert [title for title, _ in made.missing] == ["SUN: AUROC", "SUN: FPR@95"]
    assert all("`assay-extract run --study holistic --dataset sun`" in why for _, why in made.missing)
    assert made.chart is not None
    text = svg_of(made.chart("paper").to_dict())
    assert text.count("not measured") == 2
    assert "SUN: AUROC" in text


def test_a_group_without_data_keeps_its_row(material: Material) -> None:
    rows = material.results.filter(~((pl.col("dataset") == "objectnet") & (pl.col("group") == "clip-ft")))
    made = drawn("deviations", Material(results=rows, datasets=material.datasets, bins=material.bins))
    objectnet = made.table.filter(pl.col("panel") == 4, pl.col("row") == "CLIP fine-tuned")
    assert objectnet.select("mark", "text").rows() == [("none", "not measured")]
    assert made.chart is not None
    text = svg_of(made.chart("paper").to_dict())
    assert text.count(">not measured<") == 1


def test_cells_of_tables_without_a_number_are_dashes_and_listed(material: Material) -> None:
    made = drawn("holistic/table-4", material)
    assert made.html is not None
    absent = [row for row in made.html.rows if row[1].text == "MetaCLIP-400M"]
    assert all(cell.missing and cell.text == "–" for row in absent for cell in row[3:])
    assert any("imagenet-3dcc" in why for _, why in made.missing)
    present = next(row for row in made.html.rows if row[0].text == "ViT-B/16" and row[1].text == "LAION-2B")
    assert not any(cell.missing for cell in present)


def test_a_mean_needs_all_of_its_parts(material: Material) -> None:
    made = drawn("holistic/table-4", without(material, "flickr30k"))
    assert made.table["recall@5"].null_count() == made.table.height
    assert made.table["top-1"].null_count() < made.table.height


@pytest.mark.parametrize("name", [*CONTRACT, *EXTRAS])
def test_without_any_results_nothing_is_invented(name: str) -> None:
    empty = material_of(named_world.results().head(0), named_world.CATALOGUE, named_world.bins().head(0))
    made = drawn(name, empty)
    assert made.chart is None
    if made.html is None:
        assert made.label.startswith(("Nothing", "No "))
    else:
        numbers = [cell for row in made.html.rows for cell in row if cell.numeric]
        annotated = name == "closer-look/table-a1"
        assert all(cell.missing for cell in numbers) or annotated
    assert made.missing or name == "coverage"


def many(count: int) -> pl.DataFrame:
    """Models that no manifest knows, in number."""
    rows = [
        {
            "model": f"m{at}",
            "group": ("standard", "more-data")[at % 2],
            "dataset": dataset,
            "metric": "accuracy_top1",
            "value": 0.3 + 0.5 * at / count - shift,
            "n": 10_000,
            "source": "timm",
        }
        for at in range(count)
        for dataset, shift in zip(("imagenet-val", *DATASETS), (0.0, 0.02, 0.04, 0.06, 0.08), strict=True)
    ]
    from analyze.commands.drawing import with_keys

    return with_keys(pl.DataFrame(rows))


DATASETS = ("imagenet-v2-matched-frequency", "imagenet-r", "imagenet-a", "imagenet-sketch")


def test_1600_models_are_side_by_side_and_all_are_drawn() -> None:
    material = material_of(many(1600), named_world.CATALOGUE, named_world.bins().head(0))
    made = drawn("published", material)
    assert made.chart is not None
    assert made.table.filter(pl.col("mark") == "model").height == 1600
    spec = made.chart("screen").to_dict()
    assert len(spec["data"]["values"]) == made.table.height <= MAX_ROWS
    assert symbols(svg_of({**spec, "concat": spec["concat"][:4]})) == 4 * 1600


def test_more_than_5000_rows_never_reach_a_browser(tmp_path: Path) -> None:
    material = material_of(many(6000), named_world.CATALOGUE, named_world.bins().head(0))
    made = drawn("published", material)
    chart = made.chart
    assert chart is not None
    for medium in ("screen", "paper"):
        with pytest.raises(UsageError, match="at most 5,000 rows"):
            chart(medium)
    with pytest.raises(UsageError, match="at most 5,000 rows"):
        export(chart, made.table, tmp_path / "new", "published")
    assert not (tmp_path / "new").exists()


def test_figures_of_both_papers_are_one_figure(material: Material) -> None:
    for one, other in (("fig-1", "fig-1"), ("fig-2", "fig-2"), ("fig-3", "fig-3"), ("fig-4", "fig-5")):
        assert_frame_equal(drawn(f"closer-look/{one}", material).table, drawn(f"holistic/{other}", material).table)


def test_models_beside_enter_no_line(material: Material) -> None:
    """Curated models of the journal are drawn, and move no line."""
    study = named_world.CATALOGUE.studies["holistic"]
    asked = material_of(named_world.results(), named_world.CATALOGUE, named_world.bins(), study=study)
    assert "ViT-L-14-quickgelu.dfn2b" in asked.beside
    assert "ViT-B-16.openai" not in asked.beside
    made = drawn("holistic/fig-1", asked).table
    assert "ViT-L-14-quickgelu.dfn2b" in made["model"]
    rows = asked.results.filter(pl.col("model") != "ViT-L-14-quickgelu.dfn2b")
    left_out = Material(results=rows, datasets=asked.datasets, bins=asked.bins, beside=asked.beside)
    line = pl.col("mark") == "line"
    assert_frame_equal(made.filter(line), drawn("holistic/fig-1", left_out).table.filter(line))


def test_coverage_tells_here_from_asked() -> None:
    study = named_world.CATALOGUE.studies["closer-look"]
    made = drawn("coverage", material_of(named_world.results(), named_world.CATALOGUE, named_world.bins(), study=study))
    row = made.table.filter(pl.col("dataset") == "sun", pl.col("group") == "standard").row(0, named=True)
    listed = next(block for block in study.blocks if block.title == "standard models").models
    assert (row["here"], row["asked"]) == (8, len({*listed, *named_world.STANDARD}))
    assert made.html is not None
    assert any(cell.text == f"8 of {row['asked']}" for cells in made.html.rows for cell in cells)
    assert any(what == "sun, standard" for what, _ in made.missing)


def test_slopes_have_both_readings(material: Material) -> None:
    table = drawn("holistic/fig-8", material).table.filter(pl.col("panel") == 2, pl.col("mark") == "line")
    slopes = dict(table.select("series", "slope_linear").unique().rows())
    row = table.row(0, named=True)
    gap = slopes["CNN"] - slopes["ViT"]
    assert row["slope_gap_linear"] == pytest.approx(gap)
    assert row["tan_angle_linear"] == pytest.approx(gap / (1 + slopes["CNN"] * slopes["ViT"]))
    assert row["slope_probit"] != row["slope_linear"]


def test_the_prompts_of_a_model_are_its_own_points(material: Material) -> None:
    table = drawn("holistic/fig-9", material).table.filter(pl.col("mark") == "model")
    of_one = table.filter(pl.col("model") == "ViT-B-16.openai", pl.col("panel") == 1)
    assert sorted(of_one["series"]) == sorted(named_world.PROMPTS)
    assert of_one["x"].n_unique() == 4


def test_the_higher_of_a_pair_is_marked(material: Material) -> None:
    made = drawn("holistic/table-2", material)
    assert made.html is not None
    for row in made.html.rows:
        for first, second in zip(row[2::2], row[3::2], strict=True):
            if not (first.missing or second.missing):
                numbers = [float(cell.text.removeprefix("▲ ")) for cell in (first, second)]
                marked = [cell.text.startswith("▲") for cell in (first, second)]
                assert marked[numbers.index(max(numbers))]
                assert sum(marked) == 1
