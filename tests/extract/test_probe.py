"""The shipped probe images are the drawn ones, and their hashes move when the pixels would."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize, ToTensor

from extract import intake, probe
from extract.probe import draw_probe, pixel_probe, probe_images


def shipped(name: str) -> np.ndarray:
    return np.asarray(intake.decode(probe_images()[name]).image)


def test_the_png_is_the_drawing() -> None:
    assert np.array_equal(shipped("png"), draw_probe())


def test_the_jpeg_is_the_drawing_at_quality_90() -> None:
    difference = np.abs(shipped("jpeg").astype(int) - draw_probe().astype(int))
    assert 0 < difference.mean() < 12


def test_both_are_small_files_of_a_size_that_has_to_be_resized() -> None:
    assert all(len(data) < 60_000 for data in probe_images().values())
    height, width, _ = draw_probe().shape
    assert (height, width) == (389, 517)


def transform(size: int = 256, crop: int = 224, mode: InterpolationMode = InterpolationMode.BICUBIC) -> Compose:
    return Compose([Resize(size, interpolation=mode), CenterCrop(crop), ToTensor(), Normalize([0.5] * 3, [0.5] * 3)])


def test_the_probe_is_the_sha256_of_the_cropped_pixels() -> None:
    from PIL import Image

    # Independently: Pillow alone, 389 x 517 -> 256 x int(256 * 517 / 389), then the middle 224 x 224.
    resized = Image.fromarray(draw_probe()).resize((340, 256), Image.Resampling.BICUBIC)
    cropped = resized.crop((58, 16, 58 + 224, 16 + 224))
    assert pixel_probe(transform())["png"] == hashlib.sha256(np.asarray(cropped).tobytes()).hexdigest()


def test_arithmetic_after_the_crop_does_not_move_it() -> None:
    other = Compose([Resize(256, interpolation=InterpolationMode.BICUBIC), CenterCrop(224), ToTensor()])
    assert pixel_probe(other) == pixel_probe(transform())


@pytest.mark.parametrize(
    "other", [transform(size=257), transform(crop=222), transform(mode=InterpolationMode.BILINEAR)], ids=str
)
def test_every_pixel_step_moves_both_hashes(other: Compose) -> None:
    before, after = pixel_probe(transform()), pixel_probe(other)
    assert all(before[name] != after[name] for name in ("png", "jpeg"))


def test_broken_probe_images_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "probe_images", lambda: {"png": b""})
    with pytest.raises(RuntimeError, match=r"probe\.png gives empty"):
        pixel_probe(transform())
