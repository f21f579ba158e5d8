"""Out-of-distribution sets: no label anywhere, and the folder kept as `ood_class` where it means something."""

from __future__ import annotations

from pathlib import Path

import pytest

from manifests.errors import UsageError
from tests.extract.official import CATALOGUE, Miniature, by_sample, indexed, new_store


def unlabelled(store_of: Path, dataset: str, root: Path, **more: object) -> dict[str, str | None]:
    report, view = indexed(new_store(store_of), dataset, root, **more)
    assert report.labelled == 0
    assert view["label"].null_count() == view.height
    return by_sample(view, "ood_class") if "ood_class" in view.columns else dict.fromkeys(view["sample"].to_list())


@pytest.mark.parametrize(("dataset", "folder"), [("inaturalist", "iNaturalist"), ("sun", "SUN"), ("places", "Places")])
def test_huang_and_lis_single_folder(dataset: str, folder: str, tmp_path: Path) -> None:
    root = Miniature(tmp_path / folder).image("images/10.jpg", "images/9.jpg").root
    assert unlabelled(tmp_path / "1", dataset, root) == {"images/9.jpg": None, "images/10.jpg": None}
    assert unlabelled(tmp_path / "2", dataset, root.parent) == {f"{folder}/images/{n}.jpg": None for n in (9, 10)}


def test_huang_and_lis_images_lie_in_images(tmp_path: Path) -> None:
    root = Miniature(tmp_path / "iNaturalist").image("images/10.jpg", "9.jpg").root
    with pytest.raises(UsageError, match=r"looks like none of its layouts|expects one folder `images`"):
        indexed(new_store(tmp_path), "inaturalist", root)


def test_all_textures_and_those_without_overlap(tmp_path: Path) -> None:
    folders = ("banded", "bubbly", "cobwebbed", "honeycombed", "spiralled", "zigzagged")
    root = Miniature(tmp_path / "dtd").image(*(f"images/{name}/{name}_0001.jpg" for name in folders))
    root.file("labels/train1.txt", "banded/banded_0001.jpg\n").file("imdb/imdb.mat", b"\0")
    every = unlabelled(tmp_path / "1", "textures", root.root)
    assert list(every.values()) == list(folders)
    assert list(unlabelled(tmp_path / "2", "textures-43", root.root).values()) == ["banded", "zigzagged"]
    assert len(CATALOGUE.datasets["textures-43"].leave_out) == 4


def test_ninco_takes_the_benchmarks_folder_only(tmp_path: Path) -> None:
    root = Miniature(tmp_path / "NINCO").image(
        "NINCO_OOD_classes/amphiuma_means/inat_1.jpeg",
        "NINCO_OOD_classes/high heels/p_2.jpg",
        "NINCO_OOD_unit_tests/black/0.png",
        "NINCO_popular_datasets_subsamples/places/a.jpg",
    )
    expected = {
        "NINCO_OOD_classes/amphiuma_means/inat_1.jpeg": "amphiuma_means",
        "NINCO_OOD_classes/high heels/p_2.jpg": "high heels",
    }
    assert unlabelled(tmp_path / "1", "ninco", root.root) == expected
    inside = unlabelled(tmp_path / "2", "ninco", root.root / "NINCO_OOD_classes")
    assert list(inside.values()) == list(expected.values())


def test_openimage_o_is_a_list_over_a_larger_set(tmp_path: Path) -> None:
    root = Miniature(tmp_path / "openimages").image("test/000a.jpg", "test/000b.jpg", "test/000c.jpg").root
    with pytest.raises(UsageError, match=r"looks like none|give ViM's list with --annotations openimage_o.txt"):
        indexed(new_store(tmp_path), "openimage-o", root, layout="openimage-o")
    (tmp_path / "openimage_o.txt").write_text("000c.jpg 0\ntest/000a.jpg\n000z.jpg 0\n")
    report, view = indexed(new_store(tmp_path), "openimage-o", root, annotations=tmp_path / "openimage_o.txt")
    assert view["sample"].to_list() == ["test/000c.jpg", "test/000a.jpg"]
    assert [refused.sample for refused in report.refused] == ["000z.jpg"]
    (tmp_path / "openimage_o.txt").rename(root / "openimage_o.txt")
    _, beside = indexed(new_store(tmp_path / "2"), "openimage-o", root)
    assert beside.equals(view)


def test_imagenet_o_keeps_its_folders_as_a_column(tmp_path: Path) -> None:
    root = Miniature(tmp_path / "x").image("imagenet-o/n01443537/a.jpg").root
    assert unlabelled(tmp_path, "imagenet-o", root) == {"imagenet-o/n01443537/a.jpg": "n01443537"}
