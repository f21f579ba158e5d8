"""What a command says about fitting: how the in-distribution set is halved, and whether features are looked at."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path

from manifests.errors import UsageError

from .feature_detectors import NEIGHBOURS
from .inside import Split

__all__ = ["Fitting", "Split", "read_split"]


@dataclass(frozen=True, slots=True)
class Fitting:
    """Choices that fitted numbers depend on.

    split
        Halves of the in-distribution set: temperatures and detectors are fitted on one and told on the other.
    features
        Whether feature-based detectors are fitted, which takes longer and holds the features in memory.
    neighbours
        Which neighbour the detector `knn` looks at.
    """

    split: Split = field(default_factory=Split)
    features: bool = False
    neighbours: int = NEIGHBOURS


def read_split(path: Path) -> tuple[str, ...]:
    """Return the samples of the calibration part from a file: one a line, or the column `sample` of a CSV.

    Raises
    ------
    UsageError
        For a file that cannot be read, or names none.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--split {path} cannot be read ({error}).") from error
    rows = [row for row in csv.reader(io.StringIO(text)) if row and any(cell.strip() for cell in row)]
    if rows and "sample" in rows[0]:
        at = rows[0].index("sample")
        rows = [[row[at]] for row in rows[1:] if len(row) > at]
    elif any(len(row) > 1 for row in rows):
        raise UsageError(f"--split {path}: expected one sample a line, or a CSV with the column sample.")
    if not rows:
        raise UsageError(f"--split {path}: expected samples of the calibration part, got none.")
    return tuple(row[0].strip() for row in rows)
