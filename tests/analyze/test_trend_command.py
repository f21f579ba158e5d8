"""`assay-analyze trend`: published lines against statsmodels, the papers' signs, own tables, stores, mistakes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from scipy import stats

from analyze.cli import app
from cache.console import run_app
from manifests.published_numbers import SOURCES, read_published
from tests.analyze.made import Made

SHIFTS = (
    "imagenet-r",
    "imagenet-sketch",
    "imagenet-a",
    "objectnet",
    "imagenet-v2-matched-frequency",
    "stylized-imagenet",
    "imagenet-vid-robust:::vid-pm0",
)
CONTRACT = (
    *("x", "y", "group", "n", "n_families", "slope", "intercept", "scale", "r2", "spearman", "pearson"),
    *("slope_lo", "slope_hi", "intercept_lo", "intercept_hi", "n_clipped"),
)
CONTRACT_DEVIATIONS = ("model", "group", "x", "y", "expected", "deviation_probit", "deviation_accuracy", "lo", "hi")

Run = Callable[..., int]


def run(*words: str) -> int:
    return run_app(app, ["trend", *words])


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Lines and deviations of every group on every shift."""
    folder = tmp_path_factory.mktemp("trend")
    words = ["--published", "--x", "imagenet-val", "--y", ",".join(SHIFTS), "--draws", "99"]
    assert run(*words, "--out", str(folder / "t.parquet"), "--deviations", str(folder / "d.parquet")) == 0
    return pl.read_parquet(folder / "t.parquet"), pl.read_parquet(folder / "d.parquet")


def place_by_hand(value: pl.Series, n: pl.Series) -> np.ndarray:
    """Probit with clipping, without this project's code."""
    p, images = value.to_numpy(), n.to_numpy()
    return stats.norm.ppf(np.clip(p, 0.5 / images, 1 - 0.5 / images))


def rows_by_hand(group: str, y: str, *, standard_of: str) -> pl.DataFrame:
    """Models of a group on imagenet-val and y, chosen from the published rows without this project's code."""
    rows = read_published(SOURCES).filter(
        pl.col("group") == group, pl.col("source") == standard_of, pl.col("problem") == "", "default_size",
        ~pl.col("toy"), pl.col("metric") == "accuracy_top1", pl.col("slice") == "all",
    )  # fmt: skip
    dataset, _, protocol = y.partition(":::")
    across = rows.filter(pl.col("dataset") == "imagenet-val")
    up = rows.filter(pl.col("dataset") == dataset, (pl.col("protocol") == protocol) | (protocol == ""))
    both = across.select("model", "duplicate_of", x="value", x_n="n").join(
        up.select("model", y="value", y_n="n"), on="model"
    )
    return both.filter(~(pl.col("duplicate_of").is_in(both["model"].implode()) & (pl.col("duplicate_of") != "")))


