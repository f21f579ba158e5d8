"""A small store made of seeded numbers through the public writers: what extraction does, without torch.

Two models (one with logits, embeddings and patches, one zero-shot with embeddings, text and a head), two versions of
one dataset, one image that cannot be decoded. Encoded segments are made once a process, so that a test which fills
hundreds of stores pays for file-system calls only.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from cache.bindings import bindings, check_explained
from cache.commits import Outcome, RowFailure, Unit, write_commit
from cache.files import Disk
from cache.key import head_id, image_id, pack_id, text_id
from cache.packs import write_pack
from cache.reader import Reader, State
from cache.requests import Request, write_request
from cache.runs import named_requests, new_run_id, write_end, write_start
from cache.segments import Segment, array_segments
from cache.spaces import Space, write_space
from cache.store import Store
from cache.texts import ClassList, Prompts, read_classes, read_prompts, write_text
from cache.views import write_version
from manifests.canonical import canonical_json

DATASET = "shapes"
CLASSES = ClassList(("n01", "n02", "n03"), ("circle", "square", "star"))
PROMPTS = Prompts("two", ("a photo of a {}.", "a drawing of a {}."))
HEAD = head_id(CLASSES.id, PROMPTS.id)


@dataclass(frozen=True, slots=True)
class Size:
    """How many images the two versions have, and how many a pack."""

    first: int = 20
    second: int = 24
    pack: int = 16
    broken: int = 17
    """Position of the image that cannot be decoded."""


SMALL = Size()


def space_of(name: str, seed: int = 0) -> Space:
    """Return a feature space that says it is of library `synthetic`."""
    return Space(
        {"library": "synthetic", "architecture": {"name": name}, "weights": {"seed": seed}, "dtype": "float32"},
        {"note": "made by tests/cache/synthetic.py"},
    )


CLASSIFIER = space_of("classifier")
ZERO_SHOT = space_of("zero-shot")


def images(count: int) -> list[str]:
    """Return ids of images that have never been."""
    return [image_id(f"image {n}".encode()) for n in range(count)]


def pack_table(items: Sequence[str], kind: str = "jpeg") -> pl.DataFrame:
    """Return the table of a pack."""
    rows = {
        "item_id": list(items),
        "nbytes": [100 + n for n in range(len(items))],
        "width": [32] * len(items),
        "height": [24] * len(items),
        "format": [kind] * len(items),
    }
    return pl.DataFrame(rows)


def view_table(count: int) -> pl.DataFrame:
    """Return the rows of a version of the dataset, with a column of its own."""
    rows = {
        "sample": [f"img/{n:03}.png" for n in range(count)],
        "image_id": images(count),
        "label": [n % 3 if n % 7 else None for n in range(count)],
        "pose": [0.5 * n for n in range(count)],
    }
    return pl.DataFrame(rows, schema_overrides={"label": pl.Int64})


def packs_of(size: Size, count: int) -> list[list[str]]:
    """Return the items of the packs that the second version appends to those of the first."""
    ids = images(size.second)
    cut = [ids[at : min(at + size.pack, size.first)] for at in range(0, size.first, size.pack)]
    if count > size.first:
        cut.append(ids[size.first : count])
    return cut


def numbers(*names: object, shape: tuple[int, ...], dtype: str = "float32") -> np.ndarray[Any, Any]:
    """Return standard normal numbers that depend on the names only."""
    seed = int.from_bytes(hashlib.sha256(repr(names).encode()).digest()[:8], "big")
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


SHAPES: dict[str, tuple[tuple[int, ...], str]] = {
    "logits": ((3,), "float32"),
    "embeddings": ((4,), "float32"),
    "patches": ((2, 2, 3), "float16"),
}


@functools.lru_cache(maxsize=256)
def image_segments(
    kind: str, space: str, items: tuple[str, ...], broken: tuple[str, ...] = (), seed: int = 0
) -> tuple[Segment, ...]:
    """Return the encoded numbers of a pack of images."""
    shape, dtype = SHAPES[kind]
    array = np.stack([numbers(kind, space, item, seed, shape=shape, dtype=dtype) for item in items])
    array[[row for row, item in enumerate(items) if item in broken]] = np.nan
    return tuple(array_segments(kind, space, pack_id(items), array))


@functools.lru_cache(maxsize=8)
def text_segments(space: str) -> tuple[tuple[Segment, ...], tuple[Segment, ...], tuple[str, ...]]:
    """Return the encoded sentences, the encoded head and the ids of the sentences."""
    named = zip(CLASSES.keys, CLASSES.names, strict=True)
    ids = tuple(text_id(sentence) for key, name in named for sentence in PROMPTS.sentences(key, name))
    rows = np.stack([numbers("text", space, item, shape=(4,), dtype="float16") for item in ids])
    weights = numbers("head", space, HEAD, shape=(1, 4, 3))
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    stats = {"logit_scale": 14.25, "logit_bias": -1.5}
    return (
        tuple(array_segments("text", space, pack_id(ids), rows)),
        tuple(array_segments("heads", space, pack_id([HEAD]), weights, stats=stats)),
        ids,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One model on one version, as `run` would do it."""

    model: str
    space: Space
    kinds: tuple[str, ...]
    count: int
    zero_shot: bool = False
    seed: int = 0


