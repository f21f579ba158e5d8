"""`index --check`: a set on disk against what is known of it, listing what is missing or extra. Writes no version.

Known are the manifest's counts and classes, the names and classes of the ImageNet validation set, and the version of
the same set that the store has already, image by image: that is how two copies are compared.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from cache import views
from cache.store import Store
from cache.texts import read_classes
from manifests.schema import Dataset

from .index import Gathered
from .layouts.entries import natural_key
from .layouts.imagenet_val import val_name

VAL_LABELS = "4138c0cd92d2dffea9353a9339c9f352361b7c6c267d2ff989b366f154188257"
"""sha256 of the lines `<file name> <class index>` of all validation images, sorted by name: what each image shows."""

_MOST = 20


@dataclass(frozen=True, slots=True)
class Comparison:
    """One thing compared. `result` is equal, differs, or unknown where nothing is known to compare with."""

    check: str
    expected: str
    found: str
    result: str
    detail: str = ""


def check_set(store: Store, name: str, gathered: Gathered) -> tuple[Comparison, ...]:
    """Compare what lies on disk with what is known of the set."""
    rows = [*_refused(gathered), *_counts(gathered), *_classes(gathered)]
    if name == "imagenet-val":
        rows += _validation(gathered.table)
    rows += _store_version(store, name, gathered)
    return tuple(rows)


def _listed(names: Sequence[str], what: str) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return f"{what}: {', '.join(sorted(names, key=natural_key)[:_MOST])}{more}"


def _compared(check: str, expected: object, found: object, detail: str = "") -> Comparison:
    return Comparison(check, str(expected), str(found), "equal" if expected == found else "differs", detail)


def _refused(gathered: Gathered) -> Iterator[Comparison]:
    refused = gathered.refused
    yield _compared("refused files", 0, len(refused), "; ".join(f"{r.sample}: {r.why}" for r in refused[:_MOST]))


def _counts(gathered: Gathered) -> Iterator[Comparison]:
    manifest, table = gathered.manifest, gathered.table
    if manifest is None or manifest.count is None:
        yield Comparison("samples", "", str(table.height), "unknown", "no manifest says how many there are")
    else:
        yield _compared("samples", manifest.count, table.height, manifest.count_note(table.height))
    if manifest is None:
        return
    for check, found in _known_counts(manifest, table):
        yield _compared(check.replace("_", " "), manifest.counts[check], found)


def _known_counts(manifest: Dataset, table: pl.DataFrame) -> Iterator[tuple[str, int]]:
    columns = table.columns
    found: dict[str, int] = {"labelled": table.height - table["label"].null_count()}
    if "anchor" in columns:
        found["anchors"] = table.filter(pl.col("sample") == pl.col("anchor")).height
    if "caption" in columns:
        found["captions"] = int(table["caption"].list.len().sum())
    if "pairs" in columns:
        found["pairs"] = int(table["pairs"].list.len().sum())
    for column, name in (("ood_class", "ood_classes"), ("corruption", "corruptions"), ("severity", "severities")):
        if column in columns:
            found[name] = table[column].drop_nulls().n_unique()
    if {"shape", "texture"} <= set(columns) and table.schema["shape"] == pl.Int64:
        found["conflicting"] = table.filter(pl.col("shape") != pl.col("texture")).height
    if "split" in columns:
        found |= dict(table.group_by("split").len().iter_rows())
    yield from ((name, count) for name, count in found.items() if name in manifest.counts)


def _classes(gathered: Gathered) -> Iterator[Comparison]:
    """Compare the histogram of classes, where it is known that all are equally many."""
    manifest, table = gathered.manifest, gathered.table
    if gathered.labels.classes is not None:
        keys: Sequence[str] = gathered.labels.classes.keys
        count: Mapping[str, int] = Counter(keys[label] for label in table["label"].drop_nulls().to_list())
        expected = manifest.counts.get("classes", len(keys)) if manifest is not None else len(keys)
    elif "ood_class" in table.columns:
        keys = sorted(set(table["ood_class"].drop_nulls().to_list()), key=natural_key)
        count = Counter(table["ood_class"].drop_nulls().to_list())
        expected = manifest.counts.get("ood_classes", len(keys)) if manifest is not None else len(keys)
    else:
        return
    empty = [key for key in keys if not count.get(key)]
    yield _compared("classes with images", expected, len(keys) - len(empty), _listed(empty, "without images"))
    each = manifest.counts.get("images_a_class") if manifest is not None else None
    if each is not None:
        odd = [f"{key} ({number})" for key, number in count.items() if number != each]
        yield _compared(f"classes with {each} images", len(count), len(count) - len(odd), _listed(odd, "others"))


def _validation(table: pl.DataFrame) -> Iterator[Comparison]:
    label_of = {sample.rsplit("/", 1)[-1]: label for sample, label in table.select("sample", "label").iter_rows()}
    official = {val_name(number) for number in range(1, 50_001)}
    missing, extra = official - set(label_of), set(label_of) - official
    detail = "; ".join(filter(None, (_listed(list(missing), "missing"), _listed(list(extra), "extra"))))
    yield _compared("official names", len(official), len(official) - len(missing) + len(extra), detail)
    if not missing and not extra:
        lines = "".join(f"{name} {label_of[name]}\n" for name in sorted(official))
        found = hashlib.sha256(lines.encode()).hexdigest()
        why = "" if found == VAL_LABELS else "images carry other classes than the official ones: see --labels"
        yield _compared("class of every image", VAL_LABELS[:16], found[:16], why)


def _store_version(store: Store, name: str, gathered: Gathered) -> Iterator[Comparison]:
    held = views.read_head(store.disk, store.layout, name)
    if held is None or held.facts.get("virtual") or gathered.listed:
        yield Comparison("store's version", "", "", "unknown", "the store has no version with images to compare with")
        return
    there = dict(held.table.select("sample", "image_id").iter_rows())
    here = dict(gathered.table.select("sample", "image_id").iter_rows())
    missing, extra = [s for s in there if s not in here], [s for s in here if s not in there]
    changed = [sample for sample, image in here.items() if there.get(sample, image) != image]
    parts = (_listed(missing, "missing"), _listed(extra, "extra"), _listed(changed, "other bytes"))
    ids = [hashlib.sha256("".join(sorted(set(images.values()))).encode()).hexdigest()[:16] for images in (there, here)]
    yield _compared("set of images", ids[0], ids[1], "; ".join(filter(None, parts)))
    if gathered.labels.classes is not None and held.classes:
        own = read_classes(store.disk, store.layout, held.classes)
        labels = dict(held.table.select("sample", "label").iter_rows())
        moved = [
            sample
            for sample, label in gathered.table.select("sample", "label").iter_rows()
            if sample in labels and _key(own.keys, labels[sample]) != _key(gathered.labels.classes.keys, label)
        ]
        yield _compared("samples of another class", 0, len(moved), _listed(moved, "moved"))


def _key(keys: Sequence[str], label: int | None) -> str | None:
    return None if label is None else keys[label]
