"""The store that raises where Zarr would make numbers up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import zarr
from zarr.storage import MemoryStore

from cache.errors import IntegrityError
from cache.reading import read_sharded
from cache.segments import array_segments
from cache.strict import StrictStore, open_strict
from tests.cache.synthetic import numbers

ARRAY = numbers("strict", shape=(20, 3, 2), dtype="float16")


def _files(kind: str = "patches") -> dict[str, bytes]:
    (segment,) = array_segments(kind, "s", "p", ARRAY)
    return dict(segment.files)


@pytest.mark.parametrize("kind", ["patches", "embeddings"])
def test_whole_arrays_and_rows(kind: str) -> None:
    array: Any = open_strict(_files(kind))
    np.testing.assert_array_equal(array[...], ARRAY)
    np.testing.assert_array_equal(array[5:13], ARRAY[5:13])


@pytest.mark.parametrize("kind", ["patches", "embeddings"])
def test_a_missing_chunk_is_an_error_where_zarr_fills(kind: str) -> None:
    files = {name: data for name, data in _files(kind).items() if name == "zarr.json"}
    with pytest.raises(KeyError, match="is missing"):
        np.asarray(open_strict(files)[...])
    with pytest.raises(IntegrityError, match="data/x: not readable as Zarr"):
        read_sharded(files, slice(None), "data/x")
    # Without the strict store the same files are an array of NaN: this is what it protects from.
    buffer = zarr.core.buffer.default_buffer_prototype().buffer
    lenient: Any = zarr.open_array(MemoryStore({"zarr.json": buffer.from_bytes(files["zarr.json"])}), mode="r")
    assert np.isnan(lenient[...]).all()


@pytest.mark.parametrize("at", [0, 30, -1, -5, -100])
def test_a_flipped_bit_in_a_shard_is_an_error(at: int) -> None:
    files = _files()
    data = bytearray(files["c/0/0/0"])
    data[at] ^= 4
    with pytest.raises(IntegrityError):
        read_sharded({**files, "c/0/0/0": bytes(data)}, slice(None), "data/x")


def test_it_is_read_only_and_lists_itself() -> None:
    store = StrictStore(_files())
    assert store == StrictStore(_files())
    assert store != StrictStore({})
    array: Any = open_strict(_files())
    with pytest.raises(PermissionError, match="immutable"):
        array[0] = 1


def test_metadata_that_is_no_array() -> None:
    for metadata in (b"", b"{}", b'{"zarr_format": 3, "node_type": "group"}', b"[]"):
        with pytest.raises(IntegrityError):
            read_sharded({"zarr.json": metadata}, slice(None), "data/x")
