"""A Hugging Face dataset on disk: the Arrow files of `save_to_disk`, or the Parquet files of a hub folder.

Reads what `Image(decode=False)` would give, the encoded bytes, without the `datasets` package. In an Arrow file the
bytes of a column stand one after the other as they are, so that each image is a range of the file; Parquet pages are
compressed, so that an image is a row of a column there.
"""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from manifests.errors import UsageError

from .names import Refused, is_image
from .places import image_bytes
from .protocol import Place
from .rows import Row, Rows, row_name

_LABELS = ("label", "labels", "wnid", "class_index")


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where a table keeps its images and classes; `names` are those of a ClassLabel."""

    image: str
    path: str | None
    label: str | None
    names: tuple[str, ...]


def open_saved(folder: Path) -> Rows:
    """Open a folder that `Dataset.save_to_disk` wrote.

    Raises
    ------
    UsageError
        When it holds several splits, or no column of encoded images.
    """
    if (folder / "dataset_dict.json").is_file():
        splits = _json(folder / "dataset_dict.json").get("splits", [])
        raise UsageError(
            f"{folder} holds the splits {', '.join(splits)}; give one of them as --root, e.g. {folder}/test."
        )
    state = _json(folder / "state.json")
    if state.get("_indices_data_files"):
        raise UsageError(f"{folder} is a selection over a larger table; `flatten_indices()` and save it again.")
    files = [folder / str(file["filename"]) for file in state.get("_data_files", [])]
    features = _json(folder / "dataset_info.json").get("features") or {}
    rows: list[Row] = []
    refused: list[Refused] = []
    for path in files:
        # One shard at a time is in memory.
        try:
            table = pl.read_ipc_stream(path)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise UsageError(
                f"{path} cannot be read as an Arrow stream ({error}); copy or download it again."
            ) from error
        columns = _columns(folder, table.schema, features)
        taken = _described(table, columns, len(rows) + len(refused))
        _add(rows, refused, taken, _ranges(path, table.select(image_bytes(columns.image)).to_series()))
    return Rows(folder.resolve().name, str(folder), _named_apart(rows), refused)


def open_parquet(name: str, where: str, paths: Sequence[Path]) -> Rows:
    """Open Parquet shards of one split, as the hub keeps them.

    Raises
    ------
    UsageError
        When the files are of several splits, or hold no column of encoded images.
    """
    splits = sorted({re.sub(r"-\d+-of-\d+$", "", path.stem) for path in paths})
    if len(splits) > 1:
        raise UsageError(
            f"{where} holds Parquet files of {', '.join(splits)}; move one split into a folder of its own."
        )
    rows: list[Row] = []
    refused: list[Refused] = []
    for path in paths:
        try:
            schema = pl.read_parquet_schema(path)
            said = json.loads(pl.read_parquet_metadata(path).get("huggingface", "{}"))
            columns = _columns(path, schema, said.get("info", {}).get("features") or {})
            there = pl.scan_parquet(path).with_columns(image_bytes(columns.image).is_not_null().alias("_there"))
            wanted = [c for c in (columns.image.split(".")[0] if columns.path else None, columns.label) if c]
            table = _slim(there, columns, wanted)
        except (pl.exceptions.PolarsError, OSError, ValueError) as error:
            raise UsageError(f"{path} cannot be read as Parquet ({error}); copy or download it again.") from error
        absolute = str(path.absolute())
        places = [
            Place(absolute, 0, -1, f"parquet:{at}:{columns.image}") if here else None
            for at, here in enumerate(table["_there"].to_list())
        ]
        _add(rows, refused, _described(table, columns, len(rows) + len(refused)), places)
    return Rows(name, where, _named_apart(rows), refused)


def _named_apart(rows: list[Row]) -> list[Row]:
    """Tell rows of one file name apart by their class, else by their number: `save_to_disk` leaves folders away."""
    if len({row.key for row in rows}) == len(rows):
        return rows
    by_class = [f"{next(iter(row.label.values()), '')}/{row.key}".lstrip("/") for row in rows]
    apart = by_class if len(set(by_class)) == len(rows) else [row_name(at) for at in range(len(rows))]
    return [replace(row, key=key) for row, key in zip(rows, apart, strict=True)]


def _slim(there: pl.LazyFrame, columns: _Columns, wanted: list[str]) -> pl.DataFrame:
    picked = [pl.col("_there")]
    if columns.path is not None:
        name = columns.image.split(".")[0]
        picked.append(pl.struct(pl.col(name).struct.field("path")).alias(name))
    if columns.label is not None and columns.label in wanted:
        picked.append(pl.col(columns.label))
    return there.select(picked).collect()


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as JSON ({error}); copy or download it again.") from error
    if not isinstance(found, dict):
        raise UsageError(f"{path}: expected a JSON object, got {type(found).__name__}.")
    return found


def _columns(where: Path, schema: Any, features: dict[str, Any]) -> _Columns:
    image, path = "", None
    for name, dtype in schema.items():
        if isinstance(dtype, pl.Struct) and {"bytes", "path"} <= {field.name for field in dtype.fields}:
            image, path = f"{name}.bytes", f"{name}.path"
        elif dtype == pl.Binary and not image:
            image = name
    if not image:
        raise UsageError(
            f"{where}: no column of encoded images among {', '.join(schema)}; cast the column to Image(decode=False)."
        )
    label = next((name for name in _LABELS if name in schema), None)
    said = features.get(label, {}) if label else {}
    return _Columns(image, path, label, tuple(said.get("names") or ()) if isinstance(said, dict) else ())


def _described(table: pl.DataFrame, columns: _Columns, first: int) -> list[tuple[str, dict[str, str]]]:
    paths: list[str | None] = [None] * table.height
    if columns.path is not None:
        name, _, part = columns.path.partition(".")
        paths = table[name].struct.field(part).to_list()
    labels = [None] * table.height if columns.label is None else table[columns.label].to_list()
    return [
        (path if path and is_image(path) and not path.startswith("/") else row_name(first + at), _label(columns, label))
        for at, (path, label) in enumerate(zip(paths, labels, strict=True))
    ]


def _label(columns: _Columns, value: Any) -> dict[str, str]:
    if value is None or value == -1 or columns.label is None:
        return {}
    if columns.names:
        # The name, never the number: a ClassLabel counts names in the order in which a builder sorted its folders.
        return {"label": columns.names[value]}
    if columns.label == "wnid":
        return {"wnid": str(value)}
    return {"class_index" if isinstance(value, int) else "label": str(value)}


def _ranges(path: Path, images: pl.Series) -> Iterator[Place | None]:
    absolute = str(path.absolute())
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as held:
        end = 0
        for data in images:
            if data is None:
                yield None
                continue
            # Usually at `end` exactly; a new batch of rows begins a little later.
            at = held.find(data, end)
            if at < 0:
                raise UsageError(f"{path} is compressed or holds its images out of order; save it again uncompressed.")
            end = at + len(data)
            yield Place(absolute, at, len(data))


def _add(rows: list[Row], refused: list[Refused], described: list[tuple[str, dict[str, str]]], places: Any) -> None:
    for (key, label), place in zip(described, places, strict=True):
        if place is None:
            refused.append(Refused(key, "the row holds a path and no bytes; save it with the files embedded"))
        elif ".." in key.split("/"):
            refused.append(Refused(key, "its name leads out of the dataset"))
        else:
            rows.append(Row(key, place, label))
