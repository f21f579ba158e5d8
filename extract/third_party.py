"""Backbones that users bring: an object in a Python file, or one that an installed package announces.

What such a model computes is its source's business, so the sha256 of the source is part of its space: an edited file
is another space, and never a silent change of numbers. Only that one file is hashed; what moves numbers belongs there.
"""

from __future__ import annotations

import hashlib
import inspect
import re
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from manifests.errors import UsageError

from .backbones.geometry import NATIVE, Geometry
from .backbones.protocol import Backbone

if TYPE_CHECKING:
    import torch
    from PIL import Image

GROUP: Final = "clip_assay.backbones"
"""Entry points of installed packages: NAME = "package.module:object"."""

_FILE: Final = re.compile(r"(?P<file>.+\.py):(?P<object>[A-Za-z_]\w*)")
_METHODS: Final = (
    "identity", "transform", "kinds", "class_count", "row_bytes", "blank", "load", "forward", "close",
)  # fmt: skip
_FLAGS: Final = {"image_size": "--image-size", "num_classes": "--classes", "pixel_step": "the dataset's pixel step"}


def is_file(pattern: str) -> bool:
    """Tell whether a model's name is FILE.py:OBJECT.

    Examples
    --------
    >>> is_file("models/mine.py:Mine"), is_file("timm:resnet50")
    (True, False)
    """
    return _FILE.fullmatch(pattern) is not None


def announced() -> dict[str, EntryPoint]:
    """Return the backbones of installed packages by name.

    Raises
    ------
    UsageError
        When two packages announce one name.
    """
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        if entry.name in found and found[entry.name].value != entry.value:
            raise UsageError(
                f"two installed packages announce a backbone {entry.name!r}: {found[entry.name].value} and "
                f"{entry.value}; uninstall one, or name a file: --model FILE.py:OBJECT"
            )
        found[entry.name] = entry
    return found


def open_backbone(name: str, options: Mapping[str, Any], geometry: Geometry = NATIVE) -> Backbone:
    """Return a user's backbone.

    Parameters
    ----------
    name
        FILE.py:OBJECT, or the name of an entry point. The object is a backbone, or makes one when it is called.
    options
        What was asked for besides the library's own: weights, image_size, interpolation, dtype, num_classes,
        pixel_step. Given to the call by name.

    Raises
    ------
    UsageError
        When there is no such object, it takes no such option, or it is no backbone; with all that it lacks.
    """
    made, source = _from_file(name) if is_file(name) else _from_package(name)
    if inspect.isclass(made) or not hasattr(made, "forward"):
        made = _call(name, made, options)
    elif options:
        raise UsageError(f"{name} is a backbone already and takes no {_flags(options)}; name a class or a function")
    lacking = [method for method in _METHODS if not callable(getattr(made, method, None))]
    if lacking:
        raise UsageError(
            f"{name} gave a {type(made).__name__}, which lacks {', '.join(lacking)}; "
            "extract/backbones/protocol.py says what a backbone has to have"
        )
    backbone: Backbone = Pinned(made, source)
    if geometry != NATIVE:
        if not hasattr(made, "at"):
            raise UsageError(f"{name} has no at(geometry), so --geometry {geometry.variant} is not for it")
        backbone = backbone.at(geometry)  # type: ignore[attr-defined]
    return backbone


