"""Augmented copies: inside the image, of the areas and ratios asked for, and the same for everybody."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

timm = pytest.importorskip("timm")

import torch  # noqa: E402

from cache.bindings import bindings  # noqa: E402
from cache.store import Store  # noqa: E402
from extract.augmentation import RATIO, SCALE, Crop, random_crop  # noqa: E402
from tests.extract.command_line import extract  # noqa: E402
from tests.extract.pictures import draw  # noqa: E402

RUN = ("run", "--model", "timm:test_resnet", "--weights", "random:0")


@given(
    st.integers(1, 4000), st.integers(1, 4000), st.integers(0, 9), st.text("0123456789abcdef", min_size=64, max_size=64)
)
def test_a_crop_lies_inside_its_image(width: int, height: int, copy: int, image: str) -> None:
    crop = random_crop(image, copy, width, height)
    assert crop == random_crop(image, copy, width, height)
    assert min(crop.left, crop.top) >= 0
    assert min(crop.width, crop.height) >= 1
    assert crop.left + crop.width <= width
    assert crop.top + crop.height <= height


def test_areas_ratios_and_flips_are_those_asked_for() -> None:
    crops = [random_crop(f"{at:064x}", 0, 500, 375) for at in range(4000)]
    areas = np.array([crop.width * crop.height for crop in crops]) / (500 * 375)
    ratios = np.log([crop.width / crop.height for crop in crops])
    assert SCALE[0] - 0.01 < areas.min() < SCALE[0] + 0.01
    assert areas.max() <= 1
    assert math.log(RATIO[0]) - 0.02 < ratios.min()
    assert ratios.max() < math.log(RATIO[1]) + 0.02
    # A fair coin thrown 4,000 times: within four standard deviations.
    assert abs(sum(crop.mirrored for crop in crops) / 4000 - 0.5) < 4 * 0.5 / math.sqrt(4000)
    assert len({(crop.left, crop.top, crop.width, crop.height) for crop in crops}) > 3900


def test_copies_and_seeds_differ() -> None:
    image = "c" * 64
    assert len({random_crop(image, copy, 500, 375) for copy in range(10)}) == 10
    assert random_crop(image, 0, 500, 375, seed=2) != random_crop(image, 0, 500, 375)


def test_a_long_strip_shows_its_middle() -> None:
    crop = random_crop("d" * 64, 3, 4000, 10)
    assert crop == Crop(1993, 0, 13, 10, crop.mirrored)


@pytest.mark.parametrize(("copy", "width", "height"), [(0, 0, 1), (0, 1, 0), (-1, 1, 1)])
def test_what_cannot_be_cropped(copy: int, width: int, height: int) -> None:
    with pytest.raises(ValueError, match="at least 1 x 1 pixels and a copy from 0"):
        random_crop("a" * 64, copy, width, height)


def test_copies_are_data_sets_over_the_same_images_and_spaces_of_the_same_model(tmp_path: Path) -> None:
    """Their embeddings are those of timm over crops that are cut here by hand, and a second run computes nothing."""
    draw(tmp_path / "shots", 4)
    store = tmp_path / "store"
    indexed = extract(store, "index", "shots", "--root", tmp_path / "shots", "--augment", 2, "--json")
    assert indexed.code == 0, indexed.err
    assert indexed.json["copies"] == ["shots-aug0", "shots-aug1"]
    ran = extract(store, *RUN, "--dataset", "shots*", "--json")
    assert (ran.code, ran.json["units"], ran.json["images"]) == (0, 3, 12)
    opened = Store(store)
    assert len({opened.version(name).packs for name in opened.datasets()}) == 1
    model = timm.create_model("test_resnet", pretrained=False)
    config = timm.data.resolve_data_config({}, model=model)
    _, height, width = config["input_size"]
    arithmetic = timm.data.create_transform(**config, is_training=False).transforms[-2:]
    rows: dict[str, np.ndarray] = {}
    for binding in bindings(opened):
        view = opened.view(binding.dataset)
        rows[binding.dataset] = opened.rows("embeddings", binding.label, view["image_id"].to_list())
    torch.manual_seed(0)
    model = timm.create_model("test_resnet", pretrained=False, num_classes=model.num_classes).eval()
    for copy in range(2):
        (binding,) = bindings(opened, (), [f"shots-aug{copy}"])
        ops = opened.space(binding.label).identity["preprocess"]["ops"]
        assert ops[2] == {
            "op": "augment", "copy": copy, "seed": 1, "scale": [0.5, 1.0], "ratio": [3 / 4, 4 / 3], "flip": 0.5,
        }  # fmt: skip
        assert (ops[3]["op"], ops[3]["size"], ops[3]["edge"]) == ("resize", [height, width], "both")
        view = opened.view(f"shots-aug{copy}")
        for row, (sample, image_id) in enumerate(view.select("sample", "image_id").iter_rows()):
            with Image.open(tmp_path / "shots" / sample) as image:
                whole = image.convert("RGB")
            crop = random_crop(image_id, copy, *whole.size)
            part = whole.crop((crop.left, crop.top, crop.left + crop.width, crop.top + crop.height))
            part = ImageOps.mirror(part) if crop.mirrored else part
            tensor = part.resize((width, height), Image.Resampling[config["interpolation"].upper()])
            for step in arithmetic:
                tensor = step(tensor)
            with torch.inference_mode():
                expected = model.forward_head(model.forward_features(tensor[None]), pre_logits=True)[0].numpy()
            np.testing.assert_allclose(rows[f"shots-aug{copy}"][row], expected, rtol=0, atol=1e-4)
    assert np.abs(rows["shots-aug0"] - rows["shots-aug1"]).max() > 1e-3
    assert extract(store, *RUN, "--dataset", "shots*", "--json").json["units"] == 0
    verified = extract(store, "verify", *RUN[1:], "--dataset", "shots-aug*", "--recompute", 2, "--json")
    assert {row["result"] for row in verified.json} == {"equal"}


def test_another_seed_is_a_new_version_and_another_space(tmp_path: Path) -> None:
    draw(tmp_path / "shots", 2)
    index = ("index", "shots", "--root", tmp_path / "shots", "--augment", 1)
    assert extract(tmp_path / "store", *index).code == 0
    first = Store(tmp_path / "store").version("shots-aug0")
    assert extract(tmp_path / "store", *index).code == 0
    assert Store(tmp_path / "store").version("shots-aug0").id == first.id
    assert extract(tmp_path / "store", *index, "--augment-seed", 2).code == 0
    second = Store(tmp_path / "store").version("shots-aug0")
    assert second.id != first.id
    assert second.facts["pixel_step"] == {"op": "augment", "copy": 0, "seed": 2}


def test_a_set_with_a_pixel_step_of_its_own_has_no_copies(tmp_path: Path) -> None:
    draw(tmp_path / "images" / "chair", 1)
    done = extract(tmp_path / "store", "index", "objectnet", "--root", tmp_path, "--augment", 1)
    assert done.code == 2
    assert "objectnet has a pixel step of its own" in done.err
