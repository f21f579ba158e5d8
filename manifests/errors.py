"""Errors that name their exit code; the lowest layer, so that every package raises the same family.

An error message carries what was expected, what was found, where, and the command that mends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class AssayError(Exception):
    """Any failure that a command reports in one paragraph instead of a traceback."""

    exit_code = 1


class UsageError(AssayError):
    """An argument that cannot be parsed, or that neither the manifests nor the store know."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in one file: where it stands, and what was expected there."""

    file: str
    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}: {self.key}: {self.message}" if self.key else f"{self.file}: {self.message}"


class ManifestError(UsageError):
    """Everything wrong with a set of manifest files, all at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        super().__init__(f"{len(self.problems)} problem(s) in the manifests:\n{lines}")
