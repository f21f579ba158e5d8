"""CONTRIBUTING's "Add a dataset", followed to the letter: one file, and the commands that it names."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest

pytest.importorskip("timm")

from manifests.catalogue import load
from tests.extract.command_line import REPOSITORY, call
from tests.extract.official import Miniature

CHAPTER = re.search(
    r"^## Add a dataset: one file\n(.*?)^## ", (REPOSITORY / "CONTRIBUTING.md").read_text("utf-8"), re.M | re.S
)


def test_one_file_and_the_commands_that_are_named(tmp_path: Path) -> None:
    assert CHAPTER is not None
    (shown,) = re.findall(r"^```toml\n(.*?)^```", CHAPTER[1], re.M | re.S)
    said = re.search(r"Nothing else is needed: `assay-extract (.*?)`, `(run)`, `assay-analyze (score)`", CHAPTER[1])
    assert said is not None
    name = re.search(r'^id = "(.*)"', shown, re.M)
    assert name is not None
    mine = tmp_path / "mine" / "datasets" / f"{name[1]}.toml"
    mine.parent.mkdir(parents=True)
    mine.write_text(shown, "utf-8")
    entry = load([mine.parents[1]]).datasets[name[1]]
    wnids = load().labels[entry.label_space].keys[:3]
    files = Miniature(tmp_path / "sketches")
    for wnid in wnids:
        files.image(f"{wnid}/sketch_1.png", f"{wnid}/sketch_2.png")
    shared = ("--store", tmp_path / "store", "--manifests", mine.parents[1])
    index = said[1].replace("DIR", str(files.root)).split()
    indexed = call("extract", *index, *shared, "--json")
    assert indexed.code == 0, indexed.err
    assert (indexed.json["samples"], indexed.json["labelled"]) == (6, 6)
    # "a mismatch is a warning"
    assert "6 images where 4,000 are expected; also known are 3,980 (first release)" in indexed.err
    model = ("--model", "timm:test_resnet", "--weights", "random:0", "--classes", "imagenet-1k")
    assert call("extract", said[2], *model, "--dataset", name[1], *shared).code == 0
    scored = call("analyze", said[3], "--out", tmp_path / "s.csv", *shared)
    assert scored.code == 0, scored.err
    table = pl.read_csv(tmp_path / "s.csv").filter(metric="accuracy_top1", slice="all")
    assert set(table["protocol"]) == set(entry.protocols)
    assert set(table["n"]) == {6}
