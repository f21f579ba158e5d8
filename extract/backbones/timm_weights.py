"""Filling a timm architecture with weights: every tensor from the file, or an error.

timm's own loading does the renaming and resampling that it knows of; what it would pass over in silence (a head of
another width, a tensor left random) stops here.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch

from extract.weights import ResolvedWeights, load_state_dict
from manifests.errors import UsageError

from .architecture import build_weightless
from .lite_names import named_otherwise, rename_by_order
from .timm_config import TimmConfig

UNFIT: Final = (RuntimeError, KeyError, ValueError, TypeError, AttributeError, IndexError, AssertionError)
"""What timm raises for weights or sizes that do not fit an architecture."""


def create(config: TimmConfig, **extra: Any) -> Any:
    """Build the architecture by timm's factory."""
    import timm

    pretrained = dict(config.pretrained) or None
    return timm.create_model(config.name, pretrained_cfg=pretrained, **{**config.kwargs, **extra})


def build(config: TimmConfig, resolved: ResolvedWeights) -> Any:
    """Build the architecture with its weights, on the CPU.

    Raises
    ------
    UsageError
        When the weights are of another architecture or have another number of classes.
    """
    if resolved.seed is not None:
        # The caller's random state is its own.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(resolved.seed)
            return create(config)
    (path,) = resolved.files
    tensors = load_state_dict(path)
    if named_otherwise(config.name, tensors):
        tensors = rename_by_order(tensors, _reference(config))
    return _fill(config, tensors, path)


def _fill(config: TimmConfig, tensors: dict[str, torch.Tensor], path: Path) -> Any:
    classes = int(config.kwargs["num_classes"])
    # Given as timm's "pretrained" weights, the tensors pass through its filter, which renames and resamples them.
    # With its own num_classes there, timm would drop a head of another width and leave ours random.
    overlay = {"state_dict": tensors, "num_classes": classes, "custom_load": False, "source": None}
    offset = int(config.pretrained.get("label_offset") or 0)
    name, rows = _head(config, tensors)
    if rows == classes:
        overlay["label_offset"] = 0
    elif rows is not None and rows != classes + offset:
        raise UsageError(
            f"{path.name}: the checkpoint's {name} has {rows} rows; this {config.name} was built with {classes} "
            f"classes; pass --classes FILE with {rows} names"
        )
    with _MissingKeys() as missing:
        try:
            model = create(config, pretrained=True, pretrained_cfg_overlay=overlay)
        except UNFIT as error:
            raise UsageError(f"{path.name} does not fit timm's {config.name}: {shorten(error)}") from None
    if missing.message:
        raise UsageError(f"{path.name} does not fill timm's {config.name}: {missing.message}")
    model.pretrained_cfg.pop("state_dict", None)
    return model


def _head(config: TimmConfig, tensors: Mapping[str, torch.Tensor]) -> tuple[str, int | None]:
    names = config.pretrained.get("classifier") or ""
    name = f"{names if isinstance(names, str) else names[0]}.weight"
    weight = tensors.get(name)
    return name, None if weight is None else int(weight.shape[0])


def _reference(config: TimmConfig) -> list[tuple[str, tuple[int, ...]]]:
    names: list[tuple[str, tuple[int, ...]]] = build_weightless(
        lambda: create(config),
        lambda model: [(name, tuple(tensor.shape)) for name, tensor in model.state_dict().items()],
    )
    return names


def shorten(error: BaseException) -> str:
    """Return an error's text on one line of bearable length."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 1500 else f"{text[:1500]} ..."


class _MissingKeys(logging.Handler):
    """Hears timm say that tensors stayed random, which it only logs for the models that it loads loosely."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.message = ""
        self._source = logging.getLogger("timm.models._builder")
        self._before = (self._source.level, self._source.propagate)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the message if it is the one."""
        if record.getMessage().startswith("Missing keys"):
            self.message = record.getMessage()[:1500]

    def __enter__(self) -> _MissingKeys:
        self._source.setLevel(logging.INFO)
        self._source.propagate = False
        self._source.addHandler(self)
        return self

    def __exit__(self, *exc: object) -> None:
        self._source.removeHandler(self)
        self._source.setLevel(self._before[0])
        self._source.propagate = self._before[1]
