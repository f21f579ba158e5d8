"""A model as the text of its manifest, the same bytes whenever it is written.

Knows the fields of a model; reads and writes no file.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from pydantic_core import to_jsonable_python

from manifests.model import Model


def toml_text(model: Model) -> str:
    r"""Return the TOML of a model: one line a fact, in the order of the schema; what is not known has no line.

    Raises
    ------
    ValueError
        For a value that TOML cannot hold in one line.

    Examples
    --------
    >>> model = Model(id="m", library="timm", arch="m", pretrained="t", group="other", dataset_size=12_800, source="s")
    >>> toml_text(model)
    'id = "m"\nlibrary = "timm"\narch = "m"\npretrained = "t"\ngroup = "other"\ndataset_size = 12_800\nsource = "s"\n'
    """
    lines = []
    for item in dataclasses.fields(model):
        value = getattr(model, item.name)
        if item.default is dataclasses.MISSING or value != item.default:
            lines.append(f"{item.name} = {_value(value)}\n")
    return "".join(lines)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:_}" if value >= 10_000 else str(value)
    if isinstance(value, str) and value.isprintable():
        # A printable JSON string is a basic string of TOML.
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, tuple):
        return f"[{', '.join(_value(item) for item in value)}]"
    raise ValueError(f"expected a fact of one line, got {to_jsonable_python(value, fallback=repr)!r}")
