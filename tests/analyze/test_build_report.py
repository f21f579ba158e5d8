from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analyze.asked import Ask
from analyze.build_report import Gathered, Seen, build_report, gather, write_report
from analyze.report.page import Report, Section
from analyze.score import score
from analyze.seen import MOST_PREDICTIONS
from cache.texts import ClassList
from tests.analyze.made import CATALOGUE, Made, ZeroShot, log_probabilities, tiny


def page(made: Made, ask: Ask | None = None, words: tuple[str, ...] = ()) -> tuple[Report, Gathered]:
    store, ask = made.store, ask or Ask()
    seen = Seen(store, CATALOGUE.datasets)
    scored = score(store, CATALOGUE, ask, on_failure="exclude", visit=seen.see)
    gathered = gather(scored, seen, words, CATALOGUE, ask.study)
    return build_report(gathered), gathered


def section(report: Report, name: str) -> Section:
    return next(one for one in report.sections if one.id == name)


def cells(part: Section) -> list[dict[str, str]]:
    assert part.table is not None
    return [dict(zip(part.table.head, (cell.text for cell in row), strict=True)) for row in part.table.rows]


def test_sections_of_a_labelled_store(tmp_path: Path) -> None:
    report, _ = page(tiny(tmp_path / "s"))
    assert [one.id for one in report.sections] == ["accuracy", "reliability", "models", "predictions", "numbers"]
    assert section(report, "accuracy").finding == "net-a is highest: 66.7 % [9.4, 99.2] of 3 images of toys."
    assert dict(report.facts)["Test sets"] == "toys (4 images)"
    assert report.missing == ()


def test_predictions_of_all_models_for_the_first_images(tmp_path: Path) -> None:
    made = Made(tmp_path / "s", pack=16).dataset("toys", [n % 3 for n in range(30)])
    for name in ("net-a", "net-b", "net-c"):
        made.model(name, "toys", np.tile(log_probabilities([0.98, 0.015, 0.005]), (30, 1)))
    part = section(page(made)[0], "predictions")
    rows = cells(part)
    assert len(rows) == MOST_PREDICTIONS == 60
    assert [(row["image"], row["model"]) for row in rows[:4]] == [
        ("00000.jpg", "net-a"), ("00000.jpg", "net-b"), ("00000.jpg", "net-c"), ("00001.jpg", "net-a"),
    ]  # fmt: skip
    assert rows[0] == {
        "image": "00000.jpg",
        "model": "net-a",
        "label": "circle",
        "1.": "circle 98 %",
        "2.": "square 1 %",
        "3.": "star <1 %",
    }
    assert part.finding.startswith("The best classes of every model for the first 20 of 30 images")


def test_a_status_shows_only_where_something_is_not_ok(tmp_path: Path) -> None:
    made = (
        Made(tmp_path / "s").dataset("toys", [None, None]).model("net-a", "toys", np.eye(2, 3), failed={1: "truncated"})
    )
    report, _ = page(made)
    rows = cells(section(report, "predictions"))
    assert [row["status"] for row in rows] == ["ok", "truncated"]
    assert "label" not in rows[0]
    assert rows[1]["1."] == "–"
    assert any("1 of 2 images of toys have no numbers" in line for line in report.missing)


def test_an_unlabelled_dataset_opens_with_its_predictions(tmp_path: Path) -> None:
    made = Made(tmp_path / "s").dataset("toys", [None, None]).dataset("odd", [None, None])
    for name in ("toys", "odd"):
        made.model("net-a", name, np.eye(2, 3))
    report, _ = page(made, Ask(id_dataset="toys", ood_datasets=("odd",)))
    assert [one.id for one in report.sections] == ["predictions", "detection", "models", "numbers"]
    assert {row["test set"] for row in cells(report.sections[0])} == {"toys", "odd"}


def test_more_models_than_rows_still_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analyze.seen.MOST_PREDICTIONS", 3)
    made = Made(tmp_path / "s").dataset("toys", [0, 1])
    for n in range(4):
        made.model(f"net-{n}", "toys", np.eye(2, 3))
    rows = cells(section(page(made)[0], "predictions"))
    assert [(row["image"], row["model"]) for row in rows] == [("00000.jpg", f"net-{n}") for n in range(3)]


