"""One manifest file into one entry, or into the list of everything that is wrong with it.

Knows no other file: whether an id is taken or a reference leads anywhere is asked elsewhere.
"""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from .claim import Models
from .errors import Problem
from .schema import Block, Claim, Dataset, FactorSet, LabelSpace, Model, PromptSet, Reading, Study

EntryT = TypeVar("EntryT", Model, Dataset, LabelSpace, PromptSet, FactorSet, Study, Claim)

_NESTED: Mapping[type[Any], type[Any]] = {Study: Block, FactorSet: Reading, Claim: Models}
"""What the tables inside an entry are."""


def read_entry(path: Path, schema: type[EntryT], shown: str) -> tuple[EntryT | None, list[Problem]]:
    """Read one TOML file.

    Parameters
    ----------
    path
        The file; its stem is the id of the entry.
    schema
        The dataclass that the keys must fit.
    shown
        How problems name the file.

    Returns
    -------
    tuple
        The entry (None if it cannot be made) and the problems (empty if all is well).
    """
    try:
        # utf-8-sig: some editors begin a file with a byte-order mark, which TOML does not allow.
        data = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        return None, [Problem(shown, "", f"cannot be read: {error.strerror or error}")]
    except UnicodeDecodeError as error:
        return None, [Problem(shown, "", f"is not UTF-8: byte {error.start} is 0x{error.object[error.start]:02x}")]
    except tomllib.TOMLDecodeError as error:
        return None, [Problem(shown, "", f"is not TOML: {error}")]
    return parse_entry(data, schema, path.stem, shown)


def parse_entry(
    data: dict[str, Any], schema: type[EntryT], stem: str, shown: str
) -> tuple[EntryT | None, list[Problem]]:
    """Turn the keys of one file into an entry, as `read_entry` does, without touching a disk."""
    problems = []
    if "id" in data and data["id"] != stem:
        problems.append(Problem(shown, "id", f"expected the name of the file, {stem!r}, got {data['id']!r}"))
    try:
        return schema(**data), problems
    except ValidationError as error:
        return None, problems + [_problem(detail, schema, shown) for detail in error.errors(include_url=False)]


def _problem(detail: ErrorDetails, schema: type[Any], shown: str) -> Problem:
    location = detail["loc"]
    key = ".".join(str(part) for part in location)
    match detail["type"]:
        case "missing":
            message = "is required"
        case "unexpected_keyword_argument":
            message = _unknown_key(str(location[-1]), schema if len(location) == 1 else _NESTED.get(schema, schema))
        case "value_error":
            message = detail["msg"].removeprefix("Value error, ")
        case _:
            message = f"{detail['msg']}; got {_shortened(detail['input'])}"
    return Problem(shown, key, message)


def _unknown_key(key: str, schema: type[Any]) -> str:
    known = [item.name for item in dataclasses.fields(schema)]
    close = difflib.get_close_matches(key, known, n=1)
    return f"unknown key; did you mean {close[0]!r}?" if close else f"unknown key; known are {', '.join(known)}"


def _shortened(value: object, limit: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."
