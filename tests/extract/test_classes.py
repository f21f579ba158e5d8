"""From what a source says of a sample's class to an index: by name, never by the order of folders."""

from __future__ import annotations

import pytest

from cache.class_file import class_list
from cache.texts import ClassList
from extract.classes import assign
from extract.layouts.entries import Entry
from manifests.catalogue import load
from manifests.errors import UsageError

SPACES = load().labels


def entries(*keys: dict[str, str]) -> list[Entry]:
    return [Entry(f"{at}.jpg", None, given) for at, given in enumerate(keys)]


@pytest.mark.parametrize(
    ("keys", "index"),
    [
        ({"class_index": "0"}, 0),
        ({"class_index": "999"}, 999),
        ({"wnid": "n01440764"}, 0),
        ({"wnid": "n15075141"}, 999),
        ({"class_index": "0", "wnid": "n01440764"}, 0),
        ({"class_index": "0", "wnid": "n01440764", "label": "tench"}, 0),
        ({"class_index": "0", "label": "whatever the labeller wrote"}, 0),
    ],
)
def test_class_index_and_wnid_mean_imagenet(keys: dict[str, str], index: int) -> None:
    found = assign(entries(keys), SPACES, "")
    assert found.indices == (index,)
    assert found.classes == class_list(SPACES["imagenet-1k"])


def test_labels_alone_make_a_space_of_their_own_in_natural_order() -> None:
    found = assign(entries({"label": "10"}, {"label": "9"}, {}, {"label": "10"}), SPACES, "")
    assert found.classes == ClassList(("9", "10"), ("9", "10"))
    assert found.indices == (1, 0, None, 1)


def test_labels_in_a_named_space_go_by_key_or_by_unique_name() -> None:
    found = assign(entries({"label": "n01440764"}, {"label": "tench"}), SPACES, "imagenet-1k")
    assert found.indices == (0, 0)


def test_nothing_said_means_no_labels() -> None:
    found = assign(entries({}, {}), SPACES, "imagenet-1k")
    assert (found.classes, found.indices) == (None, (None, None))


def test_a_name_that_two_classes_share_is_no_key() -> None:
    names = SPACES["imagenet-1k"].names
    shared = sorted({name for name in names if names.count(name) > 1})
    assert shared, "ImageNet's class names hold at least one pair of equal ones"
    with pytest.raises(UsageError, match="is not a class of this label space"):
        assign(entries({"label": shared[0]}), SPACES, "imagenet-1k")


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ({"class_index": "1000"}, r"class_index '1000' is not one of 0\.\.999"),
        ({"class_index": "-1"}, "class_index '-1'"),
        ({"class_index": "1.0"}, r"class_index '1\.0'"),
        ({"class_index": "²"}, "class_index '²'"),
        ({"wnid": "n00000000"}, "wnid 'n00000000' is not a class"),
        (
            {"class_index": "1", "wnid": "n01440764"},
            "contradict each other.*class_index '1' is class 1, wnid 'n01440764'",
        ),
        ({"class_index": "0", "wnid": "n00000000"}, "wnid 'n00000000' is not a class"),
        ({"class_index": "1", "label": "tench"}, "contradict each other"),
    ],
)
def test_what_cannot_be_is_refused(keys: dict[str, str], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        assign(entries(keys), SPACES, "")


def test_every_problem_is_named_up_to_twenty() -> None:
    with pytest.raises(UsageError, match="and 5 more") as caught:
        assign(entries(*({"class_index": "5000"} for _ in range(25))), SPACES, "")
    assert str(caught.value).count("class_index '5000'") == 20
    assert "and 5 more" in str(caught.value)


def test_an_unknown_space_is_named_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"--label-space 'imagenet' is unknown.*imagenet-1k"):
        assign(entries({"label": "tench"}), SPACES, "imagenet")
