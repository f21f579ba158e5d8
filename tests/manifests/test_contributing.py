"""What CONTRIBUTING shows is what the loader takes."""

from __future__ import annotations

import re
from pathlib import Path

from manifests.catalogue import load

TEXT = (Path(__file__).resolve().parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_the_dataset_and_the_model_shown_load_from_one_file_each(tmp_path: Path) -> None:
    shown = re.findall(r"^```toml\n(.*?)^```", TEXT, re.M | re.S)
    known = load()
    folders = {"label_space": "datasets", "library": "models"}
    added = []
    for block in shown:
        name = re.search(r'^id = "(.*)"', block, re.M)
        assert name is not None
        folder = folders["library" if "library =" in block else "label_space"]
        if name[1] in getattr(known, folder):
            continue
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / f"{name[1]}.toml").write_text(block, encoding="utf-8")
        added.append(name[1])
    assert added == ["my-sketches"]
    entry = load([tmp_path]).datasets["my-sketches"]
    assert entry.layouts == ("wnid-folders",)
    assert "first release" in entry.count_note(3980)
