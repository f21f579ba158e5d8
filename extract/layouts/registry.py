"""Every layout by name: what it looks like, who reads it, and which one lies below a root.

An explicit list; a test compares it with the manifests and with the modules of this folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from manifests.errors import UsageError

from . import captions, cue_conflict, imagenet_val, ood, shot_list, wnid_folders
from .entries import Ask, Found, Reader
from .folder import read_folder
from .imagenet_3dcc import read_imagenet_3dcc
from .imagenet_d import read_imagenet_d
from .imagenet_real import read_imagenet_real
from .imagenet_x import read_imagenet_x
from .navi import read_navi
from .objectnet import read_objectnet
from .scannet import read_scannet
from .spair import read_spair
from .vid_robust import read_vid_robust

_PAIRS = {"pairs": pl.List(pl.String)}
_DEPTH = {**_PAIRS, "depth_sha256": pl.String()}


@dataclass(frozen=True, slots=True)
class Layout:
    """One arrangement of files.

    expects
        What it looks like, for people.
    read
        Yields its samples.
    fits
        Whether a container looks like it; asked only where a dataset comes in several layouts.
    fallback
        Whether it gives way to a more special layout that fits too.
    columns
        Types of own columns that may be empty.
    """

    expects: str
    read: Reader
    fits: Callable[[Ask], bool] = lambda ask: True
    fallback: bool = False
    columns: Mapping[str, pl.DataType] = field(default_factory=dict)


def _listing(ask: Ask) -> Iterator[Found]:
    raise UsageError("layout listing needs --listing FILE (columns file, and class_index, wnid or label).")


LAYOUTS: Mapping[str, Layout] = {
    "folder": Layout("<class>/<file>, or any tree with --labels", read_folder, fallback=True),
    "listing": Layout("the files of --listing FILE", _listing, lambda ask: False),
    "imagenet-val-wnid": Layout(
        "<wnid>/ILSVRC2012_val_*.JPEG", imagenet_val.read_imagenet_wnid, imagenet_val.fits_wnid
    ),
    "imagenet-val-flat": Layout(
        "ILSVRC2012_val_*.JPEG in one folder, with --labels", imagenet_val.read_imagenet_flat, imagenet_val.fits_flat
    ),
    "imagenet-v2-folders": Layout("<0..999>/<file>", wnid_folders.read_imagenet_v2, wnid_folders.fits_v2),
    "wnid-folders": Layout("<wnid>/<file>", wnid_folders.read_wnid_folders, imagenet_val.fits_wnid),
    "objectnet": Layout("images/<folder>/<file> and mappings/*.json", read_objectnet),
    "vid-robust": Layout("val/<video>/<frame>.JPEG and metadata/*.json", read_vid_robust),
    "cue-conflict-mvh": Layout(
        "<shape>/NNNN_s5n_*_0_<shape>_00_<shape><i>-<texture><j>.png", cue_conflict.read_mvh, cue_conflict.fits_mvh
    ),
    "cue-conflict-texture": Layout(
        "<shape>/<shape><i>-<texture><j>.png", cue_conflict.read_texture, cue_conflict.fits_texture
    ),
    "imagenet-x-annotations": Layout("annotations of the package imagenet-x, with or without images", read_imagenet_x),
    "imagenet-real": Layout("50,000 lists of classes, with or without images", read_imagenet_real),
    "ood-folder": Layout("<folder>/<file>, without labels", ood.read_ood_folder, ood.fits_ood_folder, fallback=True),
    "large-scale-ood": Layout("images/<file>, without labels", ood.read_large_scale, ood.fits_large_scale),
    "textures": Layout("images/<class>/<file>, without labels", ood.read_textures, ood.fits_textures),
    "ninco": Layout("NINCO_OOD_classes/<class>/<file>, without labels", ood.read_ninco, ood.fits_ninco),
    "openimage-o": Layout("any tree, with the list openimage_o.txt", ood.read_openimage_o, ood.fits_openimage_o),
    "shot-list": Layout("<wnid>/<file> of the training set, with or without a list", shot_list.read_shot_list),
    "karpathy": Layout(
        "any tree, with dataset_flickr30k.json or dataset_coco.json", captions.read_karpathy, captions.fits_karpathy
    ),
    "retrieval-annotations": Layout(
        "any tree, with flickr30k_test_karpathy.txt or coco_test_karpathy.json",
        captions.read_retrieval,
        captions.fits_retrieval,
    ),
    "navi": Layout("<object>/{wild_set,multiview*}/{annotations.json,images}", read_navi, columns=_DEPTH),
    "scannet-1500": Layout("<scene>/{color,depth,pose} and intrinsics.npz, test.npz", read_scannet, columns=_DEPTH),
    "spair-71k": Layout("JPEGImages, ImageAnnotation, PairAnnotation, Layout", read_spair, columns=_PAIRS),
    "imagenet-3dcc": Layout("<corruption>/<severity>/<wnid>/<file>", read_imagenet_3dcc),
    "imagenet-d": Layout("{background,texture,material}/<class>/<file>", read_imagenet_d),
}


def known_layout(name: str) -> Layout:
    """Return a layout by name.

    Raises
    ------
    UsageError
        When there is none of that name.
    """
    if name not in LAYOUTS:
        raise UsageError(f"unknown layout {name!r}; expected one of {', '.join(LAYOUTS)}.")
    return LAYOUTS[name]


def detect(ask: Ask, accepted: Sequence[str]) -> str:
    """Return which of the layouts that a dataset comes in lies below the root.

    Raises
    ------
    UsageError
        When none fits, or more than one does.
    """
    if len(accepted) == 1:
        return accepted[0]
    fitting = [name for name in accepted if LAYOUTS[name].fits(ask)]
    special = [name for name in fitting if not LAYOUTS[name].fallback] or fitting
    if len(special) == 1:
        return special[0]
    drawn = "; ".join(f"{name}: {LAYOUTS[name].expects}" for name in special or accepted)
    where = "the annotations" if ask.files is None else ask.files.where
    what = f"{where} could be several layouts" if special else f"{where} looks like none of its layouts"
    raise UsageError(f"{ask.dataset}: {what}. Say which with --layout NAME ({drawn}).")
