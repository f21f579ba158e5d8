"""Places of cells against real pixels, matching on a device against matching on a laptop, and depth files."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from analyze.dense_match import best_cells as laptop_cells
from analyze.dense_match import features_at
from analyze.metrics.correspondence import nearest_neighbours
from cache.patch_grid import patch_grid
from extract.backbones.geometry import Geometry
from extract.backbones.timm_backbone import TimmBackbone
from extract.matching import nearest
from extract.matching.depth import UnreadableDepthError, depth_points
from extract.weights import parse_weights
from tests.extract.pair_scenes import png


@pytest.mark.parametrize("size", [(400, 300), (300, 520), (231, 777)])
@pytest.mark.parametrize("geometry", [None, (128, 192)])
def test_a_cell_shows_what_lies_there(size: tuple[int, int], geometry: Any) -> None:
    """Two ramps, left to right and top to bottom: the mean of a cell's pixels says where it lies."""
    width, height = size
    backbone = TimmBackbone("test_resnet", parse_weights("random:0"), geometry=Geometry(size=geometry))
    identity = backbone.identity()
    ramp = np.zeros((height, width, 3), np.uint8)
    ramp[:, :, 0] = np.round((np.arange(width) + 0.5) / width * 255)
    ramp[:, :, 1] = np.round((np.arange(height) + 0.5) / height * 255)[:, None]
    pixels = backbone.transform(Image.fromarray(ramp))
    (normalize,) = [op for op in identity["preprocess"]["ops"] if op["op"] == "normalize"]
    shown = pixels * torch.tensor(normalize["std"])[:, None, None] + torch.tensor(normalize["mean"])[:, None, None]
    rows, columns = identity["outputs"]["patches"]["grid"]
    means = torch.nn.functional.adaptive_avg_pool2d(shown, (rows, columns))[:2].reshape(2, -1).T.double().numpy()
    grid = patch_grid(identity["preprocess"]["ops"], size, (rows, columns))
    expected = grid.to_pixels(grid.centres()) / size
    np.testing.assert_allclose(means, expected, atol=0.006)


@pytest.mark.parametrize("seed", range(3))
def test_both_sides_match_alike(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    ours, theirs = rng.standard_normal((90, 8)), rng.standard_normal((70, 8))
    # A copy, and two equal ones: ties go to the lower row.
    theirs[5], theirs[6], theirs[41] = ours[3], ours[4], ours[4]
    monkeypatch.setattr(nearest, "BLOCK_BYTES", 4 * 70 * 16)
    found = nearest.ratio_matches(*(nearest.unit(torch.from_numpy(side)) for side in (ours, theirs)), 50)
    oracle = nearest_neighbours(ours, theirs, 50)
    np.testing.assert_array_equal(found.first, oracle.first)
    np.testing.assert_array_equal(found.second, oracle.second)
    np.testing.assert_array_equal(found.mutual, oracle.mutual)
    np.testing.assert_allclose(found.distance, oracle.distance, atol=1e-6)
    # As many times as long: the same.
    scaled = nearest.ratio_matches(
        nearest.unit(torch.from_numpy(ours * 7.0)), nearest.unit(torch.from_numpy(theirs)), 50
    )
    np.testing.assert_array_equal(scaled.second, found.second)
    with pytest.raises(ValueError, match="at least two points"):
        nearest.ratio_matches(torch.ones(2, 3), torch.ones(1, 3), 1)


def test_both_sides_sample_and_choose_alike() -> None:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((6, 8, 5)).astype(np.float16)
    grid = patch_grid([], (80, 60), (6, 8))
    places = rng.uniform(0, 1, (20, 2)) * (8, 6)
    sampled = features_at(features, grid, places)
    on_device = nearest.at_places(torch.from_numpy(features), grid, places)
    np.testing.assert_allclose(on_device.numpy(), sampled / np.linalg.norm(sampled, axis=1, keepdims=True), atol=1e-6)
    # torch's own bilinear sampling, away from the border where it fades into zeros.
    inner = np.clip(places, 0.5, (7.5, 5.5))
    points = torch.from_numpy(inner / (8, 6) * 2 - 1)[None, None].float()
    oracle = torch.nn.functional.grid_sample(
        torch.from_numpy(features).float().permute(2, 0, 1)[None], points, align_corners=False
    )
    np.testing.assert_allclose(features_at(features, grid, inner), oracle[0, :, 0].T.numpy(), atol=1e-5)
    allowed = np.array([3, 7, 11, 40])
    flat = nearest.unit(torch.from_numpy(features.reshape(-1, 5)))
    cells, distances = nearest.best_cells(on_device, flat, allowed)
    theirs, oracle_distances = laptop_cells(sampled, features.reshape(-1, 5), allowed)
    np.testing.assert_array_equal(cells, theirs)
    np.testing.assert_allclose(distances, oracle_distances, atol=1e-6)
    assert (cells[:, 4] == -1).all()


def test_depth_files() -> None:
    values = np.zeros((480, 640), np.uint16)
    values[2, 2], values[479, 639], values[478, 638] = 1500, 9, 2500
    z = depth_points(png(values), "scannet")
    assert (z.shape, float(z[0, 0]), float(z[-1, -1]), np.count_nonzero(z)) == ((120, 160), 1.5, 2.5, 2)
    disparity = np.full((128, 128), 1311, np.uint16)
    disparity[0, 0] = 0
    z = depth_points(png(disparity), "navi")
    assert z[0, 0] == 0
    assert z[5, 5] == pytest.approx(65535 * 10 / 1311 / 1000, rel=1e-6)
    for data in (b"", b"no image", png(Image.new("RGB", (4, 4)))):
        with pytest.raises(UnreadableDepthError):
            depth_points(data, "navi")
