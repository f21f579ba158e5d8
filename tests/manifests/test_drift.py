"""What is on disk, what the loader reads and what the schemas say stay the same thing."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from manifests.catalogue import BUILT_IN, FOLDERS, Catalogue, load

BESIDE = {"__pycache__", "importing", "published", "miniature"}
"""What is no manifest of ours: scripts that wrote some, the published numbers, and a folder of a user's own kind."""


def test_the_loader_lists_the_folders_on_disk() -> None:
    on_disk = {path.name for path in BUILT_IN.iterdir() if path.is_dir()}
    assert on_disk - BESIDE == set(FOLDERS)
    assert tuple(item.name for item in dataclasses.fields(Catalogue)) == FOLDERS


def test_every_toml_file_is_reached() -> None:
    catalogue = load()
    reached = {Path(folder, f"{name}.toml") for folder in FOLDERS for name in getattr(catalogue, folder)}
    on_disk = {path.relative_to(BUILT_IN) for path in BUILT_IN.rglob("*.toml")}
    assert {path for path in on_disk if path.parts[0] not in BESIDE} == reached


def test_every_folder_holds_something_and_nothing_but_manifests_and_provenance() -> None:
    for folder in FOLDERS:
        names = {path.name for path in (BUILT_IN / folder).iterdir()}
        assert any(name.endswith(".toml") for name in names)
        assert {name for name in names if not name.endswith(".toml")} <= {"PROVENANCE.md"}


def test_files_taken_from_elsewhere_have_their_provenance_written_down() -> None:
    for folder in ("labels", "prompts"):
        text = (BUILT_IN / folder / "PROVENANCE.md").read_text(encoding="utf-8")
        assert [name for name in getattr(load(), folder) if f"{name}.toml" not in text] == []


def test_manifests_hold_no_addresses() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in BUILT_IN.rglob("*.toml")}
    assert [path.name for path, text in texts.items() if "://" in text or "www." in text] == []
