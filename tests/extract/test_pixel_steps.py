"""A dataset with a pixel step of its own takes a model in another space, and its pixels are the official ones."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

timm = pytest.importorskip("timm")

import torch  # noqa: E402
from torchvision.transforms import Compose  # noqa: E402

from cache.bindings import bindings  # noqa: E402
from cache.store import Store  # noqa: E402
from extract.pixel_steps import pixel_step_of  # noqa: E402
from manifests.catalogue import load  # noqa: E402
from tests.extract.command_line import Done, analyze, extract  # noqa: E402
from tests.extract.official import Miniature  # noqa: E402
from tests.extract.pictures import picture  # noqa: E402

MODEL = "timm:test_resnet"
RUN = ("run", "--model", MODEL, "--weights", "random:0", "--classes", "imagenet-1k", "--image-size", 224)
WNIDS = ("n01440764", "n01443537")


def ok(done: Done) -> Done:
    assert done.code == 0, done.err
    return done


def png(seed: int, size: tuple[int, int], frame: int = 0) -> bytes:
    """Draw a picture, with a red frame around it as ObjectNet has one."""
    image = picture(seed, size)
    if frame:
        inside = image.crop((frame, frame, size[0] - frame, size[1] - frame))
        image = Image.new("RGB", size, (255, 0, 0))
        image.paste(inside, (frame, frame))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("steps")
    val, objects = Miniature(folder / "val"), Miniature(folder / "objectnet-1.0")
    for at in range(4):
        val.file(f"{WNIDS[at % 2]}/ILSVRC2012_val_{at + 1:08d}.png", png(at, (260, 240)))
        objects.file(f"images/{('chair', 'teapot')[at % 2]}/{at}.png", png(10 + at, (260, 240), frame=2))
    objects.json("mappings/folder_to_objectnet_label.json", {"chair": "Chair", "teapot": "Teapot"})
    objects.json("mappings/objectnet_to_imagenet_1k.json", {"Chair": "barber chair", "Teapot": "teapot"})
    corrupted = Miniature(folder / "3dcc")
    for at in range(4):
        corrupted.file(f"fog_3d/{at + 1}/{WNIDS[at % 2]}/ILSVRC2012_val_{at + 1:08d}.png", png(20 + at, (224, 224)))
    store = folder / "store"
    ok(extract(store, "index", "imagenet-val", "--layout", "imagenet-val-wnid", "--root", val.root))
    ok(extract(store, "index", "objectnet", "--root", objects.root))
    ok(extract(store, "index", "imagenet-3dcc", "--root", corrupted.root))
    ok(extract(store, *RUN))
    return folder


def plain(folder: Path, samples: list[str], border: int = 0, resize: bool = True) -> np.ndarray:
    """Logits by timm in a plain loop, the border cut by the test's own arithmetic."""
    torch.manual_seed(0)
    model = timm.create_model("test_resnet", pretrained=False, num_classes=1000).eval()
    config = {**timm.data.resolve_data_config({}, model=model), "input_size": (3, 224, 224)}
    whole = timm.data.create_transform(**config, is_training=False)
    transform = whole if resize else Compose(whole.transforms[-2:])
    rows = []
    with torch.inference_mode():
        for name in samples:
            with Image.open(folder / name) as image:
                pixels = image.convert("RGB")
            if border:
                pixels = pixels.crop((border, border, pixels.width - border, pixels.height - border))
            rows.append(model(transform(pixels)[None])[0].numpy())
    return np.stack(rows)


def stored(store: Store, dataset: str) -> tuple[list[str], np.ndarray]:
    (binding,) = bindings(store, [MODEL], [dataset])
    view = store.view(dataset)
    return view["sample"].to_list(), store.rows("logits", binding.label, view["image_id"].to_list())


def test_one_model_has_three_spaces_and_each_says_why(made: Path) -> None:
    store = Store(made / "store")
    ops = {b.dataset: store.space(b.label).identity["preprocess"]["ops"] for b in bindings(store)}
    assert len({b.space for b in bindings(store)}) == 3
    assert [op["op"] for op in ops["imagenet-val"]][2:] == ["resize", "center-crop", "scale", "normalize"]
    assert ops["objectnet"][2] == {"op": "trim-border", "pixels": 2}
    assert ops["objectnet"][3:] == ops["imagenet-val"][2:]
    assert [op["op"] for op in ops["imagenet-3dcc"]][2:] == ["ready-made", "scale", "normalize"]


