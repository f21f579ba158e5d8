"""Two extractors on one store, killed again and again: nothing is lost but the unit in hand, and nothing is wrong."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from cache.store import Store
from tests.extract.command_line import cache, extract, finish, start
from tests.extract.pictures import draw

MODEL = ("--model", "timm:test_resnet", "--weights", "random:0", "--image-size", 64)
ASKED = (*MODEL, "--dataset", "photos", "--kinds", "logits,embeddings,patches")
PACK = 16


@dataclass
class Extractor:
    """A process, and what it said of its units so far."""

    store: Path
    log: Path
    process: subprocess.Popen[str] = field(init=False)

    def __post_init__(self) -> None:
        # One thread and one batch size for all, so that the numbers of all are equal bit by bit.
        command = ("run", *ASKED, "--batch-size", PACK, "--workers", 0, "-v", "--store", self.store)
        with self.log.open("w") as err:
            self.process = start("extract", *command, stderr=err)

    def said(self) -> tuple[list[str], list[str]]:
        """Return the packs that it began and those that it committed."""
        lines = self.log.read_text().splitlines()
        began = [line.split()[1] for line in lines if line.startswith("unit ") and line.endswith(" begins")]
        return began, [line.split()[1] for line in lines if line.startswith("unit ") and " is committed: " in line]

    def ready(self, seconds: float = 300) -> None:
        """Wait until it computes, or is done."""
        end = time.monotonic() + seconds
        while self.process.poll() is None and not self.said()[0]:
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.005)

    def kill(self) -> bool:
        """Kill it where it stands and tell whether it had a unit in hand; the log is read while it stands still."""
        self.process.send_signal(signal.SIGSTOP)
        began, committed = self.said()
        self.process.kill()
        assert finish(self.process).code == -signal.SIGKILL
        assert len(began) - len(committed) in (0, 1)
        return len(began) > len(committed)


def segments(store: Path) -> dict[str, str]:
    """Return every file below data/ that a record names, with its sha256, and compare it with the record."""
    found = {}
    for record in sorted((store / "commits").rglob("*.json")):
        body = json.loads(record.read_text())
        kind, label = record.parts[-3:-1]
        assert body["rows"] == PACK
        for segment in body["segments"]:
            for file in segment["files"]:
                path = store / "data" / kind / label / segment["id"] / file["path"]
                found[path.relative_to(store).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
                assert found[path.relative_to(store).as_posix()] == file["sha256"]
    return found


def survive(kills: int, units: int, tmp_path: Path, longest: float) -> int:
    """Kill extractors until enough were killed, let two end in peace, and return how many died with a unit in hand."""
    draw(tmp_path / "photos", units * PACK)
    store, undisturbed = tmp_path / "store", tmp_path / "undisturbed"
    for path in (store, undisturbed):
        assert extract(path, "index", "photos", "--root", tmp_path / "photos", "--pack-size", PACK).code == 0
    reference = Extractor(undisturbed, tmp_path / "reference.log")
    rng = np.random.default_rng(kills)
    in_hand = 0
    running = [Extractor(store, tmp_path / f"{at}.log") for at in range(2)]
    for kill in range(kills):
        victim = running[kill % 2]
        victim.ready()
        time.sleep(rng.uniform(0, longest))
        assert victim.process.poll() is None, "there was too little work for so many kills; raise `units`"
        in_hand += victim.kill()
        began, committed = victim.said()
        # What it called committed is there: a kill takes at most the unit in hand.
        names = {name[:16] for name in (path.stem for path in (store / "commits" / "patches").rglob("*.json"))}
        assert set(committed) <= names
        assert len(set(began) - names) <= 1
        running[kill % 2] = Extractor(store, tmp_path / f"{kill + 2}.log")
    survivors = [finish(one.process, timeout=1200) for one in running]
    assert [one.code for one in survivors] == [0, 0], [one.log.read_text() for one in running]
    assert finish(reference.process, timeout=1200).code == 0

    # Every visible record verifies; what was in hand lies about as litter, is named, and can be removed.
    found = cache(store, "check", "--read-data", "--json")
    assert found.code == 0
    assert {finding["sort"] for finding in found.json} <= {"litter"}
    litter = {finding["path"] for finding in found.json}
    left = {f"local/staging/{path.name}" for path in (store / "local" / "staging").iterdir()}
    assert left <= litter
    removed = {item["path"] for item in cache(store, "gc", "--grace", 0, "--json").json}
    assert left <= removed
    assert cache(store, "check", "--read-data", "--json").json == []

    # The end is that of a run that nobody disturbed, byte by byte.
    assert segments(store) == segments(undisturbed)
    assert len(segments(store)) >= units * 3
    images = Store(store).view("photos")["image_id"].to_list()
    assert np.isfinite(Store(store).rows("logits", "timm:test_resnet", images)).all()
    again = extract(store, "run", *ASKED, "--json")
    assert (again.code, again.json["units"]) == (0, 0)
    return in_hand


def test_six_kills(tmp_path: Path) -> None:
    assert survive(kills=6, units=32, tmp_path=tmp_path, longest=0.15) >= 1


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_fifty_kills(tmp_path: Path) -> None:
    assert survive(kills=50, units=240, tmp_path=tmp_path, longest=0.15) >= 10