class Pinned:
    """A user's backbone with its source in its identity; everything else is its own.

    Parameters
    ----------
    source
        sha256 of the file that it comes from, and the object's name in it.
    """

    def __init__(self, backbone: Any, source: Mapping[str, str]) -> None:
        self._backbone = backbone
        self._source = dict(source)
        # What it does not have, this has not either: protocols are told apart by what is there.
        for optional in ("text_width", "text_tower", "reference"):
            if hasattr(backbone, optional):
                setattr(self, optional, getattr(backbone, optional))
        if hasattr(backbone, "at"):
            self.at = lambda geometry: Pinned(backbone.at(geometry), source)

    def identity(self) -> dict[str, Any]:
        """Return the backbone's own description and its source.

        Raises
        ------
        UsageError
            When it has no library or no name, which the space is called by.
        """
        described = dict(self._backbone.identity())
        if not described.get("library") or not dict(described.get("architecture") or {}).get("name"):
            raise UsageError(
                f"{self._source['object']}: identity() has to say `library` and `architecture: {{name: ...}}`; it says "
                f"{', '.join(sorted(described)) or 'nothing'}"
            )
        return {**described, "source": self._source}

    def transform(self, image: Image.Image) -> torch.Tensor:
        """Return the model's input; see `Backbone.transform`."""
        tensor: torch.Tensor = self._backbone.transform(image)
        return tensor

    def kinds(self) -> tuple[str, ...]:
        """Return the kinds of a pass; see `Backbone.kinds`."""
        return tuple(self._backbone.kinds())

    def class_count(self) -> int:
        """Return the number of logit columns; see `Backbone.class_count`."""
        return int(self._backbone.class_count())

    def row_bytes(self) -> dict[str, int]:
        """Return the bytes of an image; see `Backbone.row_bytes`."""
        return dict(self._backbone.row_bytes())

    def blank(self) -> torch.Tensor:
        """Return one input of zeros; see `Backbone.blank`."""
        tensor: torch.Tensor = self._backbone.blank()
        return tensor

    def load(self, device: str) -> None:
        """Build the model; see `Backbone.load`."""
        self._backbone.load(device)

    def forward(self, batch: torch.Tensor, kinds: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Run the model; see `Backbone.forward`."""
        return {kind: np.asarray(values) for kind, values in self._backbone.forward(batch, kinds).items()}

    def close(self) -> None:
        """Let the model go; see `Backbone.close`."""
        self._backbone.close()


def _from_file(name: str) -> tuple[Any, dict[str, str]]:
    found = _FILE.fullmatch(name)
    assert found is not None
    path = Path(found["file"])
    if not path.is_file():
        raise UsageError(f"--model {name}: there is no file {path}; expected FILE.py:OBJECT")
    data = path.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    # The bytes that are hashed are the bytes that run. Named by them, so that two files may share a name.
    module = ModuleType(f"assay_backbone_{sha256[:16]}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    try:
        exec(compile(data, str(path), "exec"), module.__dict__)
    except Exception as error:
        raise UsageError(f"{path} could not be read: {type(error).__name__}: {error}") from error
    return _object(module, found["object"], path.name), {"sha256": sha256, "object": found["object"]}


def _from_package(name: str) -> tuple[Any, dict[str, str]]:
    entry = announced()[name]
    try:
        module = import_module(entry.module)
    except Exception as error:
        raise UsageError(f"the backbone {name} ({entry.value}) could not be imported: {error}") from error
    file = getattr(module, "__file__", None) or ""
    if not file.endswith(".py"):
        raise UsageError(f"the backbone {name} ({entry.value}) has no source file that could be named in its space")
    source = {"sha256": hashlib.sha256(Path(file).read_bytes()).hexdigest(), "object": entry.attr}
    if entry.dist is not None:
        # The rest of the package is told by its version.
        source |= {"distribution": entry.dist.name, "version": entry.dist.version}
    return _object(module, entry.attr, entry.module), source


def _object(module: ModuleType, name: str, where: str) -> Any:
    if not hasattr(module, name):
        own = [key for key, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
        raise UsageError(f"{where} has no {name!r}; it has {', '.join(sorted(own)) or 'nothing of its own'}")
    return getattr(module, name)


def _call(name: str, make: Any, options: Mapping[str, Any]) -> Any:
    if not callable(make):
        raise UsageError(f"{name} is a {type(make).__name__}; expected a backbone, or what makes one when called")
    takes = inspect.signature(make).parameters
    anything = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in takes.values())
    refused = [option for option in options if option not in takes and not anything]
    if refused:
        wanted = ", ".join(f"`{option}`" for option in refused)
        raise UsageError(f"{name} takes no {_flags(refused)}; it would be given as a parameter {wanted}")
    try:
        return make(**options)
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(f"{name} could not be made: {type(error).__name__}: {error}") from error


def _flags(options: Sequence[str] | Mapping[str, Any]) -> str:
    return ", ".join(_FLAGS.get(option, f"--{option}") for option in options)