def index(store: Store, size: Size, count: int) -> str:
    """Do what `index` does: packs, then the version."""
    with store.stage() as staged:
        classes = write_text(staged, CLASSES)
        packs = [write_pack(staged, "image", pack_table(items)) for items in packs_of(size, count)]
        facts = {"layout": "folder", "label_space": "own", "virtual": False}
        return write_version(staged, DATASET, view_table(count), classes, packs, facts)[0]


def request_of(store: Store, size: Size, job: Job) -> Request:
    """Return what a job asks for."""
    packs = tuple(pack_id(items) for items in packs_of(size, job.count))
    extra = {}
    if job.zero_shot:
        extra = {"text": (pack_id(text_segments(job.space.id)[2]),), "heads": (pack_id([HEAD]),)}
    return Request(
        verb="run",
        model=job.model,
        facts={"group": "zero-shot-clip" if job.zero_shot else "standard"},
        dataset=DATASET,
        version=store.version(DATASET).id,
        kinds=(*job.kinds, *extra),
        space=job.space.id,
        label=job.space.label,
        packs=packs,
        classes="" if job.zero_shot else CLASSES.id,
        heads=((PROMPTS.id, CLASSES.id),) if job.zero_shot else (),
        extra=extra,
    )


def units_of(size: Size, job: Job) -> list[tuple[Unit, tuple[Segment, ...], list[RowFailure]]]:
    """Return what a job computes."""
    space = job.space
    broken = images(size.second)[size.broken]
    found = []
    for items in packs_of(size, job.count):
        for kind in job.kinds:
            segments = image_segments(kind, space.id, tuple(items), (broken,), job.seed)
            failures = [
                RowFailure(row, item, "decode_error", "truncated") for row, item in enumerate(items) if item == broken
            ]
            found.append((Unit(kind, space.id, space.label, pack_id(items)), segments, failures))
    if job.zero_shot:
        text, head, ids = text_segments(space.id)
        found.append((Unit("text", space.id, space.label, pack_id(ids)), text, []))
        found.append((Unit("heads", space.id, space.label, pack_id([HEAD])), head, []))
    return found


def run(store: Store, size: Size, job: Job, run_id: str = "") -> dict[Unit, Outcome]:
    """Do what `run` does: requests, the beginning of the run, units, its end."""
    store.forget()
    request = request_of(store, size, job)
    units = units_of(size, job)
    with store.stage() as staged:
        write_text(staged, CLASSES)
        if job.zero_shot:
            ids = text_segments(job.space.id)[2]
            write_text(staged, PROMPTS)
            write_pack(staged, "text", pack_table(ids, ""))
            write_pack(staged, "head", pack_table([HEAD], ""))
        write_space(staged, job.space)
        write_request(staged, request)
        store.forget()
        reader = Reader(store)
        todo = [unit for unit in units if reader.state(unit[0]) is State.ABSENT]
        if not todo and request.digest in named_requests(store.disk, store.layout):
            return {}
        run_id = run_id or new_run_id(store.disk)
        write_start(staged, run_id, [request.digest], {"device": "none"})
    done = {}
    for unit, segments, failures in todo:
        with store.stage() as staged:
            done[unit] = write_commit(staged, unit, segments, failures, run_id)
    with store.stage() as staged:
        write_end(staged, run_id, {"units": len(done), "outcomes": sorted({o.value for o in done.values()})})
    store.forget()
    return done


Step = Callable[[Path, Disk], object]


