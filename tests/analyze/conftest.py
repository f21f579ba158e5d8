"""Small tables that the figure and page tests draw: three models on two test sets."""

from __future__ import annotations

import polars as pl
import pytest

MODELS = (
    ("ViT-B-32.laion2b_s34b_b79k", "zero-shot-clip"),
    ("resnet50.a1_in1k", "standard"),
    ("vit_base_patch16_clip_224.laion2b_ft_in12k_in1k", "clip-ft"),
)
DATASETS = ("imagenet-val", "imagenet-r")


@pytest.fixture
def reliability_bins() -> pl.DataFrame:
    """Fourteen of fifteen bins a panel (the third is empty), the second one with fewer than ten images."""
    rows = []
    for dataset in DATASETS:
        for place, (model, group) in enumerate(MODELS):
            for index in range(15):
                if index == 2:
                    continue
                confidence = (index + 0.5) / 15
                accuracy = min(1.0, max(0.0, confidence + 0.08 * (place - 1)))
                rows.append(
                    {
                        "model": model,
                        "group": group,
                        "dataset": dataset,
                        "lower": index / 15,
                        "upper": (index + 1) / 15,
                        "n": 4 if index == 1 else 10 + 6 * index,
                        "mean_confidence": confidence,
                        "accuracy": accuracy,
                        "accuracy_lo": max(0.0, accuracy - 0.1),
                        "accuracy_hi": min(1.0, accuracy + 0.1),
                        "ece": 0.031 + 0.02 * place,
                    }
                )
    return pl.DataFrame(rows)


@pytest.fixture
def result_rows() -> pl.DataFrame:
    """Accuracy and likelihood; resnet50 has nothing on imagenet-r."""
    rows = []
    for shift, dataset in enumerate(DATASETS):
        for place, (model, group) in enumerate(MODELS):
            if (model, dataset) == ("resnet50.a1_in1k", "imagenet-r"):
                continue
            for metric, value in (("accuracy_top1", 0.6 + 0.1 * place - 0.2 * shift), ("nll", 1.25 + place)):
                rows.append(
                    {
                        "model": model,
                        "group": group,
                        "dataset": dataset,
                        "slice": "all",
                        "protocol": "1000-way",
                        "calibration": "raw",
                        "metric": metric,
                        "value": value,
                        "lo": value - 0.04,
                        "hi": value + 0.04,
                        "n": 500,
                    }
                )
    return pl.DataFrame(rows)
