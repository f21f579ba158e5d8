"""Pairs of images, as a column of the view.

Each row of a set with pairs is an image; its column `pairs` lists, as JSON texts, the pairs of which it is the first
image: `second` (the other sample) and what relates the two. So the pairs are covered by the version's digest like any
other column, and a set without them needs no second file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


class Pairs:
    """Pairs by their first sample, in the order in which they were added."""

    def __init__(self) -> None:
        self._of: dict[str, list[str]] = {}
        self.samples: dict[str, None] = {}

    def add(self, first: str, second: str, facts: Mapping[str, Any]) -> None:
        """Add a pair."""
        text = json.dumps({"second": second, **facts}, sort_keys=True, separators=(",", ":"), allow_nan=False)
        self._of.setdefault(first, []).append(text)
        self.samples.setdefault(first)
        self.samples.setdefault(second)

    def of(self, sample: str) -> list[str]:
        """Return the pairs of which a sample is the first image."""
        return self._of.get(sample, [])
