"""The prompt sets that `--prompts` means in analysis: stored ones by name, those of manifests and files by content.

A set by content can be scored although it was never asked of a model, as long as its sentences are stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from cache.texts import Prompts, prompts_of
from manifests.catalogue import Catalogue
from manifests.prompt_file import find_prompts, names_file
from manifests.selection import split_patterns


@dataclass(frozen=True, slots=True)
class FromFiles:
    """Prompt sets that were given as files.

    sets
        By name.
    options
        Name -> how the command spelled it, for the command that mends.
    """

    sets: Mapping[str, Prompts] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)

    def option(self, pattern: str) -> str:
        """Return what stands after `--prompts` for a name or pattern."""
        return self.options.get(pattern, pattern)


def read_files(catalogue: Catalogue, options: Sequence[str]) -> tuple[Catalogue, tuple[str, ...], FromFiles]:
    """Read the options of `--prompts` that are files, and let the catalogue know them under their names.

    Returns
    -------
    tuple
        The catalogue, the options as names and patterns, and what came from files.

    Raises
    ------
    UsageError
        For a file that cannot be read, or two sets under one name.
    """
    named: list[str] = []
    sets: dict[str, Prompts] = {}
    spelled: dict[str, str] = {}
    files = tuple(option for option in options if names_file(option))
    find_prompts({}, files)
    for option in options:
        if not names_file(option):
            named += split_patterns([option])
            continue
        (found,), _ = find_prompts({}, [option])
        sets[found.id], spelled[found.id] = prompts_of(found), option
        catalogue = replace(catalogue, prompts={**catalogue.prompts, found.id: found})
        named.append(found.id)
    return catalogue, tuple(named), FromFiles(sets, spelled)


def by_content(catalogue: Catalogue, files: FromFiles, name: str) -> Prompts | None:
    """Return a prompt set by its exact name; None where neither a file nor a manifest has it."""
    if name in files.sets:
        return files.sets[name]
    manifest = catalogue.prompts.get(name)
    return None if manifest is None else prompts_of(manifest)
