"""One look for both media: the palette, the surfaces, the shapes and the Vega-Lite config of screen and paper.

Colour means group, shape means training source, on every figure of every study. The module knows hexadecimal
colours and points; it must not know any table, and it draws nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, Final, Literal

Medium = Literal["screen", "narrow", "paper"]
"""Where a chart is going: a page, a place on it too narrow for names beside their rows, or a printed column."""


@dataclass(frozen=True, slots=True)
class Shade:
    """One colour in its two spellings: on the light and on the dark background."""

    light: str
    dark: str


@dataclass(frozen=True, slots=True)
class Group:
    """What a reader sees of a model group: its words and its colour."""

    label: str
    shade: Shade


GROUPS: Final[Mapping[str, Group]] = MappingProxyType(
    {
        "zero-shot-clip": Group("zero-shot CLIP", Shade("#0d76eb", "#98b8ff")),
        "clip-ft": Group("CLIP fine-tuned", Shade("#c04100", "#fc7b00")),
        "more-data": Group("more data", Shade("#0d7769", "#4bfde2")),
        # Grey on purpose: the standard models are the reference that everything else is measured against.
        "standard": Group("standard", Shade("#8c919c", "#7a808b")),
        "contrastive": Group("contrastive", Shade("#b635b0", "#f192b0")),
        "mae": Group("MAE", Shade("#a48d39", "#e9cd7c")),
        "vlm": Group("VLM", Shade("#280646", "#b965f4")),
        "other": Group("other", Shade("#691e00", "#965a00")),
    }
)
"""Colours found by search for the largest distance under normal, protan, deutan and tritan vision.

