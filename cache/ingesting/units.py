"""Checked numbers of a dataset's samples as the units that hold them: every pack with an image of the dataset."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cache.commits import RowFailure
from cache.predictions import Decisions, predictions_table
from cache.reader import Reader
from cache.segments import Segment, array_segments, table_segment
from cache.spaces import Space
from cache.views import View

from .checks import Numbers

NOT_GIVEN = "not_given"
"""Status of an image of a pack that the dataset does not hold, so that no row of a file is of it."""


@dataclass(frozen=True, slots=True)
class IngestedUnit:
    """The numbers of one pack, and why some of its images have none."""

    pack: str
    segments: tuple[Segment, ...]
    failures: tuple[RowFailure, ...]


def units_of(reader: Reader, view: View, kind: str, space: Space, values: Numbers) -> Iterator[IngestedUnit]:
    """Yield the units of the numbers of a dataset's samples.

    Parameters
    ----------
    values
        In the order of the samples: `(n, ...)` float32, or decisions.
    """
    row_of: dict[str, int] = {}
    for row, image in enumerate(view.table["image_id"].to_list()):
        row_of.setdefault(image, row)
    for pack in reader.needed_packs(view):
        items = reader.pack(pack).items
        at = np.array([row for row, item in enumerate(items) if item in row_of], np.int64)
        source = np.array([row_of[items[row]] for row in at], np.int64)
        detail = f"the file that was ingested is of {view.name}, which does not hold this image"
        failures = tuple(RowFailure(r, item, NOT_GIVEN, detail) for r, item in enumerate(items) if item not in row_of)
        if isinstance(values, Decisions):
            decisions = Decisions.blank(len(items))
            decisions.put(at, Decisions(values.classes[source], values.probability[source]))
            table = predictions_table(items, decisions, failures)
            segments: tuple[Segment, ...] = (table_segment(kind, space.id, pack, table),)
        else:
            array: NDArray[Any] = np.full((len(items), *values.shape[1:]), np.nan, np.float32)
            array[at] = values[source]
            segments = tuple(array_segments(kind, space.id, pack, array))
        yield IngestedUnit(pack, segments, failures)
