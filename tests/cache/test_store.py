from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cache.documents import seal
from cache.errors import FormatVersionError, IncompleteError, IntegrityError, UsageError
from cache.reader import Reader
from cache.store import Store, store_path
from tests.cache.synthetic import CLASSIFIER, DATASET, HEAD, ZERO_SHOT, images, index, read_kind


def test_where_the_store_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASSAY_STORE", raising=False)
    assert store_path(None) == Path("store")
    monkeypatch.setenv("ASSAY_STORE", "/elsewhere")
    assert store_path(None) == Path("/elsewhere")
    assert store_path(Path("here")) == Path("here")


def test_creating_and_opening(tmp_path: Path) -> None:
    with pytest.raises(IncompleteError, match="there is no store at"):
        Store(tmp_path / "new" / "store")
    assert Store.create(tmp_path / "new" / "store")[1]
    assert not Store.create(tmp_path / "new" / "store")[1]
    assert Store(tmp_path / "new" / "store").datasets() == []


def test_a_store_without_its_head(path: Path) -> None:
    (path / "STORE.json").unlink()
    with pytest.raises(IntegrityError, match=r"holds a store's data but no STORE\.json"):
        Store(path)
    Store.create(path)
    assert Store(path).datasets() == [DATASET]


@pytest.mark.parametrize("version", [0, 2, 10])
def test_another_format_version(path: Path, version: int) -> None:
    body = json.loads((path / "STORE.json").read_bytes())
    (path / "STORE.json").write_text(json.dumps({**body, "format": version}), encoding="utf-8")
    for attempt in (Store, Store.create):
        with pytest.raises(FormatVersionError, match="reads version 1") as caught:
            attempt(path)
        assert caught.value.exit_code == 6


def test_another_hash_algorithm(path: Path) -> None:
    (path / "STORE.json").write_bytes(seal("store", {"name": "clip-assay", "hash": "blake3"}))
    with pytest.raises(IntegrityError, match="blake3"):
        Store(path)


def test_datasets_spaces_and_views(store: Store) -> None:
    assert store.datasets() == [DATASET]
    assert set(store.spaces()) == {CLASSIFIER.id, ZERO_SHOT.id}
    assert store.view(DATASET).columns == ["sample", "image_id", "label", "pose"]
    assert store.view(DATASET).height == 24
    with pytest.raises(UsageError, match="no dataset 'x'; it has shapes"):
        store.view("x")


@pytest.mark.parametrize("name", [CLASSIFIER.id, CLASSIFIER.label, "synthetic-classifier", "net-a"])
def test_names_of_a_space(store: Store, name: str) -> None:
    assert store.resolve_space(name) == CLASSIFIER


def test_names_of_no_space_and_of_two(store: Store) -> None:
    with pytest.raises(UsageError, match="no space or model 'resnet'"):
        store.resolve_space("resnet")
    from cache.spaces import Space, write_space

    twin = Space({**CLASSIFIER.identity, "dtype": "float16"}, {})
    with store.stage() as staged:
        write_space(staged, twin)
    with pytest.raises(UsageError, match="means 2 spaces") as caught:
        store.resolve_space("synthetic-classifier")
    assert twin.label in str(caught.value)


@pytest.mark.parametrize("kind", ["logits", "embeddings", "patches"])
def test_rows_come_in_the_callers_order(store: Store, kind: str) -> None:
    whole, failures = read_kind(Reader(store), kind, CLASSIFIER, DATASET)
    order = [23, 0, 16, 15, 0, 17]
    ids = images(24)
    rows = store.rows(kind, "net-a", [ids[at] for at in order])
    np.testing.assert_array_equal(rows, whole[order])
    assert failures == [17]
    assert np.isnan(rows[-1]).all()


def test_rows_through_a_head_do_not_depend_on_what_was_asked_for(store: Store) -> None:
    ids = [image for at, image in enumerate(images(24)) if at != 17]
    whole = store.rows("logits", "clip-b", ids, head=HEAD)
    one_by_one = np.concatenate([store.rows("logits", "clip-b", [image], head=HEAD) for image in ids])
    assert whole.tobytes() == one_by_one.tobytes()
    by_view, _ = read_kind(Reader(store), "logits", ZERO_SHOT, DATASET, HEAD)
    assert whole.tobytes() == np.delete(by_view, 17, axis=0).tobytes()
    embeddings = store.rows("embeddings", "clip-b", ids).astype(np.float64)
    weights = store.rows("heads", "clip-b", [HEAD])[0].astype(np.float64)
    cosines = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True) @ weights
    np.testing.assert_allclose(whole, 14.25 * cosines - 1.5, rtol=2e-5, atol=2e-5)


def test_rows_that_are_not_there(store: Store) -> None:
    with pytest.raises(IncompleteError, match=r"1 of 2 items have no logits.*assay-extract run") as caught:
        store.rows("logits", "net-a", [images(1)[0], "f" * 64])
    assert caught.value.exit_code == 3
    with pytest.raises(IncompleteError, match="--kinds text --prompts"):
        store.rows("text", "net-a", ["f" * 64])
    with pytest.raises(ValueError, match="at least one item"):
        store.rows("logits", "net-a", [])
    with pytest.raises(ValueError, match="are tables"):
        store.rows("scores", "net-a", images(1))


def test_a_store_in_a_folder_with_other_things(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    store, new = Store.create(tmp_path)
    from tests.cache.synthetic import SMALL

    assert new
    index(store, SMALL, 20)
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "mine"
