from __future__ import annotations

from pathlib import Path

import pytest

from manifests.schema import Dataset, PromptSet, Study
from manifests.toml_file import read_entry

GOOD = 'id = "p"\ntitle = "t"\nsource = "s"\ntemplates = ["a {}."]\n'


def problems_of(folder: Path, content: bytes, name: str = "p.toml") -> list[str]:
    path = folder / name
    path.write_bytes(content)
    entry, problems = read_entry(path, PromptSet, "prompts/p.toml")
    assert (entry is None) or name != "p.toml" or not problems
    return [str(problem) for problem in problems]


def test_a_good_file(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(GOOD, encoding="utf-8")
    entry, problems = read_entry(path, PromptSet, "p.toml")
    assert entry == PromptSet(id="p", title="t", source="s", templates=("a {}.",))
    assert problems == []


@pytest.mark.parametrize("content", [b"\xef\xbb\xbf" + GOOD.encode(), GOOD.replace("\n", "\r\n").encode()])
def test_files_of_windows_editors_are_read(tmp_path: Path, content: bytes) -> None:
    assert problems_of(tmp_path, content) == []


def test_what_is_not_toml_or_text_or_there(tmp_path: Path) -> None:
    assert problems_of(tmp_path, b'title = "\xff"') == ["prompts/p.toml: is not UTF-8: byte 9 is 0xff"]
    assert problems_of(tmp_path, b"id = \n")[0].startswith("prompts/p.toml: is not TOML: Invalid value (at line 1")
    entry, problems = read_entry(tmp_path / "absent.toml", PromptSet, "absent.toml")
    assert entry is None
    assert [str(problem) for problem in problems] == ["absent.toml: cannot be read: No such file or directory"]


def test_all_faults_of_a_file_are_told_with_their_keys(tmp_path: Path) -> None:
    content = 'id = "q"\ntitle = 3\ntemplates = ["a {}.", "a dog"]\ntemplate = "x"\n'
    assert problems_of(tmp_path, content.encode()) == [
        "prompts/p.toml: id: expected the name of the file, 'p', got 'q'",
        "prompts/p.toml: title: Input should be a valid string; got 3",
        "prompts/p.toml: source: is required",
        "prompts/p.toml: templates.1: a template has exactly one '{}', where the class name goes; got 'a dog'",
        "prompts/p.toml: template: unknown key; did you mean 'templates'?",
    ]


def test_the_id_is_the_name_of_the_file(tmp_path: Path) -> None:
    assert problems_of(tmp_path, GOOD.encode(), name="other.toml") == [
        "prompts/p.toml: id: expected the name of the file, 'other', got 'p'"
    ]


def test_an_unknown_key_unlike_any_other_lists_those_that_are_known(tmp_path: Path) -> None:
    path = tmp_path / "d.toml"
    path.write_text('id = "d"\ntitle = "t"\npaper = "p"\nobtain = "o"\nrole = "id"\nxyzzy = 1\n', encoding="utf-8")
    _, problems = read_entry(path, Dataset, "d.toml")
    assert str(problems[0]).startswith("d.toml: xyzzy: unknown key; known are id, title, paper, licence, obtain,")


def test_a_fault_inside_a_block_has_a_dotted_key(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    block = '[[blocks]]\nmodels = ["m"]\ndatasets = ["d"]\n'
    path.write_text(f'id = "s"\ntitle = "t"\n{block}kinds = ["logits"]\n{block}kind = ["logits"]\n', encoding="utf-8")
    _, problems = read_entry(path, Study, "s.toml")
    assert [str(problem) for problem in problems] == [
        "s.toml: blocks.1.kinds: is required",
        "s.toml: blocks.1.kind: unknown key; did you mean 'kinds'?",
    ]


def test_a_long_wrong_value_is_shortened(tmp_path: Path) -> None:
    found = problems_of(tmp_path, GOOD.replace('"t"', f"[{', '.join(['1'] * 90)}]").encode())
    assert len(found) == 1
    assert found[0].endswith("1, 1, 1...")
