"""Temperatures of one classifier, fitted on the calibration half of the in-distribution set: of all its columns, and
of the columns that the protocols of other datasets keep.

Takes logits pass by pass, so that memory stays flat: a sample of some thousand images is held, each problem starts at
the sample's optimum, and two or three passes over the half end at the exact one. Knows no store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .calibrated import Sink
from .checks import Matrix
from .metrics.temperature import Temperature, TemperatureSearch, fit_temperature
from .protocols import Members, restrict

HELD = 2048
"""Most images whose logits are held: 8 MB of 1,000 classes."""

ALL_COLUMNS = ("", "")


@dataclass(frozen=True, slots=True)
class Problem:
    """What one temperature is to be fitted on.

    members
        Columns of each class; None for every column by itself.
    classes
        `(n,)` class of each image of the in-distribution set, -1 where it has none that counts.
    """

    members: Members | None
    classes: NDArray[np.int64]

    def pick(self, index: NDArray[np.int64], logits: Matrix) -> tuple[Matrix, NDArray[np.int64]]:
        """Return the logits of the classes, and the labels, of those rows that have one."""
        label = self.classes[index]
        logits, label = (logits, label) if (label >= 0).all() else (logits[label >= 0], label[label >= 0])
        if self.members is not None and len(label):
            logits = restrict(logits, self.members, "logsumexp")
        return logits, label


@dataclass(frozen=True, slots=True)
class Fitted:
    """A temperature and the number of images that it was fitted on."""

    temperature: Temperature
    n: int


class Held:
    """Keeps the logits of the first images of the calibration half, by rank."""

    def __init__(self, half: NDArray[np.bool_], ranks: NDArray[np.int64], most: int = HELD) -> None:
        places = np.flatnonzero(half)
        chosen = places[np.argsort(ranks[places], kind="stable")[:most]]
        self.all = len(chosen) == len(places)
        self._wanted = np.zeros(len(half), bool)
        self._wanted[chosen] = True
        self._parts: list[tuple[NDArray[np.int64], Matrix]] = []

    def put(self, index: NDArray[np.int64], logits: Matrix) -> None:
        """Take the logits of some images."""
        keep = self._wanted[index]
        if keep.any():
            self._parts.append((index[keep], logits[keep]))

    def rows(self) -> tuple[NDArray[np.int64], Matrix]:
        """Return the places of the images in the view, ascending, and their logits."""
        if not self._parts:
            return np.empty(0, np.int64), np.empty((0, 1))
        index = np.concatenate([part for part, _ in self._parts])
        order = np.argsort(index)
        return index[order], np.concatenate([part for _, part in self._parts])[order]


class _Search:
    """One problem's search, as something that takes logits."""

    def __init__(self, problem: Problem, half: NDArray[np.bool_], start: Temperature | None) -> None:
        self._problem = problem
        self._half = half
        self.search = TemperatureSearch(start)

    def put(self, index: NDArray[np.int64], logits: Matrix) -> None:
        keep = self._half[index]
        picked, labels = self._problem.pick(index[keep], logits[keep])
        if len(labels):
            self.search.add(picked, labels)


def fit_temperatures(
    again: Callable[[Sequence[Sink]], None],
    held: Held,
    problems: Mapping[tuple[str, str], Problem],
    usable: NDArray[np.bool_],
    also: Sequence[Sink] = (),
) -> Mapping[tuple[str, str], Fitted]:
    """Fit a temperature for each problem that has images.

    Parameters
    ----------
    again
        Hands the logits of the whole in-distribution set to sinks, once a call.
    held
        Has seen that set once.
    problems
        By label space and protocol; `ALL_COLUMNS` is the one of all columns.
    usable
        `(n,)` images of the calibration half that have numbers.
    also
        What else wants to see the set once; it decides itself which images count.

    Raises
    ------
    ValueError
        NaN or infinity.
    """
    index, logits = held.rows()
    found: dict[tuple[str, str], Fitted] = {}
    searches: dict[tuple[str, str], _Search] = {}
    for key, problem in problems.items():
        n = int((usable & (problem.classes >= 0)).sum())
        if n == 0:
            continue
        picked, labels = problem.pick(index, logits)
        start = fit_temperature(picked, labels) if len(labels) else None
        if start is not None and held.all:
            found[key] = Fitted(start, n)
        else:
            searches[key] = _Search(problem, usable, start)
    waiting = list(also)
    while waiting or any(not one.search.done for one in searches.values()):
        left = [one for one in searches.values() if not one.search.done]
        again([*waiting, *left])
        waiting = []
        for one in left:
            one.search.end_pass()
    for key, one in searches.items():
        found[key] = Fitted(one.search.found, int((usable & (problems[key].classes >= 0)).sum()))
    return found
