from __future__ import annotations

import itertools

import numpy as np
import pytest

from analyze.figures.theme import (
    GROUPS,
    SHAPES,
    SURFACES,
    colours_as_css,
    css_names,
    css_variables,
    paper_config,
    screen_config,
)

# Machado, Oliveira, Fernandes 2009, severity 1.0, for linear RGB.
VISION = {
    "normal": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
# Smallest OKLab distance x 100 of any two groups, rounded down to one decimal when the palette was chosen.
SMALLEST = {
    "light": {"normal": 12.3, "protan": 11.5, "deutan": 9.0, "tritan": 7.1},
    "dark": {"normal": 14.3, "protan": 11.5, "deutan": 12.0, "tritan": 9.7},
}


def linear(colour: str) -> np.ndarray:
    channel = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(channel <= 0.04045, channel / 12.92, ((channel + 0.055) / 1.055) ** 2.4)


def oklab(colour: str, vision: str) -> np.ndarray:
    rgb = np.clip(np.array(VISION[vision]) @ linear(colour), 0, 1)
    cones = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    opponent = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    return opponent @ np.cbrt(cones @ rgb)


def contrast(one: str, other: str) -> float:
    luminance = sorted(float(np.array([0.2126, 0.7152, 0.0722]) @ linear(colour)) for colour in (one, other))
    return (luminance[1] + 0.05) / (luminance[0] + 0.05)


def test_white_and_black_have_the_contrast_of_the_definition() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert oklab("#ffffff", "normal") == pytest.approx([1, 0, 0], abs=1e-6)


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("side", ["light", "dark"])
def test_any_two_groups_can_be_told_apart(side: str, vision: str) -> None:
    colours = [getattr(group.shade, side) for group in GROUPS.values()]
    distance = min(
        100 * float(np.linalg.norm(oklab(a, vision) - oklab(b, vision))) for a, b in itertools.combinations(colours, 2)
    )
    assert distance >= SMALLEST[side][vision]


@pytest.mark.parametrize("side", ["light", "dark"])
def test_marks_reach_3_to_1_and_text_4_5_to_1(side: str) -> None:
    background, panel = getattr(SURFACES.background, side), getattr(SURFACES.panel, side)
    for group in GROUPS.values():
        assert contrast(getattr(group.shade, side), background) >= 3
    for text in (SURFACES.text, SURFACES.second, SURFACES.link):
        assert contrast(getattr(text, side), background) >= 4.5
        assert contrast(getattr(text, side), panel) >= 4.5
    assert contrast(getattr(SURFACES.muted, side), background) >= 3
    assert contrast(getattr(SURFACES.warn_text, side), getattr(SURFACES.warn_background, side)) >= 4.5


def test_no_two_light_colours_are_equal_so_that_each_has_one_css_name() -> None:
    assert len(css_names()) == css_variables("light").count("\n") + 1 == css_variables("dark").count("\n") + 1


def test_shapes_are_six_different_symbols() -> None:
    assert len(SHAPES) == len(set(SHAPES.values())) == 6


def fonts(config: object) -> list[str]:
    if not isinstance(config, dict):
        return []
    own = [value for key, value in config.items() if "font" in key.lower() and isinstance(value, str) and "," in value]
    return own + [font for value in config.values() for font in fonts(value)]


@pytest.mark.parametrize("config", [screen_config(), paper_config()], ids=["screen", "paper"])
def test_every_font_ends_with_a_generic_family(config: dict[str, object]) -> None:
    found = fonts(config)
    assert len(found) >= 5
    assert all(font.endswith("sans-serif") for font in found)


def test_paper_is_set_in_7_and_8_points() -> None:
    config = paper_config()
    assert (config["axis"]["labelFontSize"], config["title"]["fontSize"]) == (7, 8)


def test_colours_become_variables_and_words_stay_words() -> None:
    spec = {
        "encoding": {"color": {"scale": {"domain": ["#0d76eb"], "range": ["#0d76eb", "#123456"]}, "field": "#0d76eb"}},
        "title": {"text": ["#0d76eb"], "color": "#14171c"},
    }
    assert colours_as_css(spec) == {
        "encoding": {
            "color": {
                "scale": {"domain": ["#0d76eb"], "range": ["var(--group-zero-shot-clip)", "#123456"]},
                "field": "#0d76eb",
            }
        },
        "title": {"text": ["#0d76eb"], "color": "var(--text)"},
    }
    assert spec["title"] == {"text": ["#0d76eb"], "color": "#14171c"}
