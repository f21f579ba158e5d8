"""How far each group stands above or below the line of standard models, on each shifted test set."""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from analyze.axes import parse_axis, points
from analyze.deviation_rows import Fitting
from analyze.figures import strips
from analyze.figures.strips import Strip
from analyze.figures.theme import GROUPS
from analyze.trend_rows import FACTS, choose_cluster
from analyze.trend_table import Trend, fit_trends
from manifests.errors import UsageError

from .material import Drawn, Material
from .recipes.remedies import remedy
from .recipes.trend_figure import DRAWS

ID: Final = "deviations"
TITLE: Final = "Deviations from the standard line"
CAPTION: Final = (
    "Each dot is a model: its accuracy minus what the line of standard models says for its ImageNet accuracy, in "
    "points. Diamond and bar: the mean of each group over families of encoders, with its 95 % interval; none under "
    "five families, whose number then stands beside it. The dashed line is that of standard models."
)
DATASETS: Final = {
    "imagenet-v2-matched-frequency": "ImageNet-V2",
    "imagenet-r": "ImageNet-R",
    "imagenet-a": "ImageNet-A",
    "imagenet-sketch": "ImageNet-Sketch",
    "objectnet": "ObjectNet",
    "imagenet-vid-robust": "ImageNet-Vid-Robust",
}
REFERENCE: Final = "standard"
MEASURED: Final = tuple(group for group in GROUPS if group not in (REFERENCE, "vlm"))


def draw(material: Material) -> Drawn:
    """Draw a panel a test set, a row a group; groups without data keep theirs."""
    rows = material.headline().filter(~pl.col("model").is_in(sorted(material.beside)))
    here = [group for group in MEASURED if group in set(rows["group"]) or group not in ("other", "contrastive", "mae")]
    marks: list[dict[str, Any]] = []
    missing: list[tuple[str, str]] = []
    for panel, (dataset, title) in enumerate(DATASETS.items()):
        trend = _trend(rows, dataset)
        if trend is None:
            missing.append(
                (title, f"no model with accuracy on it and on ImageNet; {remedy('', dataset, material.cast)}")
            )
        elif not trend.deviations.height:
            missing.append(
                (title, f"no line of {REFERENCE} models to measure from; {remedy('', dataset, material.cast)}")
            )
        for group in here:
            marks += _row(panel, group, trend)
    if not any(mark["mark"] != "none" for mark in marks):
        return Drawn(table=pl.DataFrame(), label="Nothing to draw: no deviations.", missing=tuple(missing))
    sizes = dict(rows.select("model", "parameters_m").unique("model", keep="first").rows())
    table = pl.DataFrame(marks, infer_schema_length=None).with_columns(
        parameters_m=pl.col("model").replace_strict(sizes, default=None, return_dtype=pl.Float64),
        **{name: pl.col(name).cast(pl.Float64) for name in ("value", "lo", "hi")},
    )
    table = table.select(strips.COLUMNS)
    panels = tuple(
        Strip(title=title, x_title="deviation, points", x_scale="number", zero=True) for title in DATASETS.values()
    )
    return Drawn(
        table=table,
        label=strips.describe(table, panels),
        chart=lambda medium: strips.chart(table, panels, medium),
        missing=tuple(missing),
    )


def _trend(rows: pl.DataFrame, dataset: str) -> Trend | None:
    x, y = parse_axis("imagenet-val"), parse_axis(dataset)
    try:
        cloud = points(rows, x, y, facts=FACTS)
    except UsageError:
        return None
    cloud = choose_cluster(cloud, "encoder_family").with_columns(placed=pl.lit(value=False))
    return fit_trends([(x, y, cloud)], Fitting(reference=REFERENCE, draws=DRAWS))


def _row(panel: int, group: str, trend: Trend | None) -> list[dict[str, Any]]:
    shared = {"panel": panel, "row": GROUPS[group].label, "group": group, "model": "", "lo": None, "hi": None}
    models = [] if trend is None else trend.deviations.filter(pl.col("group") == group).to_dicts()
    if trend is None or not models:
        return [shared | {"mark": "none", "value": None, "text": strips.NOT_MEASURED}]
    said = trend.lines.filter(pl.col("group") == group).row(0, named=True)
    dots = [
        shared
        | {"mark": "model", "model": one["model"], "value": _points(one["deviation_accuracy"]), "text": ""}
        | {"lo": _points(one["lo_accuracy"]), "hi": _points(one["hi_accuracy"])}
        for one in models
    ]
    value = said["deviation_accuracy"]
    if value is None:
        return [*dots, shared | {"mark": "none", "value": None, "text": said["deviation_flag"] or "too few families"}]
    ends = {"lo": _points(said["deviation_accuracy_lo"]), "hi": _points(said["deviation_accuracy_hi"])}
    text = f"{100 * value:+.1f}"
    if ends["lo"] is not None and ends["hi"] is not None:
        text += f" [{ends['lo']:+.1f}, {ends['hi']:+.1f}]"
    else:
        count = said["n_families"]
        text += f" ({count} {'family' if count == 1 else 'families'})"
    return [*dots, shared | ends | {"mark": "middle", "value": _points(value), "text": text}]


def _points(fraction: float | None) -> float | None:
    return None if fraction is None else 100 * fraction
