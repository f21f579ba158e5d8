"""`assay-extract`: everything that touches images and models."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from cache import console
from cache.console import Options, log, make_app, print_json, print_rows, run_app
from manifests.errors import UsageError

if TYPE_CHECKING:
    from cache.store import Store
    from manifests.catalogue import Catalogue

    from .index import IndexReport, IndexRequest
    from .plan import Plan
    from .resolve import Choice
    from .run import RunReport

app = make_app("assay-extract", "Index images, run models over them once, and store what they say.")

Many = Annotated[list[str] | None, Parameter(negative="", consume_multiple=False)]
DEFAULT_OPTIONS = Options()
_MOST_LINES = 200


def _catalogue(options: Options) -> Catalogue:
    from manifests.catalogue import load, user_folders

    return load(user_folders(options.manifests, os.environ))


def _open(options: Options) -> Store:
    from cache.store import Store, store_path

    return Store(store_path(options.store))


def _create(options: Options) -> Store:
    from cache.store import Store, store_path

    store, new = Store.create(store_path(options.store))
    if new:
        log.info("created a store at %s", store.layout.root.resolve())
    return store


@app.command(name="list")
def list_(
    what: Literal["models", "datasets", "labels", "prompts", "studies"],
    *,
    study: Many = None,
    group: Many = None,
    source: Many = None,
    options: Options = DEFAULT_OPTIONS,
) -> None:
    """Show what the manifests know.

    Parameters
    ----------
    what
        Which manifests.
    study
        Only what these studies name.
    group
        Only models of these groups.
    source
        Only models of these training sources.
    """
    from manifests.listing import rows

    options.start_logging()
    found = rows(_catalogue(options), what, group=group or (), source=source or (), study=study or ())
    columns = {
        "models": ("id", "group", "training_source", "encoder_family", "resolution", "parameters_m", "obtain"),
        "datasets": ("id", "title", "role", "count", "layouts"),
        "labels": ("id", "title"),
        "prompts": ("id", "title"),
        "studies": ("id", "title"),
    }[what]
    print_rows(found, columns, options.json)


@app.command
def index(
    dataset: str,
    *,
    root: Path | None = None,
    layout: str = "",
    labels: Path | None = None,
    listing: Path | None = None,
    annotations: Path | None = None,
    label_space: str = "",
    limit: int | None = None,
    pack_size: int = 4096,
    packs: Literal["auto", "reuse", "own"] = "auto",
    follow_links: Annotated[bool, Parameter(negative="")] = False,
    check: Annotated[bool, Parameter(negative="")] = False,
    options: Options = DEFAULT_OPTIONS,
) -> int:
    """Hash the images of a dataset and write its current version.

    Parameters
    ----------
    dataset
        An id of the manifests, or a name of your own.
    root
        The folder with the images; or a tar, zip, HDF5 or Parquet file, a saved Hugging Face dataset, a list.
    layout
        How they lie there; `assay-extract list datasets` names those of each set. Else --root itself has to say.
    labels
        CSV, JSONL or Parquet: file, and one of class_index, wnid, label.
    listing
        The same for samples; without --root they are listed only, for numbers made elsewhere.
    annotations
        A file that says what the images are, or a folder of such files, where they do not lie beside the images.
    label_space
        Id of the label space that labels belong to; else imagenet-1k for class_index and wnid, else the labels' own.
    limit
        Take the first N images only.
    pack_size
        Most images of a unit of work.
    packs
        Use existing packs where they fit (auto), wherever they can (reuse), or cut new ones (own).
    follow_links
        Take files that symbolic links find outside --root.
    check
        Only compare with what is known of the set, listing what is missing or extra.
    """
    from .index import IndexRequest
    from .index import index as do_index

    options.start_logging()
    _at_least(1, limit=limit, pack_size=pack_size)
    asked = IndexRequest(
        dataset=dataset,
        root=root,
        layout=layout,
        labels=labels,
        listing=listing,
        annotations=annotations,
        label_space=label_space,
        limit=limit,
        pack_size=pack_size,
        packing=packs,
        follow_links=follow_links,
        threads=os.cpu_count() or 1,
    )
    store, catalogue = _create(options), _catalogue(options)
    return (
        _check_set(store, catalogue, asked, options)
        if check
        else _show_index(do_index(store, catalogue, asked), options)
    )


def _check_set(store: Store, catalogue: Catalogue, asked: IndexRequest, options: Options) -> int:
    from dataclasses import asdict

    from .check_set import check_set
    from .index import gather

    rows = [asdict(row) for row in check_set(store, asked.dataset, gather(store, catalogue, asked))]
    print_rows(rows, ("check", "expected", "found", "result", "detail"), options.json)
    return 5 if any(row["result"] == "differs" for row in rows) else 0


def _at_least(least: int, **options: int | None) -> None:
    for name, value in options.items():
        if value is not None and value < least:
            raise UsageError(f"--{name.replace('_', '-')} expects a number from {least}, got {value}.")


def _show_index(report: IndexReport, options: Options) -> int:
    for refused in report.refused:
        log.warning("refused %s: %s", refused.sample, refused.why)
    if report.note:
        log.warning("%s", report.note)
    row = {
        "dataset": report.dataset,
        "version": report.version[:16],
        "new": report.new,
        "samples": report.samples,
        "images": report.images,
        "labelled": report.labelled,
        "hashed": report.hashed,
        "packs": report.packs,
        "refused": len(report.refused),
    }
    if options.json:
        print_json({**row, "refused": [{"sample": r.sample, "why": r.why} for r in report.refused]})
    else:
        print_rows([row], tuple(row), False)
    return 5 if report.refused else 0


def _choice(
    weights: str | None,
    classes: Path | None,
    name: str,
    image_size: int | None,
    interpolation: str,
    dtype: str,
    offline: bool,
    catalogue: Catalogue | None = None,
) -> Choice:
    from .classes import class_list, read_classes_file
    from .resolve import Choice

    if classes is None:
        listed = None
    elif catalogue is not None and str(classes) in catalogue.labels:
        listed = class_list(catalogue.labels[str(classes)])
    else:
        listed = read_classes_file(classes)
    return Choice(
        weights=weights or "",
        classes=listed,
        name=name,
        image_size=image_size,
        interpolation=interpolation,
        dtype=dtype,
        offline=offline,
    )


def _plan(
    store: Store,
    catalogue: Catalogue,
    blocks: list[tuple[list[str], list[str], list[str], list[str]]],
    choice: Choice,
) -> Plan:
    """Plan blocks of (models, datasets, kinds, prompts)."""
    from cache.reader import Reader

    from .backbones.protocol import ZeroShot
    from .plan import Plan, plan_work
    from .prompt_choice import heads_for
    from .resolve import candidate, named_models
    from .sources import Memo

    reader, memo = Reader(store), Memo(store)
    known: dict[str, Any] = {}
    works = []
    for models, datasets, kinds, prompts in blocks:
        views = [store.version(name) for name in _datasets(store, datasets)]
        for named in named_models(catalogue, models, choice):
            if named.name not in known:
                known[named.name] = candidate(catalogue, named, choice, memo)
            model = known[named.name]
            speaks = isinstance(model.backbone, ZeroShot)
            if prompts and not speaks:
                log.warning("%s has a classifier of its own; --prompts does not concern it", named.name)
            for view in views:
                heads = heads_for(store, catalogue, view, kinds, prompts, choice.classes) if speaks else ()
                works.append(plan_work(store, reader, model, view, kinds, heads))
    return Plan(tuple(works))


def _datasets(store: Store, patterns: list[str]) -> tuple[str, ...]:
    from cache.bindings import select_ids

    known = store.datasets()
    if not known:
        raise UsageError("the store has no dataset yet; `assay-extract index NAME --root DIR` adds one.")
    return select_ids(known, patterns, "datasets")


def _blocks(
    catalogue: Catalogue,
    study: str,
    model: list[str] | None,
    dataset: list[str] | None,
    kinds: list[str] | None,
    prompts: list[str] | None,
) -> list[tuple[list[str], list[str], list[str], list[str]]]:
    from manifests.selection import split_patterns

    asked = list(split_patterns(kinds)) if kinds else []
    if not study:
        return [(model or [], dataset or [], asked, prompts or [])]
    if study not in catalogue.studies:
        raise UsageError(f"no study {study!r}; the manifests have {', '.join(catalogue.studies)}.")
    return [
        (
            model or list(block.models),
            dataset or list(block.datasets),
            asked or list(block.kinds),
            prompts or list(block.prompts),
        )
        for block in catalogue.studies[study].blocks
    ]


@app.command
def plan(
    *,
    model: Many = None,
    dataset: Many = None,
    kinds: Many = None,
    prompts: Many = None,
    study: str = "",
    weights: str | None = None,
    classes: Path | None = None,
    name: Annotated[str, Parameter(name="--as")] = "",
    image_size: int | None = None,
    interpolation: str = "",
    dtype: str = "float32",
    offline: Annotated[bool, Parameter(negative="")] = False,
    options: Options = DEFAULT_OPTIONS,
) -> None:
    """Say what `run` would do: units, images needed and computed, bytes, time. Options are those of `run`."""
    from .price import price

    options.start_logging()
    store, catalogue = _open(options), _catalogue(options)
    chosen = _choice(weights, classes, name, image_size, interpolation, dtype, offline, catalogue)
    found = price(store, catalogue, _blocks(catalogue, study, model, dataset, kinds, prompts), chosen, _plan)
    if options.json:
        print_json(found.to_json())
        return
    columns = ("model", "dataset", "kinds", "units", "images_needed", "images_computed", "megabytes", "minutes")
    print_rows(found.rows(), columns, False)
    for line in found.remarks:
        log.info("%s", line)


@app.command
def run(
    *,
    root: Path | None = None,
    labels: Path | None = None,
    model: Many = None,
    dataset: Many = None,
    kinds: Many = None,
    prompts: Many = None,
    study: str = "",
    weights: str | None = None,
    classes: Path | None = None,
    name: Annotated[str, Parameter(name="--as")] = "",
    image_size: int | None = None,
    interpolation: str = "",
    dtype: str = "float32",
    device: str = "auto",
    batch_size: int = 64,
    workers: int | None = None,
    compress: Literal["none", "zstd"] = "none",
    accept_new_pixels: Annotated[bool, Parameter(negative="")] = False,
    offline: Annotated[bool, Parameter(negative="")] = False,
    options: Options = DEFAULT_OPTIONS,
) -> int:
    """Run models over datasets and commit what they say; what is there already is not computed again.

    Parameters
    ----------
    root
        A folder of images of your own, indexed first under its name.
    labels
        With --root: CSV of labels; else sub-folders are classes.
    model
        Ids, globs, timm:<arch>, open_clip:<arch>/<tag>.
    dataset
        Indexed datasets; none means all.
    kinds
        logits, embeddings, patches; text or heads alone: prompts of a zero-shot model, no image is read.
    prompts
        Prompt sets of zero-shot models: ids, globs, a .toml or .json file, or NAME=FILE; none means openai-80.
    study
        Everything that a study names.
    weights
        A safetensors file or state dict, hf-hub:ORG/NAME, or random:SEED.
    classes
        One class a line, in the order of the logit columns; or the id of a label space. For a zero-shot model the
        classes to tell apart, instead of the dataset's own.
    name
        What tables will call the model.
    image_size
        Side of the input; another size is another space.
    interpolation
        bilinear, bicubic, ...; another one is another space.
    dtype
        Compute dtype; another one is another space.
    device
        cpu, cuda, cuda:1, mps; auto takes the first that is there.
    batch_size
        Images of a forward pass; halved where memory does not hold it.
    workers
        Decoding threads; 0 decodes between batches.
    compress
        Codec of stored patches.
    accept_new_pixels
        Go on although the same preprocessing gives other pixels than before (a Pillow upgrade).
    offline
        Never ask a hub.
    """
    from .index import IndexRequest
    from .index import index as do_index
    from .preflight import check_pixels, choose_device
    from .run import run_plan
    from .unit import Settings

    options.start_logging()
    _at_least(1, batch_size=batch_size)
    _at_least(0, workers=workers)
    store, catalogue = _create(options), _catalogue(options)
    refused = 0
    if root is not None:
        own = re.sub(r"[^A-Za-z0-9._-]+", "-", root.resolve().name).strip("-._")[:80].rstrip(".") or "folder"
        asked = IndexRequest(dataset=own, root=root, layout="", labels=labels, threads=os.cpu_count() or 1)
        report = do_index(store, catalogue, asked)
        refused = len(report.refused)
        log.info("indexed %s: %d images, %d labelled", own, report.images, report.labelled)
        dataset = [*(dataset or []), own]
    elif labels is not None:
        raise UsageError("--labels belongs to --root; `assay-extract index` takes it for other datasets.")
    chosen = _choice(weights, classes, name, image_size, interpolation, dtype, offline, catalogue)
    todo = _plan(store, catalogue, _blocks(catalogue, study, model, dataset, kinds, prompts), chosen)
    check_pixels(store, todo, accept_new_pixels)
    threads = workers if workers is not None else max(1, (os.cpu_count() or 2) // 2)
    settings = Settings(batch_size=batch_size, workers=threads, device=choose_device(device))
    done = run_plan(store, todo, settings, compress)
    failures = _failures(todo, done)
    for failure in failures[:_MOST_LINES]:
        log.warning("%s: %s (%s)", failure["sample"] or failure["item"], failure["status"], failure["detail"])
    if len(failures) > _MOST_LINES:
        log.warning("and %d more; --json lists all", len(failures) - _MOST_LINES)
    if options.json:
        print_json({**done.to_json(), "failures": failures})
    else:
        images = sum(receipt.unit.images for receipt in done.receipts)
        words = f", {sum(text.sentences for text in done.texts)} sentences" if done.texts else ""
        console.print_data(f"{len(done.receipts)} units, {images} images{words}, {len(done.failures)} without numbers")
    return 5 if done.failures or refused else 0


def _failures(todo: Plan, done: RunReport) -> list[dict[str, str]]:
    """Return every item without numbers once, under the names that the datasets give it."""
    samples: dict[str, dict[str, None]] = {failure.item: {} for failure in done.failures}
    for view in {work.view.id: work.view for work in todo.works}.values() if samples else ():
        table = view.table.filter(view.table["image_id"].is_in(list(samples)))
        for sample, image in zip(table["sample"], table["image_id"], strict=True):
            samples[image][sample] = None
    rows = (
        {"sample": ", ".join(samples[f.item]), "item": f.item, "status": f.status, "detail": f.detail}
        for f in done.failures
    )
    return list({tuple(row.values()): row for row in rows}.values())


@app.command
def status(*, model: Many = None, dataset: Many = None, space: Many = None, options: Options = DEFAULT_OPTIONS) -> None:
    """Show which packs of which kinds are here."""
    from .status import status_rows

    options.start_logging()
    rows = status_rows(_open(options), model or (), dataset or (), space or ())
    print_rows(
        rows, ("model", "dataset", "kind", "packs", "here", "lost", "absent", "failed_images", "bytes"), options.json
    )


@app.command
def doctor(
    *,
    model: Many = None,
    weights: str | None = None,
    device: str = "auto",
    offline: Annotated[bool, Parameter(negative="")] = False,
    options: Options = DEFAULT_OPTIONS,
) -> int:
    """Inspect this machine, and with --model whether a model keeps its contract.

    Parameters
    ----------
    model
        Models to check: preprocessing, batch independence, determinism, dtype, patch grid.
    weights
        As in `run`.
    device
        As in `run`.
    offline
        As in `run`.
    """
    from .doctor import environment, examine
    from .preflight import choose_device

    options.start_logging()
    rows = environment()
    if model:
        catalogue = _catalogue(options)
        rows += examine(
            catalogue, model, _choice(weights, None, "", None, "", "float32", offline), choose_device(device)
        )
    print_rows(rows, ("check", "result", "detail"), options.json)
    return 1 if any(row["result"] == "fails" for row in rows) else 0


@app.command
def verify(
    *,
    recompute: int = 16,
    seed: int = 0,
    model: Many = None,
    dataset: Many = None,
    tolerance: float = 1e-3,
    weights: str | None = None,
    device: str = "auto",
    batch_size: int = 64,
    offline: Annotated[bool, Parameter(negative="")] = False,
    options: Options = DEFAULT_OPTIONS,
) -> int:
    """Compute some images again and compare them with the store.

    Parameters
    ----------
    recompute
        Images of each model and dataset, drawn by --seed.
    seed
        Which ones.
    model
        Models; none means all that are bound.
    dataset
        Datasets; none means all.
    tolerance
        Largest difference that counts as equal, relative to the largest stored number.
    weights
        As in `run`.
    device
        As in `run`.
    batch_size
        As in `run`.
    offline
        As in `run`.
    """
    from .preflight import choose_device
    from .unit import Settings
    from .verify import verify_rows

    options.start_logging()
    _at_least(1, batch_size=batch_size, recompute=recompute)
    chosen = _choice(weights, None, "", None, "", "float32", offline)
    settings = Settings(batch_size=batch_size, workers=0, device=choose_device(device))
    rows = verify_rows(
        _open(options), _catalogue(options), model or (), dataset or (), chosen, settings, recompute, seed, tolerance
    )
    columns = ("model", "dataset", "kind", "images", "largest_difference", "top1_flips", "result")
    print_rows(rows, columns, options.json)
    return 4 if any(row["result"] != "equal" for row in rows) else 0


def main() -> None:
    """Run the command line."""
    console.exit_with(lambda: run_app(app))
