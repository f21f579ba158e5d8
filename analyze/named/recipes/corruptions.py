"""Accuracy under 3D corruptions against clean accuracy: convolutional and attending CLIPs, one line each."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import polars as pl

from analyze.axes import parse_axis, points
from analyze.deviation_rows import Fitting
from analyze.named.material import Drawn, Material
from analyze.panels import Panels, Spec, make_panels
from analyze.scales import Transform
from analyze.slope_gap import SlopeGap, slope_gap
from analyze.trend_rows import FACTS, choose_cluster, equal_models_once
from analyze.trend_table import cloud_of
from manifests.errors import UsageError

from .trend_figure import FITTING, drawn_panels, in_fits

CORRUPTIONS: Final = {
    "fog_3d": "fog",
    "near_focus": "near focus",
    "z_motion_blur": "z-motion blur",
    "flash": "flash",
    "xy_motion_blur": "xy-motion blur",
    "far_focus": "far focus",
}
SEVERITIES: Final = (1, 3, 5)
ENCODERS: Final = ("CNN", "ViT")
AXES: Final[tuple[Transform, ...]] = ("linear", "probit")


def corruption_figure(material: Material, study: str) -> Drawn:
    """Draw a row of panels a corruption, a column a severity; each panel says the tangent between its two lines."""
    rows = material.headline().filter(
        pl.col("group") == "zero-shot-clip", pl.col("training_source") == "LAION", pl.col("encoder").is_in(ENCODERS)
    )
    rows = in_fits(rows, material).with_columns(series=pl.col("encoder"))
    specs = [_spec(name, title, severity) for name, title in CORRUPTIONS.items() for severity in SEVERITIES]
    made = make_panels(rows, specs, FITTING)
    gaps = [_gap(rows, spec) for spec in specs]
    panels = tuple(replace(panel, note=_note(found)) for panel, found in zip(made.panels, gaps, strict=True))
    drawn = drawn_panels(Panels(made.table, panels, made.missing), material, study, shared=True, row=3, series=ENCODERS)
    return replace(drawn, table=drawn.table.join(_table(gaps), on=["panel", "series"], how="left"))


def _spec(corruption: str, title: str, severity: int) -> Spec:
    return Spec(
        title=f"{title}, {severity}",
        x="imagenet-val",
        y=f"imagenet-3dcc:{corruption}/{severity}",
        x_title="ImageNet top-1",
        y_title="corrupted top-1",
        ideal=True,
    )


def _gap(rows: pl.DataFrame, spec: Spec) -> dict[Transform, SlopeGap]:
    """Compare the lines of both kinds of encoder, on accuracies as they are and on their probits."""
    x, y = parse_axis(spec.x), parse_axis(spec.y)
    clouds = []
    for encoder in ENCODERS:
        try:
            cloud = points(rows.filter(pl.col("series") == encoder), x, y, facts=FACTS)
        except UsageError:
            return {}
        clouds.append(equal_models_once(choose_cluster(cloud, "encoder_family"))[0])
    found: dict[Transform, SlopeGap] = {}
    for axes in AXES:
        placed = [cloud_of(cloud, x, y, Fitting(transform=axes)) for cloud in clouds]
        first, second = ((cloud.x, cloud.y) for cloud in placed)
        found[axes] = slope_gap(first, second)
    return found


def _note(found: dict[Transform, SlopeGap]) -> str:
    gap = found.get("linear")
    if gap is None or not math.isfinite(gap.tangent):
        return ""
    ends = "" if gap.flag else f" [{gap.tangent_lo:+.2f}, {gap.tangent_hi:+.2f}]"
    return f"tan Δ = {gap.tangent:+.2f}{ends}"


def _table(gaps: list[dict[Transform, SlopeGap]]) -> pl.DataFrame:
    """Slopes and both readings of their gap with its interval, a row a panel and kind of encoder."""
    rows = []
    for panel, found in enumerate(gaps):
        for at, encoder in enumerate(ENCODERS):
            row: dict[str, object] = {"panel": panel, "series": encoder}
            for axes in AXES:
                gap = found.get(axes)
                if gap is None:
                    continue
                row[f"slope_{axes}"] = _known((gap.first, gap.second)[at])
                for name, value in (("slope_gap", "difference"), ("tan_angle", "tangent")):
                    for end in ("", "_lo", "_hi"):
                        row[f"{name}{end}_{axes}"] = _known(getattr(gap, f"{value}{end}"))
            rows.append(row)
    names = ["slope", *(f"{name}{end}" for name in ("slope_gap", "tan_angle") for end in ("", "_lo", "_hi"))]
    kinds = {f"{name}_{axes}": pl.Float64 for axes in AXES for name in names}
    return pl.DataFrame(rows, schema={"panel": pl.Int64, "series": pl.String, **kinds})


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
