"""The command line of a store: what it prints, what it exits with, what it never does."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cache.cli import app
from cache.console import run_app
from cache.store import Store
from tests.cache.damage import files_of
from tests.cache.synthetic import CLASSIFIER, ZERO_SHOT, answer, fill


class Cli:
    """Runs commands in this process."""

    def __init__(self, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.store = store
        self.capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        code = run_app(app, [*arguments, "--store", str(self.store)])
        captured = self.capsys.readouterr()
        return code, captured.out, captured.err

    def json(self, *arguments: str) -> Any:
        code, out, err = self(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)


@pytest.fixture
def cli(path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(path, capsys)


COMMANDS = (["ls"], ["check"], ["repair"], ["gc"], ["drift", "a", "b"], ["retire", "01234567"])


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_no_command_creates_a_store(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    code, out, err = Cli(tmp_path / "none", capsys)(*command)
    assert (code, out) == (3, "")
    assert "there is no store at" in err
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_another_format_version_is_exit_6(cli: Cli, command: list[str]) -> None:
    body = json.loads((cli.store / "STORE.json").read_bytes())
    (cli.store / "STORE.json").write_text(json.dumps({**body, "format": 2}), encoding="utf-8")
    code, _, err = cli(*command)
    assert code == 6
    assert "format version 2" in err


def test_ls(cli: Cli) -> None:
    found = cli.json("ls")
    assert [(m["id"], m["group"], m["datasets"]) for m in found["models"]] == [
        ("clip-b", "zero-shot-clip", ["shapes"]),
        ("net-a", "standard", ["shapes"]),
    ]
    (dataset,) = found["datasets"]
    assert (dataset["samples"], dataset["images"], dataset["packs"], dataset["labelled"]) == (24, 24, 3, 20)
    assert {space["label"] for space in found["spaces"]} == {CLASSIFIER.label, ZERO_SHOT.label}
    assert found["kinds"]["logits"]["packs"] == 3
    assert found["kinds"]["embeddings"]["packs"] == 6
    assert found["packs"] == 5
    on_disk = sum(path.stat().st_size for path in (cli.store / "data").rglob("*") if path.is_file())
    assert found["bytes"] == sum(amount["bytes"] for amount in found["kinds"].values()) == on_disk
    limited = cli.json("ls", "--model", "net*", "--kinds", "logits,patches")
    assert [m["id"] for m in limited["models"]] == ["net-a"]
    assert list(limited["kinds"]) == ["logits", "patches"]
    code, out, _ = cli("ls")
    assert code == 0
    assert "net-a" in out
    assert "shapes@" in out
    assert cli("ls", "--model", "resnet")[0] == 2


def test_check(cli: Cli) -> None:
    assert cli("check") == (0, "everything in the store is as it should be (data measured, not read)\n", "")
    assert cli.json("check", "--read-data") == []
    chunk = sorted(cli.store.glob("data/logits/*/*/c/0/0"))[0]
    chunk.write_bytes(b"\xff" + chunk.read_bytes()[1:])
    assert cli("check")[0] == 0
    code, out, _ = cli("check", "--read-data", "--json")
    assert code == 4
    assert {(item["sort"], item["path"].split("/")[1]) for item in json.loads(out)} == {("damaged", "logits")}
    codes = {cli("check", "--read-data", "--sample", "0.3", "--seed", str(seed))[0] for seed in range(12)}
    assert codes == {0, 4}


@pytest.mark.parametrize(
    "arguments", [["--sample", "0.5"], ["--read-data", "--sample", "0"], ["--read-data", "--sample", "2"]]
)
def test_odd_samples(cli: Cli, arguments: list[str]) -> None:
    assert cli("check", *arguments)[0] == 2


def test_litter_alone_exits_with_0(cli: Cli) -> None:
    (cli.store / "notes.txt").write_bytes(b"mine")
    code, out, _ = cli("check", "--json")
    assert code == 0
    assert [item["sort"] for item in json.loads(out)] == ["litter"]


def test_repair(cli: Cli) -> None:
    assert cli("repair")[1] == "nothing is damaged or lost\n"
    sorted(cli.store.glob("data/logits/*/*/c/0/0"))[0].write_bytes(b"torn")
    moved = cli.json("repair")
    assert sorted(item["path"].split("/")[0] for item in moved) == ["commits", "data"]
    assert cli("check", "--read-data")[0] == 0


def test_repair_of_a_damaged_head(cli: Cli) -> None:
    (cli.store / "STORE.json").write_bytes(b"?")
    assert cli("check")[0] == 4
    assert [item["path"] for item in cli.json("repair")] == ["STORE.json"]
    assert cli("check")[0] == 0


def test_gc(cli: Cli) -> None:
    orphan = cli.store / "data" / "logits" / "x" / "y"
    orphan.mkdir(parents=True)
    (orphan / "zarr.json").write_bytes(b"{}")
    assert cli("gc")[1] == "nothing to remove\n"
    assert cli.json("gc", "--grace", "0") == [{"path": "data/logits/x/y", "bytes": 2}]
    assert cli("gc", "--grace=-1")[0] == 2


def test_drift(cli: Cli, tmp_path: Path) -> None:
    (row,) = cli.json("drift", "net-a", "clip-b")
    assert (row["kind"], row["items"], row["top1_flips"]) == ("embeddings", 23, None)
    same = {row["kind"]: row for row in cli.json("drift", "net-a", CLASSIFIER.label)}
    assert set(same) == {"logits", "embeddings", "patches"}
    for row in same.values():
        assert (row["items"], row["max_abs"]) == (23, 0.0)
        assert row["min_cosine"] == pytest.approx(1.0)
    assert same["logits"]["top1_flips"] == 0
    assert cli("drift", "net-a", "nobody")[0] == 2


def test_retire(cli: Cli) -> None:
    retired = cli.json("retire", "--model", "net-a")
    assert [row["dataset"] for row in retired] == ["shapes", "shapes"]
    assert [model["id"] for model in cli.json("ls")["models"]] == ["clip-b"]
    assert cli("check")[0] == 0
    digest = Store(cli.store).requests().live[0].digest
    (row,) = cli.json("retire", digest[:10])
    assert row["request"] == digest
    assert answer(cli.store) == {}
    assert cli("retire", digest)[0] == 2


def test_giving_up_a_lost_request(cli: Cli) -> None:
    digest = Store(cli.store).requests().live[0].digest
    (cli.store / "requests" / f"{digest}.json").unlink()
    code, _, err = cli("retire", "--model", "nobody")
    assert code == 2, err
    assert cli.json("retire", digest) == [{"request": digest, "state": "lost, given up"}]


@pytest.mark.parametrize(
    "arguments", [[], ["0123456789", "--model", "a"], ["--dataset", "shapes"], ["--dataset", "shapes@0"]]
)
def test_retire_of_nothing_in_particular(cli: Cli, arguments: list[str]) -> None:
    assert cli("retire", *arguments)[0] == 2


def test_retire_of_a_version(cli: Cli, tmp_path: Path) -> None:
    store = Store(cli.store)
    for marker in store.layout.datasets.glob("*replaced*"):
        marker.unlink()
    assert cli("check")[0] == 4
    old = next(p for p in store.layout.datasets.glob("*.json") if p.stem != store.requests().live[-1].version)
    (row,) = cli.json("retire", "--dataset", old.stem)
    assert row["retired"] == old.stem
    assert cli("check")[0] == 0


def test_reading_commands_change_nothing(cli: Cli) -> None:
    before = {name: (cli.store / name).read_bytes() for name in files_of(cli.store)}
    for command in (["ls"], ["check", "--read-data"], ["drift", "net-a", "clip-b"], ["gc"], ["repair"]):
        cli(*command)
    assert {name: (cli.store / name).read_bytes() for name in files_of(cli.store)} == before


def test_a_read_only_store_can_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path / "store")
    shutil.rmtree(tmp_path / "store" / "local")
    cli = Cli(tmp_path / "store", capsys)
    for command in (["ls"], ["check", "--read-data"], ["drift", "net-a", "clip-b"]):
        assert cli(*command)[0] == 0
    assert not (tmp_path / "store" / "local").exists(), "reading leaves no trace"


def test_a_full_disk_is_no_bug(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device", "x")

    monkeypatch.setattr("os.open", full)
    code, _, err = cli("retire", "--model", "net-a")
    assert code == 1
    assert "No space left" in err
    assert "Traceback" not in err


def test_python_dash_m_and_what_help_imports() -> None:
    program = (
        "import runpy, sys\n"
        "sys.argv = ['assay-cache', '--help']\n"
        "try:\n    runpy.run_module('cache', run_name='__main__')\n"
        "except SystemExit as stop:\n    assert not stop.code, stop.code\n"
        "heavy = {'torch', 'zarr', 'polars', 'altair', 'scipy', 'statsmodels'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for command in ("ls", "check", "repair", "gc", "drift", "retire"):
        assert command in done.stdout
