"""Headline rows: one for each model, dataset, slice and metric, whatever else the table holds."""

from __future__ import annotations

import polars as pl

from analyze.headline import headline_rows
from analyze.table import SCHEMA
from manifests.schema import Dataset

SETS = {
    "objectnet": Dataset(
        id="objectnet", title="o", paper="p", obtain="ask", role="generic", protocols=("objectnet-113", "objectnet-313")
    )
}


def rows(*given: dict[str, object]) -> pl.DataFrame:
    blank = {name: "" if kind == pl.String else None for name, kind in SCHEMA.items()}
    full = [{**blank, "slice": "all", "metric": "accuracy_top1", "calibration": "raw", **one} for one in given]
    return pl.DataFrame(full, schema=SCHEMA)


def test_the_default_protocol_and_prompts_stand_for_a_model() -> None:
    table = rows(
        *(
            {"model": "clip", "dataset": "objectnet", "protocol": protocol, "prompt_set": prompts, "value": value}
            for protocol in ("objectnet-313", "objectnet-113")
            for prompts, value in (("openai-80", 0.5), ("single", 0.4))
        ),
        {"model": "resnet", "dataset": "objectnet", "protocol": "objectnet-113", "value": 0.2},
    )
    kept = headline_rows(table, SETS).select("model", "protocol", "prompt_set").rows()
    assert sorted(kept) == [("clip", "objectnet-113", "openai-80"), ("resnet", "objectnet-113", "")]
    assert headline_rows(table, SETS, prompt_set="single")["value"].to_list() == [0.4, 0.2]


def test_a_model_with_one_other_prompt_set_keeps_it() -> None:
    table = rows({"model": "clip", "dataset": "pets", "protocol": "37-way", "prompt_set": "mine", "value": 0.9})
    assert headline_rows(table, SETS).height == 1


def test_detectors_variants_and_calibration() -> None:
    detection = {"dataset": "sun", "id_dataset": "imagenet-val", "metric": "auroc", "protocol": "1000-way"}
    table = rows(
        *(
            {"model": "clip", "prompt_set": "openai-80", "detector": name, **detection}
            for name in ("mcm", "msp", "energy")
        ),
        *({"model": "resnet", "detector": name, **detection} for name in ("msp", "energy")),
        {"model": "resnet", "detector": "knn", "variant": "held-out-half", **detection},
        *(
            {"model": "resnet", "dataset": "pets", "protocol": "37-way", "metric": "ece_15", "calibration": name}
            for name in ("raw", "ts")
        ),
    )
    usual = headline_rows(table, SETS).filter(pl.col("metric") == "auroc").select("model", "detector").rows()
    assert sorted(usual) == [("clip", "mcm"), ("resnet", "msp")]
    energy = headline_rows(table, SETS, detector="energy").filter(pl.col("metric") == "auroc")
    assert sorted(energy["model"]) == ["clip", "resnet"]
    scaled = headline_rows(table, SETS, calibration="ts").filter(pl.col("metric") == "ece_15")
    assert scaled["calibration"].to_list() == ["ts"]


def test_a_restricted_detection_protocol_gives_way() -> None:
    both = [
        {"model": "resnet", "dataset": "imagenet-o", "metric": "auroc", "detector": "msp", "protocol": protocol}
        for protocol in ("imagenet-o-200", "1000-way")
    ]
    assert headline_rows(rows(*both), SETS)["protocol"].to_list() == ["1000-way"]
    assert headline_rows(rows(*both[:1]), SETS)["protocol"].to_list() == ["imagenet-o-200"]