def test_logits_are_those_of_the_official_pixels(made: Path) -> None:
    store = Store(made / "store")
    for dataset, root, border, resize in (
        ("imagenet-val", "val", 0, True),
        ("objectnet", "objectnet-1.0", 2, True),
        ("imagenet-3dcc", "3dcc", 0, False),
    ):
        samples, logits = stored(store, dataset)
        np.testing.assert_allclose(logits, plain(made / root, samples, border, resize), rtol=0, atol=1e-4)
    # And it matters: with its frame on, or zoomed, an image gives other numbers.
    samples, logits = stored(store, "objectnet")
    assert np.abs(logits - plain(made / "objectnet-1.0", samples)).max() > 1e-3
    samples, logits = stored(store, "imagenet-3dcc")
    assert np.abs(logits - plain(made / "3dcc", samples)).max() > 1e-3


def test_score_answers_for_all_of_them(made: Path, tmp_path: Path) -> None:
    ok(analyze(made / "store", "score", "--no-write-scores", "--out", tmp_path / "s.csv"))
    table = pl.read_csv(tmp_path / "s.csv").filter(metric="accuracy_top1", slice="all")
    assert set(table["dataset"]) == {"imagenet-val", "objectnet", "imagenet-3dcc"}
    assert set(table["n"]) == {4}


def test_run_plan_and_verify_agree(made: Path) -> None:
    again = ok(extract(made / "store", *RUN, "--json"))
    assert again.json["units"] == 0
    options = RUN[1:]
    assert ok(extract(made / "store", "plan", *options, "--json")).json["units"] == 0
    rows = ok(extract(made / "store", "verify", *options, "--recompute", 2, "--json")).json
    assert {(row["dataset"], row["result"]) for row in rows} == {
        (dataset, "equal") for dataset in ("imagenet-val", "objectnet", "imagenet-3dcc")
    }


def test_a_ready_made_image_of_another_size_is_a_row_with_a_status(tmp_path: Path) -> None:
    files = Miniature(tmp_path / "3dcc")
    files.file(f"flash/1/{WNIDS[0]}/a.png", png(1, (224, 224)))
    files.file(f"flash/1/{WNIDS[0]}/b.png", png(2, (256, 224)))
    ok(extract(tmp_path / "store", "index", "imagenet-3dcc", "--root", files.root))
    done = extract(tmp_path / "store", *RUN, "--json")
    assert done.code == 5
    assert [(row["sample"].split("/")[-1], row["status"]) for row in done.json["failures"]] == [("b.png", "wrong_size")]
    assert "256 x 224" in done.json["failures"][0]["detail"]


def test_a_strip_is_a_row_with_a_status_and_not_four_gigabytes(tmp_path: Path) -> None:
    """Its short side made 224, a strip of 1 x 30,000 pixels would have 1.5 thousand million."""
    files = Miniature(tmp_path / "strips").file("a.png", png(1, (300, 200))).file("b.png", png(2, (1, 30_000)))
    done = extract(tmp_path / "store", *RUN, "--root", files.root, "--json")
    assert done.code == 5
    assert [(row["sample"], row["status"]) for row in done.json["failures"]] == [("b.png", "too_large")]
    assert "1 x 30000 pixels" in done.json["failures"][0]["detail"]


def test_a_model_with_a_larger_input_sees_ready_made_images_whole(tmp_path: Path) -> None:
    files = Miniature(tmp_path / "3dcc").file(f"flash/1/{WNIDS[0]}/a.png", png(1, (224, 224)))
    store = tmp_path / "store"
    ok(extract(store, "index", "imagenet-3dcc", "--root", files.root))
    ok(extract(store, *RUN[:-1], 256))
    (binding,) = bindings(Store(store))
    ops = Store(store).space(binding.label).identity["preprocess"]["ops"]
    assert [op["op"] for op in ops][2:] == ["ready-made", "resize", "scale", "normalize"]
    assert (ops[3]["size"], ops[3]["edge"]) == ([256, 256], "both")


def test_a_set_over_another_ones_images_has_its_step() -> None:
    catalogue = load()
    mine = dataclasses.replace(catalogue.datasets["imagenet-x"], id="mine", over="objectnet")
    more = dataclasses.replace(catalogue, datasets={**catalogue.datasets, "mine": mine})
    assert pixel_step_of(more, "mine") == {"op": "trim-border", "pixels": 2}
    assert pixel_step_of(more, "imagenet-x") is None
    assert pixel_step_of(more, "a-folder-of-my-own") is None
