from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from analyze.attest import attest, compare, read_attestation, read_results, rounded
from analyze.table import Result, table_bytes, to_table
from cache.errors import IntegrityError
from manifests.errors import UsageError
from tests.analyze.made import tiny


def row(model: str = "a", **given: Any) -> Result:
    facts: dict[str, Any] = {
        "group": "standard",
        "dataset": "toys",
        "metric": "accuracy_top1",
        "value": 2 / 3,
        "lo": 0.1,
        "hi": 0.9,
        "n": 3,
        "n_total": 3,
        "n_failed": 0,
        "inputs": "one",
    }
    return Result(model=model, **(facts | given))


def of(*rows: Result) -> dict[str, Any]:
    return attest(to_table(rows))


def test_the_digest_sees_six_digits_and_every_input() -> None:
    base = of(row())["digest"]
    assert of(row(value=2 / 3 + 1e-9))["digest"] == base
    assert of(row(value=0.66667))["digest"] != base
    assert of(row(inputs="two"))["digest"] != base
    assert of(row(n_failed=1))["digest"] != base
    assert of(row("b"), row("a"))["digest"] == of(row("a"), row("b"))["digest"]


def test_zero_has_one_spelling_and_nothing_is_nothing() -> None:
    assert rounded(-0.0) == rounded(0.0) == "0"
    assert rounded(float("nan")) == rounded(None) == ""
    assert of(row(value=-0.0))["digest"] == of(row(value=0.0))["digest"]
    assert of(row(hi=float("inf")))["digest"] != of(row(hi=None))["digest"]


def test_a_tipped_rounding_is_counted_and_is_no_difference() -> None:
    # 0.1234565 rounds up, the next smaller number down.
    ours, theirs = of(row(value=0.12345651)), of(row(value=0.12345649))
    assert ours["digest"] != theirs["digest"]
    found = compare(ours, theirs)
    assert (found.equal, found.roundings, found.exit_code) == (True, 1, 0)
    assert not compare(of(row(value=0.123456)), of(row(value=0.123458))).equal


def test_what_differs_is_said_by_kind() -> None:
    ours = of(row("a"), row("b"), row("c"), row("d"))
    theirs = of(row("a"), row("b", value=0.5), row("c", inputs="two", value=0.5), row("e"))
    found = compare(ours, theirs)
    ((key, *differs),) = found.values
    assert (key.split(" · ")[0], *differs) == ("b", "value", "0.666667", "0.5")
    assert [key.split(" · ")[0] for key in (*found.inputs, *found.ours_only, *found.theirs_only)] == ["c", "d", "e"]
    assert found.exit_code == 4
    assert compare(of(row("a")), of(row("a"), row("b"))).exit_code == 3
    assert any("value is 0.666667 here, 0.5 there" in line for line in found.lines())


def test_many_differences_are_counted_not_listed() -> None:
    ours = of(*(row(f"m{at}") for at in range(30)))
    lines = compare(ours, of(row("z"))).lines(most=5)
    assert "only here: and 25 more" in lines


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    made = of(row())
    path.write_text(json.dumps(made))
    assert read_attestation(path) == made
    path.write_text(json.dumps(made).replace("0.666667", "0.766667"))
    with pytest.raises(IntegrityError, match="was changed"):
        read_attestation(path)
    path.write_text("[]")
    with pytest.raises(UsageError, match="format"):
        read_attestation(path)
    with pytest.raises(UsageError, match="cannot|No such file"):
        read_attestation(tmp_path / "none.json")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_results_file_gives_the_digest_of_its_table(tmp_path: Path, suffix: str) -> None:
    table = to_table([row(), row("b", hi=float("inf"), lo=1e-12)])
    path = tmp_path / f"results{suffix}"
    path.write_bytes(table_bytes(table, suffix))
    assert attest(read_results(path))["digest"] == attest(table)["digest"]


def test_a_table_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="missing"):
        attest(pl.DataFrame({"model": ["a"]}))
    with pytest.raises(UsageError, match="share theirs"):
        attest(pl.concat([to_table([row()])] * 2))
    path = tmp_path / "t.csv"
    path.write_text("model\na\n")
    with pytest.raises(UsageError, match="results file"):
        read_results(path)


def test_the_command_prints_one_line_and_compares(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = tiny(tmp_path / "s")
    assert made.cli("attest", "--out", str(tmp_path / "ours.json")) == 0
    digest, words = capsys.readouterr().out.split(maxsplit=1)
    stored = json.loads((tmp_path / "ours.json").read_text())
    assert (digest, words) == (stored["digest"], f"{len(stored['rows'])} rows\n")
    assert made.cli("attest", "--compare", str(tmp_path / "ours.json")) == 0
    assert capsys.readouterr().out.startswith(f"equal: {digest} here")
    # The same numbers from a file, without the store.
    made.cli("score", "--out", str(tmp_path / "r.parquet"))
    capsys.readouterr()
    assert made.cli("attest", "--table", str(tmp_path / "r.parquet")) == 0
    assert capsys.readouterr().out.startswith(digest)


def test_the_command_tells_another_store_by_its_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny(tmp_path / "s").cli("attest", "--out", str(tmp_path / "a.json"))
    changed = json.loads((tmp_path / "a.json").read_text())["rows"]
    changed[0]["value"] = "0.25"
    table = pl.DataFrame(changed).with_columns(pl.col("value", "lo", "hi").cast(pl.Float64, strict=False))
    table.write_parquet(tmp_path / "changed.parquet")
    made = tiny(tmp_path / "t")
    words = ("attest", "--table", str(tmp_path / "changed.parquet"), "--compare", str(tmp_path / "a.json"))
    assert made.cli(*words) == 4
    assert "value is 0.25 here" in capsys.readouterr().out
    table.head(1).write_parquet(tmp_path / "short.parquet")
    assert made.cli("attest", "--table", str(tmp_path / "short.parquet"), "--compare", str(tmp_path / "a.json"),
                    "--json") == 4  # fmt: skip
    assert json.loads(capsys.readouterr().out)["equal"] is False
