"""One unit of work: rows stay where they belong, whatever happens to the images around them."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cache import segments
from cache.key import image_id
from cache.store import Store
from extract.index import IndexRequest, index
from extract.sources import Sources
from extract.unit import Prepared, Settings, compute_unit, prefetch, read_item
from manifests.catalogue import load
from tests.extract.fake_backbone import FakeBackbone
from tests.extract.pictures import draw

KINDS = ("logits", "embeddings", "patches")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    draw(tmp_path / "photos", 10)
    store, _ = Store.create(tmp_path / "store")
    index(store, load(), IndexRequest(dataset="photos", root=tmp_path / "photos"))
    return store


def images(store: Store) -> list[str]:
    ids: list[str] = store.view("photos")["image_id"].to_list()
    return ids


def means(folder: Path) -> np.ndarray:
    """Mean colours by the test's own arithmetic."""
    rows = []
    for path in sorted(folder.iterdir()):
        with Image.open(path) as image:
            small = np.asarray(image.convert("RGB").resize((2, 2), Image.Resampling.BOX), np.float64)
        rows.append(small.mean(axis=(0, 1)))
    return np.array(rows, np.float32)


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("batch_size", [1, 3, 10, 64])
def test_every_row_is_its_image(batch_size: int, workers: int, store: Store, tmp_path: Path) -> None:
    backbone = FakeBackbone()
    seen: list[int] = []
    result = compute_unit(
        store, Sources(store), backbone, images(store), KINDS, Settings(batch_size, workers), seen.append
    )
    np.testing.assert_allclose(result.arrays["embeddings"], means(tmp_path / "photos"), rtol=1e-6)
    np.testing.assert_allclose(result.arrays["logits"], 10 * means(tmp_path / "photos"), rtol=1e-6)
    assert result.arrays["patches"].shape == (10, 2, 2, 3)
    assert result.failures == {kind: [] for kind in KINDS}
    assert sum(backbone.batches) == 10
    assert max(backbone.batches) == min(batch_size, 10)
    assert seen == sorted(seen)
    assert seen[-1] == 10


