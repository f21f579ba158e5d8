"""cue-conflict: shape and texture from either project's file names."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from extract.layouts.cue_conflict import CLASSES
from manifests.errors import UsageError
from tests.extract.official import CATALOGUE, Miniature, by_sample, indexed, new_store

TEXTURE = ["airplane/airplane10-truck2.png", "cat/cat1-cat3.png", "truck/truck3-bear1.png"]
MVH = [
    f"{name.split('/')[0]}/{at:04d}_s5n_dnn_0_{name.split('/')[0]}_00_{name.split('/')[1]}"
    for at, name in enumerate(TEXTURE, 1)
]
CUES = [(0, 15), (7, 7), (15, 1)]


@pytest.mark.parametrize(("names", "layout"), [(TEXTURE, "cue-conflict-texture"), (MVH, "cue-conflict-mvh")])
def test_both_spellings(names: list[str], layout: str, tmp_path: Path) -> None:
    store = new_store(tmp_path)
    _, view = indexed(store, "cue-conflict", Miniature(tmp_path / "stimuli").image(*names).root)
    assert by_sample(view, "shape", "texture", "label") == {
        name: (shape, texture, shape) for name, (shape, texture) in zip(names, CUES, strict=True)
    }
    assert view.schema["shape"] == view.schema["texture"] == pl.Int64
    assert store.version("cue-conflict").facts["layout"] == layout
    assert CATALOGUE.labels["cue-16"].keys == CLASSES


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        (
            "bear/airplane10-truck2.png",
            r"folder and file name of 'bear/airplane10-truck2.png' disagree \(airplane, bear\)",
        ),
        ("airplane/airplane10-lamp2.png", "expects <shape>/<shape><i>-<texture><j>.png with the 16 classes"),
        ("airplane/airplane10.png", "looks like none of its layouts"),
        ("bear/0001_s5n_dnn_0_airplane_00_bear1-truck2.png", "disagree"),
    ],
)
def test_names_that_say_something_else(name: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=complaint):
        indexed(new_store(tmp_path), "cue-conflict", Miniature(tmp_path / "x").image(name).root)
