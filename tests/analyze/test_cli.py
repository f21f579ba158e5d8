from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cache.documents import seal
from tests.analyze.made import Made, ZeroShot, tiny, user_manifests

LISTED = "resnet50.tv_in1k"
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return tiny(tmp_path / "s")


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_score_prints_csv_and_nothing_else(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    assert made.cli("score") == 0
    out, err = capsys.readouterr()
    assert {row["metric"] for row in rows(out)} >= {"accuracy_top1", "nll"}
    assert "kept scores of 2 packs" in err


def test_score_prints_json_that_any_reader_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Made(tmp_path / "s").dataset("toys", [0]).model("net-a", "toys", np.eye(1, 3))
    assert made.cli("score", "--json") == 0
    found = json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert next(row for row in found if row["metric"] == "nll")["lo"] is None


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_score_writes_the_table_and_how_it_was_made(made: Made, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"r.{suffix}"
    assert made.cli("score", "--out", str(out)) == 0
    first = out.read_bytes()
    assert made.cli("score", "--out", str(out)) == 0
    assert out.read_bytes() == first
    about = json.loads((tmp_path / f"r.{suffix}.json").read_text("utf-8"))
    assert about["missing"] == about["failed"] == about["notes"] == []
    assert about["intervals"]["accuracy_top1"] == "Clopper-Pearson"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--model", "nonsense"], 2, "known neither to the store nor to the manifests"),
        (["--dataset", "nonsense"], 2, "assay-extract list datasets"),
        (["--prompts", "nonsense"], 2, "no prompts match"),
        (["--study", "nonsense"], 2, "no study 'nonsense'"),
        (["--space", "nonsense"], 2, "no space or model"),
        (["--out", "r.xlsx"], 2, ".csv or .parquet"),
        (["--on-failure", "maybe"], 2, "on-failure"),
        (["--id-dataset", "nonsense"], 2, "known neither"),
        (["--ood-dataset", "toys"], 2, "--ood-dataset needs --id-dataset"),
        (["--model", LISTED], 3, f"`assay-extract run --model {LISTED} --dataset toys`"),
        (["--dataset", "imagenet-val"], 3, "assay-extract run --model net-a --dataset imagenet-val"),
        (["--study", "quickstart"], 3, "--model tf_efficientnet_lite0.pypi --dataset quickstart-photographs"),
        (["--model", LISTED, "--allow-missing"], 0, f"--model {LISTED}"),
        (["--model", f"net-a,{LISTED}", "--dataset", "toys"], 3, LISTED),
    ],
)  # fmt: skip
def test_exit_codes_of_names(
    made: Made, words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert made.cli("score", *words) == code
    assert said in capsys.readouterr().err


def test_complete_cells_are_written_though_others_are_missing(made: Made, tmp_path: Path) -> None:
    assert made.cli("score", "--model", f"net-a,{LISTED}", "--dataset", "toys", "--out", str(tmp_path / "r.csv")) == 3
    assert {row["model"] for row in rows((tmp_path / "r.csv").read_text())} == {"net-a"}
    assert LISTED in (tmp_path / "r.csv.json").read_text()


def test_exit_codes_of_stores(made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert Made(tmp_path / "nothing").cli("score") == 3
    assert "there is no store at" in capsys.readouterr().err
    store_file = made.path / "STORE.json"
    whole = store_file.read_bytes()
    store_file.unlink()
    assert made.cli("score") == 4
    store_file.write_bytes(whole[:-9])
    assert made.cli("score") == 4
    store_file.write_bytes(
        seal("store", {"name": "clip-assay", "hash": "sha256"}).replace(b'"format": 1', b'"format": 2')
    )
    assert made.cli("score") == 6
    store_file.write_bytes(whole)
    assert made.cli("score") == 0


def test_lost_data_exit_3_unless_allowed(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    made.remove_data("logits", "toys", "net-a")
    assert made.cli("score") == 3
    assert "`assay-cache repair`, then `assay-extract run --model net-a --dataset toys" in capsys.readouterr().err
    assert made.cli("score", "--allow-missing") == 0
    assert made.cli("score", "--allow-partial") == 3
    out = rows(capsys.readouterr().out)
    assert {(row["n"], row["n_total"]) for row in out if row["metric"] == "accuracy_top1"} == {("1", "4")}
    assert made.cli("score", "--allow-partial", "--allow-missing") == 0


def test_failed_items_exit_5(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Made(tmp_path / "s").dataset("toys", [0, 1, 2]).model("net-a", "toys", np.eye(3), failed={2: "truncated"})
    assert made.cli("score") == 5
    out, err = capsys.readouterr()
    assert rows(out) == []
    assert "--on-failure exclude" in err
    assert made.cli("score", "--on-failure", "exclude") == 0
    assert made.cli("score", "--on-failure", "count-wrong") == 0
    assert made.cli("figure", "reliability", "--out", str(tmp_path / "f")) == 5
    assert made.cli("report", "--on-failure", "error", "--out", str(tmp_path / "r")) == 5


def test_report_and_strict_report(made: Made, tmp_path: Path) -> None:
    out = str(tmp_path / "r")
    assert made.cli("report", "--out", out) == 0
    assert made.cli("report", "--strict", "--out", out) == 0
    assert made.cli("report", "--model", LISTED, "--out", out) == 0
    html = (tmp_path / "r" / "report.html").read_text("utf-8")
    assert f"assay-analyze report --model {LISTED} --on-failure exclude" in html
    assert made.cli("report", "--model", LISTED, "--strict", "--out", out) == 3


def test_a_page_says_nothing_of_where_it_was_made(made: Made, tmp_path: Path) -> None:
    words = ("--model", "net-*", "--dataset", "toys", "--id-dataset", "toys")
    assert made.cli("report", *words, "--out", str(tmp_path / "one")) == 0
    html = (tmp_path / "one" / "report.html").read_text("utf-8")
    assert str(tmp_path) not in html
    text = re.sub(r"<[^>]+>", "", html)
    assert "assay-analyze report --model &#39;net-*&#39; --dataset toys --id-dataset toys" in text
    assert made.cli("report", *words, "--out", str(tmp_path / "two")) == 0
    assert (tmp_path / "two" / "report.html").read_text("utf-8") == html


def test_every_option_of_a_selection_comes_back_as_words() -> None:
    from analyze.cli import Selection

    selection = Selection(model=["a", "b c"], dataset=["d"], space=["s"], prompts=["p"], study="x", id_dataset="i",
                          ood_dataset=["o", "q"])  # fmt: skip
    assert selection.words() == (
        "--model", "a", "--model", "b c", "--dataset", "d", "--space", "s", "--prompts", "p", "--study", "x",
        "--id-dataset", "i", "--ood-dataset", "o", "--ood-dataset", "q",
    )  # fmt: skip
    assert Selection().words() == ()


def test_figures_of_several_prompt_sets_and_detectors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Made(tmp_path / "s").dataset("toys", [0, 1, 2]).dataset("odd", [None, None])
    heads = [ZeroShot("one", np.eye(3)), ZeroShot("two", np.eye(3)[::-1])]
    for name, n in (("toys", 3), ("odd", 2)):
        made.model(
            "clip", name, np.eye(n, 3) + 0.1, kind="embeddings", classes=None, heads=heads, group="zero-shot-clip"
        )
    roles = ("--id-dataset", "toys", "--ood-dataset", "odd")
    for words in (
        ("reliability",),
        ("metric-dots",),
        ("metric-dots", "--metric", "nll"),
        ("metric-dots", "--metric", "auroc", *roles),
    ):
        assert made.cli("figure", *words, "--formats", "svg", "--out", str(tmp_path / "f")) == 0, words
    dots = pl.read_csv(tmp_path / "f" / "metric-dots.csv")
    assert "clip · one · energy" in dots["model"].to_list()


def test_a_figure_of_one_image_has_no_infinite_bar(tmp_path: Path) -> None:
    made = Made(tmp_path / "s").dataset("toys", [0]).model("net-a", "toys", np.eye(1, 3))
    assert made.cli("figure", "metric-dots", "--metric", "nll", "--formats", "svg", "--out", str(tmp_path / "f")) == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["metric-dots", "--metric", "beauty"], 2, "expected one of accuracy_top1"),
        (["metric-dots", "--metric", "auroc"], 3, "nothing to draw for metric-dots of auroc"),
        (["reliability", "--model", LISTED], 3, "what is missing stands above"),
        (["reliability", "--formats", "gif"], 2, "expected formats among"),
        (["pie"], 2, "pie"),
    ],
)
def test_figures_that_cannot_be_drawn(
    made: Made, tmp_path: Path, words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert made.cli("figure", *words, "--out", str(tmp_path / "f")) == code
    assert said in capsys.readouterr().err
    assert not (tmp_path / "f").exists()


def test_nothing_labelled_gives_no_figure(tmp_path: Path) -> None:
    made = Made(tmp_path / "s").dataset("toys", [None]).model("net-a", "toys", np.eye(1, 3))
    assert made.cli("figure", "reliability", "--out", str(tmp_path / "f")) == 3
    assert made.cli("report", "--out", str(tmp_path / "r")) == 0


def test_export_keeps_every_image(tmp_path: Path) -> None:
    made = Made(tmp_path / "s").dataset("toys", [0, None, 2])
    for name in ("net-b", "net-a"):
        made.model(name, "toys", np.eye(3), failed={2: "truncated"})
    assert made.cli("export", "--out", str(tmp_path / "p.parquet")) == 0
    table = pl.read_parquet(tmp_path / "p.parquet")
    assert table.select("model", "row", "status").rows() == [
        (name, row, "truncated" if row == 2 else "ok") for name in ("net-a", "net-b") for row in range(3)
    ]
    assert table["class_1"][0] == "circle (n01)"
    assert made.cli("export", "--out", str(tmp_path / "p.csv")) == 0
    assert made.cli("export", "--out", "p.txt") == 2


def test_export_of_nothing_has_its_columns(tmp_path: Path) -> None:
    made = Made(tmp_path / "s").dataset("toys", [0])
    assert made.cli("export", "--out", str(tmp_path / "p.csv")) == 0
    assert (tmp_path / "p.csv").read_text().startswith("model,group,dataset,prompt_set,row,sample")


def test_places_that_cannot_be_written_to_are_said_in_a_line(made: Made, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    blocked = str(tmp_path / "file" / "below")
    assert made.cli("score", "--out", f"{blocked}.csv") == 2
    assert made.cli("report", "--out", blocked) == 2
    assert made.cli("figure", "reliability", "--formats", "svg", "--out", blocked) == 2
    assert made.cli("export", "--out", f"{blocked}.csv") == 2


def test_a_study_of_ones_own_and_its_limits(made: Made, tmp_path: Path) -> None:
    text = 'id="mine"\ntitle="t"\n[[blocks]]\nmodels=["resnet50.*"]\ndatasets=["toys"]\nkinds=["logits"]\n'
    made.model(LISTED, "toys", np.eye(4, 3))
    mine = ("--manifests", str(user_manifests(tmp_path, studies__mine=text)), "--study", "mine")
    out = tmp_path / "r.csv"
    assert made.cli("score", *mine, "--out", str(out)) == 3
    assert {row["model"] for row in rows(out.read_text())} == {LISTED}
    assert made.cli("score", *mine, "--model", LISTED, "--out", str(out)) == 0
    assert made.cli("score", *mine, "--model", "net-a") == 2


def test_a_config_file_limits_too(made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "assay.toml"
    config.write_text(f'[score]\nmodel = ["{LISTED}"]\n')
    assert made.cli("score", "--config", str(config)) == 3
    assert LISTED in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["score"], ["figure"], ["report"], ["export"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    heavy = ("torch", "zarr", "polars", "altair", "scipy", "statsmodels")
    probe = (
        "import sys; from analyze.cli import app; from cache.console import run_app; "
        f"code = run_app(app, {[*words, '--help']!r}); "
        f"print('HEAVY', sorted(set(sys.modules) & set({heavy!r})), code)"
    )
    done = subprocess.run([sys.executable, "-c", probe], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY [] 0"
