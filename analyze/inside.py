"""What the in-distribution set of one classifier teaches about its other sets: temperatures, templates of detectors.

Fitted on the calibration half of the set, told on the rest of it. Knows arrays, ids and sinks, no store, no manifest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .calibrated import TEST_HALF, Calibration, Forecast, Labelled, Scale, Sink
from .detectors import Cosine, Detector, KlMatching, Restricted, ScaledMsp, Scores, Templates
from .metrics.split import calibration_ranks, first_half, listed_half
from .protocols import Members
from .temperatures import ALL_COLUMNS, Fitted, Held, Problem, fit_temperatures

Show = Callable[[Sequence[Sink]], None]
"""Hands the logits of the whole in-distribution set to sinks, once a call."""


@dataclass(frozen=True, slots=True)
class Split:
    """How the in-distribution set is halved.

    seed
        Of the hash that ranks the images.
    listed
        Samples of the calibration part, where a file names them.
    """

    seed: int = 0
    listed: tuple[str, ...] = ()

    def half(self, table: pl.DataFrame, ranks: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which rows of a dataset, whose images have these ranks, are for calibration.

        Raises
        ------
        ValueError
            For a list that does not fit the dataset.
        """
        if self.listed:
            return listed_half(table["sample"].to_list(), table["image_id"].to_list(), self.listed)
        return first_half(ranks)


@dataclass(frozen=True, slots=True)
class Reading:
    """The classes that a protocol of an out-of-distribution set compares with.

    only
        `(n,)` images of the in-distribution set that belong to them.
    space
        Their label space.
    """

    protocol: str
    members: Members
    only: NDArray[np.bool_]
    space: str = ""

    @property
    def place(self) -> tuple[str, str]:
        """Label space and protocol."""
        return self.space, self.protocol


@dataclass(slots=True)
class Inside:
    """One classifier on its in-distribution set.

    columns
        `(n,)` column of each image's class, -1 where it has none.
    ways
        Number of columns.
    problems
        Label space and protocol of other sets -> what their temperature is fitted on.
    detects
        Whether there are sets out of distribution to tell it from.
    half, failed
        Images of the calibration half, and how many of them have no numbers.
    temperatures
        What was fitted; empty before `learn`.
    """

    table: pl.DataFrame
    split: Split
    columns: NDArray[np.int64]
    ways: int
    problems: Mapping[tuple[str, str], Problem]
    readings: Sequence[Reading]
    cosine: Cosine | None
    detects: bool
    half: NDArray[np.bool_] = field(init=False)
    failed: int = field(init=False, default=0)
    temperatures: Mapping[tuple[str, str], Fitted] = field(init=False, default_factory=dict)
    _held: Held = field(init=False)
    _restricted: list[Restricted] = field(init=False)
    _templates: NDArray[np.float64] | None = field(init=False, default=None)
    _scores: dict[Detector, NDArray[np.float64]] = field(init=False, default_factory=dict)
    _images: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        images = self.table["image_id"].to_list()
        ranks = calibration_ranks(images, self.split.seed)
        self.half = self.split.half(self.table, ranks)
        self._images = frozenset(self.table.filter(pl.Series(self.half))["image_id"].to_list())
        self._held = Held(self.half, ranks)
        self._restricted = [
            Restricted(len(images), one.protocol, one.members, self.cosine, one.only, one.space)
            for one in self.readings
        ]

    def first_sinks(self) -> tuple[Sink, ...]:
        """Return what is to see the set while it is measured."""
        return (self._held, *self._restricted)

    def learn(self, show: Show, ok: NDArray[np.bool_]) -> tuple[Forecast, ...]:
        """Fit everything on the calibration half, and return the readings of the test half.

        Parameters
        ----------
        ok
            `(n,)` which images have numbers.
        """
        usable, test = self.half & ok, ~self.half & ok
        self.failed = int((self.half & ~ok).sum())
        if not usable.any() or not test.any():
            return ()
        templates = Templates(self.ways, usable) if self.detects else None
        problems = {ALL_COLUMNS: Problem(None, self.columns), **self.problems}
        self.temperatures = fit_temperatures(show, self._held, problems, usable, [templates] if templates else [])
        sinks: list[Sink] = []
        matching = msp = labelled = None
        if templates is not None:
            self._templates = templates.means.templates()
            matching = KlMatching(len(test), self._templates, test)
            sinks.append(matching)
        if (whole := self.temperatures.get(ALL_COLUMNS)) is not None:
            scale = whole.temperature.temperature
            scales = (Scale("raw", 1.0, TEST_HALF, test), Scale("ts", scale, TEST_HALF, test))
            labelled = Labelled(self.columns, self.ways, scales)
            msp = ScaledMsp(len(test), scale, test) if self.detects else None
            sinks += [labelled] if msp is None else [labelled, msp]
        if sinks:
            show(sinks)
        for one in (matching, msp):
            if one is not None:
                self._scores |= one.scores()
        return () if labelled is None else labelled.forecasts()

    def scores(self) -> Scores:
        """Return the scores of the set by what was learned, and over the classes of other protocols."""
        restricted = {key: values for one in self._restricted for key, values in one.scores().items()}
        return {**restricted, **self._scores}

    def scales(self, key: tuple[str, str], table: pl.DataFrame) -> tuple[Scale, ...]:
        """Return the temperatures at which another set is read under a protocol.

        Images that a temperature was fitted on do not count under it: the rest is a slice of its own, whose raw
        reading is told as well.

        Parameters
        ----------
        key
            Label space and protocol; `ALL_COLUMNS` for the logits as they stand.
        table
            The other dataset.
        """
        if ALL_COLUMNS not in self.temperatures:
            return ()
        found: dict[Calibration, Fitted] = {"ts": self.temperatures[ALL_COLUMNS]}
        if key != ALL_COLUMNS and key in self.temperatures:
            found["ts-restricted"] = self.temperatures[key]
        seen = table["image_id"].is_in(list(self._images)).to_numpy()
        if seen.all() and len(seen):
            return ()
        only, name = (~seen, TEST_HALF) if seen.any() else (None, "all")
        scales = [Scale(how, fitted.temperature.temperature, name, only) for how, fitted in found.items()]
        return (*([Scale("raw", 1.0, name, only)] if only is not None else []), *scales)

    def outside_sinks(
        self, n: int, places: Sequence[tuple[str, str]]
    ) -> tuple[ScaledMsp | KlMatching | Restricted, ...]:
        """Return the detectors of a set of n images out of distribution, besides under these spaces and protocols."""
        found: list[ScaledMsp | KlMatching | Restricted] = [
            Restricted(n, one.protocol, one.members, self.cosine, space=one.space)
            for one in self.readings
            if one.place in places
        ]
        if self._templates is not None:
            found.append(KlMatching(n, self._templates))
        if ALL_COLUMNS in self.temperatures:
            found.append(ScaledMsp(n, self.temperatures[ALL_COLUMNS].temperature.temperature))
        return tuple(found)
