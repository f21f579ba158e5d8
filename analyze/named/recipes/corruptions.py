"""Accuracy under 3D corruptions against clean accuracy: convolutional and attending CLIPs, one line each."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import polars as pl

from analyze.axes import parse_axis
from analyze.deviation_rows import Fitting
from analyze.named.material import Drawn, Material
from analyze.panels import Panels, Spec, make_panels
from analyze.scales import Transform
from analyze.trend_rows import choose_cluster, equal_models_once
from analyze.trend_table import cloud_of, fit_cloud

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
    slopes = [_slopes(rows, spec) for spec in specs]
    panels = tuple(replace(panel, note=_note(found)) for panel, found in zip(made.panels, slopes, strict=True))
    drawn = drawn_panels(Panels(made.table, panels, made.missing), study, shared=True, row=3, series=ENCODERS)
    return replace(drawn, table=drawn.table.join(_table(slopes), on=["panel", "series"], how="left"))


def slope_gap(cnn: float, vit: float) -> tuple[float, float]:
    """Return both readings of the gap between two slopes: their difference, and the tangent of the angle between.

    tan(delta) = (m_cnn - m_vit) / (1 + m_cnn m_vit). The paper says "the gap between the slopes, represented by
    tan(delta)" and gives no formula.

    Examples
    --------
    >>> slope_gap(1.0, 0.5)
    (0.5, 0.3333333333333333)
    """
    return cnn - vit, (cnn - vit) / (1 + cnn * vit)


def _spec(corruption: str, title: str, severity: int) -> Spec:
    return Spec(
        title=f"{title}, {severity}",
        x="imagenet-val",
        y=f"imagenet-3dcc:{corruption}/{severity}",
        x_title="ImageNet top-1",
        y_title="corrupted top-1",
        ideal=True,
    )


def _slopes(rows: pl.DataFrame, spec: Spec) -> dict[tuple[str, Transform], float]:
    """Slope of each kind of encoder, on accuracies as they are and on their probits; none where there is no line."""
    from analyze.axes import points
    from analyze.trend_rows import FACTS
    from manifests.errors import UsageError

    x, y = parse_axis(spec.x), parse_axis(spec.y)
    found: dict[tuple[str, Transform], float] = {}
    for encoder in ENCODERS:
        try:
            cloud = points(rows.filter(pl.col("series") == encoder), x, y, facts=FACTS)
        except UsageError:
            continue
        distinct, _ = equal_models_once(choose_cluster(cloud, "encoder_family"))
        for axes in AXES:
            how = Fitting(transform=axes, draws=1)
            slope = fit_cloud(cloud_of(distinct, x, y, how), how).line.slope
            if math.isfinite(slope):
                found[encoder, axes] = slope
    return found


def _note(found: dict[tuple[str, Transform], float]) -> str:
    both = [found.get((encoder, "linear")) for encoder in ENCODERS]
    if both[0] is None or both[1] is None:
        return ""
    return f"tan Δ = {slope_gap(both[0], both[1])[1]:+.2f}"


def _table(slopes: list[dict[tuple[str, Transform], float]]) -> pl.DataFrame:
    """Slopes and both readings of their gap, a row a panel and kind of encoder."""
    rows = []
    for panel, found in enumerate(slopes):
        for encoder in ENCODERS:
            row: dict[str, object] = {"panel": panel, "series": encoder}
            for axes in AXES:
                cnn, vit = (found.get((kind, axes)) for kind in ENCODERS)
                row[f"slope_{axes}"] = found.get((encoder, axes))
                gap = (None, None) if cnn is None or vit is None else slope_gap(cnn, vit)
                row[f"slope_gap_{axes}"], row[f"tan_angle_{axes}"] = gap
            rows.append(row)
    kinds = {f"{name}_{axes}": pl.Float64 for axes in AXES for name in ("slope", "slope_gap", "tan_angle")}
    return pl.DataFrame(rows, schema={"panel": pl.Int64, "series": pl.String, **kinds})