def test_prompt_sets_are_rows_of_their_own_everywhere(tmp_path: Path) -> None:
    made = Made(tmp_path / "s").dataset("toys", [0, 1, 2])
    heads = [ZeroShot("one", np.eye(3)), ZeroShot("two", np.eye(3)[::-1])]
    made.model("clip", "toys", np.eye(3) + 0.1, kind="embeddings", classes=None, heads=heads, group="zero-shot-clip")
    report, gathered = page(made)
    assert {row["model"] for row in cells(section(report, "accuracy"))} == {"clip · one", "clip · two"}
    assert {row["model"] for row in cells(section(report, "predictions"))} == {"clip · one", "clip · two"}
    files = write_report(report, gathered, tmp_path / "out")
    assert files[0].read_text("utf-8").count("clip · two") > 3


@pytest.mark.parametrize("labels", [[0], [None]])
def test_one_image_makes_a_page(tmp_path: Path, labels: list[int | None]) -> None:
    made = Made(tmp_path / "s").dataset("toys", labels).model("net-a", "toys", np.eye(1, 3))
    report, gathered = page(made)
    files = write_report(report, gathered, tmp_path / "out")
    assert {file.name for file in files} >= {"report.html", "results.csv", "results.parquet"}
    if labels == [0]:
        assert "nll" in {row["metric"] for row in cells(section(report, "numbers"))}


def test_an_empty_store_makes_a_page(tmp_path: Path) -> None:
    made = Made(tmp_path / "s").dataset("toys", [0])
    report, gathered = page(made)
    assert report.sections == ()
    assert dict(report.facts)["Test sets"] == dict(report.facts)["Numbers"] == "none"
    assert write_report(report, gathered, tmp_path / "out")[0].is_file()


def test_one_class_makes_a_page(tmp_path: Path) -> None:
    one = ClassList(("k",), ("k",))
    made = (
        Made(tmp_path / "s").dataset("toys", [0, 0], classes=one).model("net-a", "toys", np.ones((2, 1)), classes=one)
    )
    report, gathered = page(made)
    assert cells(section(report, "predictions"))[0]["1."] == "k 100 %"
    assert write_report(report, gathered, tmp_path / "out")


def test_equal_stores_make_equal_bytes(tmp_path: Path) -> None:
    written = []
    for name in ("a", "b"):
        report, gathered = page(tiny(tmp_path / name))
        files = write_report(report, gathered, tmp_path / f"{name}-out")
        written.append({file.name: file.read_bytes() for file in files if file.suffix != ".pdf"})
    assert written[0] == written[1]


def test_many_panels_are_cut_to_the_worst_and_the_page_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analyze.report_sections.calibration.MOST_PANELS", 2)
    monkeypatch.setattr("analyze.report_sections.numbers.MOST_NUMBERS", 3)
    made = Made(tmp_path / "s").dataset("toys", [0, 1])
    for n, sure in enumerate((0.5, 0.7, 0.9)):
        made.model(f"net-{n}", "toys", log_probabilities([sure, 1 - sure - 0.01, 0.01], [sure, 1 - sure - 0.01, 0.01]))
    report, gathered = page(made)
    part = section(report, "reliability")
    assert "the 2 worst calibrated of 3" in part.caption
    assert {row["model"] for row in cells(part)} == {"net-1", "net-2"}
    numbers = section(report, "numbers")
    assert len(cells(numbers)) == 3
    assert "results.csv beside it holds all" in numbers.finding
    assert write_report(report, gathered, tmp_path / "out")


def test_too_many_dots_for_a_figure_leave_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analyze.report_sections.accuracy.MAX_ROWS", 0)
    report, gathered = page(tiny(tmp_path / "s"))
    part = section(report, "accuracy")
    assert part.figure is None
    assert len(cells(part)) == 1
    assert write_report(report, gathered, tmp_path / "out")


def test_commands_are_those_that_chose_the_page(tmp_path: Path) -> None:
    words = ("--model", "net-*", "--on-failure", "exclude")
    report, _ = page(tiny(tmp_path / "s"), Ask(models=("net-*",)), words)
    assert report.commands == ("assay-analyze report --model 'net-*' --on-failure exclude",)
    assert {one.id: one.command for one in report.sections} == {
        "accuracy": "assay-analyze figure metric-dots --model 'net-*' --on-failure exclude --metric accuracy_top1",
        "reliability": "assay-analyze figure reliability --model 'net-*' --on-failure exclude",
        "models": "assay-analyze report --model 'net-*' --on-failure exclude",
        "predictions": "assay-analyze export --model 'net-*' --out predictions.parquet",
        "numbers": "assay-analyze score --model 'net-*' --on-failure exclude --out results.csv",
    }
