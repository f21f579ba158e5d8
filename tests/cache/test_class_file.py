"""Class lists of label spaces and of files, the same for every command."""

from __future__ import annotations

from pathlib import Path

import pytest

from cache.class_file import class_list, read_classes_file
from cache.texts import ClassList
from manifests.catalogue import load
from manifests.errors import UsageError


def test_a_label_space_is_a_class_list_in_its_order() -> None:
    found = class_list(load().labels["cue-16"])
    assert (found.keys[0], found.keys[15], len(found.names)) == ("airplane", "truck", 16)


def test_a_file_may_tell_key_and_name(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_bytes("\ufeffn01\tgolden retriever\r\nn02\r\n".encode())
    assert read_classes_file(path) == ClassList(("n01", "n02"), ("golden retriever", "n02"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"ant\n\ncat\n\t\n", r"lines \[2, 4\] are empty"),
        (b"ant\nbee\nant\n", r"\['ant'\] stand twice"),
        (b"\xff\xfea\x00", "cannot be read as UTF-8 text"),
        (None, "cannot be read as UTF-8 text"),
    ],
)
def test_what_is_no_class_list_is_told_with_its_file(content: bytes | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=rf"--classes .*classes\.txt.*{said}"):
        read_classes_file(path)