def test_a_batch_that_memory_does_not_hold_is_halved(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    backbone = FakeBackbone(holds=3)
    with caplog.at_level(logging.WARNING, "assay"):
        result = compute_unit(store, Sources(store), backbone, images(store), KINDS, Settings(batch_size=10, workers=0))
    np.testing.assert_allclose(result.arrays["embeddings"], means(tmp_path / "photos"), rtol=1e-6)
    assert backbone.batches == [3, 2, 3, 2]
    assert "does not hold a batch of 10; going on with 5" in caplog.text


def test_one_image_that_memory_does_not_hold_is_an_error(store: Store) -> None:
    with pytest.raises(torch.OutOfMemoryError):
        compute_unit(store, Sources(store), FakeBackbone(holds=0), images(store), KINDS, Settings(workers=0))


def test_a_row_that_overflows_is_named_and_the_others_stay(store: Store, tmp_path: Path) -> None:
    reds = means(tmp_path / "photos")[:, 0]
    limit = float(np.sort(reds)[-2])
    bad = np.flatnonzero(reds >= limit)
    assert len(bad) == 2
    result = compute_unit(store, Sources(store), FakeBackbone(overflow=limit - 0.01), images(store), KINDS, Settings())
    for kind in ("logits", "embeddings"):
        assert [(f.row, f.status) for f in result.failures[kind]] == [(row, "not_finite") for row in bad]
        assert [f.item for f in result.failures[kind]] == [images(store)[row] for row in bad]
        assert np.isfinite(np.delete(result.arrays[kind], bad, axis=0)).all()
    # A kind that did not overflow keeps all of its rows.
    assert result.failures["patches"] == []


def test_images_that_cannot_be_read_leave_a_hole_and_shift_nothing(store: Store, tmp_path: Path) -> None:
    items, photos = images(store), tmp_path / "photos"
    expected = means(photos)
    (photos / "0002.png").unlink()
    (photos / "0005.jpg").write_bytes(b"something else")
    items.append("0" * 64)
    result = compute_unit(store, Sources(store), FakeBackbone(), items, KINDS, Settings(batch_size=4, workers=2))
    failures = result.failures["logits"]
    assert [(f.row, f.status) for f in failures] == [(2, "missing"), (5, "changed"), (10, "no_source")]
    assert [f.detail for f in failures][:2] == [
        "0002.png: No such file or directory",
        "0005.jpg changed since it was indexed",
    ]
    for kind in KINDS:
        assert result.failures[kind] == failures
        assert np.isnan(result.arrays[kind][[2, 5, 10]]).all()
    good = [0, 1, 3, 4, 6, 7, 8, 9]
    np.testing.assert_allclose(result.arrays["embeddings"][good], expected[good], rtol=1e-6)


def test_a_unit_of_which_nothing_can_be_read_has_the_shape_of_the_others(store: Store, tmp_path: Path) -> None:
    for path in (tmp_path / "photos").iterdir():
        path.unlink()
    result = compute_unit(store, Sources(store), FakeBackbone(), images(store), KINDS, Settings(workers=0))
    assert {kind: array.shape for kind, array in result.arrays.items()} == {
        "logits": (10, 3),
        "embeddings": (10, 3),
        "patches": (10, 2, 2, 3),
    }
    assert all(np.isnan(array).all() for array in result.arrays.values())
    assert len(result.failures["patches"]) == 10


def test_ranges_of_rows_are_handed_over_as_they_come(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut as segments are; what is in them is what the whole unit would have held, holes included."""
    (tmp_path / "photos" / "0002.png").unlink()
    items = [*images(store), *images(store)[:7]]
    whole = compute_unit(store, Sources(store), FakeBackbone(), items, KINDS, Settings(3, 2))
    # A row of patches is 24 bytes and a chunk has 8 rows.
    monkeypatch.setattr(segments, "MAX_PATCH_BYTES", 200)
    taken: list[tuple[str, int, np.ndarray]] = []
    result = compute_unit(
        store, Sources(store), FakeBackbone(), items, KINDS, Settings(3, 2), take=lambda *part: taken.append(part)
    )
    assert result.arrays == {}
    assert result.failures == whole.failures
    assert [(start, len(part)) for kind, start, part in taken if kind == "patches"] == [(0, 8), (8, 8), (16, 1)]
    for kind in KINDS:
        joined = np.concatenate([part for name, _, part in taken if name == kind])
        np.testing.assert_array_equal(joined, whole.arrays[kind])
    one_by_one = [segments.segment_of_rows(kind, "s", "p", start, part) for kind, start, part in taken]
    together = [s for kind in KINDS for s in segments.array_segments(kind, "s", "p", whole.arrays[kind])]
    assert {segment.id for segment in one_by_one} == {segment.id for segment in together}


def test_ranges_of_a_unit_of_which_nothing_can_be_read(store: Store, tmp_path: Path) -> None:
    for path in (tmp_path / "photos").iterdir():
        path.unlink()
    taken: list[tuple[str, int, np.ndarray]] = []
    result = compute_unit(
        store, Sources(store), FakeBackbone(), images(store), KINDS, Settings(), take=lambda *part: taken.append(part)
    )
    assert [(kind, start, part.shape) for kind, start, part in taken if np.isnan(part).all()] == [
        ("logits", 0, (10, 3)),
        ("embeddings", 0, (10, 3)),
        ("patches", 0, (10, 2, 2, 3)),
    ]
    assert len(result.failures["patches"]) == 10


def test_a_moved_copy_is_found_and_believed_by_its_bytes_only(store: Store, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    item = image_id((photos / "0001.jpg").read_bytes())
    (tmp_path / "elsewhere").mkdir()
    copy = tmp_path / "elsewhere" / "copy.jpg"
    copy.write_bytes((photos / "0001.jpg").read_bytes())
    index(store, load(), IndexRequest(dataset="more", root=tmp_path / "elsewhere"))
    (photos / "0001.jpg").write_bytes(b"other bytes")
    assert read_item(store, Sources(store), item) == (copy.read_bytes(), "ok", "")
    copy.write_bytes(b"other bytes too")
    assert read_item(store, Sources(store), item)[1] == "changed"


def test_prefetch_keeps_order_and_its_window() -> None:
    lock = threading.Lock()
    started: list[int] = []

    def load_one(item: str) -> Prepared:
        with lock:
            started.append(int(item))
        time.sleep(0.002 * (int(item) % 3))
        return Prepared(None, item, "")

    stream = prefetch(load_one, [str(n) for n in range(40)], workers=4, window=5)
    for at in range(40):
        assert next(stream).status == str(at)
        assert max(started) <= at + 5
    assert next(stream, None) is None


def test_an_error_in_a_decoding_thread_reaches_the_caller() -> None:
    def load_one(item: str) -> Prepared:
        if item == "3":
            raise MemoryError("decoding")
        return Prepared(None, item, "")

    before = threading.active_count()
    with pytest.raises(MemoryError, match="decoding"):
        list(prefetch(load_one, [str(n) for n in range(10)], workers=2, window=4))
    assert threading.active_count() == before
