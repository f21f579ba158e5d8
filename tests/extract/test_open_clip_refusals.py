"""What open_clip would load with a warning or none, and must not be loaded here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import save_file

from extract.backbones.open_clip_backbone import OpenClipBackbone
from extract.backbones.open_clip_config import resolve_config
from extract.backbones.text_tower import describe_tokenizer, open_tokenizer
from extract.weights import HubWeights, LibraryWeights
from manifests.errors import UsageError
from tests.extract.open_clip_pairs import noise, ours, theirs
from tests.extract.tiny_open_clip import CONFIGS, registered


@pytest.fixture(scope="module", autouse=True)
def _tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with registered(tmp_path_factory.mktemp("configs")):
        yield


@pytest.mark.parametrize(
    ("arch", "right"),
    [
        ("ViT-B-32/openai", "ViT-B-32-quickgelu"),
        ("RN50/openai", "RN50-quickgelu"),
        ("ViT-B-32/laion400m_e32", "ViT-B-32-quickgelu"),
        ("ViT-H-14-378/dfn5b", "ViT-H-14-378-quickgelu"),
        ("ViT-B-32-quickgelu/laion2b_s34b_b79k", "ViT-B-32"),
    ],
)
@pytest.mark.parametrize("weights", ["", "random:0"])
def test_an_activation_mismatch_names_the_right_architecture(arch: str, right: str, weights: str) -> None:
    with pytest.raises(UsageError, match=rf"Use {right}$"):
        OpenClipBackbone(arch, weights, offline=True)


def test_every_tag_of_the_library_loads_or_names_an_architecture_that_does() -> None:
    refused = 0
    for name, tag in open_clip.list_pretrained():
        try:
            config = resolve_config(f"{name}/{tag}", LibraryWeights())
        except UsageError as error:
            right = str(error).rpartition("Use ")[2]
            config = resolve_config(f"{right}/{tag}", LibraryWeights())
            refused += 1
        trained = bool(open_clip.get_pretrained_cfg(name, tag).get("quick_gelu"))
        # One tag of the library has no architecture with the activation that it names.
        assert bool(config.model.get("quick_gelu", False)) == trained or name == "roberta-ViT-B-32"
        assert isinstance(config.weights, HubWeights)
        assert config.weights.filenames[0].endswith(".safetensors") or len(config.weights.filenames) == 1
    assert refused > 20


def test_openai_weights_from_a_file_need_quickgelu(tmp_path: Path) -> None:
    half = {name: t.half() if t.ndim > 1 else t for name, t in theirs("tiny-vit-quickgelu", 1).state_dict().items()}
    own = {"input_resolution": 64, "context_length": 77, "vocab_size": 49408}
    torch.save({**half, **{key: torch.tensor(value) for key, value in own.items()}}, tmp_path / "openai.pt")
    with pytest.raises(UsageError, match=r"QuickGELU.*Use tiny-vit-quickgelu$"):
        ours("tiny-vit", str(tmp_path / "openai.pt"))
    backbone = ours("tiny-vit-quickgelu", str(tmp_path / "openai.pt"))
    model = theirs("tiny-vit-quickgelu", 1)
    model.load_state_dict({name: tensor.float() for name, tensor in half.items()})
    with torch.inference_mode():
        expected = model.encode_image(noise(1, (64, 64)))
    np.testing.assert_allclose(backbone.forward(noise(1, (64, 64)), ("embeddings",))["embeddings"], expected, atol=1e-5)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".training.pt"])
def test_local_weights_equal_the_librarys_loader(tmp_path: Path, suffix: str) -> None:
    tensors = theirs("tiny-coca", 11).state_dict()
    file = tmp_path / f"weights{suffix}"
    if suffix == ".safetensors":
        save_file(tensors, file)
    elif suffix == ".pt":
        torch.save(tensors, file)
    else:
        wrapped = {f"module.{name}": tensor for name, tensor in tensors.items()}
        torch.save({"epoch": 3, "name": "run", "state_dict": wrapped, "optimizer": {"state": {}}}, file)
    backbone = ours("tiny-coca", str(file))
    model = theirs("tiny-coca", 0, pretrained=str(file))
    with torch.inference_mode():
        images = model.encode_image(noise(2, (64, 64)), normalize=False)
        words = model.encode_text(open_clip.get_tokenizer("tiny-coca")(["a dog"]), normalize=False)
    np.testing.assert_allclose(backbone.forward(noise(2, (64, 64)), ("embeddings",))["embeddings"], images, atol=1e-6)
    np.testing.assert_allclose(backbone.text_tower().encode(["a dog"]), words, atol=1e-6)


def test_weights_of_another_making_name_what_fits(tmp_path: Path) -> None:
    files = {}
    for arch in ("tiny-vit", "tiny-vit-96", "tiny-vit-short", "tiny-resnet"):
        files[arch] = str(tmp_path / f"{arch}.safetensors")
        save_file(theirs(arch, 0).state_dict(), files[arch])
    with pytest.raises(UsageError, match=r"96 pixels.*takes 64.*Use tiny-vit-96"):
        ours("tiny-vit", files["tiny-vit-96"])
    ours("tiny-vit", files["tiny-vit-96"], image_size=96)
    with pytest.raises(UsageError, match=r"32 tokens.*takes 77.*Use tiny-vit-short"):
        ours("tiny-vit", files["tiny-vit-short"])
    with pytest.raises(UsageError, match=r"no logit_bias.*Use tiny-vit$"):
        ours("tiny-vit-bias", files["tiny-vit"])
    with pytest.raises(UsageError, match="does not fit open_clip's tiny-vit"):
        ours("tiny-vit", files["tiny-resnet"])


def test_names_sizes_and_tags_that_do_not_exist(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="close to it: ViT-B-32"):
        OpenClipBackbone("ViT-B-33")
    with pytest.raises(UsageError, match="no tag 'nonsense' for ViT-B-32; it has openai"):
        OpenClipBackbone("ViT-B-32/nonsense")
    with pytest.raises(UsageError, match="which weights"):
        OpenClipBackbone("ViT-B-32")
    with pytest.raises(UsageError, match="interpolation 'random'"):
        OpenClipBackbone("tiny-vit", "random:0", interpolation="random")
    with pytest.raises(UsageError, match="expected at least 1 pixel"):
        OpenClipBackbone("tiny-vit", "random:0", image_size=0)
    with pytest.raises(UsageError, match="cannot build tiny-vit for 8x8"):
        OpenClipBackbone("tiny-vit", "random:0", image_size=8).identity()
    with pytest.raises(UsageError, match=r"its tags differ.*open_clip:ViT-L-14/TAG"):
        OpenClipBackbone("ViT-L-14", str(tmp_path / "weights.pt"))
    with pytest.raises(UsageError, match=r"hf download open_clip_|is not on this machine"):
        OpenClipBackbone("ViT-B-32/laion2b_s34b_b79k", offline=True).identity()


def test_a_tokenizer_that_is_not_here_says_so() -> None:
    backbone = ours("ViT-B-16-SigLIP/webli", "random:0", offline=True)
    facts = backbone.identity()["text"]["tokenizer"]
    assert facts["kind"] == "HFTokenizer"
    assert facts["name"] == "timm/ViT-B-16-SigLIP"
    with pytest.raises(UsageError, match="tokenizer of ViT-B-16-SigLIP"):
        backbone.text_tower()


def _saved(folder: Path, **text: object) -> str:
    """Write the configuration of a saved model and return its name."""
    folder.mkdir()
    cfg = CONFIGS["tiny-vit"]
    body = {"model_cfg": {**cfg, "text_cfg": {**cfg["text_cfg"], **text}}, "preprocess_cfg": {}}
    (folder / "open_clip_config.json").write_text(json.dumps(body))
    (folder / "open_clip_model.safetensors").touch()
    return f"local-dir:{folder}"


def test_a_saved_model_runs_no_code_of_its_own(tmp_path: Path) -> None:
    asking = {"hf_tokenizer_name": "mine", "tokenizer_kwargs": {"trust_remote_code": True}}
    config = resolve_config(_saved(tmp_path / "asking", **asking), LibraryWeights())
    with pytest.raises(UsageError, match="asks to run code that comes with it"):
        describe_tokenizer(config)
    # One that does not ask, and brings code all the same.
    config = resolve_config(_saved(tmp_path / "silent", hf_tokenizer_name="mine"), LibraryWeights())
    ran = tmp_path / "ran"
    code = f"from pathlib import Path\nPath({str(ran)!r}).touch()\nclass Mine: pass\n"
    (tmp_path / "silent" / "mine.py").write_text(code)
    tokenizer = {"tokenizer_class": "Mine", "auto_map": {"AutoTokenizer": ["mine.Mine", None]}}
    (tmp_path / "silent" / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    with pytest.raises(UsageError, match="tokenizer of"):
        open_tokenizer(config, offline=True)
    assert not ran.exists()


def test_a_vocabulary_outside_of_a_saved_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "words.gz").write_bytes(Path(open_clip.tokenizer.default_bpe()).read_bytes())
    for given in ("../words.gz", str(tmp_path / "words.gz")):
        name = _saved(tmp_path / f"model-{len(given)}", tokenizer_kwargs={"bpe_path": given})
        with pytest.raises(UsageError, match="put it beside the model"):
            describe_tokenizer(resolve_config(name, LibraryWeights()))


def test_a_tokenizer_that_draws_lots_is_refused() -> None:
    with pytest.raises(UsageError, match="random"):
        OpenClipBackbone("tiny-random-words", "random:0").identity()
