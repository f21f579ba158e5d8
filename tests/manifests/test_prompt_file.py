from __future__ import annotations

import json
from pathlib import Path

import pytest

from manifests.catalogue import load
from manifests.errors import ManifestError, UsageError
from manifests.prompt_file import find_prompts, names_file, read_prompt_file

KNOWN = load().prompts


def write(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_json_as_cupl_writes_it(tmp_path: Path) -> None:
    words = {"tench": ["A tench is a fish.", "Tenches are green."], "templates": ["A template is a board."]}
    found = read_prompt_file(write(tmp_path / "cupl.json", words))
    assert found.id == "cupl"
    assert found.sentences("tench") == ("A tench is a fish.", "Tenches are green.")
    # A class may be called like a key of a manifest.
    assert found.sentences("templates") == ("A template is a board.",)
    with pytest.raises(UsageError, match="none for 'goldfish'"):
        found.sentences("goldfish")


def test_a_list_is_templates_and_a_mapping_of_known_keys_a_manifest(tmp_path: Path) -> None:
    assert read_prompt_file(write(tmp_path / "two.json", ["a {}.", "the {}."])).sentences("cat") == (
        "a cat.",
        "the cat.",
    )
    keys = {"id": "mine", "templates": ["a {}."], "per_class": {"cat": ["meow"]}}
    found = read_prompt_file(write(tmp_path / "other.json", keys))
    assert (found.id, found.source, found.sentences("cat")) == ("mine", "other.json", ("a cat.", "meow"))


def test_toml_may_leave_out_what_only_a_manifest_needs(tmp_path: Path) -> None:
    found = read_prompt_file(write(tmp_path / "plain.toml", "\ufefftemplates = ['a {}.']"))
    assert (found.id, found.title, found.templates) == ("plain", "plain", ("a {}.",))
    for name in ("openai-80", "mcm-5"):
        shipped = Path(__file__).parents[2] / "manifests" / "prompts" / f"{name}.toml"
        assert read_prompt_file(shipped) == KNOWN[name]


def test_a_set_may_be_called_otherwise_than_its_file(tmp_path: Path) -> None:
    file = write(tmp_path / "imagenet prompts base.json", {"cat": ["meow"]})
    with pytest.raises(ManifestError, match="an id is letters"):
        read_prompt_file(file)
    (found,), unknown = find_prompts(KNOWN, [f"cupl-base={file}"])
    assert (found.id, unknown) == ("cupl-base", [])


def test_ids_globs_and_files_mix(tmp_path: Path) -> None:
    file = write(tmp_path / "a,b.json", ["a {}."])
    found, unknown = find_prompts(KNOWN, ["openai-*,single", f"x={file}", "nonsense,mcm-5", "no*"])
    assert [one.id for one in found] == ["openai-30", "openai-7", "openai-80", "single", "x", "mcm-5"]
    assert unknown == ["nonsense", "no*"]
    assert names_file("X.JSON")


def test_two_sets_of_one_name(tmp_path: Path) -> None:
    file = write(tmp_path / "single.json", ["one {}."])
    with pytest.raises(UsageError, match=r"two different sets 'single'.*NAME=FILE"):
        find_prompts(KNOWN, ["single", str(file)])
    found, _ = find_prompts(KNOWN, [str(file), str(file)])
    assert len(found) == 1


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", "{", "is not JSON in UTF-8"),
        ("a.toml", "templates = [", "is not TOML in UTF-8"),
        ("a.json", 3, "expected templates, or sentences by class name, got int"),
        ("a.json", {}, "expected templates"),
        ("a.json", {"cat": "meow"}, "per_class.cat"),
        ("a.json", {"cat": []}, "expected at least one item"),
        ("a.json", {"cat": [""]}, "at least 1 character"),
        ("a.json", ["no place"], "exactly one"),
        ("a.toml", "template = ['a {}.']", "did you mean 'templates'"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, name: str, content: object, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_prompt_file(write(tmp_path / name, content))


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_prompt_file(tmp_path / "gone.json")
