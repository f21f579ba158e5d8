"""What a conversion yields: a safetensors file that says in itself where it comes from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import save

from manifests.canonical import canonical_json
from manifests.errors import UsageError

METADATA_KEY: Final = "clip-assay"
"""Under which a file's metadata hold its provenance as JSON."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file that was read: its name without the folder, and its content."""

    role: str
    name: str
    sha256: str

    @classmethod
    def of(cls, role: str, path: Path) -> Source:
        """Hash a file.

        Raises
        ------
        UsageError
            When it is not there.
        """
        if not path.is_file():
            raise UsageError(f"{path}: no such file")
        with path.open("rb") as stream:
            return cls(role, path.name, hashlib.file_digest(stream, "sha256").hexdigest())

    def to_json(self) -> dict[str, str]:
        """Return the JSON form."""
        return {"role": self.role, "name": self.name, "sha256": self.sha256}


@dataclass(frozen=True, slots=True)
class Converted:
    """A state dict in the names of the library that will load it.

    model
        What `run --model` takes to build the architecture and its preprocessing.
    dropped
        Tensors of the source that are no part of it.
    """

    format: str
    tensors: Mapping[str, torch.Tensor]
    sources: tuple[Source, ...]
    model: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()

    def provenance(self) -> dict[str, Any]:
        """Return what the file says of itself."""
        return {
            "format": self.format,
            "sources": [source.to_json() for source in self.sources],
            "parameters": dict(self.parameters),
            "model": self.model,
        }


def write(converted: Converted, out: Path) -> str:
    """Write the file whole or not at all, and return its sha256. Equal input gives equal bytes.

    Raises
    ------
    UsageError
        When there is nothing to write, or another file of the name stands there.
    """
    if not converted.tensors:
        raise UsageError(f"{converted.sources[0].name} holds no tensor to convert")
    tensors = {name: tensor.detach().clone().contiguous() for name, tensor in sorted(converted.tensors.items())}
    data = save(tensors, {METADATA_KEY: canonical_json(converted.provenance()).decode()})
    digest = hashlib.sha256(data).hexdigest()
    if out.exists():
        if out.is_file() and out.read_bytes() == data:
            return digest
        raise UsageError(f"--out {out} is there already and is something else; choose another name, or remove it")
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return digest
