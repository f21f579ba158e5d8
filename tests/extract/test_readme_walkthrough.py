"""README's "Your own images, your own checkpoint", done as somebody new does it: the text is what is run.

What the text takes for granted (images, a checkpoint, a saved CLIP) is made here; the rest are its own blocks.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import polars as pl
import pytest
import timm
import torch
from PIL import Image, ImageFilter
from safetensors.torch import save_file
from timm.data import create_transform, resolve_data_config

from cache.store import Store
from tests.extract.command_line import REPOSITORY, TUNED
from tests.extract.documents import Step, blocks, run_block, section, steps
from tests.extract.pictures import picture
from tests.extract.tiny_open_clip import CONFIGS, registered

HEADING = "Your own images, your own checkpoint"
SECTION = section((REPOSITORY / "README.md").read_text("utf-8"), HEADING)
# After these words, every block is run; before them stands the installation.
RUN_FROM_HERE = "Every block from here on is run by `tests/extract/test_readme_walkthrough.py`"
CLASSES = ("cat", "flower", "temple")
EACH = 8


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Path]:
    """A folder with what a reader is told to put there."""
    with registered(_made(tmp_path, "configs")), pytest.MonkeyPatch.context() as patch:
        patch.setattr("logging.warning", lambda *_, **__: None)
        for at, name in enumerate(CLASSES):
            _photographs(_made(tmp_path, f"photographs/{name}"), _made(tmp_path, f"sketches/{name}"), at)
        torch.save(_trained(tmp_path / "photographs").state_dict(), tmp_path / "my-checkpoint.pt")
        _save_clip(_made(tmp_path, "my-clip"))
        yield tmp_path


def _made(folder: Path, name: str) -> Path:
    (folder / name).mkdir(parents=True)
    return folder / name


def _photographs(photographs: Path, sketches: Path, at: int) -> None:
    """Write images of a class, one colour more than the others, and the lines of each."""
    for number in range(EACH):
        pixels = np.asarray(picture(EACH * at + number, (80, 64))).astype(np.float32)
        pixels[:, :, at] = 255 - 0.4 * (255 - pixels[:, :, at])
        image = Image.fromarray(pixels.astype(np.uint8))
        image.save(photographs / f"{number:02d}.jpg", quality=95)
        image.filter(ImageFilter.CONTOUR).save(sketches / f"{number:02d}.jpg", quality=95)


def _trained(photographs: Path) -> Any:
    """A ResNet-18 whose last layer alone is fitted, to the first half of each folder, by least squares."""
    torch.manual_seed(1)
    model = timm.create_model("resnet18", num_classes=len(CLASSES)).eval()
    pixels, labels = _pixels(model, photographs)
    half = torch.arange(len(labels)) % EACH < EACH // 2
    with torch.inference_mode():
        features = model.forward_head(model.forward_features(pixels[half]), pre_logits=True)
        wanted = torch.nn.functional.one_hot(labels[half]).float() - 1 / len(CLASSES)
        centre = features.mean(0)
        solved = torch.linalg.lstsq(features - centre, wanted, driver="gelsd").solution
        model.fc.weight.copy_(solved.T)
        model.fc.bias.copy_(-centre @ solved)
    return model


def _pixels(model: Any, folder: Path) -> tuple[Any, Any]:
    """timm's own transform of every image, with the classes that their folders say."""
    transform = create_transform(**resolve_data_config({}, model=model))
    files = sorted(folder.glob("*/*.jpg"))
    with torch.inference_mode():
        rows = [transform(Image.open(file).convert("RGB")) for file in files]
    return torch.stack(rows), torch.tensor([CLASSES.index(file.parent.name) for file in files])


def _save_clip(folder: Path) -> None:
    torch.manual_seed(2)
    model = open_clip.create_model("tiny-vit", load_weights=False)
    # The package has a function of the module's name, which hides it.
    saving = importlib.import_module("open_clip.push_to_hf_hub")
    save_file(model.state_dict(), folder / saving.HF_SAFE_WEIGHTS_NAME)
    saving.save_config_for_hf(model, folder / saving.HF_CONFIG_NAME, CONFIGS["tiny-vit"])


