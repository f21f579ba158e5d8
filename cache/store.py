"""A store: one folder of format version 1, opened for reading or created for writing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
from numpy.typing import NDArray

from . import spaces, views
from .documents import damaged, seal, unseal
from .errors import IncompleteError, IntegrityError, UsageError
from .files import Disk
from .layout import Layout
from .reading import read_bytes
from .requests import Requests, read_requests
from .spaces import Space
from .views import View
from .writing import Stage, create, stage

DEFAULT = Path("store")


def store_path(option: Path | None) -> Path:
    """Return the store that a command means: `--store`, else `$ASSAY_STORE`, else `./store`."""
    if option is not None:
        return option
    return Path(os.environ["ASSAY_STORE"]) if os.environ.get("ASSAY_STORE") else DEFAULT


class Store:
    """A store that exists.

    Parameters
    ----------
    path
        Its folder.
    disk
        The file system; tests pass one that fails.

    Raises
    ------
    IncompleteError
        When there is no store.
    FormatVersionError
        When it is of another format version.
    IntegrityError
        When STORE.json is missing from a folder that holds a store's data, or is damaged.
    """

    def __init__(self, path: Path | str, disk: Disk | None = None) -> None:
        self.disk = disk or Disk()
        self.layout = Layout(Path(path))
        self._requests: Requests | None = None
        self._spaces: dict[str, Space] = {}
        if self.disk.status(self.layout.store_file) is None:
            if any(self.disk.is_folder(self.layout.root / name) for name in ("commits", "data", "requests", "packs")):
                raise IntegrityError(
                    f"{path} holds a store's data but no STORE.json. Copy that file from a good copy of the store, or "
                    "let `assay-cache repair` (or any writing command) create it again."
                )
            raise IncompleteError(
                f"there is no store at {path}. `assay-extract run --root DIR --model M` creates one; "
                "--store DIR or $ASSAY_STORE points to another."
            )
        body = unseal(read_bytes(self.disk, self.layout.store_file, "STORE.json"), "store", "STORE.json")
        if body.get("hash") != "sha256":
            raise IntegrityError(f"STORE.json names the hash algorithm {body.get('hash')!r}, expected 'sha256'.")

    @classmethod
    def create(cls, path: Path | str, disk: Disk | None = None) -> tuple[Store, bool]:
        """Open a store, or create it where there is none.

        Returns
        -------
        tuple
            The store, and whether it is new.
        """
        disk = disk or Disk()
        layout = Layout(Path(path))
        new = disk.status(layout.store_file) is None
        if new:
            disk.make_folder(layout.root)
            with stage(disk, layout) as staged:
                create(staged, layout.store_file, seal("store", {"name": "clip-assay", "hash": "sha256"}))
        return cls(path, disk), new

    @contextmanager
    def stage(self) -> Iterator[Stage]:
        """Open a folder for unfinished work."""
        with stage(self.disk, self.layout) as staged:
            yield staged

    # --- what is there ---------------------------------------------------------------------------------------

    def datasets(self) -> list[str]:
        """Return the dataset ids, sorted."""
        return views.names(self.disk, self.layout)

    def spaces(self) -> list[str]:
        """Return the space ids, sorted by label."""
        return [self.space(label).id for label in spaces.labels(self.disk, self.layout)]

    def requests(self) -> Requests:
        """Return every request, verified once a process."""
        if self._requests is None:
            self._requests = read_requests(self.disk, self.layout)
        return self._requests

    def forget(self) -> None:
        """Read requests anew next time, after something was written."""
        self._requests = None

    def space(self, label: str) -> Space:
        """Return a space by its path label, verified once a process."""
        if label not in self._spaces:
            self._spaces[label] = spaces.read_space(self.disk, self.layout, label)
        return self._spaces[label]

    def version(self, name: str) -> View:
        """Return the current version of a dataset.

        Raises
        ------
        UsageError
            When the store does not know it.
        IntegrityError
            When a request names it and it is gone, or it is damaged.
        """
        view = views.read_head(self.disk, self.layout, name)
        if view is None and any(request.dataset == name for request in self.requests().live):
            raise damaged(f"datasets/{name}@*.json", "missing, though requests name the dataset")
        if view is None:
            raise UsageError(
                f"the store knows no dataset {name!r}; it has {', '.join(self.datasets()) or 'none'}. "
                f"`assay-extract index {name} --root DIR` adds it."
            )
        return view

    def view(self, name: str) -> pl.DataFrame:
        """Return a dataset's rows: `sample`, `image_id`, `label` and its own columns."""
        return self.version(name).table

    def resolve_space(self, name: str) -> Space:
        """Find a space by id, label, slug, or the id of a model that is bound to one space only.

        Raises
        ------
        UsageError
            When nothing or more than one thing is meant.
        """
        known = {label: self.space(label) for label in spaces.labels(self.disk, self.layout)}
        for label, space in known.items():
            if name in (label, space.id):
                return space
        meant = {label for label in known if label.rsplit("-", 1)[0] == name}
        meant |= {request.label for request in self.requests().live if request.of_images and request.model == name}
        if len(meant) == 1:
            return self.space(meant.pop())
        if not meant:
            raise UsageError(f"no space or model {name!r} in the store; `assay-cache ls` lists them.")
        raise UsageError(f"{name!r} means {len(meant)} spaces, expected one: {', '.join(sorted(meant))}.")

    # --- numbers ---------------------------------------------------------------------------------------------

    def rows(self, kind: str, space: str, item_ids: Sequence[str], *, head: str | None = None) -> NDArray[Any]:
        """Return the stored rows of items, in the caller's order. An item that failed has a row of NaN.

        Parameters
        ----------
        kind
            `logits`, `embeddings`, `patches`, `text` or `heads`.
        space
            A space id, label, slug, or model id when unambiguous.
        item_ids
            Image ids (or text ids, head ids); repeats are fine.
        head
            For `logits`: compute them from embeddings with this head id instead of reading stored ones.

        Raises
        ------
        IncompleteError
            When an item is not in the store.
        IntegrityError
            When what is there cannot be believed.
        """
        from .reader import Reader

        return Reader(self).rows(kind, self.resolve_space(space), item_ids, head=head)
