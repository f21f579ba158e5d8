"""What is measured of models: where they stand, or how far from the line of others.

Between places on axes and the estimators.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

import numpy as np

from analyze.line_fits import FittedLine, LineInterval, fit_line, line_interval

from .means import Sample
from .places import Points

Line: TypeAlias = tuple[FittedLine, LineInterval]


def line_of(reference: Points) -> Line:
    """Fit the reference models' line."""
    line = fit_line(reference.x, reference.z)
    return line, line_interval(line, reference.x, reference.z, reference.families, draws=1)


def sample_of(points: Points, line: Line | None) -> Sample:
    """Return the models' outcomes, or with a line their distances from it."""
    if line is None:
        return Sample(values=points.z, families=points.families, direction=np.zeros((len(points), 2)))
    direction = np.stack([np.ones_like(points.x), points.x], axis=-1)
    return Sample(values=points.z - line[0].at(points.x), families=points.families, direction=direction)


def change(after: Sample, before: Sample) -> Sample:
    """Return the differences of two samples of the same models, or of partners in the same order."""
    return replace(after, values=after.values - before.values, direction=after.direction - before.direction)
