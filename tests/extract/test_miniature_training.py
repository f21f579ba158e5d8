"""The miniature's models: the list of them, their manifests, their size, and that one can be made again."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from extract.miniature.draw import draw
from extract.miniature.generate import generator
from extract.miniature.sampling import IN, sample
from extract.miniature.training import manifests, pictures, running
from extract.miniature.training.__main__ import main as training_main
from extract.miniature.training.loop import MEAN, STD
from extract.miniature.training.plan import ARCHS, MODELS
from extract.miniature.training.running import train
from extract.miniature.world import CLASSES
from extract.weights import load_state_dict
from manifests.catalogue import load

ROOT = Path(__file__).parents[2]
MINIATURE = ROOT / "manifests" / "miniature"
WEIGHTS = MINIATURE / "weights"
AGAIN = "mini-efficientnet.in-16k"
TOLERANCE = 0.03
"""Of accuracy on 960 images, whose standard error is 0.012: another processor sums in another order."""

LARGEST = 20_000_000


def test_manifests_are_what_the_plan_says() -> None:
    wanted = manifests.every()
    found = {path.name: path.read_text(encoding="utf-8") for path in (MINIATURE / "models").glob("*.toml")}
    assert {name: text for name, text in found.items() if "llava" not in name} == wanted
    assert all(name.startswith("mini-") for name in found)


def test_every_model_is_shipped_and_all_of_them_are_small() -> None:
    named = {one.id for one in MODELS if one.kept}
    shipped = {path.name for path in WEIGHTS.iterdir()}
    assert named <= shipped
    assert len(named) >= 24
    assert sum(path.stat().st_size for path in WEIGHTS.rglob("*") if path.is_file()) < LARGEST


def test_weights_are_half_precision_safetensors() -> None:
    files = sorted(WEIGHTS.rglob("*.safetensors"))
    assert len(files) >= len([one for one in MODELS if one.kept])
    for file in files:
        tensors = load_state_dict(file)
        assert {tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()} == {torch.float16}
        assert all(torch.isfinite(tensor.float()).all() for tensor in tensors.values())


def test_models_that_are_compared_had_equal_budgets() -> None:
    of = {one.id: one for one in MODELS}
    both = [f"{tower}.{{}}-{variant}" for tower in ("efficientnet", "byobnet") for variant in ("24k", "24k-long")]
    for name in (*both, "vit.{}-24k", "efficientnet.{}-uncurated"):
        first, second = (of[f"mini-clip-{name.format(source)}"] for source in ("a", "b"))
        assert (first.samples, first.unique, first.rate) == (second.samples, second.unique, second.rate)
    sizes = [of[f"mini-clip-efficientnet.a-{size}"] for size in ("24k", "6k", "2k", "sigmoid", "uncurated")]
    assert len({one.samples for one in sizes}) == 1
    twins = [one for one in MODELS if "twin" in one.id]
    assert len({(one.samples, one.unique, one.rate, one.source) for one in twins}) == 1
    assert len({one.seed for one in twins}) == len(twins) == 10


def test_the_study_names_every_model() -> None:
    studies = load([MINIATURE]).studies
    named = {
        name for study in ("miniature", "miniature-twins") for block in studies[study].blocks for name in block.models
    }
    assert {path.stem for path in (MINIATURE / "models").glob("*.toml")} == named


def test_nothing_outside_knows_it() -> None:
    product = [path for name in ("extract", "analyze", "cache", "manifests") for path in (ROOT / name).rglob("*.py")]
    outside = [path for path in product if (ROOT / "extract" / "miniature") not in path.parents]
    assert len(outside) > 300
    assert [str(path) for path in outside if "miniature" in path.read_text(encoding="utf-8").lower()] == []


@pytest.mark.timeout(900)
def test_a_model_that_is_trained_again_is_as_accurate(tmp_path: Path) -> None:
    (one,) = (model for model in MODELS if model.id == AGAIN)
    train(one, tmp_path / "weights", tmp_path / "work")
    rng = generator(5, "retrained")
    labels = np.arange(960) % len(CLASSES)
    drawn = np.stack([draw(sample(IN, int(label), rng)) for label in labels])
    committed, again = (_accuracy(folder / AGAIN, drawn, labels) for folder in (WEIGHTS, tmp_path / "weights"))
    assert committed > 0.5
    assert abs(again - committed) <= TOLERANCE


def _accuracy(folder: Path, drawn: np.ndarray, labels: np.ndarray) -> float:
    import timm

    (one,) = (model for model in MODELS if model.id == folder.name)
    arch, args = ARCHS[one.tower]
    assert json.loads((folder / "config.json").read_bytes())["architecture"] == arch
    model = timm.create_model(arch, num_classes=len(CLASSES), **args).eval()
    tensors = load_state_dict(folder / "model.safetensors")
    model.load_state_dict(
        {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}
    )
    mean, std = (torch.tensor(value).view(1, 3, 1, 1) for value in (MEAN, STD))
    with torch.no_grad():
        logits = model((torch.from_numpy(drawn).permute(0, 3, 1, 2).float() / 255 - mean) / std)
    return float((logits.argmax(1).numpy() == labels).mean())


def test_training_writes_over_nothing_that_it_did_not_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out" / AGAIN).mkdir(parents=True)
    asked = [str(tmp_path / "out"), "--only", AGAIN, "--work", str(tmp_path / "work")]
    monkeypatch.setattr(sys, "argv", ["training", *asked])
    with pytest.raises(SystemExit, match=f"{AGAIN} was not trained with --work .*give another OUT"):
        training_main()
    assert list((tmp_path / "out" / AGAIN).iterdir()) == []


def test_a_training_that_the_plan_changed_is_another(tmp_path: Path) -> None:
    one = next(one for one in MODELS if one.id == AGAIN)
    state = running._step(one, tmp_path) / running.STATE
    state.parent.mkdir(parents=True)
    state.touch()
    assert running.begun(one, tmp_path)
    assert not running.begun(dataclasses.replace(one, seed=one.seed + 1), tmp_path)


def test_kept_pictures_are_of_the_code_that_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    before = pictures._drawn_by("in", 24, True)
    assert before == pictures._drawn_by("in", 24, True)
    assert before != pictures._drawn_by("in", 24, False)
    monkeypatch.setattr(pictures, "WRONG", 0.5)
    assert before != pictures._drawn_by("in", 24, True)