Change none of them by eye: the tests compute the distances and the contrasts.
"""


@dataclass(frozen=True, slots=True)
class Surfaces:
    """Everything that is coloured and is not a group."""

    background: Shade = Shade("#ffffff", "#14171c")
    panel: Shade = Shade("#f6f7f9", "#1c2027")
    text: Shade = Shade("#14171c", "#eef0f3")
    second: Shade = Shade("#4a515c", "#b9c0ca")
    muted: Shade = Shade("#7b828d", "#8d95a1")
    grid: Shade = Shade("#e6e8ec", "#2a2f37")
    rule: Shade = Shade("#d5d9df", "#39404a")
    link: Shade = Shade("#0b57c2", "#8ab8ff")
    warn_text: Shade = Shade("#7a5200", "#f2c766")
    warn_background: Shade = Shade("#fdf3dc", "#3d3010")
    good_text: Shade = Shade("#0b6b3a", "#7fe0a6")
    good_background: Shade = Shade("#e4f4ea", "#143524")
    bad_text: Shade = Shade("#a32014", "#ff9d92")
    bad_background: Shade = Shade("#fbe9e7", "#431c18")
    none_text: Shade = Shade("#4a515d", "#b9c0ca")
    none_background: Shade = Shade("#eceef1", "#2a2f37")


SURFACES: Final = Surfaces()

SHAPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ImageNet": "circle",
        "WIT": "square",
        "LAION": "triangle-up",
        "DataComp": "diamond",
        "WebLI": "triangle-down",
        "other web": "cross",
    }
)
"""Training source to Vega symbol. Six is the limit: more cannot be told apart at 12 px."""

SCREEN_FONT: Final = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", Arial, sans-serif'
# A family that the machine lacks makes the converter draw PNG and PDF without any text, silently: end generic.
PAPER_FONT: Final = "Liberation Sans, Arial, sans-serif"

PAPER_COLUMN_PT: Final = 234
PAPER_DOUBLE_COLUMN_PT: Final = 504


@dataclass(frozen=True, slots=True)
class Measures:
    """The sizes that differ between media, in px on a screen and in pt on paper."""

    font: str
    tick: float
    title: float
    line: float
    interval: float
    thin: float
    dot: float
    dash: tuple[int, int]


SCREEN: Final = Measures(font=SCREEN_FONT, tick=11, title=12, line=1.8, interval=2.4, thin=1, dot=70, dash=(4, 3))
PAPER: Final = Measures(font=PAPER_FONT, tick=7, title=8, line=1.0, interval=1.2, thin=0.5, dot=22, dash=(3, 2))


def measures(medium: Medium) -> Measures:
    """Sizes of one medium."""
    return PAPER if medium == "paper" else SCREEN


def known_group(group: str | None) -> str:
    """The group that colours a model: its own if the palette has it, else ``other``.

    Examples
    --------
    >>> known_group("mae"), known_group("my-group"), known_group(None)
    ('mae', 'other', 'other')
    """
    return group if group is not None and group in GROUPS else "other"


SOURCE_OF: Final[Mapping[str, str]] = MappingProxyType(
    {"CommonPool": "DataComp", "ImageNet-21k": "ImageNet", "LAION-COCO": "LAION", "LAION+COYO": "LAION"}
)
"""Training sources of the manifests that share the symbol of a larger one."""


def known_source(source: str | None) -> str:
    """The training source that shapes a model: its own if it has a symbol, a kindred one, else ``other web``.

    Examples
    --------
    >>> known_source("LAION"), known_source("CommonPool"), known_source("YFCC"), known_source(None)
    ('LAION', 'DataComp', 'other web', 'other web')
    """
    kin = SOURCE_OF.get(source or "", source)
    return kin if kin is not None and kin in SHAPES else "other web"


def screen_config() -> dict[str, Any]:
    """Vega-Lite config of the page: light colours, which the page turns into CSS variables."""
    config = _config(SCREEN, grid=SURFACES.grid.light)
    # Where a drawing keeps a legend of its own, its words have to be seen on a dark page too.
    config["legend"] = {"labelColor": SURFACES.text.light, "titleColor": SURFACES.text.light}
    return config


def paper_config() -> dict[str, Any]:
    """Vega-Lite config of SVG, PNG and PDF: 7 and 8 pt Liberation Sans on white."""
    config = _config(PAPER, grid="#e3e5e9")
    config["background"] = SURFACES.background.light
    config["legend"] = {
        "orient": "bottom",
        "columns": 4,
        "direction": "horizontal",
        "labelFontSize": PAPER.tick,
        "titleFontSize": PAPER.tick,
        "labelFont": PAPER.font,
        "titleFont": PAPER.font,
        "labelColor": SURFACES.text.light,
        "symbolSize": 30,
        "offset": 8,
    }
    return config


def stacked_legends(spec: dict[str, Any]) -> dict[str, Any]:
    """Put the legends of a printed chart below each other: side by side, two would be wider than the figure.

    The one setting that Vega-Lite knows and Altair's schema does not, hence on the spec.

    Examples
    --------
    >>> stacked_legends({"config": {"legend": {"columns": 4}}})["config"]["legend"]["layout"]["bottom"]["direction"]
    'vertical'
    """
    config = spec.get("config", {})
    legend = config.get("legend", {}) | {"layout": {"bottom": {"direction": "vertical", "anchor": "start"}}}
    return spec | {"config": config | {"legend": legend}}


def config(medium: Medium) -> dict[str, Any]:
    """Vega-Lite config of a medium; a new dictionary each time."""
    return paper_config() if medium == "paper" else screen_config()


def _config(size: Measures, grid: str) -> dict[str, Any]:
    text, second, muted = SURFACES.text.light, SURFACES.second.light, SURFACES.muted.light
    return {
        "aria": False,  # the container carries the label; Vega's own leaves dozens of unnamed images
        "font": size.font,
        "background": "transparent",
        "padding": 0 if size is SCREEN else 2,
        "view": {"stroke": None},
        "concat": {"spacing": 10 if size is PAPER else 16},
        "axis": {
            "labelFontSize": size.tick,
            "titleFontSize": size.tick,
            "labelFont": size.font,
            "titleFont": size.font,
            "labelColor": second,
            "titleColor": second,
            "titleFontWeight": "normal",
            "titlePadding": 4,
            "gridColor": grid,
            "gridWidth": size.thin,
            "domainColor": muted,
            "domainWidth": size.thin,
            "tickColor": muted,
            "tickWidth": size.thin,
            "tickSize": 3 if size is PAPER else 4,
            "labelPadding": 2 if size is PAPER else 3,
        },
        "title": {
            "font": size.font,
            "fontSize": size.title,
            "subtitleFont": size.font,
            "subtitleFontSize": size.tick,
            "subtitleFontWeight": "normal",
            "color": text,
            "subtitleColor": second,
            "anchor": "start",
            "frame": "group",
            "offset": 4 if size is PAPER else 8,
            "subtitlePadding": 2,
        },
        "text": {"font": size.font, "fontSize": size.tick, "color": text},
    }


def css_names() -> dict[str, str]:
    """Light hexadecimal colour to the name of the CSS variable that replaces it on the page.

    Examples
    --------
    >>> css_names()["#0d76eb"], css_names()["#e6e8ec"]
    ('--group-zero-shot-clip', '--grid')
    """
    names = {group.shade.light: f"--group-{key}" for key, group in GROUPS.items()}
    return names | {shade.light: f"--{name}" for name, shade in _surface_shades()}


def css_variables(side: Literal["light", "dark"]) -> str:
    """The declarations of one colour scheme, one a line, to be put between braces."""
    shades = [(f"group-{key}", group.shade) for key, group in GROUPS.items()] + _surface_shades()
    return "\n".join(f"  --{name}: {getattr(shade, side)};" for name, shade in shades)


def _surface_shades() -> list[tuple[str, Shade]]:
    return [(field.name.replace("_", "-"), getattr(SURFACES, field.name)) for field in fields(SURFACES)]


WORD_KEYS: Final = frozenset({"text", "title", "subtitle", "field", "domain", "sort", "equal", "oneOf", "name"})


def colours_as_css(spec: Any) -> Any:
    """Copy a spec with every palette colour replaced by ``var(--name)``.

    Only for the page, drawn as SVG: a canvas, a PNG and a gradient scale know no CSS variables. Words stay as
    they are, so a model that is called like a colour keeps its name.

    Examples
    --------
    >>> colours_as_css({"mark": {"fill": "#0d76eb"}, "title": "#0d76eb"})
    {'mark': {'fill': 'var(--group-zero-shot-clip)'}, 'title': '#0d76eb'}
    """
    return _replace(spec, css_names())


def _replace(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        # An object under "title" or "text" can hold colours, strings and lists there are words.
        return {
            key: item if key in WORD_KEYS and not isinstance(item, dict) else _replace(item, names)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_replace(item, names) for item in value]
    if isinstance(value, str) and value in names:
        return f"var({names[value]})"
    return value