def test_every_published_line_equals_statsmodels(published: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    lines, _ = published
    checked = 0
    for one in lines.iter_rows(named=True):
        y = one["y"].replace(":all:accuracy_top1:", ":::")
        rows = rows_by_hand(one["group"], y, standard_of=one["sources"])
        assert rows.height == one["n"], one
        if one["n"] < 4:
            continue
        x, up = place_by_hand(rows["x"], rows["x_n"]), place_by_hand(rows["y"], rows["y_n"])
        fit = sm.RLM(up, sm.add_constant(x), M=sm.robust.norms.HuberT()).fit()
        assert (one["intercept"], one["slope"], one["scale"]) == pytest.approx((*fit.params, fit.scale), abs=1e-6)
        assert one["spearman"] == pytest.approx(stats.spearmanr(x, up).statistic, abs=1e-9)
        assert one["pearson"] == pytest.approx(stats.pearsonr(x, up).statistic, abs=1e-9)
        checked += 1
    assert checked >= 35


def test_columns_begin_as_the_contract_says(published: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    lines, deviations = published
    assert tuple(lines.columns[: len(CONTRACT)]) == CONTRACT
    assert tuple(deviations.columns[: len(CONTRACT_DEVIATIONS)]) == CONTRACT_DEVIATIONS
    assert not lines.select("x", "y", "group").is_duplicated().any()
    assert not deviations.select("model", "y_axis").is_duplicated().any()


def test_deviations_are_distances_from_the_standard_line(published: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    lines, deviations = published
    line = lines.filter(pl.col("y") == "imagenet-r", pl.col("group") == "standard").row(0, named=True)
    rows = deviations.filter(pl.col("y_axis") == "imagenet-r", ~pl.col("clipped"))
    expected = stats.norm.cdf(line["intercept"] + line["slope"] * stats.norm.ppf(rows["x"].to_numpy()))
    np.testing.assert_allclose(rows["expected"], expected, atol=1e-12)
    np.testing.assert_allclose(rows["deviation_accuracy"], rows["y"].to_numpy() - expected, atol=1e-12)
    probit = stats.norm.ppf(rows["y"].to_numpy()) - stats.norm.ppf(expected)
    np.testing.assert_allclose(rows["deviation_probit"], probit, atol=1e-9)
    assert (rows["lo"] < rows["deviation_probit"]).all()
    assert (rows["deviation_probit"] < rows["hi"]).all()
    assert (rows["lo_accuracy"] < rows["deviation_accuracy"]).all()


def deviation(published: tuple[pl.DataFrame, pl.DataFrame], y: str, group: str) -> float:
    value = published[0].filter(pl.col("y") == y, pl.col("group") == group)["deviation_probit"].item()
    return float(value)


@pytest.mark.parametrize("y", ["imagenet-r", "imagenet-sketch", "imagenet-a", "objectnet"])
def test_zero_shot_clip_stands_far_above_the_line(published: tuple[pl.DataFrame, pl.DataFrame], y: str) -> None:
    assert deviation(published, y, "zero-shot-clip") > 0.5


@pytest.mark.parametrize("y", ["imagenet-r", "imagenet-sketch"])
def test_fine_tuning_takes_part_of_it_and_more_data_gives_less(
    published: tuple[pl.DataFrame, pl.DataFrame], y: str
) -> None:
    more, tuned, zero_shot = (deviation(published, y, name) for name in ("more-data", "clip-ft", "zero-shot-clip"))
    assert 0 < more < tuned < zero_shot


def test_training_sources_leave_the_line_differently(published: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    """Equal architectures: LAION is ahead on sketches, WIT on ImageNet-A, for every one of the three that have both."""
    facts = read_published(["open_clip"]).select("model", "architecture", "training_source").unique()
    rows = published[1].join(facts, on="model").filter(pl.col("training_source").is_in(["LAION", "WIT"]))
    means = rows.group_by("y_axis", "architecture", "training_source").agg(pl.col("deviation_probit").mean())
    gap = means.pivot(on="training_source", index=["y_axis", "architecture"], values="deviation_probit").drop_nulls()
    gap = gap.with_columns(gap=pl.col("LAION") - pl.col("WIT"))
    for y, sign in (("imagenet-sketch", 1), ("imagenet-a", -1), ("imagenet-v2-matched-frequency", -1)):
        found = gap.filter(pl.col("y_axis") == y)["gap"]
        assert len(found) == 3
        assert (sign * found > 0).all(), y


def test_duplicated_models_count_once(published: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    one = published[0].filter(pl.col("y") == "imagenet-r", pl.col("group") == "zero-shot-clip").row(0, named=True)
    assert (one["n"], one["n_duplicates"]) == (111, 8)


def test_few_families_are_said_to_be_few(published: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    one = published[0].filter(pl.col("y") == "imagenet-r", pl.col("group") == "zero-shot-clip").row(0, named=True)
    assert one["deviation_flag"] == "too few families: 4 of 5"
    assert one["deviation_lo"] is None


def test_architectures_may_be_the_families(tmp_path: Path) -> None:
    out = tmp_path / "t.parquet"
    words = ["--published", "--x", "imagenet-val", "--y", "imagenet-r", "--cluster", "architecture", "--draws", "99"]
    assert run(*words, "--group", "zero-shot-clip", "--out", str(out)) == 0
    one = pl.read_parquet(out).row(0, named=True)
    assert one["n_families"] > 30
    assert 0.5 < one["deviation_lo"] < one["deviation_probit"] < one["deviation_hi"]
    assert one["p_holm"] < 1e-6


def test_json_csv_and_parquet_agree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--published", "--x", "imagenet-val", "--y", "objectnet", "--draws", "99", "--group", "standard"]
    assert run(*words) == 0
    text = capsys.readouterr().out
    assert run(*words, "--json") == 0
    as_json = json.loads(capsys.readouterr().out)
    assert run(*words, "--out", str(tmp_path / "t.csv")) == 0
    assert (tmp_path / "t.csv").read_text() == text
    table = pl.read_csv(text.encode())
    assert table["slope"].item() == as_json[0]["slope"]
    about = json.loads((tmp_path / "t.csv.json").read_text())
    assert "wild cluster bootstrap-t over encoder_family, 99 draws, seed 0" in about["intervals_by"]


@pytest.mark.parametrize("line", ["ols", "theil-sen"])
def test_other_lines_and_scales(tmp_path: Path, line: str) -> None:
    for transform in ("probit", "logit", "linear"):
        out, each = tmp_path / "t.parquet", tmp_path / "d.parquet"
        words = ["--published", "--x", "imagenet-val", "--y", "objectnet", "--line", line, "--transform", transform]
        assert run(*words, "--draws", "9", "--out", str(out), "--deviations", str(each)) == 0
        one = pl.read_parquet(out).filter(pl.col("group") == "standard").row(0, named=True)
        assert (one["line"], one["transform"]) == (line, transform)
        assert one["slope_lo"] < one["slope"] < one["slope_hi"]
        rows = pl.read_parquet(each).filter(~pl.col("clipped"))
        np.testing.assert_allclose(rows["deviation_accuracy"], rows["y"] - rows["expected"], atol=1e-12)
        inside = rows.filter(pl.col("expected").is_between(0, 1, closed="none"))
        probit = stats.norm.ppf(inside["y"]) - stats.norm.ppf(inside["expected"])
        np.testing.assert_allclose(inside["deviation_probit"], probit, atol=1e-9)


def test_errors_in_x_make_a_line_steeper(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = ["model,group,dataset,value,n"]
    for i in range(60):
        x = stats.norm.cdf(rng.normal(0.5, 0.3))
        y = stats.norm.cdf(stats.norm.ppf(x))
        rows += [f"m{i}-a,standard,x,{rng.binomial(60, x) / 60},60", f"m{i}-a,standard,y,{y},100000"]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(rows))
    slopes = []
    for extra in ([], ["--errors-in-x"]):
        out = tmp_path / "o.parquet"
        words = ["--table", str(path), "--x", "x", "--y", "y", "--cluster", "model", *extra]
        assert run(*words, "--out", str(out)) == 0
        slopes.append(pl.read_parquet(out)["slope"].item())
    assert slopes[0] < 0.85
    assert slopes[0] < slopes[1]
    assert slopes[1] == pytest.approx(1, abs=0.15)


def tidy(path: Path, extra: str = "") -> Path:
    rng = np.random.default_rng(7)
    lines = ["model,group,dataset,value,n,encoder_family,duplicate_of"]
    for group, shift in (("standard", 0.0), ("clip", 0.3)):
        for i in range(24):
            x = rng.uniform(0.2, 1.2)
            y = -0.3 + 0.9 * x + shift + rng.normal(0, 0.03)
            for dataset, z in (("val", x), ("r", y)):
                lines.append(f"{group}-{i},{group},{dataset},{stats.norm.cdf(z)},50000,f{i % 8},")
    path.write_text("\n".join(lines) + "\n" + extra)
    return path


def test_a_table_of_ones_own(tmp_path: Path) -> None:
    words = ["--table", str(tidy(tmp_path / "t.csv")), "--x", "val", "--y", "r"]
    assert run(*words, "--out", str(tmp_path / "o.parquet"), "--deviations", str(tmp_path / "d.csv")) == 0
    clip = pl.read_parquet(tmp_path / "o.parquet").filter(pl.col("group") == "clip").row(0, named=True)
    assert clip["n_families"] == 8
    assert clip["deviation_lo"] < 0.3 < clip["deviation_hi"]
    assert pl.read_csv(tmp_path / "d.csv").height == 48


def test_duplicated_models_change_nothing(tmp_path: Path) -> None:
    """Twenty copies of one model, named as such: the lines stay as they were, to the last digit."""
    plain = pl.read_csv(tidy(tmp_path / "a.csv"))
    one = plain.filter(pl.col("model") == "standard-3")
    copies = [one.with_columns(model=pl.lit(f"copy-{i}"), duplicate_of=pl.lit("standard-3")) for i in range(20)]
    pl.concat([plain.with_columns(pl.col("duplicate_of").cast(pl.String)), *copies]).write_csv(tmp_path / "b.csv")
    tables = []
    for name in ("a", "b"):
        out = tmp_path / f"{name}.parquet"
        assert run("--table", str(tmp_path / f"{name}.csv"), "--x", "val", "--y", "r", "--out", str(out)) == 0
        tables.append(pl.read_parquet(out))
    assert tables[1].filter(pl.col("group") == "standard")["n_duplicates"].item() == 20
    assert tables[0].drop("n_duplicates").equals(tables[1].drop("n_duplicates"))


def test_models_are_placed_on_published_lines(tmp_path: Path, published: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    mine = tmp_path / "mine.csv"
    mine.write_text("model,dataset,value,n\nmine,imagenet-val,0.7,50000\nmine,imagenet-r,0.7,30000\n")
    words = ["--published", "--x", "imagenet-val", "--y", "imagenet-r", "--place", str(mine), "--draws", "99"]
    assert run(*words, "--out", str(tmp_path / "t.parquet"), "--deviations", str(tmp_path / "d.parquet")) == 0
    lines = pl.read_parquet(tmp_path / "t.parquet")
    before = published[0].filter(pl.col("y") == "imagenet-r")
    assert lines["slope"].to_list() == before["slope"].to_list()
    one = pl.read_parquet(tmp_path / "d.parquet").filter("placed").row(0, named=True)
    assert (one["model"], one["group"]) == ("mine", "other")
    line = lines.filter(pl.col("group") == "standard").row(0, named=True)
    expected = stats.norm.cdf(line["intercept"] + line["slope"] * stats.norm.ppf(0.7))
    assert one["deviation_accuracy"] == pytest.approx(0.7 - expected)
    assert one["lo"] < one["deviation_probit"] < one["hi"]
    assert one["band_lo"] < one["expected"] < one["band_hi"] < one["y"]


def test_a_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    labels = [int(label) for label in rng.integers(0, 3, 40)]
    made = Made(tmp_path / "s").dataset("toys", labels).dataset("blocks", labels)
    for i in range(3):
        for name in ("toys", "blocks"):
            logits = rng.normal(0, 1, (40, 3)) + (0.6 + 0.3 * i) * np.eye(3)[labels]
            made.model(f"net-{i}", name, logits)
    words = ["trend", "--x", "toys", "--y", "blocks"]
    assert made.cli(*words, "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["group"], row["n"]) for row in rows] == [("standard", 3)]
    made.remove_data("logits", "blocks", "net-1")
    assert made.cli(*words) == 3
    assert made.cli(*words, "--allow-missing") == 0


def test_a_reference_that_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tidy(tmp_path / "t.csv")
    assert run("--table", str(path), "--x", "val", "--y", "r", "--reference", "nobody") == 0
    assert "no model of the reference group 'nobody'" in capsys.readouterr().err
    words = [
        "--table",
        str(path),
        "--x",
        "val",
        "--y",
        "r",
        "--reference",
        "nobody",
        "--deviations",
        str(tmp_path / "d.csv"),
    ]
    assert run(*words) == 2
    assert "no deviations to write" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--x", "imagenet-val", "--y", "imagenet-vid-robust"], "Name one protocol as the fourth part"),
        (["--x", "imagenet-val", "--y", "nonsense"], "It has the datasets"),
        (["--x", "imagenet-val", "--y", "a:b:c:d:e"], "expected dataset[:slice"),
        (["--x", "imagenet-val", "--y", "imagenet-r", "--group", "nobody"], "there are clip-ft"),
        (["--x", "imagenet-val", "--y", "imagenet-r", "--source", "nobody"], "no published source nobody"),
        (["--x", "imagenet-val", "--y", "imagenet-r", "--cluster", "nobody"], "--cluster nobody: expected one of"),
        (["--x", "imagenet-val", "--y", "imagenet-r", "--where", "nobody=1"], "--where nobody=1"),
        (["--x", "imagenet-val", "--y", "imagenet-r", "--out", "t.xlsx"], ".csv or .parquet"),
        (["--x", "imagenet-val", "--y", "imagenet-r", "--draws", "0"], "at least 1 draw"),
        (["--x", "imagenet-val", "--y", "imagenet-r", "--place", "nothing.csv"], "nothing.csv cannot be read"),
        (["--x", "imagenet-val", "--y", "imagenet-r", "--table", "t.csv"], "two sources of rows"),
        (["--x", "imagenet-val", "--y", "imagenet-r", "--line", "spline"], "spline"),
        (["--y", "imagenet-r"], "--x"),
    ],
)
def test_mistakes_are_told_with_exit_2(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--published", *words) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_what_is_no_rate_needs_a_linear_axis(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t.csv"
    rows = [f"m{i},standard,{d},{v}" for i in range(5) for d, v in (("x", 1.5 + i), ("y", 2.0 * i * i))]
    path.write_text("model,group,dataset,value\n" + "\n".join(rows) + "\n")
    words = ["--table", str(path), "--x", "x", "--y", "y"]
    assert run(*words) == 2
    assert "numbers that are no rates go with --transform linear" in " ".join(capsys.readouterr().err.split())
    assert run(*words, "--transform", "linear", "--json") == 0


def test_malformed_tables_are_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tidy(tmp_path / "t.csv", extra="m,standard,val,much,5,f,\n")
    assert run("--table", str(path), "--x", "val", "--y", "r") == 2
    assert "line 98: value: expected a number, got 'much'" in capsys.readouterr().err
    assert run("--x", "val", "--y", "r", "--source", "timm", "--table", str(path)) == 2


def test_influence_is_written(tmp_path: Path) -> None:
    out = tmp_path / "i.parquet"
    words = ["--published", "--x", "imagenet-val", "--y", "imagenet-sketch", "--cluster", "architecture"]
    assert run(*words, "--group", "zero-shot-clip", "--draws", "9", "--out", str(tmp_path / "t.csv"),
               "--influence", str(out)) == 0  # fmt: skip
    table = pl.read_parquet(out)
    assert set(table["reading"]) == {"one-factor", "joint", "pairs"}
    pair = table.filter(reading="pairs", level="LAION", against="WIT").row(0, named=True)
    assert (pair["n_families"], pair["estimate"] > 0) == (3, True)
    assert pair["flag"] == "too few architectures with both: 3 of 5"
    assert table.filter(reading="joint")["vif"].min() >= 1
