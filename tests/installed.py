"""Run by `nox -s wheel` outside the checkout: is the installed wheel whole, alone and free of tests?"""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

PACKAGES = ("manifests", "cache", "extract", "analyze")


def main(checkout: Path, wheel: Path) -> None:
    """Compare the wheel with the checkout and the installation with the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    tops = {name.split("/")[0] for name in packed}
    assert tops == set(PACKAGES), f"the wheel holds {sorted(tops)}, expected exactly {PACKAGES}"
    tracked = subprocess.run(["git", "ls-files", *PACKAGES], cwd=checkout, capture_output=True, text=True, check=True)
    wanted = {name for name in tracked.stdout.split() if not name.startswith("manifests/miniature/")}
    assert packed == wanted, f"in git and wheel differ: {sorted(packed ^ wanted)[:10]}"
    installed = Path(sysconfig.get_paths()["purelib"]).resolve()
    for name in PACKAGES:
        module = importlib.import_module(name)
        where = Path(str(module.__file__)).resolve().parent
        assert where == installed / name, f"`import {name}` finds {where}, expected {installed / name}"
    assert importlib.util.find_spec("tests") is None, "the wheel brings a package `tests`"
    from manifests.catalogue import load

    catalogue = load()
    assert len(catalogue.labels["imagenet-1k"].keys) == 1000
    for command in ("assay-extract", "assay-cache", "assay-analyze"):
        done = subprocess.run([command, "--help"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    print(f"wheel holds {len(packed)} files of {', '.join(PACKAGES)}; {len(catalogue.models)} models, no tests")  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
