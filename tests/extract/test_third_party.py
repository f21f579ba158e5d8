"""A backbone in a file of the user's own: named, hashed, checked, run; and one that breaks the contract is caught."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from cache.store import Store
from extract import third_party
from extract.backbones.geometry import Geometry
from extract.backbones.protocol import Referenced, Resizable, ZeroShot
from extract.contract_kit import broken, check_backbone
from extract.third_party import is_file, open_backbone
from manifests.errors import UsageError
from tests.extract.command_line import extract

MINE = '''
import numpy as np
import torch
from torchvision import transforms

from extract.changed_transform import with_pixel_step
from extract.preprocess import describe
from extract.probe import pixel_probe

SIDE = 32


class Transformer:
    """One attention block over patches of 8 pixels, from a seed."""

    batch_first = True

    def __init__(self, pixel_step=None, dtype="float32"):
        steps = [transforms.Resize((SIDE, SIDE)), transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.25] * 3)]
        self.pixels = with_pixel_step(transforms.Compose(steps), pixel_step, (SIDE, SIDE))
        self.model = None

    def identity(self):
        return {
            "library": "mine",
            "architecture": {"name": "one-block", "kwargs": {"seed": 0}},
            "preprocess": {"ops": describe(self.pixels), "probe": pixel_probe(self.pixels)},
            "geometry": f"{SIDE}x{SIDE}",
            "outputs": {
                "embeddings": {"width": 16, "dtype": "float32"},
                "patches": {"width": 16, "grid": [4, 4], "stride": 8, "dtype": "float16"},
            },
            "dtype": {"compute": "float32"},
        }

    def transform(self, image):
        return self.pixels(image)

    def kinds(self):
        return ("embeddings", "patches")

    def class_count(self):
        return 0

    def row_bytes(self):
        return {"embeddings": 64, "patches": 512}

    def blank(self):
        return torch.zeros(1, 3, SIDE, SIDE)

    def load(self, device):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.cut = torch.nn.Conv2d(3, 16, 8, 8).eval().requires_grad_(False)
            self.model = torch.nn.MultiheadAttention(16, 2, batch_first=self.batch_first).eval().requires_grad_(False)

    def forward(self, batch, kinds):
        with torch.inference_mode():
            cells = self.cut(batch).flatten(2).transpose(1, 2)
            cells = cells + self.model(cells, cells, cells, need_weights=False)[0]
        made = {
            "embeddings": cells.mean(1).numpy(),
            "patches": cells.reshape(-1, 4, 4, 16).numpy().astype(np.float16),
        }
        return {kind: made[kind] for kind in kinds}

    def close(self):
        self.model = None


class SequenceFirst(Transformer):
    batch_first = False


ready = Transformer()


def make(dtype="float32"):
    return Transformer()


def fails():
    raise RuntimeError("no licence")


number = 3


class Empty:
    def identity(self):
        return {}
'''


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    file = tmp_path / "mine.py"
    file.write_text(MINE, encoding="utf-8")
    return file


def labels(store: Store) -> list[str]:
    return [label for one in store.spaces() if (label := store.resolve_space(one).label).startswith("mine-one-block-")]


def test_a_users_backbone_keeps_the_contract(mine: Path) -> None:
    for name in ("Transformer", "make", "ready"):
        checks = check_backbone(open_backbone(f"{mine}:{name}", {}))
        assert broken(checks) == []
        assert {check.result for check in checks} == {"holds", "absent"}


def test_one_whose_attention_runs_over_the_batch_is_caught(mine: Path) -> None:
    checks = check_backbone(open_backbone(f"{mine}:SequenceFirst", {}))
    assert {check.name for check in broken(checks)} == {
        "embeddings do not depend on batch mates",
        "patches do not depend on batch mates",
    }


def test_doctor_checks_it_by_name(mine: Path, tmp_path: Path) -> None:
    done = extract(tmp_path / "none", "doctor", "--model", f"{mine}:Transformer", "--json")
    assert done.code == 0, done.err
    assert sum(row["check"].startswith("mine.py:Transformer: ") for row in done.json) > 12
    done = extract(tmp_path / "none", "doctor", "--model", f"{mine}:SequenceFirst", "--json")
    assert done.code == 5


def test_its_space_holds_the_hash_of_its_source(mine: Path, tmp_path: Path) -> None:
    first = open_backbone(f"{mine}:Transformer", {}).identity()
    assert set(first["source"]) == {"sha256", "object"}
    (tmp_path / "elsewhere").mkdir()
    copy = tmp_path / "elsewhere" / "other-name.py"
    copy.write_bytes(mine.read_bytes())
    assert open_backbone(f"{copy}:Transformer", {}).identity() == first
    assert open_backbone(f"{mine}:SequenceFirst", {}).identity() != first
    mine.write_text(MINE.replace("manual_seed(0)", "manual_seed(1)"), encoding="utf-8")
    second = open_backbone(f"{mine}:Transformer", {}).identity()
    assert second["source"]["sha256"] != first["source"]["sha256"]
    assert {**second, "source": 0} == {**first, "source": 0}


def test_it_runs_into_a_store_and_an_edit_is_another_space(mine: Path, small: Path) -> None:
    arguments = ("run", "--model", f"{mine}:Transformer", "--dataset", "insects", "--kinds", "embeddings,patches")
    done = extract(small, *arguments, "--as", "mine")
    assert done.code == 0, done.err
    store = Store(small)
    (label,) = labels(store)
    images = store.view("insects")["image_id"].to_list()
    assert store.rows("embeddings", label, images).shape == (24, 16)
    assert store.rows("patches", label, images).shape == (24, 4, 4, 16)
    assert str(mine.parent) not in (small / "spaces" / f"{label}.json").read_text(encoding="utf-8")
    mine.write_text(f"{MINE}\n# edited\n", encoding="utf-8")
    assert extract(small, *arguments, "--as", "mine-2").code == 0
    assert len(labels(Store(small))) == 2


def test_options_are_given_by_name_or_refused(mine: Path) -> None:
    step = {"op": "trim-border", "pixels": 2}
    plain, trimmed = (open_backbone(f"{mine}:Transformer", more) for more in ({}, {"pixel_step": step}))
    assert trimmed.identity()["preprocess"]["ops"] == [
        *plain.identity()["preprocess"]["ops"][:2],
        step,
        *plain.identity()["preprocess"]["ops"][2:],
    ]
    with pytest.raises(UsageError, match=r"takes no --weights; it would be given as a parameter `weights`"):
        open_backbone(f"{mine}:Transformer", {"weights": "w.pt"})
    with pytest.raises(UsageError, match="takes no the dataset's pixel step|takes no .*pixel step"):
        open_backbone(f"{mine}:make", {"pixel_step": step})
    with pytest.raises(UsageError, match="is a backbone already and takes no --dtype"):
        open_backbone(f"{mine}:ready", {"dtype": "float16"})
    with pytest.raises(UsageError, match=r"no at\(geometry\).*512x512"):
        open_backbone(f"{mine}:Transformer", {}, Geometry(size=(512, 512)))


def test_what_it_does_not_have_is_not_claimed_for_it(mine: Path) -> None:
    backbone = open_backbone(f"{mine}:Transformer", {})
    assert not isinstance(backbone, ZeroShot | Resizable | Referenced)
    mine.write_text(MINE.replace("    def close(self):", (
        "    def at(self, geometry):\n        return Transformer()\n\n"
        "    def text_width(self):\n        return 16\n\n"
        "    def text_tower(self):\n        return None\n\n    def close(self):"
    )), encoding="utf-8")  # fmt: skip
    backbone = open_backbone(f"{mine}:Transformer", {}, Geometry(layers="four"))
    assert isinstance(backbone, ZeroShot)
    assert isinstance(backbone, Resizable)
    assert not isinstance(backbone, Referenced)
    assert backbone.identity()["source"]["object"] == "Transformer"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Nothing", "mine.py has no 'Nothing'; it has Empty, SequenceFirst, Transformer, fails, make"),
        ("number", "is a int; expected a backbone, or what makes one"),
        ("Empty", "lacks transform, kinds, class_count, row_bytes, blank, load, forward, close"),
        ("fails", "could not be made: RuntimeError: no licence"),
    ],
)
def test_what_is_no_backbone_is_told_what_it_lacks(mine: Path, name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_backbone(f"{mine}:{name}", {})


def test_files_that_cannot_be_read(mine: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file"):
        open_backbone(f"{tmp_path}/absent.py:Thing", {})
    mine.write_text("import no_such_package_anywhere\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"mine.py could not be read: ModuleNotFoundError"):
        open_backbone(f"{mine}:Thing", {})
    mine.write_text(MINE.replace('"library": "mine"', '"library": ""'), encoding="utf-8")
    with pytest.raises(UsageError, match=r"identity\(\) has to say `library`"):
        open_backbone(f"{mine}:Transformer", {}).identity()
    assert is_file("a:b/c d.py:Name")
    assert not is_file("mine.py")
    assert not is_file("mine.py:two words")


def test_a_package_announces_a_backbone(mine: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "a_users_package.py").write_text(MINE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    entry = EntryPoint("one-block", "a_users_package:Transformer", third_party.GROUP)
    monkeypatch.setattr(third_party, "entry_points", lambda group: [entry] if group == third_party.GROUP else [])
    backbone = open_backbone("one-block", {})
    assert backbone.identity()["source"] == open_backbone(f"{mine}:Transformer", {}).identity()["source"]
    done = extract(tmp_path / "none", "doctor", "--model", "one-block", "--json")
    assert done.code == 0, done.err
    assert any(row["check"] == "one-block: identity" for row in done.json)
    other = EntryPoint("one-block", "another:Thing", third_party.GROUP)
    monkeypatch.setattr(third_party, "entry_points", lambda group: [entry, other])
    with pytest.raises(UsageError, match="two installed packages announce"):
        open_backbone("one-block", {})
    monkeypatch.setattr(third_party, "entry_points", lambda group: [other])
    with pytest.raises(UsageError, match="could not be imported"):
        open_backbone("one-block", {})
    monkeypatch.setitem(sys.modules, "another", made := ModuleType("another"))
    made.Thing = 3  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="no source file"):
        open_backbone("one-block", {})


def test_numbers_come_as_arrays_whatever_the_model_returns(mine: Path) -> None:
    backbone = open_backbone(f"{mine}:Transformer", {})
    backbone.load("cpu")
    assert isinstance(backbone.forward(backbone.blank(), ["patches"])["patches"], np.ndarray)
