"""A prompt set in a file of the user's own, and the choice of prompt sets by id, glob or file.

TOML with the keys of a prompt set, of which id, title and source may be left out; JSON with the same keys, or a list
of templates, or, as CuPL writes it, a mapping from class name to sentences. Knows no class list and no embedding.
"""

from __future__ import annotations

import dataclasses
import logging
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .cupl import cupl_note, read_sentences
from .errors import ManifestError, UsageError
from .prompt_set import PromptSet
from .selection import is_glob, matching, split_patterns
from .toml_file import parse_entry

log = logging.getLogger("assay")

SUFFIXES = (".toml", ".json")


def find_prompts(known: Mapping[str, PromptSet], options: Sequence[str]) -> tuple[tuple[PromptSet, ...], list[str]]:
    """Return the prompt sets that `--prompts` means, and the names that stand for none.

    Parameters
    ----------
    known
        Prompt sets of the manifests.
    options
        Ids and globs, also several with commas between; a file, or `NAME=FILE` to call it otherwise than its file.

    Raises
    ------
    UsageError
        For a file that cannot be read, or two sets under one name.
    """
    chosen: dict[str, PromptSet] = {}
    unknown: list[str] = []
    for option in options:
        for pattern in (option,) if names_file(option) else split_patterns([option]):
            if names_file(pattern):
                name, _, file = pattern.rpartition("=")
                found = [read_prompt_file(Path(file), name)]
            else:
                names = (pattern,) if pattern in known else matching(known, pattern) if is_glob(pattern) else ()
                found = [known[name] for name in names]
                unknown += [] if found else [pattern]
            for one in found:
                if chosen.setdefault(one.id, one) != one:
                    raise UsageError(f"--prompts names two different sets {one.id!r}; give one another name: NAME=FILE")
    return tuple(chosen.values()), unknown


def names_file(option: str) -> bool:
    """Tell whether an option of `--prompts` means a file.

    Examples
    --------
    >>> names_file("my/words.json"), names_file("cupl=words.json"), names_file("openai-80")
    (True, True, False)
    """
    return option.lower().endswith(SUFFIXES)


def read_prompt_file(path: Path, name: str = "") -> PromptSet:
    """Read one file.

    Parameters
    ----------
    name
        What results call the set; its own id or, without one, the file's name unless given.

    Raises
    ------
    UsageError
        When there is no such file, or it is neither TOML nor JSON.
    ManifestError
        With everything that is wrong in it.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        content: Any = read_sentences(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except OSError as error:
        raise UsageError(f"--prompts {path}: {error.strerror or error}") from None
    except ValueError as error:
        raise UsageError(f"--prompts {path} is not {path.suffix[1:].upper()} in UTF-8: {error}") from None
    keys = _keys(content, path)
    title = str(keys.get("id", path.stem))
    data = {"title": title, "source": path.name, **keys, "id": name or title}
    entry, problems = parse_entry(data, PromptSet, str(data["id"]), path.name)
    if entry is None or problems:
        raise ManifestError(problems)
    if note := cupl_note(entry.id, entry.per_class):
        log.warning("%s", note)
    return entry


def _keys(content: Any, path: Path) -> dict[str, Any]:
    if isinstance(content, list):
        return {"templates": content}
    if not isinstance(content, dict) or not content:
        raise UsageError(
            f"--prompts {path}: expected templates, or sentences by class name, got {type(content).__name__}"
        )
    if set(content) <= {field.name for field in dataclasses.fields(PromptSet)} or path.suffix.lower() == ".toml":
        return content
    return {"per_class": content}
