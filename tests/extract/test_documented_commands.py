"""Every command, option and file that README, CONTRIBUTING and ARCHITECTURE name exists, and no command goes unnamed.

Whole command lines are given to the real parser, which binds and converts them without running anything.
"""

from __future__ import annotations

import importlib
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from cyclopts import App

from analyze.commands.drawing import named_module
from cache.console import COMMANDS
from manifests.catalogue import load
from manifests.selection import is_glob, matching, split_patterns
from tests.extract.command_line import REPOSITORY
from tests.extract.documents import blocks, prose, section, steps

DOCUMENTS = {
    name: (REPOSITORY / name).read_text("utf-8") for name in ("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md")
}
APPS: dict[str, App] = {
    f"assay-{name}": importlib.import_module(f"{name}.cli").app for name in ("extract", "cache", "analyze")
}
CATALOGUE = load()
NOT_COMMANDS = frozenset({"metric-dots"})
"""Names of figures that are no module."""


def command_lines(document: str) -> Iterator[list[str]]:
    """Yield the words of each of our commands in the fenced blocks: program, command, arguments."""
    for block in blocks(DOCUMENTS[document], "", "sh"):
        for step in steps(block):
            for part in re.split(r"&&|\|(?!\w)|;", step.command.replace("\\\n", " ")):
                words = shlex.split(part, comments=True)
                if words and words[0] in APPS:
                    yield words


def spans(document: str) -> list[str]:
    """Return the code that stands in sentences and tables."""
    return re.findall(r"`([^`\n]+)`", prose(DOCUMENTS[document]))


def commands_of(app: App) -> set[str]:
    return {name for name in app if not name.startswith("-")}


def options_of(app: App) -> set[str]:
    """Return every option of a command, and of those below it."""
    below = set().union(*(options_of(app[name]) for name in commands_of(app)))
    own = app.assemble_argument_collection() if app.default_command else ()
    return below | {name for argument in own for name in argument.names}


def problem(words: list[str]) -> str:
    """Give a command line to the parser and say what is wrong; nothing if nothing is."""
    try:
        command, bound, _ = APPS[words[0]].parse_args(words[1:], exit_on_error=False, print_error=False)
        return _unknown_names(command.__name__, bound.arguments)
    except Exception as error:  # noqa: BLE001 - whatever the parser raises is the answer
        return f"{type(error).__name__}: {error}"


def _unknown_names(command: str, bound: dict[str, Any]) -> str:
    selection = bound.get("selection")
    if study := getattr(selection, "study", ""):
        assert study in CATALOGUE.studies, f"no study {study}"
    for model in split_patterns(getattr(selection, "model", None) or ()):
        if is_glob(model):
            assert matching(CATALOGUE.models, model), f"no model {model}"
    if command in ("figure", "table") and bound["name"] not in NOT_COMMANDS:
        named_module(bound["name"])
    return ""


def unknown_options(span: str) -> list[str]:
    """Return the options of a code span that its command lacks; where none is named, that no command has.

    Examples
    --------
    >>> unknown_options("assay-extract run --retry-failed --retry-filed")
    ['--retry-filed']
    >>> unknown_options("score --recompute N"), unknown_options("--recompute"), unknown_options("nox -s x --y")
    (['--recompute'], [], [])
    """
    words = re.split(r"[\s/]+", span)
    named = words[1:2] if words[0] in APPS else words[:1]
    programs = [APPS[words[0]]] if words[0] in APPS else list(APPS.values())
    if not (words[0] in APPS or words[0] in COMMANDS or words[0].startswith("--")):
        return []
    known: set[str] = set()
    for program in programs:
        for command in commands_of(program):
            if command in named or words[0].startswith("--"):
                known |= options_of(program[command])
    return [option for option in re.findall(r"--[a-z][a-z0-9-]*", span) if option not in known]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_line_that_is_shown_parses(document: str) -> None:
    wrong = {shlex.join(words): said for words in command_lines(document) if (said := problem(words))}
    assert wrong == {}


def test_readme_shows_commands_of_which_the_test_above_sees_each() -> None:
    shown = {tuple(words[:2]) for words in command_lines("README.md")}
    assert {("assay-extract", "run"), ("assay-analyze", "trend"), ("assay-cache", "ingest")} <= shown
    named = re.findall(r"^(assay-\w+) +([a-z]+)", "\n".join(blocks(DOCUMENTS["README.md"], "", "sh")), re.M)
    assert set(named) <= shown


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("assay-extract run --modle x", "UnknownOptionError"),
        ("assay-extract rum --model x", "Unused Tokens|UnknownCommandError|Unknown command"),
        ("assay-extract run --batch-size many", "CoercionError"),
        ("assay-extract run --study nobody", "no study nobody"),
        ("assay-extract run --model 'nothing-like-it*'", "no model nothing-like-it"),
        ("assay-analyze figure closer-look/fig-99", "fig-99"),
    ],
)
def test_what_is_wrong_with_a_line_is_seen(line: str, said: str) -> None:
    assert re.search(said, problem(shlex.split(line)))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_and_option_that_a_sentence_names_exists(document: str) -> None:
    found = spans(document)
    wrong = {span: options for span in found if (options := unknown_options(span))}
    programs = [span.split() for span in found if span.split()[0] in APPS]
    wrong |= {
        " ".join(words): ["no such command"] for words in programs if set(words[1:2]) - commands_of(APPS[words[0]])
    }
    assert wrong == {}


def test_the_table_of_commands_lists_them_all() -> None:
    rows = re.findall(r"^\| (`assay-.*?) \|", section(DOCUMENTS["README.md"], "Commands"), re.M)
    listed: dict[str, set[str]] = {name: set() for name in APPS}
    for row in rows:
        program, first, *others = re.findall(r"[\w-]+", row)
        listed[program] |= {first, *others}
    assert listed == {name: commands_of(app) for name, app in APPS.items()}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_that_is_named_is_there(document: str) -> None:
    """With the name behind `::` in it, if there is one."""
    found = [
        span for span in spans(document) if re.fullmatch(r"(extract|analyze|manifests|cache|tests)/[\w/.:-]*", span)
    ]
    wrong = []
    for span in found:
        name, _, inner = span.partition("::")
        path = REPOSITORY / name
        if not path.exists() or (inner and inner not in path.read_text("utf-8")):
            wrong.append(span)
    assert (wrong, bool(found)) == ([], True)
