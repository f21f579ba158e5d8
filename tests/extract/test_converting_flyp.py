"""FLYP's pickled checkpoints: what comes out of them, and that nothing in a pickle runs."""

from __future__ import annotations

import io
import json
import pickle
import sys
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
open_clip = pytest.importorskip("open_clip")
timm = pytest.importorskip("timm")

from torchvision import transforms  # noqa: E402

import extract.backbones.wide_resnet  # noqa: E402, F401 - registers its architectures
from extract.converting import pickled  # noqa: E402
from extract.converting.flyp import read_flyp  # noqa: E402
from manifests.errors import UsageError  # noqa: E402
from tests.extract.command_line import call  # noqa: E402
from tests.extract.tiny_open_clip import registered  # noqa: E402


@contextmanager
def foreign(**classes: type) -> Iterator[None]:
    """Let classes stand in modules of another project while a checkpoint is written; then those are gone."""
    before = dict(sys.modules)
    for spelled, kind in classes.items():
        module, _, name = spelled.replace("__", ".").rpartition(".")
        parts = module.split(".")
        for depth in range(1, len(parts) + 1):
            sys.modules.setdefault(".".join(parts[:depth]), types.ModuleType(".".join(parts[:depth])))
        setattr(sys.modules[module], name, kind)
        kind.__module__, kind.__qualname__ = module, name
    try:
        yield
    finally:
        for name in set(sys.modules) - set(before):
            if name.split(".")[0] in ("src", "clip"):
                del sys.modules[name]


def flyp_file(path: Path, model: Any, protocol: int | None = None, save: Any = None) -> Path:
    """Write a model as FLYP does: a CLIPEncoder with the CLIP, its transforms and the place of a cache."""

    class CLIPEncoder(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.model = model
            self.train_preprocess = transforms.Compose([transforms.Resize(8), transforms.ToTensor()])
            self.cache_dir = "cache"
            self.process_images = True

    with foreign(src__models__modeling__CLIPEncoder=CLIPEncoder), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if save is not None:
            save(CLIPEncoder(), path)
        else:
            path.write_bytes(pickle.dumps(CLIPEncoder().cpu(), protocol=protocol))
    return path


def tiny(name: str = "tiny-vit-quickgelu", seed: int = 1) -> Any:
    torch.manual_seed(seed)
    return open_clip.create_model(name, load_weights=False).eval()


@pytest.fixture(scope="module", autouse=True)
def _tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with registered(tmp_path_factory.mktemp("configs")):
        yield


def equal(ours: Any, theirs: Any) -> bool:
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("protocol", [2, None])
def test_flyp_gives_the_state_dict_of_the_clip_inside(tmp_path: Path, protocol: int | None) -> None:
    model = tiny()
    converted = read_flyp(flyp_file(tmp_path / "checkpoint_9.pt", model, protocol))
    assert equal(converted.tensors, model.state_dict())
    assert converted.parameters == {"quick_gelu": True}
    assert "src" not in sys.modules
    assert "clip" not in sys.modules


def test_flyp_saved_by_torch_reads_the_same(tmp_path: Path) -> None:
    model = tiny("tiny-vit")
    for new in (True, False):
        save = lambda value, path, new=new: torch.save(value, path, _use_new_zipfile_serialization=new)  # noqa: E731
        converted = read_flyp(flyp_file(tmp_path / f"{new}.pt", model, save=save))
        assert equal(converted.tensors, model.state_dict())
        assert converted.parameters == {"quick_gelu": False}


def test_flyp_result_runs_as_the_model_that_was_saved(tmp_path: Path) -> None:
    from extract.backbones.open_clip_backbone import OpenClipBackbone

    model = tiny()
    out = tmp_path / "out.safetensors"
    done = call("extract", "convert", "flyp", flyp_file(tmp_path / "c.pt", model), "--out", out, "--json")
    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert said["sources"][0]["name"] == "c.pt"
    assert said["format"] == "flyp"
    assert "--weights" in said["run"]
    backbone = OpenClipBackbone("tiny-vit-quickgelu", str(out))
    backbone.load("cpu")
    batch = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 3, 64, 64), np.float32))
    with torch.inference_mode():
        theirs = model.encode_image(batch).numpy()
    assert np.allclose(backbone.forward(batch, ["embeddings"])["embeddings"], theirs, atol=1e-5)


