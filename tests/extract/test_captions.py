"""Captions through the whole program: encoded once, wherever they stand, and a laptop answers for retrieval."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
open_clip = pytest.importorskip("open_clip")

from PIL import Image  # noqa: E402

from analyze.metrics.retrieval import recall_at_k  # noqa: E402
from cache.captions import TRUNCATED  # noqa: E402
from cache.key import text_id  # noqa: E402
from cache.reader import Reader  # noqa: E402
from cache.store import Store  # noqa: E402
from extract import plan as planning  # noqa: E402
from extract.backbones.text_tower import OpenClipTextTower  # noqa: E402
from tests.extract.command_line import Done, analyze, cache, extract  # noqa: E402
from tests.extract.pictures import picture  # noqa: E402
from tests.extract.tiny_open_clip import registered  # noqa: E402

TINY = ("--model", "open_clip:tiny-vit", "--weights", "random:3")
NAME = "open_clip:tiny-vit"
LONG = ("a very long caption of a picture " * 12).strip()
CAPTIONS = {
    f"{n}.jpg": [f"a photo of thing {n}, seen from the {side}" for side in ("left", "right", "top")] for n in range(12)
}
CAPTIONS["3.jpg"][1] = LONG


@pytest.fixture(scope="module", autouse=True)
def _tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with registered(tmp_path_factory.mktemp("configs")):
        yield


def ok(done: Done) -> Done:
    assert done.code == 0, done.err
    return done


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with twelve captioned pictures, and a store of one zero-shot model over them."""
    folder = tmp_path_factory.mktemp("captions")
    images = folder / "flickr30k"
    images.mkdir()
    for at, name in enumerate(CAPTIONS):
        picture(at).save(images / name)
    lines = [f"{name},{caption}" for name, captions in CAPTIONS.items() for caption in captions]
    (images / "flickr30k_test_karpathy.txt").write_text("image,caption\n" + "\n".join(lines) + "\n")
    ok(extract(folder / "empty", "index", "flickr30k", "--root", images, "--pack-size", 8))
    shutil.copytree(folder / "empty", folder / "store")
    ok(extract(folder / "store", "run", *TINY, "--dataset", "flickr30k", "--kinds", "embeddings,text"))
    return folder


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Path:
    """A copy of the store, of the test's own."""
    return Path(shutil.copytree(made / "store", tmp_path / "store"))


def table(done: Done) -> dict[str, dict[str, str]]:
    return {row["metric"]: row for row in csv.DictReader(io.StringIO(done.out))}


