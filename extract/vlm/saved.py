"""The files of a language model as transformers saves it: where they are, and which of them are its identity."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from extract.weights import Memo, file_sha256
from manifests.errors import UsageError

SCHEME: Final = "hf:"
WEIGHTS: Final = "*.safetensors"
"""Pickled weights are not opened."""

WORDS: Final = ("*.json", "*.model", "*.txt", "*.jinja")
"""Configuration, tokenizer, processor, chat template."""


def folder_of(name: str, *, offline: bool = False) -> Path:
    """Return the folder of `hf:DIR` or `hf:ORG/NAME[@REVISION]`, fetched if need be.

    Raises
    ------
    UsageError
        When there is no such folder or repository, or it may not be fetched.
    """
    where = name.removeprefix(SCHEME)
    folder = Path(where).expanduser()
    if not folder.is_dir():
        folder = _fetched(name, where, offline)
    if not (folder / "config.json").is_file() or not any(folder.glob(WEIGHTS)):
        raise UsageError(f"--model {name}: expected a folder with config.json and {WEIGHTS}, as transformers saves one")
    return folder


def _fetched(name: str, where: str, offline: bool) -> Path:
    repository, _, revision = where.partition("@")
    if repository.count("/") != 1 or repository.startswith((".", "/")):
        raise UsageError(f"--model {name}: there is no folder {where}; expected hf:DIR or hf:ORGANISATION/NAME")
    from huggingface_hub import snapshot_download

    try:
        got = snapshot_download(
            repository,
            revision=revision or None,
            allow_patterns=[WEIGHTS, *WORDS],
            local_files_only=offline,
        )
    except Exception as error:  # noqa: BLE001 - the hub's client raises anything for what it cannot fetch
        raise UsageError(
            f"--model {name} is not on this machine and "
            f"{'--offline forbids to download it' if offline else 'cannot be downloaded'} ({type(error).__name__}). "
            f"Where there is a network: `hf download {repository}`, then --model hf:DIR."
        ) from None
    return Path(got)


def digests(folder: Path, patterns: tuple[str, ...], memo: Memo) -> dict[str, str]:
    """Return the sha256 of the files that match, by name."""
    files = sorted({file for pattern in patterns for file in folder.glob(pattern) if file.is_file()})
    return {file.name: file_sha256(file, memo) for file in files}