def test_flyp_without_text_tower_or_model_is_refused(tmp_path: Path) -> None:
    model = tiny()
    del model.transformer, model.token_embedding
    with pytest.raises(UsageError, match=r"has no token_embedding.weight"):
        read_flyp(flyp_file(tmp_path / "c.pt", model))
    (tmp_path / "d.pt").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(UsageError, match="expected a pickled CLIPEncoder"):
        read_flyp(tmp_path / "d.pt")
    (tmp_path / "e.pt").write_bytes(b"no pickle at all")
    with pytest.raises(UsageError, match="cannot be read"):
        read_flyp(tmp_path / "e.pt")
    with pytest.raises(UsageError, match="no such file"):
        read_flyp(tmp_path / "nowhere.pt")


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def attacks(sentinel: Path) -> dict[str, Any]:
    import functools
    import os

    code = f"open({str(sentinel)!r}, 'w').close()"
    inner = io.BytesIO()
    torch.save(Evil(exec, code), inner)
    return {
        "posix.system": Evil(os.system, f"touch {sentinel}"),
        "builtins.exec": Evil(exec, code),
        "builtins.eval": Evil(eval, code),
        "builtins.getattr": Evil(getattr, Path(sentinel), "touch"),
        "hidden in a storage": Evil(torch.storage._load_from_bytes, inner.getvalue()),
        "hidden in a partial": functools.partial(os.system, f"touch {sentinel}"),
        "torch.hub.load": Evil(torch.hub.load, "a/b", "c"),
        "os.mkdir": Evil(os.mkdir, str(sentinel)),
    }


@pytest.mark.parametrize("form", ["pickle", "torch", "legacy"])
def test_a_malicious_pickle_is_refused_and_nothing_runs(tmp_path: Path, form: str) -> None:
    sentinel, path = tmp_path / "sentinel", tmp_path / "c.pt"
    for name, evil in attacks(sentinel).items():
        if form == "pickle":
            path.write_bytes(pickle.dumps({"model": evil, "tensor": [1.0]}))
        else:
            torch.save({"model": evil}, path, _use_new_zipfile_serialization=form == "torch")
        with pytest.raises(UsageError) as error:
            read_flyp(path)
        assert not sentinel.exists(), name
        refused = {"hidden in a storage": "exec", "hidden in a partial": "system", "os.mkdir": "mkdir"}
        assert refused.get(name, name) in str(error.value)
        assert "nothing of it was run" in str(error.value)
    # The files are what they claim to be: opened without care, one of them does run.
    with path.open("wb") as stream:
        pickle.dump(Evil(exec, f"open({str(sentinel)!r}, 'w').close()"), stream)
    with path.open("rb") as stream:
        pickle.load(stream)
    assert sentinel.exists()


def test_a_torchscript_archive_is_refused(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(torch.nn.Linear(1, 1), torch.zeros(1, 1)), str(tmp_path / "s.pt"))
    with pytest.raises(UsageError, match="TorchScript"):
        pickled.load(tmp_path / "s.pt")


def test_state_dict_leaves_transient_buffers_and_shared_views_as_torch_does(tmp_path: Path) -> None:
    class Odd(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            whole = torch.arange(6.0)
            self.part = torch.nn.Parameter(whole[2:4])
            self.empty = None
            self.register_buffer("kept", whole.reshape(2, 3).T)
            self.register_buffer("passing", torch.ones(1), persistent=False)
            self.register_parameter("absent", None)

    with foreign(src__odd__Odd=Odd), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = Odd()
        (tmp_path / "o.pt").write_bytes(pickle.dumps(module))
        expected = module.state_dict()
    found = pickled.state_dict(pickled.load(tmp_path / "o.pt"))
    assert equal(found, expected)
    assert list(found) == ["part", "kept"]
