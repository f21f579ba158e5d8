"""`assay-extract convert` of small trained layers and learned prompts, against their formulas."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
open_clip = pytest.importorskip("open_clip")

from safetensors.torch import save_file  # noqa: E402

from cache.zero_shot import zero_shot_logits  # noqa: E402
from tests.extract.command_line import analyze, extract  # noqa: E402
from tests.extract.derived_models import (  # noqa: E402
    BASE,
    INSECTS,
    WIDTH,
    accuracy,
    base_rows,
    convert,
    derived_logits,
    ok,
    stored_head,
    table,
    unit,
    write_store,
)
from tests.extract.pictures import draw  # noqa: E402
from tests.extract.tiny_open_clip import registered  # noqa: E402


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with images and a store; open_clip knows the tiny architectures meanwhile."""
    folder = tmp_path_factory.mktemp("derived")
    with registered(tmp_path_factory.mktemp("configs")):
        write_store(folder)
        yield folder


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Path:
    """A copy of the store, of the test's own."""
    return Path(shutil.copytree(made / "store", tmp_path / "store"))


def test_clip_adapter(store: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    down, up = rng.standard_normal((6, WIDTH), np.float32), rng.standard_normal((WIDTH, 6), np.float32)
    state = {"adapter.fc.0.weight": torch.from_numpy(down), "adapter.fc.2.weight": torch.from_numpy(up)}
    torch.save({"state_dict": state, "epoch": 50, "optimizer": {"state": {}}}, tmp_path / "model.pth.tar-50")
    convert(store, "clip-adapter", tmp_path / "model.pth.tar-50", "--dataset", "insects", "--ratio", 0.3)
    features, head, _ = base_rows(store, "insects")
    adapted = 0.3 * np.maximum(np.maximum(features @ down.T, 0) @ up.T, 0) + 0.7 * features
    assert np.allclose(derived_logits(store, "insects"), zero_shot_logits(adapted, head), atol=1e-3)


def test_linear_probe_and_the_average_of_heads(store: Path, made: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    weights, bias = rng.standard_normal((3, WIDTH), np.float32), rng.standard_normal(3, np.float32)
    save_file({"weight": torch.from_numpy(weights), "bias": torch.from_numpy(bias)}, tmp_path / "head.safetensors")
    features, head, _ = base_rows(store, "insects")
    file = tmp_path / "head.safetensors"
    probe = ("linear-probe", file, "--dataset", "insects", "--classes", made / "classes.txt")
    convert(store, *probe, model="raw")
    convert(store, *probe, "--features", "unit", model="unit")
    convert(store, "wise-ft-head", file, "--dataset", "insects", "--alpha", 0.25, model="mixed")
    tuned = unit(features) @ weights.T + bias
    assert np.allclose(derived_logits(store, "insects", "raw"), features @ weights.T + bias, atol=1e-4)
    assert np.allclose(derived_logits(store, "insects", "unit"), tuned, atol=1e-4)
    mixed = 0.75 * zero_shot_logits(features, head) + 0.25 * tuned
    assert np.allclose(derived_logits(store, "insects", "mixed"), mixed, atol=1e-3)
    scored = ok(analyze(store, "score", "--dataset", "insects", "--json"))
    assert {row["model"] for row in json.loads(scored.out)} == {BASE, "raw", "unit", "mixed"}
    wrong = convert(store, "linear-probe", file, "--dataset", "insects", model="wide", code=2)
    assert "3 classes, but 1000 were expected" in wrong.err


def test_a_file_of_another_width_is_refused(store: Path, tmp_path: Path) -> None:
    torch.save({"fc.0.weight": torch.ones(2, 8), "fc.2.weight": torch.ones(8, 2)}, tmp_path / "a.pt")
    done = convert(store, "clip-adapter", tmp_path / "a.pt", "--dataset", "insects", code=2)
    assert "for embeddings of 8 numbers; open-clip-tiny-vit-" in done.err
    assert f"has {WIDTH}" in done.err
    torch.save({"other": torch.ones(2, 8)}, tmp_path / "b.pt")
    done = convert(store, "clip-adapter", tmp_path / "b.pt", "--dataset", "insects", code=2)
    assert "expected adapter.fc.0.weight" in done.err


def test_an_image_that_failed_in_the_base_stays_failed(made: Path, tmp_path: Path) -> None:
    draw(tmp_path / "few" / "ant", 2, first=500)
    draw(tmp_path / "few" / "bee", 2, first=600)
    store = Path(shutil.copytree(made / "store", tmp_path / "store"))
    ok(extract(store, "index", "few", "--root", tmp_path / "few"))
    (tmp_path / "few" / "ant" / "0500.png").unlink()
    run = extract(store, "run", "--model", BASE, "--weights", "random:3", "--dataset", "few",
                  "--classes", made / "classes.txt")  # fmt: skip
    assert run.code == 5
    done = convert(store, "tip-adapter", "--dataset", "few", "--shots", "shots", "--json", code=5)
    assert [failure["status"] for failure in json.loads(done.out)["failures"]] == ["missing"]
    assert np.isnan(derived_logits(store, "few")).all(axis=1).sum() == 1
    assert analyze(store, "score", "--model", "new", "--dataset", "few").code == 5


def coop_file(path: Path, context: Any, classes: int) -> Path:
    """Write a prompt learner as Dassl does, optimizer and scheduler included."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 50)
    state = {
        "ctx": context,
        "token_prefix": torch.zeros(classes, 1, context.shape[-1]),
        "token_suffix": torch.zeros(classes, 76 - context.shape[-2], context.shape[-1]),
    }
    inside = {"successor": scheduler, "last_epoch": 50, "warmup": np.float64(1.5)}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"state_dict": state, "epoch": 50, "optimizer": optimizer.state_dict(), "scheduler": inside}, path)
    return path


def tiny_model(seed: int = 3) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return open_clip.create_model("tiny-vit", load_weights=False).eval()


def test_coop_with_the_vectors_of_words_is_the_head_of_those_words(store: Path, made: Path, tmp_path: Path) -> None:
    """Vectors that happen to be those of "a photo of a": then CoOp is the prompt "a photo of a NAME."."""
    model, tokenizer = tiny_model(), open_clip.get_tokenizer("tiny-vit")
    with torch.inference_mode():
        words = model.token_embedding(tokenizer(["a photo of a"]))[0, 1:5].clone()
        features = model.encode_text(tokenizer([f"a photo of a {name}." for name in INSECTS])).numpy()
    path = coop_file(tmp_path / "prompt_learner" / "model.pth.tar-50", words, 3)
    for number, position in enumerate(("end", "front")):
        done = convert(store, "coop", path, "--dataset", "insects,noise", "--classes", made / "classes.txt",
                       "--weights", "random:3", "--position", position, "--json", model=position)  # fmt: skip
        assert json.loads(done.out)["parameters"] == {"position": position, "vectors": 4}
        if number == 0:
            assert "names of its own" in done.err
    embeddings, head, rows = base_rows(store, "insects")
    expected = unit(features).T
    stored = stored_head(store, "insects", "end")
    assert np.allclose(stored.weights, expected, atol=1e-5)
    assert (stored.scale, stored.bias) == (head.scale, head.bias)
    scored = table(store)
    right = (unit(embeddings) @ expected).argmax(1) == rows["label"].to_numpy()
    assert accuracy(scored, "end") == pytest.approx(right.mean())
    mine = [row for row in scored if row["model"] == "end"]
    assert all(row["prompt_set"].startswith("coop-") for row in mine)
    assert "mcm" in {row["detector"] for row in mine if row["metric"] == "auroc"}


def test_coop_positions_and_class_specific_vectors(store: Path, made: Path, tmp_path: Path) -> None:
    """Against the whole 77 tokens through the library's own tower, put together by hand."""
    model, tokenizer = tiny_model(), open_clip.get_tokenizer("tiny-vit")
    names = ("great white shark", "bee_eater", "cat")
    context = torch.randn(3, 4, 32, generator=torch.Generator().manual_seed(1)) * 0.3
    path = coop_file(tmp_path / "p" / "model.pth.tar-50", context.half(), 3)
    listed = tmp_path / "classnames.txt"
    listed.write_text(
        "\n".join(f"{key} {name}" for key, name in sorted(zip(INSECTS, names, strict=True), reverse=True))
    )
    convert(store, "coop", path, "--dataset", "insects", "--classes", made / "classes.txt", "--class-names", listed,
            "--weights", "random:3", "--position", "middle", model="middle")  # fmt: skip
    vectors = context.half().float()
    with torch.inference_mode():
        tokens = tokenizer([f"X X X X {name.replace('_', ' ')}." for name in names])
        embedded = model.token_embedding(tokens)
        rows = []
        for at, words in enumerate((3, 2, 1)):
            name, rest = embedded[at, 5 : 5 + words], embedded[at, 5 + words :]
            rows.append(torch.cat([embedded[at, :1], vectors[at, :2], name, vectors[at, 2:], rest]))
        x = model.transformer(torch.stack(rows) + model.positional_embedding, attn_mask=model.attn_mask)
        x = model.ln_final(x)[torch.arange(3), tokens.argmax(-1)] @ model.text_projection
    stored = stored_head(store, "insects", "middle")
    assert np.allclose(stored.weights, unit(x.numpy()).T, atol=1e-5)


def test_coop_of_other_weights_or_width_is_refused(store: Path, made: Path, tmp_path: Path) -> None:
    path = coop_file(tmp_path / "p" / "m", torch.zeros(4, 32), 3)
    given = ("--dataset", "insects", "--classes", made / "classes.txt")
    done = convert(store, "coop", path, *given, "--weights", "random:4", code=2)
    assert "describes its weights otherwise" in done.err
    wide = coop_file(tmp_path / "q" / "m", torch.zeros(4, 512), 3)
    done = convert(store, "coop", wide, *given, "--weights", "random:3", code=2)
    assert "the context is (4, 512); this text tower reads vectors of 32" in done.err
    (tmp_path / "names").write_text("ant ant\nbee bee\n")
    done = convert(store, "coop", path, *given, "--weights", "random:3", "--class-names", tmp_path / "names", code=2)
    assert "1 of the 3 classes have no line, such as cat" in done.err
