"""The three commands as a test calls them: in this process, or in one of their own."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from cache.console import run_app

REPOSITORY = Path(__file__).resolve().parents[2]

# What `assay-extract doctor` advises on a CPU; without it glibc takes three quarters of the time.
TUNED = {"MALLOC_TRIM_THRESHOLD_": "2000000000", "MALLOC_TOP_PAD_": "67108864", "MALLOC_MMAP_MAX_": "0"}


@dataclass(frozen=True, slots=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def extract(store: Path, *arguments: object) -> Done:
    return call("extract", *arguments, "--store", store)


def cache(store: Path, *arguments: object) -> Done:
    return call("cache", *arguments, "--store", store)


def analyze(store: Path, *arguments: object) -> Done:
    return call("analyze", *arguments, "--store", store)


def call(program: str, *arguments: object) -> Done:
    """Run a command in this process."""
    app = importlib.import_module(f"{program}.cli").app
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run_app(app, [str(argument) for argument in arguments])
    return Done(code, out.getvalue(), err.getvalue())


def start(program: str, *arguments: object, stderr: TextIO | int = subprocess.PIPE) -> subprocess.Popen[str]:
    """Start a command in a process of its own, one thread, so that several of them give equal numbers."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", **TUNED}
    return subprocess.Popen(
        [sys.executable, "-m", program, *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )


def finish(process: subprocess.Popen[str], timeout: float = 120) -> Done:
    """Wait for a command."""
    out, err = process.communicate(timeout=timeout)
    return Done(process.returncode, out, err)
