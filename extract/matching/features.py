"""Patch features of the images of some pairs: from the store where they are, else by a forward pass that is not stored.

Knows bytes, a backbone and stored patches; nothing of pairs or of matching.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cache.commits import RowFailure
from cache.errors import IncompleteError
from cache.positions import Place
from cache.reader import Reader, State
from cache.spaces import Space
from cache.store import Store
from extract.backbones.protocol import Backbone
from extract.sources import Sources
from extract.unit import Settings, forward, prefetch, prepare

HELD_BYTES = 1 << 30
"""Features that are held at a time. A class of SPair-71k at 800 pixels takes half of it."""


class PatchSource:
    """Gives the features of images, and remembers those that were asked for last."""

    def __init__(
        self, store: Store, backbone: Backbone, space: Space, settings: Settings, load: Callable[[], None]
    ) -> None:
        self._store = store
        self._backbone = backbone
        self._space = space
        self._settings = settings
        self._load = load
        self._reader = Reader(store)
        self._sources = Sources(store)
        self._ops = space.identity.get("preprocess", {}).get("ops", ())
        self._stored, self._failures_there = self._committed()
        self._held: dict[str, NDArray[Any]] = {}
        self._failed: dict[str, tuple[str, str]] = {}
        self.computed = 0
        self.capacity = max(2, HELD_BYTES // max(1, backbone.row_bytes()["patches"]))

    def _committed(self) -> tuple[dict[str, Place], dict[str, RowFailure]]:
        places: dict[str, Place] = {}
        failures: dict[str, RowFailure] = {}
        for pack in self._reader.committed("patches", self._space.label):
            unit = self._reader.unit("patches", self._space, pack)
            commit = self._reader.commit(unit)
            if commit is not None and self._reader.state(unit) is State.HERE:
                failures |= {failure.item: failure for failure in commit.failures}
                for row, item in enumerate(self._reader.pack(pack).items):
                    places.setdefault(item, (pack, row))
        return places, failures

    def check_reachable(self, images: Sequence[str]) -> None:
        """Stop when not one of some images is to be had: failures for all of them would be committed for good.

        Raises
        ------
        IncompleteError
            Naming what to mount or to index.
        """
        paths = (path for image in images for path in self._sources.paths(image))
        if not any(image in self._stored for image in images) and not any(map(self._store.disk.status, paths)):
            raise IncompleteError(
                f"not one of {len(images)} images is on this machine where it was indexed. Mount or copy the folder "
                "again; if it moved, `assay-extract index DATASET --root DIR` finds it there."
            )

    def hold(self, images: Sequence[str]) -> None:
        """Bring features of these images, at most `capacity`, and let go of all others."""
        wanted = dict.fromkeys(images)
        self._held = {image: held for image, held in self._held.items() if image in wanted}
        lacking = [image for image in wanted if image not in self._held and image not in self._failed]
        stored = [image for image in lacking if image in self._stored]
        for image in [image for image in stored if image in self._failures_there]:
            failure = self._failures_there[image]
            self._failed[image] = (failure.status, failure.detail)
        if here := [image for image in stored if image not in self._failures_there]:
            rows = self._reader.gather("patches", self._space, [self._stored[image] for image in here])
            self._held |= dict(zip(here, rows, strict=True))
        self._compute([image for image in lacking if image not in self._stored])

    def of(self, image: str) -> NDArray[Any] | None:
        """Return the features (rows, columns, d) of an image that is held; None where it has none."""
        return self._held.get(image)

    def failure(self, image: str) -> tuple[str, str]:
        """Return status and detail of an image without features."""
        return self._failed[image]

    def _compute(self, images: Sequence[str]) -> None:
        if not images:
            return
        self._load()
        settings = self._settings
        prepared = prefetch(
            lambda image: prepare(self._store, self._sources, self._backbone, image, self._ops),
            images, settings.workers, 2 * settings.batch_size,
        )  # fmt: skip
        names: list[str] = []
        batch: list[torch.Tensor] = []
        for at, (image, found) in enumerate(zip(images, prepared, strict=True)):
            if found.tensor is None:
                self._failed[image] = (found.status, found.detail)
            else:
                names.append(image)
                batch.append(found.tensor)
            if batch and (len(batch) == settings.batch_size or at == len(images) - 1):
                patches = forward(self._backbone, torch.stack(batch), ["patches"])["patches"]
                for name, rows in zip(names, patches, strict=True):
                    if np.isfinite(rows).all():
                        self._held[name] = rows.copy()
                    else:
                        self._failed[name] = ("not_finite", f"the model's output overflows {rows.dtype.name}")
                names, batch = [], []
        self.computed += len(images)
