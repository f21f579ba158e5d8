"""Table IV of the journal paper: filtered and unfiltered pre-training data, on six tasks."""

from __future__ import annotations

from typing import Final

import polars as pl

from analyze.report.tables import MISSING

from .material import Drawn, Material
from .recipes.calibration import SEVEN, calibration_rows
from .recipes.corruptions import CORRUPTIONS
from .recipes.detection import CLASS_MEAN, detection_rows
from .recipes.grid import Entry, Measure, grid
from .recipes.lookup import Lookup
from .recipes.remedies import study_of
from .recipes.retrieval import DATASETS, DIRECTIONS

ID: Final = "holistic/table-4"
TITLE: Final = "Curated training data"
CAPTION: Final = (
    "In per cent. Classification: mean over seven test sets; detection: mean over NINCO (mean of classes), "
    "iNaturalist, Textures, Places and SUN; ECE: mean over the seven sets, before and after one temperature; "
    "retrieval: mean recall@5 over two datasets and both ways; 3D: mean over six corruptions at severity 5. A mean "
    "stands only where all of its parts were measured; ▲ marks the best of a backbone."
)
DETECTED: Final = (CLASS_MEAN, "inaturalist:all", "textures:all", "places:all", "sun:all")
MEASURES: Final = (
    Measure(title="top-1", axes=tuple(SEVEN), higher=True),
    Measure(title="AUROC", axes=tuple(f"{name}:auroc" for name in DETECTED), higher=True),
    Measure(title="FPR", axes=tuple(f"{name}:fpr_at_95" for name in DETECTED), higher=False),
    Measure(title="ECE raw", axes=tuple(f"{name}:all:ece_15/raw" for name in SEVEN), higher=False),
    Measure(title="ECE scaled", axes=tuple(f"{name}:all:ece_15/ts" for name in SEVEN), higher=False),
    *(Measure(title=name, axes=(f"imagenet-x:{name}",), higher=True) for name in ("larger", "shape", "color")),
    Measure(title="recall@5", axes=tuple(f"{name}:all:{way}" for name in DATASETS for way in DIRECTIONS), higher=True),
    Measure(title="3D", axes=tuple(f"imagenet-3dcc:{name}/5" for name in CORRUPTIONS), higher=True),
)
ROWS: Final = (
    ("ViT-B/16", "LAION-400M", "no", "ViT-B-16.laion400m_e32"),
    ("ViT-B/16", "MetaCLIP-400M", "yes", "ViT-B-16-quickgelu.metaclip_400m"),
    ("ViT-B/16", "LAION-2B", "no", "ViT-B-16.laion2b_s34b_b88k"),
    ("ViT-B/16", "DFN-2B", "yes", "ViT-B-16-quickgelu.dfn2b"),
    ("ViT-B/16", "CommonPool-L", "no", "ViT-B-16.commonpool_l_s1b_b8k"),
    ("ViT-B/16", "CommonPool-L-CLIP", "yes", "ViT-B-16.commonpool_l_clip_s1b_b8k"),
    ("ViT-L/14", "LAION-400M", "no", "ViT-L-14.laion400m_e32"),
    ("ViT-L/14", "MetaCLIP-400M", "yes", "ViT-L-14-quickgelu.metaclip_400m"),
    ("ViT-L/14", "LAION-2B", "no", "ViT-L-14.laion2b_s32b_b82k"),
    ("ViT-L/14", "DFN-2B", "yes", "ViT-L-14-quickgelu.dfn2b"),
    ("ViT-L/14", "CommonPool-XL", "no", "ViT-L-14.commonpool_xl_s13b_b90k"),
    ("ViT-L/14", "CommonPool-XL-CLIP", "yes", "ViT-L-14.commonpool_xl_clip_s13b_b90k"),
)


def draw(material: Material) -> Drawn:
    """Return a row a backbone and training set."""
    detection = detection_rows(material)
    calibration = calibration_rows(material, tuple(SEVEN)).filter(pl.col("metric") != "accuracy_top1")
    lookup = Lookup.of(pl.concat([detection, calibration.select(detection.columns)]))
    entries = []
    for backbone, data, filtered, part in ROWS:
        model = material.player(part)
        if model == part:
            entries.append(Entry(words=(backbone, data, filtered), model=part, among=backbone))
        elif model is not None and (entry := _player(material, model)) not in entries:
            entries.append(entry)
    head = ("backbone", "training data", "filtered")
    return grid(lookup, head, entries, MEASURES, TITLE, study_of(ID), material.cast)


def _player(material: Material, name: str) -> Entry:
    """The row of a model that plays, in words of its own manifest."""
    model = material.models.get(name)
    if model is None:
        return Entry(words=(name, MISSING, MISSING), model=name)
    filtered = {None: MISSING, "none": "no"}.get(model.curation, model.curation or MISSING)
    return Entry(words=(name, model.dataset or MISSING, filtered), model=name, among=model.arch)
