"""Make the store that every later version has to read. Run once for each format version, and commit the result.

    python -m tests.cache.make_golden

It holds what a run leaves, but for this machine: host, platform, versions and names drawn by lot are fixed.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from unittest import mock

from cache.files import Disk
from tests.cache.synthetic import Size, answer, steps

GOLDEN = Path(__file__).parent / "golden"
STORE = GOLDEN / "store-v1"
ANSWER = GOLDEN / "answer-v1.json"
SIZE = Size(first=3, second=4, pack=16, broken=1)
RUN_IDS = (
    "20250101t000000z-golden-00000000000000000000000000000001",
    "20250101t000001z-golden-00000000000000000000000000000002",
    "20250101t000002z-golden-00000000000000000000000000000003",
)


def main() -> None:
    """Write the store and what was read from it."""
    if STORE.exists():
        sys.exit(f"{STORE} is there already; a golden store is made once and never again")
    with (
        mock.patch("cache.runs.platform.platform", return_value="golden"),
        mock.patch("cache.runs.versions", return_value={"clip-assay": "0.1.0"}),
        mock.patch("cache.runs.sys.argv", ["assay-extract", "run"]),
    ):
        for step in steps(SIZE, run_ids=RUN_IDS):
            step(STORE, Disk())
    shutil.rmtree(STORE / "local")
    ANSWER.write_text(json.dumps(answer(STORE), indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
