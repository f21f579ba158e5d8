"""What an open_clip space is called by, and what describing and loading must not do besides."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import save_file

from extract.backbones.open_clip_backbone import OpenClipBackbone
from extract.backbones.protocol import Backbone
from extract.weights import RandomWeights
from manifests.canonical import canonical_json
from tests.extract.open_clip_pairs import noise, ours, theirs
from tests.extract.tiny_open_clip import registered


@pytest.fixture(scope="module", autouse=True)
def _tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with registered(tmp_path_factory.mktemp("configs")):
        yield


def test_an_identity_tells_apart_what_gives_other_numbers() -> None:
    made = {
        "plain": OpenClipBackbone("tiny-vit", "random:0"),
        "quick": OpenClipBackbone("tiny-vit-quickgelu", "random:0"),
        "seed": OpenClipBackbone("tiny-vit", "random:1"),
        "size": OpenClipBackbone("tiny-vit", "random:0", image_size=96),
        "resize": OpenClipBackbone("tiny-vit", "random:0", interpolation="bilinear"),
        "dtype": OpenClipBackbone("tiny-vit", "random:0", dtype="bfloat16"),
        "words": OpenClipBackbone("tiny-vit-short", "random:0"),
        "siglip-tag": OpenClipBackbone("ViT-B-16-SigLIP/webli", "random:0"),
    }
    identities = {name: canonical_json(backbone.identity()) for name, backbone in made.items()}
    assert len(set(identities.values())) == len(made)
    assert canonical_json(OpenClipBackbone("tiny-vit", "random:0").identity()) == identities["plain"]
    assert made["quick"].identity()["architecture"]["activations"] == ["QuickGELU"]
    # The native size asked for by name is no other size.
    assert canonical_json(OpenClipBackbone("tiny-vit", "random:0", image_size=64).identity()) == identities["plain"]
    backbone: Backbone = made["plain"]
    assert backbone.row_bytes() == {"embeddings": 24 * 4, "patches": 4 * 4 * 64 * 2}


def test_a_saved_model_is_named_by_content_not_by_its_folder(tmp_path: Path) -> None:
    import json

    identities = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        save_file(theirs("tiny-vit", 3).state_dict(), folder / "open_clip_model.safetensors")
        config = {"model_cfg": open_clip.get_model_config("tiny-vit"), "preprocess_cfg": {"mean": [0.5] * 3}}
        (folder / "open_clip_config.json").write_text(json.dumps(config))
        backbone = ours(f"local-dir:{folder}", "")
        identities.append(canonical_json(backbone.identity()))
        assert str(tmp_path) not in identities[-1].decode()
        with torch.inference_mode():
            expected = theirs("tiny-vit", 3).encode_image(noise(1, (64, 64)))
        out = backbone.forward(noise(1, (64, 64)), ("embeddings",))
        np.testing.assert_allclose(out["embeddings"], expected, atol=1e-6)
        assert backbone.text_tower().encode(["a dog"]).shape == (1, 24)
        normalize = next(op for op in backbone.identity()["preprocess"]["ops"] if op["op"] == "normalize")
        assert normalize["mean"] == [0.5] * 3
    assert identities[0] == identities[1]


def test_text_is_float32_whatever_the_images_are() -> None:
    exact, half = ours("tiny-vit", 1), ours("tiny-vit", 1, dtype="bfloat16")
    np.testing.assert_array_equal(exact.text_tower().encode(["a dog"]), half.text_tower().encode(["a dog"]))
    assert half.text_tower().logit_scale == exact.text_tower().logit_scale
    images = [backbone.forward(noise(2, (64, 64)), ("embeddings",))["embeddings"] for backbone in (exact, half)]
    assert 0 < np.abs(images[0] - images[1]).max() < 0.1


def test_describing_a_model_neither_holds_weights_nor_writes_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    backbone = OpenClipBackbone("tiny-vit", RandomWeights(0))
    with caplog.at_level(logging.WARNING):
        backbone.identity()
        backbone.load("cpu")
    assert caplog.records == []
    backbone.close()
    with pytest.raises(RuntimeError, match="load"):
        backbone.forward(noise(1, (64, 64)), ("embeddings",))
    with pytest.raises(RuntimeError, match="load"):
        backbone.text_tower()


def test_a_root_logger_without_handlers_stays_so() -> None:
    code = (
        "import logging; from extract.backbones.open_clip_backbone import OpenClipBackbone as B; "
        "B('ViT-B-32', 'random:0').identity(); assert not logging.getLogger().handlers"
    )
    root = str(Path(__file__).resolve().parents[2])
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root, env={**os.environ, "PYTHONPATH": root})


def test_encode_wants_at_least_one_string() -> None:
    with pytest.raises(ValueError, match="at least one"):
        ours("tiny-vit").text_tower().encode([])
