"""Small worlds in which a claim holds, fails, or has too little to go by, made from what the claim itself asks for.

Every model is made up, with the facts that the claim's sides ask for, and stands on a line with a little noise; one
effect of a known size is planted. No estimator is used, so that a wrong one cannot agree with itself.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import numpy as np
import polars as pl
from scipy import stats

from manifests.catalogue import Catalogue
from manifests.claim import Claim, Models, Reading

World = Literal["true", "false", "neutral", "few"]

ARCHITECTURES = 12
FEW = 2
IMAGES = 50_000
CNN = ("resnet", "convnext", "efficientnet", "densenet", "vgg", "regnet", "dpn", "inception")
VIT = ("vit", "beit", "eva", "cait", "swin", "twins", "xcit", "pit")
CLASSES = {"imagenet-r": "subset-200", "imagenet-a": "subset-200"}


def _noise(*words: object) -> float:
    """Draw from the standard normal by name, so that a world does not depend on the order of its making."""
    seed = zlib.crc32(" ".join(map(str, words)).encode())
    return float(np.clip(np.random.default_rng(seed).standard_normal(), -2, 2))


@dataclass(frozen=True, kw_only=True)
class Maker:
    """One side's models.

    effect : what is planted on the outcome; slope : what is added to the slope along x; scatter : times the noise.
    """

    name: str
    facts: list[dict[str, Any]] = field(default_factory=list)
    effect: float = 0.0
    slope: float = 0.0
    scatter: float = 1.0
    flat: bool = False


def members(name: str, who: Models, catalogue: Catalogue, count: int) -> list[dict[str, Any]]:
    """Make up models that fit a side, two of each architecture; named ones are themselves."""
    if who.ids:
        return [{"model": model} | _of_catalogue(model, catalogue) for model in who.ids]
    made = []
    for i, twin in itertools.product(range(count), "ab"):
        facts: dict[str, Any] = {"model": f"{name}-{i}{twin}", "architecture": f"{name}-arch{i}", "derived_from": ""}
        facts |= {"dataset_size": 10**6 * 10 ** (i % 4), "parameters_m": 10.0 * 10 ** (i % 3), "resolution": 224}
        facts |= {"group": "other", "training_source": f"source{i}", "training_dataset": f"data{i}"}
        facts |= {"encoder_family": (CNN if who.encoder_kind == ("CNN",) else VIT)[i % 8]}
        facts |= {"loss": "l", "curation": "c", "fine_tuning": "f"}
        for item in fields(who):
            values = getattr(who, item.name)
            if values and item.name not in ("ids", "without", "encoder_kind"):
                facts[item.name] = values[i % len(values)].replace("*", "x")
        made.append(facts)
    return made


def _of_catalogue(name: str, catalogue: Catalogue) -> dict[str, Any]:
    model = catalogue.models[name]
    return {"group": model.group, "training_source": model.training_source or "", "architecture": model.arch}


def planted(claim: Claim, world: World) -> float:
    """Size of the effect in a world: large against the noise and the threshold."""
    size = 6 * claim.threshold + (0.3 if claim.transform == "probit" else 0.1)
    if claim.direction == "zero":
        return {"true": 0.0, "false": size, "neutral": 0.0, "few": 0.0}[world]
    sign = {"positive": 1, "negative": -1}[claim.direction]
    return {"true": sign, "false": -sign, "neutral": 0, "few": sign}[world] * size


def build(claim: Claim, world: World, catalogue: Catalogue) -> pl.DataFrame:
    """Return a table of results in which the claim is true, false, without any effect, or told by too few models."""
    count = FEW if world == "few" else ARCHITECTURES
    effect = planted(claim, world)
    if claim.pairs or claim.paired_with:
        return _table(_pair_rows(claim, world, catalogue, effect))
    models = Maker(name="m", facts=members("m", claim.models, catalogue, count), effect=effect)
    sides = [models]
    if claim.against is not None:
        sides.append(Maker(name="a", facts=members("a", claim.against, catalogue, count)))
    if claim.reference is not None and claim.reference not in (claim.models, claim.against):
        sides.append(Maker(name="r", facts=members("r", claim.reference, catalogue, count)))
    match claim.estimator:
        case "rank-correlation":
            sides = [Maker(name="m", facts=models.facts, slope=0.8 * float(np.sign(effect)) - 0.8)]
        case "correlation-contrast":
            # One side on its line, the other nowhere near one; which is which is the effect.
            tight, loose = (1.0, 100.0) if effect > 0 else (100.0, 1.0) if effect < 0 else (100.0, 100.0)
            sides = [
                Maker(name="m", facts=models.facts, scatter=tight, flat=tight > 1),
                Maker(name="a", facts=sides[1].facts, scatter=loose, flat=loose > 1),
            ]
        case "slope-contrast":
            sides = [Maker(name="m", facts=models.facts, slope=effect), sides[1]]
        case _:
            pass
    return _table(row for side in sides for row in _side_rows(claim, side))


def _side_rows(claim: Claim, side: Maker) -> Iterator[dict[str, Any]]:
    readings = [(claim.reading, 1.0)]
    if claim.minus_reading is not None:
        readings.append((claim.minus_reading, 0.0))
    amount = claim.estimator == "amount-slope"
    for i, facts in enumerate(side.facts):
        x = 1.4 * ((i * 7) % len(side.facts)) / len(side.facts)
        size = np.log10(facts[claim.amount]) - 6 if amount and claim.amount is not None else 1.0
        for reading, planted_here in readings:
            yield from _rows(claim, facts, side, x, side.effect * size * planted_here, reading)


def _rows(
    claim: Claim,
    facts: Mapping[str, Any],
    side: Maker,
    x: float,
    effect: float,
    reading: Reading,
    y: Sequence[str] | None = None,
) -> Iterator[dict[str, Any]]:
    if claim.x:
        yield _row(facts, claim.x, float(stats.norm.cdf(x)), Reading(prompt_set=reading.prompt_set))
    unit = 0.02 if claim.transform == "probit" else max(claim.threshold, 0.005) / 20
    for axis in dict.fromkeys((*(y or claim.y), *claim.minus)):
        on_y = axis in (y or claim.y)
        along = 0.0 if side.flat else (0.8 + (side.slope if on_y else 0.0)) * (x if claim.x else 0.0)
        z = along - 0.2 + (effect if on_y else 0.0) + unit * side.scatter * _noise(facts["model"], axis, reading)
        yield _row(facts, axis, float(stats.norm.cdf(z)) if claim.transform == "probit" else z + 3, reading)


def _row(facts: Mapping[str, Any], axis: str, value: float, reading: Reading) -> dict[str, Any]:
    dataset, part, metric, protocol = (*axis.split(":"), "", "", "")[:4]
    metric = metric or "accuracy_top1"
    detects = metric in ("auroc", "fpr_at_95")
    zero_shot = facts.get("group") in ("zero-shot-clip", "clip-ft")
    usual = "mcm" if zero_shot else "msp"
    return {
        **facts,
        "source": "",
        "dataset": dataset,
        "id_dataset": "imagenet-val" if detects else "",
        "slice": part or "all",
        "metric": metric,
        "protocol": protocol or CLASSES.get(dataset, "1000-way"),
        "prompt_set": reading.prompt_set or ("openai-80" if zero_shot else ""),
        "variant": reading.variant,
        "detector": (reading.detector or usual) if detects else "",
        "calibration": reading.calibration or "raw",
        "value": value,
        "n": IMAGES,
    }


def _pair_rows(claim: Claim, world: World, catalogue: Catalogue, effect: float) -> Iterator[dict[str, Any]]:
    if claim.pairs:
        pairs = claim.pairs[:FEW] if world == "few" else claim.pairs
        both = [
            ({"model": first} | _of_catalogue(first, catalogue), {"model": second} | _of_catalogue(second, catalogue))
            for first, second in pairs
        ]
    else:
        firsts = members("m", claim.models, catalogue, FEW if world == "few" else ARCHITECTURES)
        if claim.cluster == "model" and world == "few":
            firsts = firsts[:FEW]
        for first in firsts:
            first["derived_from"] = f"parent-of-{first['architecture']}"
        parents = {first["derived_from"]: first | {"model": first["derived_from"]} for first in firsts}
        of_parent = {"group": "zero-shot-clip", "fine_tuning": "none", "derived_from": ""}
        both = [(first, parents[first["derived_from"]] | of_parent) for first in firsts]
    told: set[str] = set()
    for i, (first, second) in enumerate(both):
        maker = Maker(name="p")
        # In a neutral world of signs every other pair goes the other way.
        own = effect or (0.05 * (-1) ** i if claim.estimator == "improved-share" else 0.0)
        yield from _rows(claim, first, maker, 0.5, own, claim.reading)
        if second["model"] not in told:
            told.add(second["model"])
            yield from _rows(claim, second, maker, 0.5, 0.0, claim.reading, claim.against_y or None)


def _table(rows: Any) -> pl.DataFrame:
    return pl.DataFrame(list(rows), infer_schema_length=None)
