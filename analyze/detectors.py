"""Scores of detectors beyond those of every image's own logits: at a temperature, over fewer columns, by templates.

Each is a sink that sees the logits of a dataset once. Knows arrays only; larger always means more in-distribution.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .checks import Matrix
from .metrics.kl_matching import ClassMeans, kl_matching
from .metrics.ood_scores import max_cosine, mcm
from .metrics.softmax import softmax_blocks, summarize
from .protocols import Members, restrict

HELD_OUT = "held-out-half"
"""Variant of detectors that were fitted on the calibration half of the in-distribution set: its images in that half
get no score."""


@dataclass(frozen=True, slots=True)
class Detector:
    """What tells apart two columns of scores of a dataset.

    protocol
        Which classes took part; "" for all columns.
    variant
        What it was fitted on, for one that was fitted.
    space
        Label space of those classes, where the protocol leaves it to the set.
    """

    name: str
    protocol: str = ""
    variant: str = ""
    calibration: str = "raw"
    space: str = ""


Scores = Mapping[Detector, NDArray[np.float64]]
"""`(n,)` a detector, in the order of the view; NaN where an image has no score."""


@dataclass(frozen=True, slots=True)
class Cosine:
    """How the logits of a zero-shot model are made of cosines."""

    scale: float
    bias: float

    def of(self, logits: Matrix) -> Matrix:
        """Return the cosines of logits."""
        return (logits - logits.dtype.type(self.bias)) / logits.dtype.type(self.scale)


class ScaledMsp:
    """Maximum softmax probability at a temperature."""

    def __init__(self, n: int, temperature: float, only: NDArray[np.bool_] | None = None) -> None:
        self._temperature = temperature
        self._only = np.ones(n, bool) if only is None else only
        self._found = np.full(n, np.nan)

    def put(self, index: NDArray[np.int64], logits: Matrix) -> None:
        """Take the logits of some images."""
        keep = self._only[index]
        if keep.any():
            at = index[keep]
            dtype = np.float64 if logits.dtype.itemsize >= 8 else np.float32
            for part in softmax_blocks(logits[keep], dtype=dtype, temperature=self._temperature):
                self._found[at[part.rows]] = part.confidence()

    def scores(self) -> Scores:
        """Return what was collected."""
        return {Detector("msp", "", HELD_OUT, "ts"): self._found}


class Templates:
    """Gathers the class-mean probabilities of KL matching from some images."""

    def __init__(self, ways: int, only: NDArray[np.bool_]) -> None:
        self._only = only
        self.means = ClassMeans(ways)

    def put(self, index: NDArray[np.int64], logits: Matrix) -> None:
        """Take the logits of some images."""
        keep = self._only[index]
        if keep.any():
            self.means.add(logits[keep])


class KlMatching:
    """KL matching against templates of the held-out half."""

    def __init__(self, n: int, templates: NDArray[np.float64], only: NDArray[np.bool_] | None = None) -> None:
        self._templates = templates
        self._only = np.ones(n, bool) if only is None else only
        self._found = np.full(n, np.nan)

    def put(self, index: NDArray[np.int64], logits: Matrix) -> None:
        """Take the logits of some images."""
        keep = self._only[index]
        if keep.any():
            self._found[index[keep]] = kl_matching(logits[keep], self._templates)

    def scores(self) -> Scores:
        """Return what was collected."""
        return {Detector("kl_matching", "", HELD_OUT): self._found}


class Restricted:
    """The detectors of logits and cosines over the classes of one protocol only.

    Parameters
    ----------
    only
        `(n,)` images that take part: in-distribution those of the classes.
    space
        Label space of the classes.
    """

    def __init__(
        self,
        n: int,
        protocol: str,
        members: Members,
        cosine: Cosine | None,
        only: NDArray[np.bool_] | None = None,
        space: str = "",
    ) -> None:
        self._protocol = protocol
        self._space = space
        self._members = members
        self._cosine = cosine
        self._only = np.ones(n, bool) if only is None else only
        names = ["msp", "max_logit", "energy", "entropy", "gen", *(["mcm", "max_cosine"] if cosine else [])]
        self._found = {name: np.full(n, np.nan) for name in names}

    def put(self, index: NDArray[np.int64], logits: Matrix) -> None:
        """Take the logits of some images."""
        keep = self._only[index]
        if not keep.any():
            return
        at, picked = index[keep], restrict(logits[keep], self._members, "logsumexp")
        summary = summarize(picked)
        self._found["msp"][at] = summary.confidence
        self._found["max_logit"][at] = summary.max_logit
        self._found["energy"][at] = summary.log_sum_exp
        self._found["entropy"][at] = -summary.entropy
        self._found["gen"][at] = summary.gen
        if self._cosine is not None:
            cosines = self._cosine.of(picked)
            self._found["mcm"][at], self._found["max_cosine"][at] = mcm(cosines), max_cosine(cosines)

    def scores(self) -> Scores:
        """Return what was collected."""
        return {Detector(name, self._protocol, space=self._space): values for name, values in self._found.items()}