def _environment() -> dict[str, str]:
    """What the shell of somebody has who did what the installation says, with the network off."""
    scripts = Path(sys.executable).parent
    for program in ("assay-extract", "assay-analyze"):
        assert (scripts / program).exists(), f"{program} is not installed beside this Python: `pip install -e .`"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ASSAY_", "PYTHONPATH"))}
    path = os.pathsep.join((str(scripts), os.environ["PATH"]))
    return {**kept, "PATH": path, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1", **TUNED}


@pytest.mark.timeout(1200)  # a dozen processes, most of which import torch
def test_the_section_is_followed_to_the_letter(clone: Path) -> None:
    """Every command ends as the text says, prints what it says, and leaves the files that it names."""
    for name in (*CLASSES, *(path.name for path in clone.iterdir() if path.name != "configs")):
        assert name in SECTION, f"the text does not say that {name} is there"
    _, marker, after = SECTION.partition(RUN_FROM_HERE)
    assert marker, f"the section does not say: {RUN_FROM_HERE}"
    todo = blocks(after, "sh")
    assert len(todo) == after.count("```") // 2 > 0, "a block of the section is not fenced as sh"
    environment = _environment()
    ran = [one for block in todo for one in run_block(block, clone, environment)]
    for one in ran:
        assert one.broken() == (), f"$ {one.step.command}\n" + "\n".join(one.lines)
    # Files that are promised on lines of their own, or named after --out.
    promised = {line for one in ran for line in one.step.promised if re.fullmatch(r"[\w./-]+/[\w-]+\.\w+", line)}
    promised |= {name for one in ran for name in re.findall(r"--out (\S+)", one.step.command)}
    assert {"figures/reliability.svg", "report/report.html", "results.csv"} <= promised
    assert [name for name in sorted(promised) if not (clone / name).stat().st_size] == []
    _check_numbers(clone)


def _check_numbers(clone: Path) -> None:
    """The numbers that the reader ends up with are those of a plain loop over the folder."""
    results = pl.read_csv(clone / "results.csv")
    top1 = results.filter(metric="accuracy_top1", slice="all", calibration="raw")
    assert set(top1["model"]) == {"my-resnet", "my-clip"}
    assert set(top1["n"]) == {len(CLASSES) * EACH}
    model = timm.create_model("resnet18", num_classes=len(CLASSES)).eval()
    model.load_state_dict(torch.load(clone / "my-checkpoint.pt", weights_only=True))
    pixels, labels = _pixels(model, clone / "photographs")
    with torch.inference_mode():
        logits = model(pixels).numpy()
    answers = logits.argmax(1)
    assert set(answers) == {0, 1, 2}, "a checkpoint that always says the same cannot tell classes from each other"
    assert top1.filter(model="my-resnet")["value"].to_list() == [float((answers == labels.numpy()).mean())]
    # Two folders, two models; every photograph has its numbers at last.
    store = Store(clone / "store")
    assert sorted(store.datasets()) == ["my-photographs", "my-sketches"]
    view = store.view("my-photographs").sort("sample")
    stored = store.rows("logits", "my-resnet", view["image_id"].to_list())
    np.testing.assert_allclose(stored, logits, atol=1e-4)
    for dataset in store.datasets():
        assert np.isfinite(store.rows("embeddings", "my-clip", store.view(dataset)["image_id"].to_list())).all()
    assert set(pl.read_csv(clone / "lines.csv")["flag"]) == {"fewer than 3 points"}


def test_the_installation_is_that_of_the_project() -> None:
    """Cloning and installing want a network; what they name is compared with what the project and its sessions say."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    before = SECTION.partition(RUN_FROM_HERE)[0]
    python = re.search(r"Python (\d+\.\d+) or newer", before)
    assert python is not None
    assert project["requires-python"] == f">={python[1]}"
    (block,) = blocks(before, "sh")
    venv, install = (step.command for step in steps(block))
    assert venv == "python -m venv .venv && . .venv/bin/activate"
    extras = re.fullmatch(r"python -m pip install -e '\.\[([a-z,]+)\]'", install)
    assert extras is not None, install
    assert set(extras[1].split(",")) <= set(project["optional-dependencies"])
    assert {"assay-extract", "assay-analyze"} <= set(project["scripts"])
    # The sessions install the same way, and more; what they install is what these tests run in.
    sessions = re.findall(r'session\.install\("-e", "\.\[([a-z,]+)\]"', (REPOSITORY / "noxfile.py").read_text("utf-8"))
    assert any(set(extras[1].split(",")) < set(installed.split(",")) for installed in sessions)


def test_a_promise_that_is_not_kept_is_seen(tmp_path: Path) -> None:
    """The test above can fail: on an exit code, on a line, and on a command that ends the shell."""
    block = "where=here\necho $where 1 2\n#> here ... 2\necho one\n#> on\n#> exit 3\n\n# a remark\nfalse\n#> exit 1\n"
    ran = run_block(block, tmp_path, os.environ)
    assert [one.step for one in ran][1:3] == [Step("echo $where 1 2", ("here ... 2",)), Step("echo one", ("on",), 3)]
    assert [one.broken() for one in ran] == [(), (), ("exit 3, and it was 0", "on"), ()]
    with pytest.raises(AssertionError, match="the shell stopped early"):
        run_block("exit 1\necho never\n", tmp_path, os.environ)
