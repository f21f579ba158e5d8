"""`assay-extract match`: patch matches of datasets that list pairs of images."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path  # noqa: F401  the inherited options are read by names of this module
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from cache.console import Options, log, print_data, print_json
from manifests.errors import UsageError

from .model_options import ModelOptions
from .opening import at_least, create_store, open_catalogue
from .selection import DEFAULT_SELECTION, Selection

if TYPE_CHECKING:
    from cache.image_pairs import Scheme
    from cache.store import Store
    from extract.blocks import Block
    from extract.matching.plan import MatchWork
    from extract.resolve import Choice
    from extract.unit import Settings
    from manifests.catalogue import Catalogue

DEFAULT_OPTIONS = Options()
_MOST_LINES = 50


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class MatchModelOptions(ModelOptions):
    """How to build a model whose patches are matched."""

    geometry: Annotated[
        str,
        Parameter(
            help="dataset: what its manifest says, else 512x512 for NAVI, 480x640 for ScanNet, 800x800 for SPair-71k, "
            "as probe3d; native; or HEIGHTxWIDTH. Another one is another space."
        ),
    ] = "dataset"


DEFAULT_MODEL_OPTIONS = MatchModelOptions()


def match(
    *,
    selection: Selection = DEFAULT_SELECTION,
    built: MatchModelOptions = DEFAULT_MODEL_OPTIONS,
    top: int = 2000,
    pack_size: int = 512,
    device: str = "auto",
    batch_size: int = 8,
    workers: int | None = None,
    options: Options = DEFAULT_OPTIONS,
) -> int:
    """Match the patches of pairs of images and commit the matches; what is there already is not matched again.

    Stored patches are used where they are here; else images go through the model, and their patches are not stored
    unless --kinds patches asks for it.

    Parameters
    ----------
    top
        Matches of a pair to keep, the surest first. Keypoints (SPair-71k) keep the five best cells each.
    pack_size
        Pairs of a unit of work.
    device
        cpu, cuda, cuda:1, mps; auto takes the first that is there.
    batch_size
        Images of a forward pass; halved where memory does not hold it.
    workers
        Decoding threads; 0 decodes between batches.
    """
    from extract.matching.run import run_match
    from extract.preflight import choose_device
    from extract.unit import Settings

    options.start_logging()
    at_least(1, batch_size=batch_size, top=top, pack_size=pack_size)
    at_least(0, workers=workers)
    store, catalogue = create_store(options), open_catalogue(options)
    threads = workers if workers is not None else max(1, (os.cpu_count() or 2) // 2)
    settings = Settings(batch_size=batch_size, workers=threads, device=choose_device(device))
    works = []
    for block in _blocks(store, catalogue, selection, built.weights):
        works += _plan(store, catalogue, block, built, settings, (top, pack_size))
    if not works:
        raise UsageError("nothing to match: no dataset with pairs was named; index navi, scannet or spair-71k.")
    done = run_match(store, works, settings)
    for failure in done.failures[:_MOST_LINES]:
        log.warning("%s: %s (%s)", failure.item[:16], failure.status, failure.detail)
    if len(done.failures) > _MOST_LINES:
        log.warning("and %d more; --json lists all", len(done.failures) - _MOST_LINES)
    for work in works:
        if work.listed.absent:
            log.warning("%s: %d pairs lack their second image and are left out", work.view.name, work.listed.absent)
    if options.json:
        print_json(done.to_json())
    else:
        print_data(f"{done.units} units, {done.pairs} pairs, {done.images} images, {len(done.failures)} failures")
    return 5 if done.failures else 0


def _blocks(store: Store, catalogue: Catalogue, selection: Selection, weights: str | None) -> list[Block]:
    """Return what was named; of a study the blocks that ask for matches."""
    from manifests.selection import split_patterns

    kinds = split_patterns(selection.kinds) if selection.kinds else ()
    if unknown := sorted(set(kinds) - {"matches", "patches"}):
        raise UsageError(f"--kinds {', '.join(unknown)}: match makes matches, and patches where they are asked for.")
    if not selection.study:
        return [(selection.model or (), selection.dataset or (), kinds, ())]
    found = selection.study_blocks(store, catalogue, weights, ("matches",), limits=False)
    return [(models, datasets, kinds, prompts) for models, datasets, _, prompts in found]


def _plan(
    store: Store,
    catalogue: Catalogue,
    block: Block,
    built: ModelOptions,
    settings: Settings,
    sizes: tuple[int, int],
) -> list[MatchWork]:
    """Return the works of a block; with --kinds patches their patches are extracted first."""
    from cache.image_pairs import scheme_of
    from cache.reader import Reader
    from extract.blocks import indexed_datasets, pixel_step_of, plan_blocks
    from extract.matching.plan import plan_match
    from extract.resolve import candidate, named_models
    from extract.run import run_plan
    from extract.sources import Memo

    models, datasets, kinds, _ = block
    memo = Memo(store)
    works = []
    for name in indexed_datasets(store, [name.partition(":")[0] for name in datasets], catalogue):
        view = store.version(name)
        scheme = scheme_of(view.table.columns)
        if not scheme and not datasets:
            continue
        choice = _choice(built, catalogue, name, scheme)
        if "patches" in kinds:
            run_plan(store, plan_blocks(store, catalogue, [(models, [name], ["patches"], ())], choice), settings)
        step = pixel_step_of(catalogue, name)
        for named in named_models(catalogue, list(models), choice):
            model = candidate(catalogue, named, choice, memo, step)
            works.append(plan_match(store, Reader(store), model, view, *sizes))
    return works


def _choice(built: ModelOptions, catalogue: Catalogue, dataset: str, scheme: Scheme) -> Choice:
    from cache.match_rows import GEOMETRIES

    manifest = catalogue.datasets.get(dataset)
    usual = (manifest.geometry if manifest is not None else "") or GEOMETRIES.get(scheme, "native")
    geometry = usual if built.geometry == "dataset" else built.geometry
    return dataclasses.replace(built, geometry=geometry).choice(catalogue)
