"""`assay-extract index`: hash a dataset's images and write its current version."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from cache.console import Options, log, print_json, print_rows

from .opening import at_least, create_store, open_catalogue

if TYPE_CHECKING:
    from cache.store import Store
    from extract.index import IndexReport, IndexRequest
    from manifests.catalogue import Catalogue

DEFAULT_OPTIONS = Options()


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
    augment: int = 0,
    augment_seed: int = 1,
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
        Use existing packs of which half is wanted (auto), all that hold an image (reuse), or cut new ones (own).
    augment
        Also write N augmented copies, as datasets DATASET-aug0 and so on over the same images: each image's seeded
        crop and flip, as adapters average over them.
    augment_seed
        Which crops and flips.
    follow_links
        Take files that symbolic links find outside --root.
    check
        Only compare with what is known of the set, listing what is missing or extra.
    """
    from extract.index import IndexRequest, check_request
    from extract.index import index as do_index

    options.start_logging()
    at_least(1, limit=limit, pack_size=pack_size)
    at_least(0, augment=augment, augment_seed=augment_seed)
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
        augment=augment,
        augment_seed=augment_seed,
        follow_links=follow_links,
        threads=os.cpu_count() or 1,
    )
    catalogue = open_catalogue(options)
    check_request(catalogue, asked)
    store = create_store(options)
    return (
        _check_set(store, catalogue, asked, options)
        if check
        else _show_index(do_index(store, catalogue, asked), options)
    )


def _check_set(store: Store, catalogue: Catalogue, asked: IndexRequest, options: Options) -> int:
    from dataclasses import asdict

    from extract.check_set import check_set
    from extract.index import gather

    rows = [asdict(row) for row in check_set(store, asked.dataset, gather(store, catalogue, asked))]
    print_rows(rows, ("check", "expected", "found", "result", "detail"), options.json)
    return 5 if any(row["result"] == "differs" for row in rows) else 0


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
    if report.copies:
        log.info("augmented copies: %s", ", ".join(report.copies))
    if options.json:
        print_json(
            {
                **row,
                "copies": list(report.copies),
                "refused": [{"sample": r.sample, "why": r.why} for r in report.refused],
            }
        )
    else:
        print_rows([row], tuple(row), False)
    return 5 if report.refused else 0