def steps(size: Size = SMALL, seed: int = 0, run_ids: tuple[str, str, str] = ("", "", "")) -> list[Step]:
    """Return the commands that fill a store, in order. Each may be repeated until it succeeds."""
    all_kinds = ("logits", "embeddings", "patches")
    first = Job("net-a", CLASSIFIER, all_kinds, size.first, seed=seed)
    second = Job("net-a", CLASSIFIER, all_kinds, size.second, seed=seed)
    zero_shot = Job("clip-b", ZERO_SHOT, ("embeddings",), size.second, zero_shot=True, seed=seed)
    return [
        lambda path, disk: index(Store.create(path, disk)[0], size, size.first),
        lambda path, disk: run(Store(path, disk), size, first, run_ids[0]),
        lambda path, disk: index(Store(path, disk), size, size.second),
        lambda path, disk: run(Store(path, disk), size, second, run_ids[1]),
        lambda path, disk: run(Store(path, disk), size, zero_shot, run_ids[2]),
    ]


def fill(path: Path, size: Size = SMALL, seed: int = 0, disk: Disk | None = None) -> Store:
    """Fill a store from nothing."""
    for step in steps(size, seed):
        step(path, disk or Disk())
    return Store(path)


def fill_other_model(path: Path, size: Size = SMALL) -> Store:
    """Fill a store with another model on the same dataset."""
    store = Store.create(path)[0]
    index(store, size, size.second)
    run(store, size, Job("net-c", space_of("other", seed=3), ("logits", "embeddings"), size.second))
    return store


Answer = dict[str, str]


def answer(path: Path, disk: Disk | None = None) -> Answer:
    """Read everything that the requests of a store bind, as an analysis would.

    Returns
    -------
    dict
        What was read -> a digest of it.

    Raises
    ------
    AssayError
        When something asked for is not here, or cannot be believed.
    """
    store = Store(path, disk)
    check_explained(store)
    reader = Reader(store)
    found: Answer = {}
    for binding in bindings(store):
        name = f"{binding.model} {binding.dataset}"
        space = store.space(binding.label)
        view = store.version(binding.dataset)
        found[f"{name}: facts"] = _digest([dict(binding.facts), binding.group, space.identity, view.id, view.facts])
        found[f"{name}: view"] = _digest([view.table.columns, [list(row) for row in view.table.rows()]])
        found[f"{name}: labels"] = _digest(read_classes(store.disk, store.layout, view.classes).to_json())
        if binding.classes:
            found[f"{name}: classes"] = _digest(read_classes(store.disk, store.layout, binding.classes).to_json())
        heads = {"": None} | {head_id(classes, prompts): prompts for prompts, classes in binding.heads}
        for kind in binding.kinds:
            if kind == "heads":
                continue
            if kind == "text":
                packs = next(r.extra["text"] for r in store.requests().live if r.label == binding.label)
                ids = [item for pack in packs for item in reader.pack(pack).items]
                found[f"{name}: text"] = _digest_array(reader.rows("text", space, ids))
                continue
            for head, prompts in heads.items():
                if head and kind != "embeddings":
                    continue
                if prompts:
                    found[f"{name}: prompts"] = _digest(read_prompts(store.disk, store.layout, prompts).to_json())
                rows, failures = read_kind(reader, kind, space, binding.dataset, head)
                found[f"{name}: {kind} {head[:8]}"] = _digest_array(rows)
                found[f"{name}: {kind} failures"] = _digest(failures)
    return found


def read_kind(
    reader: Reader, kind: str, space: Space, dataset: str, head: str = ""
) -> tuple[np.ndarray[Any, Any], list[int]]:
    """Return one kind of one space in the order of a view, and the rows that failed."""
    view = reader.store.version(dataset)
    rows: np.ndarray[Any, Any] | None = None
    failures: list[int] = []
    for block in reader.blocks(kind, space, view, head=head or None):
        if rows is None:
            rows = np.zeros((view.table.height, *block.values.shape[1:]), block.values.dtype)
        rows[block.index] = block.values
        failures += block.failures
    assert rows is not None
    return rows, sorted(failures)


def _digest(value: Any) -> str:
    return hashlib.sha256(canonical_json(value)).hexdigest()[:16]


def _digest_array(value: np.ndarray[Any, Any]) -> str:
    # The bits of a NaN are nobody's number.
    plain = np.where(np.isnan(value), np.asarray(0, value.dtype), value)
    return f"{value.dtype} {value.shape} {hashlib.sha256(plain.tobytes()).hexdigest()[:16]}"
