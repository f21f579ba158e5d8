"""`analyze`, `cache` and `manifests` run where no deep-learning library is; the rules that say so can fail."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "torchvision", "timm", "open_clip", "transformers", "ray", "submitit")
LIGHT = ("manifests", "cache", "analyze")

# Imports every module of three packages in a fresh interpreter and prints which heavy libraries came along.
PROBE = """
import importlib, json, pkgutil, sys
heavy, names = set(sys.argv[1].split(",")), sys.argv[2].split(",")
seen = []
for name in names:
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
            seen.append(module.name)
print(json.dumps({"modules": seen, "heavy": sorted(heavy & {name.split(".")[0] for name in sys.modules})}))
"""


def imported(folder: Path, extra: Path | None = None) -> tuple[list[str], list[str]]:
    path = os.pathsep.join(str(one) for one in (folder, extra) if one is not None)
    done = subprocess.run(
        [sys.executable, "-c", PROBE, ",".join(HEAVY), ",".join(LIGHT)],
        cwd=folder, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    return found["modules"], found["heavy"]


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the packages and of the rules, to plant violations in."""
    for name in (*LIGHT, "extract"):
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    return tmp_path


def plant(folder: Path, file: str, line: str) -> int:
    """Append a line to a module and return its number."""
    path = folder / file
    path.write_text(path.read_text("utf-8") + f"{line}\n", "utf-8")
    return path.read_text("utf-8").count("\n")


def test_no_module_brings_a_deep_learning_library_along() -> None:
    modules, heavy = imported(REPOSITORY)
    assert {"analyze.cli", "analyze.score", "cache.reader", "manifests.catalogue"} <= set(modules)
    assert heavy == []


def test_the_probe_would_see_torch(copied: Path) -> None:
    # A stand-in, so that the test means the same where torch is and where it is not.
    (copied / "stand-in" / "torch").mkdir(parents=True)
    (copied / "stand-in" / "torch" / "__init__.py").write_text("")
    plant(copied, "analyze/table.py", "import torch")
    assert imported(copied, copied / "stand-in")[1] == ["torch"]


def contracts(folder: Path) -> tuple[int, str]:
    """Run import-linter in a folder."""
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [str(program), "--no-cache"],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(folder)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)


def test_the_contracts_hold(copied: Path) -> None:
    code, said = contracts(copied)
    assert code == 0, said
    assert "2 kept, 0 broken" in said


@pytest.mark.parametrize(
    ("file", "line", "says"),
    [
        ("analyze/table.py", "import torch", "analyze.table -> torch"),
        ("cache/reader.py", "import torch.nn", "cache.reader -> torch"),
        ("manifests/canonical.py", "import timm", "manifests.canonical -> timm"),
        ("analyze/score.py", "from extract.plan import Plan", "analyze.score -> extract.plan"),
        ("extract/plan.py", "from analyze.table import Result", "extract.plan -> analyze.table"),
        ("cache/store.py", "import analyze.table", "cache.store -> analyze.table"),
        ("manifests/catalogue.py", "from cache.key import image_id", "manifests.catalogue -> cache.key"),
    ],
)
def test_a_planted_violation_is_named_with_its_line(copied: Path, file: str, line: str, says: str) -> None:
    number = plant(copied, file, line)
    code, said = contracts(copied)
    assert code == 1, said
    assert re.search(rf"{re.escape(says)} \(l\.{number}\)", said), said
