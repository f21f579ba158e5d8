from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from manifests.catalogue import load
from manifests.cupl import cupl_note, read_sentences
from manifests.prompt_file import read_prompt_file

NAMES = tuple(dict.fromkeys(load().labels["imagenet-1k"].names))


def sentences(count: int) -> dict[str, list[str]]:
    return {name: [f" {number} of {name}" for number in range(count)] for name in NAMES}


def test_the_sentences_of_a_name_that_stands_twice_are_merged_and_kept_as_they_are() -> None:
    text = '{"missile": [" It flies.", "\\nIt flies."], "tench": ["A fish."], "missile": ["A rocket.", "A rocket."]}'
    assert read_sentences(text) == {
        "missile": [" It flies.", "\nIt flies.", "A rocket.", "A rocket."],
        "tench": ["A fish."],
    }


def test_a_name_that_stands_twice_with_something_else_is_refused() -> None:
    with pytest.raises(ValueError, match="'id' stands twice"):
        read_sentences('{"id": "a", "id": "b"}')


def test_a_file_of_cupl_serves_both_classes_of_a_shared_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "imagenet_prompts_base.json"
    file.write_text(json.dumps(sentences(30)), encoding="utf-8")
    with caplog.at_level(logging.WARNING, logger="assay"):
        found = read_prompt_file(file, "cupl-base")
    assert (found.id, found.source, len(found.per_class)) == ("cupl-base", "imagenet_prompts_base.json", 998)
    space = load().labels["imagenet-1k"]
    of_column = [found.sentences(name) for name in space.names]
    assert len(of_column) == 1000
    assert of_column[657] == of_column[744] != of_column[836]
    assert of_column[0][0] == " 0 of tench"
    assert not caplog.records


@pytest.mark.parametrize(
    ("name", "count", "said"),
    [
        ("cupl-base", 30, ""),
        ("cupl-base", 50, "50 sentences for 'tench' where CuPL has 30"),
        ("cupl-full", 50, ""),
        ("mine", 3, ""),
    ],
)
def test_another_set_under_the_name_of_cupl_is_told(name: str, count: int, said: str) -> None:
    assert said in cupl_note(name, sentences(count))
    assert bool(cupl_note(name, sentences(count))) == bool(said)


def test_reading_another_set_under_the_name_of_cupl_warns(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "few.json"
    file.write_text('{"dog": ["It barks."]}', encoding="utf-8")
    with caplog.at_level(logging.WARNING, logger="assay"):
        read_prompt_file(file, "cupl-full")
    assert ["1 class names where CuPL has 998" in record.getMessage() for record in caplog.records] == [True]
