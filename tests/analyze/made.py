"""Stores of a handful of images with numbers chosen by hand, through the public writers: what extraction leaves."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from analyze.cli import app
from cache.commits import RowFailure, Unit, write_commit
from cache.console import run_app
from cache.key import head_id, image_id, pack_id
from cache.packs import write_pack
from cache.reader import Reader
from cache.requests import Request, write_request
from cache.runs import new_run_id, write_end, write_start
from cache.segments import array_segments
from cache.spaces import Space, write_space
from cache.store import Store
from cache.texts import ClassList, Prompts, write_text
from cache.views import write_version
from manifests.catalogue import Catalogue, load

SHAPES = ClassList(("n01", "n02", "n03"), ("circle", "square", "star"))
CATALOGUE = load()


def images(name: str, count: int) -> list[str]:
    """Return ids of images of one dataset."""
    return [image_id(f"{name} {n}".encode()) for n in range(count)]


@dataclass(frozen=True, slots=True)
class ZeroShot:
    """A head: a prompt set's name, weights `(d, c)`, and what the columns stand for."""

    prompts: str
    weights: np.ndarray[Any, Any]
    classes: ClassList = SHAPES
    scale: float = 10.0
    bias: float = 0.0

    @property
    def prompt_set(self) -> Prompts:
        return Prompts(self.prompts, (f"{self.prompts} {{}}.",))

    @property
    def id(self) -> str:
        return head_id(self.classes.id, self.prompt_set.id)


