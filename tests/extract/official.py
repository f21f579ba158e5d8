"""Miniatures of official layouts, and the view that `index` makes of them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import polars as pl
from PIL import Image

from cache.store import Store
from extract.index import IndexReport, IndexRequest, index
from manifests.catalogue import load
from tests.extract.pictures import picture

CATALOGUE = load()


class Miniature:
    """A folder in which every image file is another small picture."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.count = 0

    def image(self, *names: str) -> Miniature:
        for name in names:
            self.count += 1
            self.file(name, encoded(self.count, Path(name).suffix))
        return self

    def file(self, name: str, content: bytes | str) -> Miniature:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return self

    def json(self, name: str, content: Any) -> Miniature:
        return self.file(name, json.dumps(content))


def encoded(seed: int, suffix: str = ".png") -> bytes:
    buffer = io.BytesIO()
    kind = "JPEG" if suffix.lower() in (".jpg", ".jpeg") else "PNG"
    picture(seed, (8, 8)).save(buffer, kind)
    assert Image.open(io.BytesIO(buffer.getvalue())).size == (8, 8)
    return buffer.getvalue()


def new_store(folder: Path) -> Store:
    return Store.create(folder / "store")[0]


def indexed(store: Store, dataset: str, root: Path | None, **more: Any) -> tuple[IndexReport, pl.DataFrame]:
    """Index by the id alone, as the command does, and return the report and the view."""
    request = IndexRequest(dataset=dataset, root=root, **{"layout": "", **more})
    report = index(store, CATALOGUE, request)
    return report, store.view(dataset)


def by_sample(view: pl.DataFrame, *columns: str) -> dict[str, Any]:
    """Return one column's value by sample, or a tuple of several."""
    rows = view.select("sample", *columns).iter_rows()
    return {row[0]: row[1] if len(columns) == 1 else row[1:] for row in rows}
