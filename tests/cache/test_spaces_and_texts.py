from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from cache.errors import IntegrityError
from cache.layout import parse_space
from cache.spaces import Space, labels, read_space, write_space
from cache.store import Store
from cache.texts import ClassList, Prompts, read_classes, read_prompts, read_text, write_text
from tests.cache.synthetic import CLASSES, CLASSIFIER, PROMPTS

GOLDEN = json.loads((Path(__file__).parent / "golden" / "space.json").read_text(encoding="utf-8"))


@pytest.fixture
def empty(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")[0]


def test_the_golden_space_keeps_its_id() -> None:
    # A change here orphans every number that was ever extracted: bump `extractor_schema` instead.
    space = Space(GOLDEN["space"], {})
    assert (space.id, space.label) == (GOLDEN["id"], GOLDEN["label"])


def test_a_space_comes_back_and_its_first_provenance_stays(empty: Store) -> None:
    with empty.stage() as staged:
        write_space(staged, CLASSIFIER)
        write_space(staged, Space(CLASSIFIER.identity, {"note": "second"}))
    assert read_space(empty.disk, empty.layout, CLASSIFIER.label) == CLASSIFIER
    assert labels(empty.disk, empty.layout) == [CLASSIFIER.label]
    assert empty.spaces() == [CLASSIFIER.id]


def test_everything_in_the_identity_counts_and_nothing_else() -> None:
    changed = [
        {**CLASSIFIER.identity, "dtype": "float16"},
        {**CLASSIFIER.identity, "weights": {"seed": 0.5}},
        {**CLASSIFIER.identity, "architecture": {"name": "classifier", "act": "gelu"}},
    ]
    assert len({Space(identity, {}).id for identity in (CLASSIFIER.identity, *changed)}) == 4
    assert Space(CLASSIFIER.identity, {"host": "x"}).id == CLASSIFIER.id


@pytest.mark.parametrize("identity", [{}, {"library": "Ä" * 90}, {"architecture": "odd"}, {"library": "a/../b"}])
def test_any_identity_makes_a_legal_label(identity: dict[str, object]) -> None:
    assert parse_space(Space(identity, {}).label)


def test_a_space_under_another_name_is_refused(empty: Store) -> None:
    with empty.stage() as staged:
        write_space(staged, CLASSIFIER)
    other = f"{CLASSIFIER.label[:-1]}{'0' if CLASSIFIER.label[-1] != '0' else '1'}"
    empty.layout.space(CLASSIFIER.label).rename(empty.layout.space(other))
    with pytest.raises(IntegrityError, match="another space than its name says"):
        read_space(empty.disk, empty.layout, other)


def test_texts_come_back(empty: Store) -> None:
    per_class = Prompts("cupl", (), {"n01": ("a round thing", "o"), "n02": ("a box",)})
    with empty.stage() as staged:
        for text in (CLASSES, PROMPTS, per_class):
            assert write_text(staged, text) == text.id == write_text(staged, text)
    assert read_classes(empty.disk, empty.layout, CLASSES.id) == CLASSES
    assert read_prompts(empty.disk, empty.layout, per_class.id) == per_class
    assert [read_text(empty.disk, empty.layout, text.id) for text in (CLASSES, PROMPTS)] == [CLASSES, PROMPTS]
    assert per_class.sentences("n01", "circle") == ("a round thing", "o")
    assert PROMPTS.sentences("n01", "circle") == ("a photo of a circle.", "a drawing of a circle.")
    with pytest.raises(KeyError):
        per_class.sentences("n03", "star")


def test_order_and_names_of_classes_count() -> None:
    lists = [
        CLASSES,
        dataclasses.replace(CLASSES, names=CLASSES.names[::-1]),
        ClassList(CLASSES.keys[::-1], CLASSES.names),
    ]
    assert len({classes.id for classes in lists}) == 3


def test_a_text_of_another_sort_or_name_is_refused(empty: Store) -> None:
    with empty.stage() as staged:
        write_text(staged, CLASSES)
        write_text(staged, PROMPTS)
    with pytest.raises(IntegrityError, match="expected a prompts document, got 'classes'"):
        read_prompts(empty.disk, empty.layout, CLASSES.id)
    empty.layout.text(CLASSES.id).rename(empty.layout.text("0" * 64))
    with pytest.raises(IntegrityError, match="another class list"):
        read_classes(empty.disk, empty.layout, "0" * 64)
    with pytest.raises(IntegrityError, match="missing"):
        read_text(empty.disk, empty.layout, CLASSES.id)
