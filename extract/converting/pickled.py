"""Reading a pickle without running it: tensors and plain containers come out, everything else is kept inert.

A pickle is a program. `load` gives it an allow-list of names: those that rebuild tensors and containers do what they
say; classes of the projects whose checkpoints are read become `Inert` objects, which are never imported and only keep
what the pickle says of them; any other name is refused before anything is called. Knows no model.
"""

from __future__ import annotations

import collections
import io
import pickle
import re
import types
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import torch

from manifests.errors import UsageError

INERT_PACKAGES: Final = ("src", "clip", "open_clip", "timm", "dassl", "trainers", "numpy", "argparse", "functools")
"""Top-level packages whose classes and functions stand in a checkpoint without being needed."""

INERT_MODULES: Final = ("torch.nn", "torch.optim", "torchvision.transforms", "PIL.Image")
"""The same, where only a part of a package is meant."""

INERT_NAMES: Final = (("torch", "device"), ("torch", "Size"), ("collections", "Counter"))

_TORCH_LEGACY: Final = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""How a file of `torch.save` begins that was written before torch 1.6: its magic number, pickled."""


class Inert:
    """An object whose class was not imported: it holds what the pickle said, and can do nothing.

    Attributes
    ----------
    name
        Module and class, as the pickle spells them.
    arguments
        What its constructor would have got.
    state
        Its attributes.
    """

    name = ""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        self.arguments = (*arguments, keywords) if keywords else arguments
        self.state: Mapping[str, Any] = {}

    def __new__(cls, *arguments: Any, **keywords: Any) -> Inert:
        """Make one, as the opcode does that calls no constructor."""
        made = super().__new__(cls)
        made.arguments, made.state = arguments, {}
        return made

    def __setstate__(self, state: Any) -> None:
        """Keep the attributes, where they are named."""
        self.state = state if isinstance(state, Mapping) else {"": state}


class RefusedError(pickle.UnpicklingError):
    """The pickle names something that it has no business with."""


def load(path: Path) -> Any:
    """Return what a checkpoint holds, on the CPU: tensors, plain containers and `Inert` objects.

    Reads a plain pickle, and files of `torch.save` old and new.

    Raises
    ------
    UsageError
        When the file names anything else, which is then not called; or is no such file.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(len(_TORCH_LEGACY))
            stream.seek(0)
            with warnings.catch_warnings():
                # Old files make torch warn about its own storage classes.
                warnings.simplefilter("ignore")
                if head.startswith(b"PK"):
                    _refuse_script(stream, path)
                    return torch.load(stream, map_location="cpu", pickle_module=_RESTRICTED, weights_only=False)
                if head == _TORCH_LEGACY:
                    return torch.load(stream, map_location="cpu", pickle_module=_RESTRICTED, weights_only=False)
                return _Unpickler(stream).load()
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file") from None
    except RefusedError as error:
        raise UsageError(
            f"{path} names {error}, which is neither a tensor nor a plain container nor part of the project that "
            "writes such checkpoints. Opened as a pickle it could run code, so nothing of it was run. Where you trust "
            "the file, save `model.state_dict()` with safetensors in the environment that made it, and give that"
        ) from None
    except OSError:
        raise
    except UsageError:
        raise
    except Exception as error:  # noqa: BLE001 - a broken pickle raises anything
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise UsageError(f"{path} cannot be read as a pickle or as a file of torch.save: {said}") from None


def is_tensor(value: Any) -> bool:
    """Tell whether a value of a checkpoint is a tensor."""
    return isinstance(value, torch.Tensor)


def modules(root: Inert) -> Iterator[Inert]:
    """Yield a pickled `nn.Module` and all modules in it, each once."""
    waiting, seen = [root], set()
    while waiting:
        module = waiting.pop()
        if id(module) not in seen:
            seen.add(id(module))
            yield module
            waiting += [child for child in _named(module, "_modules").values() if isinstance(child, Inert)]


