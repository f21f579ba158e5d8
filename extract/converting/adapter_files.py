"""The small files of adapters, as their projects publish them: to numpy arrays in float32.

Read by the allow-listing unpickler, or as safetensors; no file runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extract.weights import PREFIXES, load_state_dict
from manifests.errors import UsageError

from .pickled import Inert, is_tensor, load, state_dict

Array = NDArray[np.float32]


def read_payload(path: Path) -> Any:
    """Return what a file holds: a safetensors file as a mapping, else what was pickled.

    Raises
    ------
    UsageError
        When it cannot be read, or names something that could run code.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    with path.open("rb") as stream:
        head = stream.read(9)
    return load_state_dict(path) if head[8:] == b"{" else load(path)


def read_matrix(path: Path, what: str) -> Array:
    """Return the one matrix of a file, as `torch.save(tensor)` writes it.

    Raises
    ------
    UsageError
        When the file holds anything else.
    """
    payload = read_payload(path)
    if isinstance(payload, Mapping) and len(payload) == 1:
        (payload,) = payload.values()
    if not is_tensor(payload) or payload.ndim != 2:
        raise UsageError(f"{path}: expected {what}, one matrix; got {_said(payload)}")
    return _array(payload)


def read_clip_adapter(path: Path) -> tuple[Array, Array]:
    """Return the two weights of a CLIP-Adapter, `(h, d)` and `(d, h)`.

    Raises
    ------
    UsageError
        When the file holds no such pair.
    """
    tensors = _tensors(path)
    named = {name.removeprefix("adapter."): tensor for name, tensor in tensors.items()}
    if sorted(named) != ["fc.0.weight", "fc.2.weight"]:
        raise UsageError(f"{path}: expected adapter.fc.0.weight and adapter.fc.2.weight, got {_names(tensors)}")
    down, up = _array(named["fc.0.weight"]), _array(named["fc.2.weight"])
    if down.ndim != 2 or up.shape != down.shape[::-1]:
        raise UsageError(f"{path}: expected weights (h, d) and (d, h), got {down.shape} and {up.shape}")
    return down, up


def read_linear(path: Path) -> tuple[Array, Array]:
    """Return weights `(c, d)` and bias `(c,)` of a linear classifier; a file without bias has zeros.

    Raises
    ------
    UsageError
        When the file holds more or less than one linear layer.
    """
    tensors = _tensors(path)
    matrices = [tensor for name, tensor in tensors.items() if tensor.ndim == 2 and name.split(".")[-1] == "weight"]
    biases = [tensor for name, tensor in tensors.items() if tensor.ndim == 1 and name.split(".")[-1] == "bias"]
    if len(matrices) != 1 or len(biases) > 1 or len(tensors) != 1 + len(biases):
        raise UsageError(f"{path}: expected weight (c, d) and bias (c) of one linear layer, got {_names(tensors)}")
    weights = _array(matrices[0])
    bias = _array(biases[0]) if biases else np.zeros(len(weights), np.float32)
    if bias.shape != weights.shape[:1]:
        raise UsageError(f"{path}: the weights are of {len(weights)} classes and the bias of {len(bias)}")
    return weights, bias


def read_context(path: Path) -> Array:
    """Return the learned context of a CoOp prompt learner: `(m, w)`, or `(c, m, w)` where each class has its own.

    Its token_prefix and token_suffix are ignored, as CoOp ignores them: they are made anew from the class names.

    Raises
    ------
    UsageError
        When the file holds no context.
    """
    tensors = {name.removeprefix("prompt_learner."): tensor for name, tensor in _tensors(path).items()}
    if "ctx" not in tensors or tensors["ctx"].ndim not in (2, 3):
        raise UsageError(f"{path}: expected CoOp's prompt_learner with ctx (m, w) or (c, m, w), got {_names(tensors)}")
    return _array(tensors["ctx"])


def _tensors(path: Path) -> dict[str, Any]:
    payload = read_payload(path)
    if isinstance(payload, Inert):
        payload = state_dict(payload)
    for key in ("state_dict", "classifier", "model", "adapter"):
        if isinstance(payload, Mapping) and isinstance(payload.get(key), Mapping):
            payload = payload[key]
    if not isinstance(payload, Mapping) or not payload or not all(is_tensor(value) for value in payload.values()):
        raise UsageError(f"{path}: expected a state dict (name -> tensor), got {_said(payload)}")
    tensors = {}
    for name, tensor in payload.items():
        short = str(name)
        while short.startswith(PREFIXES):
            short = short.split(".", 1)[1]
        tensors[short] = tensor
    return tensors


def _array(tensor: Any) -> Array:
    array: Array = tensor.detach().float().cpu().numpy()
    if not np.isfinite(array).all():
        raise UsageError("a tensor of the file holds numbers that are not finite")
    return array


def _names(tensors: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in list(tensors.items())[:6]) or "nothing"


def _said(payload: Any) -> str:
    if is_tensor(payload):
        return f"a tensor {tuple(payload.shape)}"
    if isinstance(payload, Mapping):
        return f"a mapping with {', '.join(map(str, list(payload)[:6])) or 'nothing'}"
    return payload.name if isinstance(payload, Inert) else type(payload).__name__
