"""`assay-extract convert tip-adapter` on cached embeddings, and the rules of all derived models."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
open_clip = pytest.importorskip("open_clip")


from cache.bindings import bindings  # noqa: E402
from cache.errors import IncompleteError  # noqa: E402
from cache.reader import Reader  # noqa: E402
from cache.store import Store  # noqa: E402
from cache.zero_shot import zero_shot_logits  # noqa: E402
from extract.derived.tuning_half import RULE, in_tuning_half  # noqa: E402
from tests.extract.command_line import analyze, cache, call, extract  # noqa: E402
from tests.extract.derived_models import (  # noqa: E402
    BASE,
    accuracy,
    base_rows,
    convert,
    derived_logits,
    identity,
    ok,
    table,
    unit,
    write_store,
)
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


def expected_tip(store: Path, dataset: str, alpha: float, beta: float) -> np.ndarray:
    features, head, _ = base_rows(store, dataset)
    shots, _, shot_table = base_rows(store, "shots")
    values = np.eye(3)[shot_table["label"].to_numpy()]
    cached = np.exp(-beta * (1 - unit(features) @ unit(shots).T)) @ values
    return zero_shot_logits(features, head) + alpha * cached


def test_tip_adapter_of_cached_shots(store: Path) -> None:
    done = convert(store, "tip-adapter", "--dataset", "insects,noise", "--shots", "shots", "--alpha", 2,
                   "--beta", 3, "--json")  # fmt: skip
    said = json.loads(done.out)
    assert (said["units"], said["images"], said["failures"]) == (3, 19, [])
    for dataset in ("insects", "noise"):
        assert np.allclose(derived_logits(store, dataset), expected_tip(store, dataset, 2, 3), atol=1e-3)
    described = identity(store, "insects")
    (base,) = bindings(Store(store), [BASE], ["insects"])
    assert described["parent"] == base.space
    assert described["adapter"] == "tip-adapter"
    assert described["parameters"] == {"alpha": 2.0, "beta": 3.0}
    assert described["keys"]["version"] == Store(store).version("shots").id
    assert described["keys"]["shots"] == 6
    assert described["tuning"] is None


def test_score_takes_a_derived_model_as_any_other(store: Path) -> None:
    convert(store, "tip-adapter", "--dataset", "insects,noise", "--shots", "shots", "--alpha", 2, "--beta", 3)
    rows = table(store)
    labels = base_rows(store, "insects")[2]["label"].to_numpy()
    right = expected_tip(store, "insects", 2, 3).argmax(axis=1) == labels
    assert accuracy(rows, "new") == pytest.approx(right.mean())
    mine = [row for row in rows if row["model"] == "new"]
    assert {row["group"] for row in mine} == {"clip-ft"}
    assert {row["detector"] for row in mine if row["metric"] == "auroc"} >= {"msp", "max_logit", "energy"}
    ok(cache(store, "check", "--read-data"))


def test_a_second_conversion_does_nothing_and_another_alpha_is_another_space(store: Path) -> None:
    arguments = ("--dataset", "insects", "--shots", "shots", "--beta", 3)
    convert(store, "tip-adapter", *arguments, "--alpha", 2)
    before = sorted(path for path in store.rglob("*") if "local" not in path.parts)
    again = json.loads(convert(store, "tip-adapter", *arguments, "--alpha", 2, "--json").out)
    assert (again["units"], again["run"]) == (0, "")
    assert sorted(path for path in store.rglob("*") if "local" not in path.parts) == before
    other = convert(store, "tip-adapter", *arguments, "--alpha", 1)
    assert "bound to more than one space" in other.err
    assert analyze(store, "score", "--model", "new").code == 2
    convert(store, "tip-adapter", *arguments, "--alpha", 1, model="weaker")
    assert identity(store, "insects", "weaker")["parameters"]["alpha"] == 1.0


def test_tip_adapter_of_published_files(store: Path, tmp_path: Path) -> None:
    shots, _, shot_table = base_rows(store, "shots")
    keys, values = (
        torch.from_numpy(unit(shots)),
        torch.nn.functional.one_hot(torch.from_numpy(shot_table["label"].to_numpy().astype(np.int64)), 3),
    )
    torch.save(keys.permute(1, 0), tmp_path / "keys_16shots.pt")
    torch.save(values.half(), tmp_path / "values_16shots.pt")
    convert(store, "tip-adapter", "--dataset", "insects", "--keys", tmp_path / "keys_16shots.pt",
            "--values", tmp_path / "values_16shots.pt")  # fmt: skip
    assert np.allclose(derived_logits(store, "insects"), expected_tip(store, "insects", 1.17, 1.0), atol=1e-3)
    described = identity(store, "insects")["keys"]
    assert sorted(described) == ["keys", "values"]
    # Keys that were trained are a Parameter, one row a shot, and are not normalised again.
    torch.save(torch.nn.Parameter(2 * keys), tmp_path / "best_F_16shots.pt")
    convert(store, "tip-adapter-f", tmp_path / "best_F_16shots.pt", "--dataset", "insects",
            "--values", tmp_path / "values_16shots.pt", "--alpha", 1, "--beta", 1, model="trained")  # fmt: skip
    features, head, _ = base_rows(store, "insects")
    cached = np.exp(2 * unit(features) @ unit(shots).T - 1) @ values.numpy()
    expected = zero_shot_logits(features, head) + cached
    assert np.allclose(derived_logits(store, "insects", "trained"), expected, atol=1e-3)
    convert(store, "tip-adapter-f", tmp_path / "best_F_16shots.pt", "--dataset", "insects", "--shots", "shots",
            "--alpha", 1, "--beta", 1, model="labelled")  # fmt: skip
    assert np.allclose(derived_logits(store, "insects", "labelled"), expected, atol=1e-3)


def test_tuning_uses_one_half_and_says_so(store: Path) -> None:
    done = convert(store, "tip-adapter", "--dataset", "noise", "--shots", "shots", "--tune", "insects", "--json")
    said, described = json.loads(done.out), identity(store, "noise")
    images = base_rows(store, "insects")[2]["image_id"].to_list()
    half = in_tuning_half(images)
    assert described["tuning"] == {
        "dataset": "insects", "version": Store(store).version("insects").id, "rule": RULE, "images": int(half.sum()),
    }  # fmt: skip
    assert 0 < half.sum() < len(half)
    best = {
        (alpha, beta): float(
            (expected_tip(store, "insects", alpha, beta)[half].argmax(1)
             == base_rows(store, "insects")[2]["label"].to_numpy()[half]).mean()
        )
        for alpha in (0.1, 1.55, said["parameters"]["alpha"])
        for beta in (0.1, 3.55, said["parameters"]["beta"])
    }  # fmt: skip
    chosen = best[said["parameters"]["alpha"], said["parameters"]["beta"]]
    assert chosen == max(best.values())
    assert described["parameters"] == {name: said["parameters"][name] for name in ("alpha", "beta")}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--alpha", "1", "--tune", "insects"), 2, "leave --alpha and --beta out"),
        (("--tune", "noise"), 2, "noise has no labels"),
        (("--shots", "noise"), 2, "noise has no labels"),
        (("--values", "v.pt"), 2, "--values goes with --keys"),
        (("--keys", "nowhere.pt"), 2, "no such file"),
        (("--prompts", "nothing"), 2, "has 0 heads of prompts nothing"),
        (("--alpha", "-1"), 2, "expected numbers from 0"),
        (("--dataset", "nothing"), 2, "not in this store"),
    ],
)  # fmt: skip
def test_wrong_words_are_explained(store: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    given = ("--shots", "shots", *arguments) if "--shots" not in arguments else arguments
    given = given if "--dataset" in given else ("--dataset", "insects", *given)
    done = convert(store, "tip-adapter", *given, code=code)
    assert said in done.err
    assert not [request for request in Store(store).requests().live if request.model == "new"]


def test_the_name_has_to_be_new_and_legal(store: Path) -> None:
    for name, said in ((BASE, "--model"), ("a/b", "--model")):
        done = convert(store, "tip-adapter", "--shots", "shots", "--dataset", "insects", model=name, code=2)
        assert said in done.err


def test_missing_embeddings_are_missing_not_zero(store: Path) -> None:
    (data,) = (store / "data" / "embeddings").iterdir()
    shutil.rmtree(data)
    done = convert(store, "tip-adapter", "--dataset", "insects", "--shots", "shots", code=3)
    assert "lost" in done.err
    assert "assay-cache repair" in done.err


def test_lost_numbers_of_a_derived_model_name_convert(store: Path) -> None:
    convert(store, "tip-adapter", "--dataset", "insects", "--shots", "shots")
    opened = Store(store)
    (request,) = (one for one in opened.requests().live if one.model == "new")
    shutil.rmtree(store / "data" / "logits" / request.label)
    reader = Reader(opened)
    with pytest.raises(
        IncompleteError, match=r"`assay-cache repair`, then `assay-extract convert tip-adapter \.\.\. --base"
    ):
        list(reader.segments(reader.unit("logits", opened.space(request.label), request.packs[0])))


def test_verify_leaves_out_what_came_from_no_image_pass(store: Path) -> None:
    convert(store, "tip-adapter", "--dataset", "insects", "--shots", "shots")
    done = ok(extract(store, "verify", "--weights", "random:3", "--dataset", "insects", "--model", f"{BASE},new",
                      "--json", "--recompute", 2))  # fmt: skip
    assert {row["model"] for row in json.loads(done.out)} == {BASE}
    assert "new on insects was ingested or derived" in done.err


def test_a_configuration_reaches_the_commands_of_convert(store: Path, tmp_path: Path) -> None:
    config = tmp_path / "assay.toml"
    config.write_text(
        f'store = {str(store)!r}\n[convert]\nbase = "{BASE}"\nmodel = "new"\n'
        '[convert.tip-adapter]\nshots = "shots"\ndataset = ["insects"]\nalpha = 2.0\nbeta = 3.0\n'
    )
    ok(call("extract", "convert", "tip-adapter", "--config", config))
    assert np.allclose(derived_logits(store, "insects"), expected_tip(store, "insects", 2, 3), atol=1e-3)
    config.write_text("[convert]\nunheard = 1\n")
    done = call("extract", "convert", "tip-adapter", "--config", config, "--base", BASE, "--model", "other")
    assert done.code == 2
    assert "unheard" in done.err