def state_dict(module: Inert, prefix: str = "") -> dict[str, torch.Tensor]:
    """Return parameters and persistent buffers of a pickled `nn.Module` under the names of its `state_dict()`.

    Raises
    ------
    UsageError
        When a module holds itself.
    """
    found: dict[str, torch.Tensor] = {}
    _gather(module, prefix, found, ())
    return found


def _gather(module: Inert, prefix: str, found: dict[str, torch.Tensor], above: tuple[int, ...]) -> None:
    if id(module) in above or len(above) > 100:
        raise UsageError(f"the module {prefix or module.name} holds itself; expected a tree of modules")
    transient = module.state.get("_non_persistent_buffers_set") or ()
    buffers = {name: value for name, value in _named(module, "_buffers").items() if name not in transient}
    for name, value in {**_named(module, "_parameters"), **buffers}.items():
        if is_tensor(value):
            found[f"{prefix}{name}"] = value
    for name, child in _named(module, "_modules").items():
        if isinstance(child, Inert):
            _gather(child, f"{prefix}{name}.", found, (*above, id(module)))


def _named(module: Inert, what: str) -> Mapping[str, Any]:
    held = module.state.get(what)
    return held if isinstance(held, Mapping) else {}


def _refuse_script(stream: Any, path: Path) -> None:
    names = zipfile.ZipFile(stream).namelist()
    stream.seek(0)
    if any(name.endswith("constants.pkl") for name in names):
        raise UsageError(
            f"{path} is a TorchScript archive, which is a program and not a checkpoint; load it where you trust it and "
            "save its `state_dict()` with safetensors"
        )


class _Unpickler(pickle.Unpickler):
    """Resolves the names of a pickle by the allow-list alone; no module is ever imported."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _CALLABLE:
            return _CALLABLE[module, name]
        if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
            return getattr(torch, name)
        package = module.split(".")[0]
        part = any(module == one or module.startswith(f"{one}.") for one in INERT_MODULES)
        if package in INERT_PACKAGES or part or (module, name) in INERT_NAMES:
            full = f"{module}.{name}"
            return type(name.rpartition(".")[2], (Inert,), {"name": full})
        raise RefusedError(f"{module.replace('__builtin__', 'builtins')}.{name}")


def _load_from_bytes(data: Any) -> Any:
    # Inside a plain pickle every storage is a small file of torch.save.
    if not isinstance(data, bytes):
        raise RefusedError("a storage that is no bytes")
    try:
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL (\S+)", str(error))
        raise RefusedError(named[1] if named else "something in a storage that torch does not load") from None


def _tensor(storage: Any, offset: Any = 0, size: Any = (), stride: Any = (), *_: Any) -> torch.Tensor:
    if not isinstance(storage, torch.storage.TypedStorage):
        raise RefusedError("a tensor without storage")
    return torch.empty(0, dtype=storage.dtype).set_(storage._untyped_storage, offset, tuple(size), tuple(stride))


def _parameter(data: Any, *_: Any) -> Any:
    if not is_tensor(data):
        raise RefusedError("a parameter without tensor")
    return data


def _bytes(text: Any, encoding: Any = "latin1") -> bytes:
    # How protocol 2, which knows no bytes, spells them.
    if not isinstance(text, str) or encoding != "latin1":
        raise RefusedError(f"_codecs.encode with {encoding!r}")
    return text.encode("latin1")


_CALLABLE: Final[dict[tuple[str, str], Any]] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("collections", "defaultdict"): collections.defaultdict,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): _parameter,
    ("torch.storage", "_load_from_bytes"): _load_from_bytes,
    ("_codecs", "encode"): _bytes,
    **{
        (module, kind.__name__): kind
        for module in ("builtins", "__builtin__")
        for kind in (set, frozenset, dict, list, tuple, int, float, bool, str)
    },
}


def _load(stream: Any, **_: Any) -> Any:
    return _Unpickler(stream).load()


# torch.load asks for a module like `pickle`.
_RESTRICTED: Final = types.ModuleType("restricted_pickle")
_RESTRICTED.__dict__.update(Unpickler=_Unpickler, load=_load, UnpicklingError=pickle.UnpicklingError)
