"""Commands that our documents show: sections, fenced blocks, what a block promises, and a shell that runs it.

A block is what a reader copies. In it, a line after `#>` says what the command above it prints, `...` standing for
whatever differs from one machine to the next, and `#> exit N` how it ends; without that, it ends with 0.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_FENCED: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
_PROMISE: Final = "#> "
_MARK: Final = "<<the command before this line ended with>>"


@dataclass(frozen=True, slots=True)
class Step:
    """A command of a block, the lines that it promises to print, and its exit code."""

    command: str
    promised: tuple[str, ...] = ()
    code: int = 0


@dataclass(frozen=True, slots=True)
class Ran:
    """What a step did: its exit code, and every line that it printed on either stream."""

    step: Step
    code: int
    lines: tuple[str, ...]

    def broken(self) -> tuple[str, ...]:
        """Return the promises that were not kept."""
        broken = () if self.code == self.step.code else (f"exit {self.step.code}, and it was {self.code}",)
        return broken + tuple(text for text in self.step.promised if not any(_means(text, line) for line in self.lines))


def section(document: str, heading: str) -> str:
    """Return the text of a section of level two, without its heading; empty where there is none.

    Examples
    --------
    >>> section("## A\\n\\nOne.\\n\\n## B\\n\\nTwo.\\n", "B")
    'Two.'
    """
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", document, re.M | re.S)
    return found[1].strip() if found else ""


def blocks(text: str, *languages: str) -> tuple[str, ...]:
    """Return the fenced blocks of some languages, in order.

    Examples
    --------
    >>> blocks("```sh\\nls\\n```\\n\\n```toml\\na = 1\\n```\\n", "sh")
    ('ls\\n',)
    """
    return tuple(body for language, body in _FENCED.findall(text) if language in languages)


def prose(text: str) -> str:
    """Return what stands between the fenced blocks."""
    return _FENCED.sub("", text)


def steps(block: str) -> tuple[Step, ...]:
    """Return the commands of a block with what they promise.

    Examples
    --------
    >>> steps("ls a \\\\\\n  b\\n#> b\\n#> exit 2\\n\\n# a remark\\npwd\\n")
    (Step(command='ls a \\\\\\n  b', promised=('b',), code=2), Step(command='pwd', promised=(), code=0))
    """
    commands: list[str] = []
    promises: list[list[str]] = []
    for line in block.splitlines():
        if commands and commands[-1].endswith("\\"):
            commands[-1] += f"\n{line}"
        elif line.startswith(_PROMISE):
            promises[-1].append(line.removeprefix(_PROMISE))
        elif line and not line.startswith("#"):
            commands.append(line)
            promises.append([])
    return tuple(_step(command, said) for command, said in zip(commands, promises, strict=True))


def _step(command: str, said: list[str]) -> Step:
    codes = [int(text.removeprefix("exit ")) for text in said if re.fullmatch(r"exit \d+", text)]
    lines = tuple(text for text in said if not re.fullmatch(r"exit \d+", text))
    return Step(command, lines, *codes)


def run_block(block: str, folder: Path, environment: Mapping[str, str]) -> tuple[Ran, ...]:
    """Run a block in a folder as a reader would, all of it in one shell, and return what each command did."""
    todo = steps(block)
    script = "".join(f"{step.command}\nprintf '\\n%s %d\\n' '{_MARK}' $?\n" for step in todo)
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=500,
    )
    parts = re.split(rf"\n{re.escape(_MARK)} (\d+)\n", done.stdout)
    outputs, codes = parts[:-1:2], parts[1::2]
    assert len(codes) == len(todo), f"the shell stopped early:\n{done.stdout}"
    return tuple(
        Ran(step, int(code), tuple(output.splitlines()))
        for step, code, output in zip(todo, codes, outputs, strict=True)
    )


def _means(promise: str, line: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, promise.split("..."))), line) is not None