@dataclass
class Made:
    """A store that is being filled."""

    path: Path
    pack: int = 2
    packs: dict[str, list[list[str]]] = field(default_factory=dict)

    @property
    def store(self) -> Store:
        """The store, opened anew."""
        return Store.create(self.path)[0]

    def dataset(
        self,
        name: str,
        labels: Sequence[int | None],
        *,
        items: Sequence[str] | None = None,
        classes: ClassList | None = SHAPES,
        cut: Sequence[int] | None = None,
        columns: Mapping[str, Sequence[Any]] | None = None,
    ) -> Made:
        """Index a dataset: one sample a label. `items` gives the image of each sample, `cut` the sizes of packs,
        `columns` what else the set tells of each sample."""
        store = self.store
        chosen = list(items) if items is not None else images(name, len(labels))
        distinct = list(dict.fromkeys(chosen))
        sizes = list(cut) if cut is not None else [self.pack] * -(-len(distinct) // self.pack)
        starts = np.cumsum([0, *sizes]).tolist()
        self.packs[name] = [distinct[a:b] for a, b in itertools.pairwise(starts)]
        table = pl.DataFrame(
            {"sample": [f"{n:05}.jpg" for n in range(len(chosen))], "image_id": chosen, "label": list(labels)},
            schema={"sample": pl.String, "image_id": pl.String, "label": pl.Int64},
        ).with_columns(pl.Series(name, list(values)) for name, values in (columns or {}).items())
        with store.stage() as staged:
            ids = [write_pack(staged, "image", _pack_table(part)) for part in self.packs[name]]
            text = "" if classes is None else write_text(staged, classes)
            write_version(staged, name, table, text, ids, {"layout": "folder"})
        return self

    def model(
        self,
        name: str,
        dataset: str,
        values: np.ndarray[Any, Any],
        *,
        kind: str = "logits",
        classes: ClassList | None = SHAPES,
        heads: Sequence[ZeroShot] = (),
        group: str = "standard",
        failed: Mapping[int, str] | None = None,
        space: Space | None = None,
        kinds: tuple[str, ...] = (),
    ) -> Made:
        """Run a model on a dataset: `values[i]` are the numbers of its i-th distinct image."""
        store = self.store
        space = space or space_of(name)
        array = np.asarray(values, np.float32).copy()
        array[list(failed or {})] = np.nan
        packs = self.packs[dataset]
        extra = {"heads": tuple(pack_id([head.id]) for head in heads)} if heads else {}
        request = Request(
            verb="run",
            model=name,
            facts={"group": group},
            dataset=dataset,
            version=store.version(dataset).id,
            kinds=(*(kinds or (kind,)), *extra),
            space=space.id,
            label=space.label,
            packs=tuple(pack_id(items) for items in packs),
            classes="" if heads or classes is None else classes.id,
            heads=tuple((head.prompt_set.id, head.classes.id) for head in heads),
            extra=extra,
        )
        run = new_run_id(store.disk)
        with store.stage() as staged:
            for text in (classes, *(t for head in heads for t in (head.classes, head.prompt_set))):
                if text is not None:
                    write_text(staged, text)
            write_space(staged, space)
            write_request(staged, request)
            write_start(staged, run, [request.digest], {})
            start = 0
            for items in packs:
                rows = array[start : start + len(items)]
                lost = [(at - start, status) for at, status in (failed or {}).items() if 0 <= at - start < len(items)]
                failures = [RowFailure(row, items[row], status, "said so") for row, status in sorted(lost)]
                unit = Unit(kind, space.id, space.label, pack_id(items))
                write_commit(staged, unit, list(array_segments(kind, space.id, unit.pack, rows)), failures, run)
                start += len(items)
            for head in heads:
                pack = write_pack(staged, "head", _pack_table([head.id]))
                weights = np.asarray(head.weights, np.float32)[None]
                stats = {"logit_scale": head.scale, "logit_bias": head.bias}
                segments = list(array_segments("heads", space.id, pack, weights, stats=stats))
                write_commit(staged, Unit("heads", space.id, space.label, pack), segments, [], run)
            write_end(staged, run, {})
        return self

    def remove_data(self, kind: str, dataset: str, model: str, pack: int = 0) -> None:
        """Remove the data of one pack and leave its record: the unit is lost."""
        store = self.store
        request = next(r for r in store.requests().live if (r.model, r.dataset, r.verb) == (model, dataset, "run"))
        reader = Reader(store)
        commit = reader.commit(Unit(kind, request.space, request.label, pack_id(self.packs[dataset][pack])))
        assert commit is not None
        for segment in commit.segments:
            shutil.rmtree(store.layout.segment(kind, request.label, segment.id))

    def record(self, kind: str, dataset: str, model: str, pack: int = 0) -> Path:
        """Return the commit record of one pack."""
        store = self.store
        request = next(r for r in store.requests().live if (r.model, r.dataset, r.verb) == (model, dataset, "run"))
        return store.layout.record(kind, request.label, pack_id(self.packs[dataset][pack]))

    def cli(self, *words: str) -> int:
        """Run `assay-analyze` on this store and return its exit code."""
        return run_app(app, [*words, "--store", str(self.path)])


def space_of(name: str) -> Space:
    """Return a feature space."""
    return Space({"library": "made", "architecture": {"name": name}}, {})


def _pack_table(items: Sequence[str]) -> pl.DataFrame:
    n = len(items)
    return pl.DataFrame(
        {"item_id": list(items), "nbytes": [1] * n, "width": [1] * n, "height": [1] * n, "format": ["jpeg"] * n}
    )


def catalogue_with(tmp_path: Path, **files: str) -> Catalogue:
    """Return the built-in manifests and some of the test's own: `studies__mine="..."` is studies/mine.toml."""
    folder = user_manifests(tmp_path, **files)
    return load((folder,))


def user_manifests(tmp_path: Path, **files: str) -> Path:
    """Write manifests of the user's own and return their folder."""
    folder = tmp_path / "manifests"
    for name, text in files.items():
        sort, _, stem = name.partition("__")
        path = folder / sort / f"{stem.replace('_', '-')}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


def log_probabilities(*rows: Sequence[float]) -> np.ndarray[Any, Any]:
    """Return logits whose softmax is what is given."""
    return np.log(np.asarray(rows, np.float64)).astype(np.float32)


def tiny(path: Path) -> Made:
    """Four labelled images in two packs, one model: right at 0.7, wrong at 0.5, right at 0.6, unlabelled."""
    made = Made(path).dataset("toys", [0, 1, 2, None])
    rows = log_probabilities([0.7, 0.2, 0.1], [0.5, 0.3, 0.2], [0.1, 0.3, 0.6], [0.2, 0.2, 0.6])
    return made.model("net-a", "toys", rows)