def library(strings: list[str], paths: list[Path]) -> tuple[Any, Any]:
    """open_clip's own features of strings and images."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model, _, transform = open_clip.create_model_and_transforms("tiny-vit", pretrained_text=False)
    with torch.inference_mode():
        texts = model.eval().encode_text(open_clip.get_tokenizer("tiny-vit")(strings))
        images = model.encode_image(torch.stack([transform(Image.open(path)) for path in paths]))
    return images.numpy(), texts.numpy()


def test_recalls_are_those_of_the_library_s_own_features(made: Path) -> None:
    done = ok(analyze(made / "store", "score"))
    strings = [text for texts in CAPTIONS.values() for text in texts]
    images, texts = library(strings, [made / "flickr30k" / name for name in CAPTIONS])
    found = table(done)
    assert set(found) == {
        f"{query}_{what}"
        for query in ("image", "text")
        for what in ("recall_at_1", "recall_at_5", "recall_at_10", "median_rank", "mrr")
    }
    for k in (1, 5, 10):
        image, text = recall_at_k(images, texts, np.repeat(np.arange(12), 3), k)
        assert float(found[f"image_recall_at_{k}"]["value"]) == pytest.approx(image, abs=1 / 36)
        assert float(found[f"text_recall_at_{k}"]["value"]) == pytest.approx(text, abs=1 / 12)
    assert {(row["n"], row["n_total"]) for row in found.values()} == {("36", "36"), ("12", "12")}
    assert "1 captions are longer than the text tower reads" in done.err


def test_coco_with_five_and_with_six_captions_an_image(tmp_path: Path) -> None:
    names = [f"COCO_val2014_{number:012d}.jpg" for number in range(1, 13)]
    captions = {name: [f"picture {at}, view {n}" for n in range(6 if at == 3 else 5)] for at, name in enumerate(names)}
    images = tmp_path / "coco"
    (images / "val2014").mkdir(parents=True)
    for at, name in enumerate(names):
        picture(at).save(images / "val2014" / name)
    pairs = [(names.index(name) + 1, caption) for name, texts in captions.items() for caption in texts]
    (images / "coco_test_karpathy.json").write_text(json.dumps({
        "images": [{"id": at, "file_name": name} for at, name in enumerate(names, 1)],
        "annotations": [{"id": at, "image_id": image, "caption": text} for at, (image, text) in enumerate(pairs)],
    }))  # fmt: skip
    store = tmp_path / "store"
    ok(extract(store, "index", "mscoco", "--root", images))
    ok(extract(store, "run", *TINY, "--dataset", "mscoco"))
    found = table(ok(analyze(store, "score")))
    features = library([text for _, text in pairs], [images / "val2014" / name for name in names])
    for k in (1, 5, 10):
        image, text = recall_at_k(*features, np.asarray([image - 1 for image, _ in pairs]), k)
        assert float(found[f"image_recall_at_{k}"]["value"]) == pytest.approx(image, abs=1 / 61)
        assert float(found[f"text_recall_at_{k}"]["value"]) == pytest.approx(text, abs=1 / 12)
    assert {(row["dataset"], row["n"]) for row in found.values()} == {("mscoco", "61"), ("mscoco", "12")}


def test_no_words_are_put_before_a_caption_and_kinds_need_not_be_named(made: Path, tmp_path: Path) -> None:
    store = Path(shutil.copytree(made / "empty", tmp_path / "store"))
    ok(extract(store, "run", *TINY, "--dataset", "flickr30k"))
    opened = Store(store)
    reader = Reader(opened)
    space = opened.space(next(iter(opened.requests().live)).label)
    strings = [text for texts in CAPTIONS.values() for text in texts]
    stored = reader.rows("text", space, [text_id(text) for text in strings])
    _, texts = library(strings, [made / "flickr30k" / "0.jpg"])
    np.testing.assert_allclose(stored, texts, atol=2e-3)
    again = ok(extract(store, "run", *TINY, "--dataset", "flickr30k", "--kinds", "embeddings,text", "--json"))
    assert (again.json["units"], again.json["sentences"], again.json["models_constructed"]) == (0, 0, 0)


def test_captions_that_are_missing_are_named_with_what_mends_it(made: Path, tmp_path: Path) -> None:
    store = Path(shutil.copytree(made / "empty", tmp_path / "store"))
    ok(extract(store, "run", *TINY, "--dataset", "flickr30k", "--kinds", "embeddings"))
    asked = analyze(store, "score", "--model", NAME, "--dataset", "flickr30k")
    assert asked.code == 3
    mend = f"assay-extract run --model {NAME} --weights random:3 --dataset flickr30k --kinds text"
    assert mend in asked.err
    assert "text absent for 36 of 36 captions" in asked.err
    ok(extract(store, *mend.split()[1:]))
    assert table(ok(analyze(store, "score"))).keys() == table(ok(analyze(made / "store", "score"))).keys()


def test_text_whose_data_are_lost_is_mended_as_it_says(store: Path) -> None:
    (folder,) = (store / "data" / "text").iterdir()
    shutil.rmtree(folder)
    asked = analyze(store, "score")
    assert asked.code == 3
    assert "assay-cache repair" in asked.err
    ok(cache(store, "repair"))
    ok(extract(store, "run", *TINY, "--dataset", "flickr30k", "--kinds", "text"))
    ok(analyze(store, "score"))


def test_a_killed_run_goes_on_where_it_stood(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Path(shutil.copytree(made / "empty", tmp_path / "store"))
    monkeypatch.setattr(planning, "plan_text", partial(planning.plan_text, pack_size=10))
    encoded: list[int] = []
    encode = OpenClipTextTower.encode

    def dying(self: OpenClipTextTower, strings: Any, progress: Any = lambda done: None) -> Any:
        if len(encoded) == 2:
            raise KeyboardInterrupt
        encoded.append(len(strings))
        return encode(self, strings, progress)

    asked = ("run", *TINY, "--dataset", "flickr30k", "--kinds", "text")
    monkeypatch.setattr(OpenClipTextTower, "encode", dying)
    assert extract(store, *asked).code == 130
    monkeypatch.setattr(OpenClipTextTower, "encode", encode)
    assert encoded == [10, 10]
    rest = ok(extract(store, *asked, "--json"))
    assert rest.json["sentences"] == 16
    assert Store(store).layout.root.joinpath("commits", "text").is_dir()
    ok(cache(store, "check"))


def test_a_caption_of_two_datasets_is_encoded_once(made: Path, store: Path) -> None:
    other = made / "more"
    if not other.is_dir():
        other.mkdir()
        picture(77).save(other / "a.jpg")
        lines = ("image,caption", f"a.jpg,{CAPTIONS['0.jpg'][0]}", "a.jpg,something else")
        (other / "flickr30k_test_karpathy.txt").write_text("\n".join(lines))
    ok(extract(store, "index", "more", "--layout", "retrieval-annotations", "--root", other))
    done = ok(extract(store, "run", *TINY, "--dataset", "more", "--json"))
    assert done.json["sentences"] == 1
    ok(analyze(store, "score", "--dataset", "more"))


def test_the_count_of_what_was_cut_stands_beside_the_numbers(made: Path) -> None:
    opened = Store(made / "store")
    reader, (request,) = Reader(opened), opened.requests().live
    space = opened.space(request.label)
    (pack,) = request.packs_of("text")
    commit = reader.commit(reader.unit("text", space, pack))
    assert commit is not None
    assert commit.stats[TRUNCATED] == 1


def test_prompts_are_for_classes_and_captions_have_none(store: Path) -> None:
    done = ok(extract(store, "run", *TINY, "--dataset", "flickr30k", "--prompts", "single"))
    assert "flickr30k has no classes to put into prompts, so it gets its captions and no heads" in done.err
    refused = extract(store, "run", *TINY, "--dataset", "flickr30k", "--kinds", "heads")
    assert refused.code == 2
    assert "--classes FILE" in refused.err


def test_a_plan_counts_captions_and_other_kinds_leave_them_alone(made: Path) -> None:
    plan = ok(extract(made / "empty", "plan", *TINY, "--dataset", "flickr30k", "--kinds", "text", "--json")).json
    assert (plan["works"][0]["units"], plan["works"][0]["bytes"]) == (0, 36 * 24 * 2)
    other = ok(extract(made / "empty", "plan", *TINY, "--dataset", "flickr30k", "--kinds", "patches", "--json")).json
    assert (other["works"][0]["units"], other["works"][0]["kinds"]) == (2, ["patches"])
