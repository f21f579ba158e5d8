"""One pass over a matrix of logits, in row blocks: everything a softmax gives for each image.

Memory beyond the input stays flat (under 64 MB) whatever the number of images. Knows arrays only: no labels' names, no
models, no files. The largest logit is left out of the sum of exponentials and put back with log1p, so that confidences
near 1 and losses near 0 keep their digits even in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from analyze.checks import Matrix, label_vector, logit_matrix, require_finite

TOP = 5
GEN_GAMMA, GEN_TOP = 0.1, 100
# Two work buffers of this many float64 take 16 MB.
BLOCK_NUMBERS = 1 << 20
# Work arrays of this many rows of 1,000 classes stay in a core's cache.
CACHED_ROWS = 128

NUMBERS = ("confidence", "log_sum_exp", "max_logit", "entropy", "gen", "sum_squares")

See = Callable[[slice, Matrix], None]
"""Sees which rows a block holds and all their probabilities `(b, c)`, which the next block overwrites."""


@dataclass(frozen=True, slots=True)
class SoftmaxBlock:
    """The softmax of consecutive rows; `shifted` and `exps` are buffers that the next block overwrites.

    With z the logits over the temperature and m their largest: `shifted` = z - m, `exps` = exp(shifted) but 0 at the
    largest, `rest` = sum of exps, so that the partition function is exp(m) (1 + rest).
    """

    rows: slice
    top_index: NDArray[np.intp]
    top_logit: NDArray[np.float64]
    shifted: Matrix
    exps: Matrix
    rest: NDArray[np.float64]
    temperature: float

    def confidence(self) -> NDArray[np.float64]:
        """Largest softmax probability, 1 / (1 + rest)."""
        return 1.0 / (1.0 + self.rest)

    def log_sum_exp(self) -> NDArray[np.float64]:
        """log sum exp z = m + log(1 + rest)."""
        return self.top_logit[:, 0] / self.temperature + np.log1p(self.rest)

    def entropy(self) -> NDArray[np.float64]:
        """-sum p log p in nats."""
        return np.asarray(np.log1p(self.rest) - np.vecdot(self.exps, self.shifted) / (1.0 + self.rest))

    def sum_of_squares(self) -> NDArray[np.float64]:
        """Sum of p^2 over the classes."""
        return (1.0 + self._squares()) / (1.0 + self.rest) ** 2

    def negative_log_likelihood(self, labels: NDArray[np.intp]) -> NDArray[np.float64]:
        """-log p[label] in nats; `labels` are those of the rows of this block."""
        return np.log1p(self.rest) - self.shifted[np.arange(len(labels)), labels]

    def brier(self, labels: NDArray[np.intp]) -> NDArray[np.float64]:
        """Sum over classes of (p - [class is the label])^2, without subtracting nearly equal numbers."""
        at_top = labels == self.top_index[:, 0]
        own, squares = self.exps[np.arange(len(labels)), labels].astype(np.float64), self._squares()
        wrong = (1.0 + self.rest - own) ** 2 + 1.0 + squares - own**2
        right = self.rest**2 + squares
        return np.where(at_top, right, wrong) / (1.0 + self.rest) ** 2

    def generalized_entropy(self, gamma: float, top: int) -> NDArray[np.float64]:
        """Sum of (p (1 - p))^gamma over the `top` largest p; 1 - p of the largest is taken as the sum of the others."""
        total = 1.0 + self.rest
        score = (self.rest / total**2) ** gamma
        others = min(top, self.exps.shape[1]) - 1
        if others:
            # A few rows at a time, in one array: memory that is asked for anew costs more than the sums.
            size = block_rows(self.exps.shape[1], CACHED_ROWS)
            work = np.empty((min(size, len(total)), self.exps.shape[1]), self.exps.dtype)
            for start in range(0, len(total), size):
                stop = min(start + size, len(total))
                some = work[: stop - start]
                np.copyto(some, self.exps[start:stop])
                # exps holds one exact 0 for the largest class, which sorts first and is never among the others.
                some.partition(-others, axis=1)
                p = some[:, -others:]
                p /= total[start:stop, None].astype(p.dtype)
                p *= 1 - p
                np.power(p, p.dtype.type(gamma), out=p)
                score[start:stop] += p.sum(axis=1, dtype=np.float64)
        return np.asarray(score)

    def probabilities(self) -> Matrix:
        """`(b, c)` all probabilities, written over `exps`: nothing else of the block can be asked afterwards."""
        self.exps[np.arange(len(self.rest)), self.top_index[:, 0]] = 1.0
        self.exps[...] /= (1.0 + self.rest).astype(self.exps.dtype)[:, None]
        return self.exps

    def _squares(self) -> NDArray[np.float64]:
        return np.asarray(np.vecdot(self.exps, self.exps), np.float64)


def block_rows(c: int, block: int) -> int:
    """Rows a block may have so that the work buffers stay within BLOCK_NUMBERS numbers each."""
    if block < 1:
        raise ValueError(f"block: expected at least 1 row, got {block}")
    return max(1, min(block, BLOCK_NUMBERS // c))


def softmax_blocks(
    logits: Matrix, *, dtype: DTypeLike = np.float64, block: int = 1024, top: int = 1, temperature: float = 1.0
) -> Iterator[SoftmaxBlock]:
    """Softmax of each block of rows in turn, computed in `dtype`.

    Parameters
    ----------
    logits : float (n, c)
        As `analyze.checks.logit_matrix` returns it.
    dtype : numpy dtype
        float32 or float64: the type of the two work buffers.
    block : int
        Largest number of rows at a time.
    top : int
        How many of the largest logits to find, ties going to the lowest index; at most c.
    temperature : float
        The logits are divided by it first; positive.

    Raises
    ------
    ValueError
        NaN or infinity, with the row numbers.
    """
    if not 0 < temperature < np.inf:
        raise ValueError(f"temperature: expected a positive number, got {temperature!r}")
    n, c = logits.shape
    size = min(n, block_rows(c, block))
    work: NDArray[Any] = np.empty((size, c), dtype)
    scratch = np.empty_like(work)
    for start in range(0, n, size):
        stop = min(start + size, n)
        shifted, exps, every = work[: stop - start], scratch[: stop - start], np.arange(stop - start)
        np.copyto(shifted, logits[start:stop], casting="same_kind")
        require_finite(shifted, "logits", start)
        top_index = np.empty((stop - start, top), np.intp)
        top_logit = np.empty((stop - start, top), work.dtype)
        for rank in range(top):
            # Repeated argmax beats argpartition for a handful of ranks, and breaks ties to the lowest index.
            top_index[:, rank] = shifted.argmax(axis=1)
            top_logit[:, rank] = shifted[every, top_index[:, rank]]
            shifted[every, top_index[:, rank]] = -np.inf
        shifted[every[:, None], top_index] = top_logit
        shifted -= top_logit[:, :1]
        if temperature != 1.0:
            shifted *= work.dtype.type(1.0 / temperature)
        np.exp(shifted, out=exps)
        exps[every, top_index[:, 0]] = 0.0
        rest = exps.sum(axis=1).astype(np.float64)
        yield SoftmaxBlock(
            slice(start, stop), top_index, top_logit.astype(np.float64), shifted, exps, rest, float(temperature)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LogitSummary:
    """What is kept of n rows of logits; every field has n rows, all floats are float64.

    confidence : largest softmax probability, in [1/c, 1].
    prediction : int32, class of the largest logit, ties to the lowest index.
    log_sum_exp : log sum exp z, the energy score at temperature 1.
    max_logit : largest logit, never divided by the temperature.
    entropy : -sum p log p, in [0, log c] nats.
    gen : minus the generalized entropy of the 100 largest p at gamma 0.1, as `ood_scores.gen`.
    sum_squares : sum of p^2, in [1/c, 1].
    top5_index : int32 (n, min(5, c)), classes of the largest logits, in falling order.
    top5_logit : (n, min(5, c)), their logits, never divided by the temperature.
    nll, brier : -log p[label] in nats, and sum over classes of (p - [class is the label])^2; None without labels.
    """

    confidence: NDArray[np.float64]
    prediction: NDArray[np.int32]
    log_sum_exp: NDArray[np.float64]
    max_logit: NDArray[np.float64]
    entropy: NDArray[np.float64]
    gen: NDArray[np.float64]
    sum_squares: NDArray[np.float64]
    top5_index: NDArray[np.int32]
    top5_logit: NDArray[np.float64]
    nll: NDArray[np.float64] | None
    brier: NDArray[np.float64] | None


def summarize(
    logits: ArrayLike,
    labels: ArrayLike | None = None,
    block: int = 1024,
    *,
    temperature: float = 1.0,
    see: See | None = None,
) -> LogitSummary:
    """Everything the metrics need of each row of logits, in one pass.

    Computed in float64 for float64 logits and in float32 otherwise, with sums returned as float64.

    Parameters
    ----------
    logits : float (n, c)
    labels : int (n,), optional
        Class indices in [0, c); with them `nll` and `brier` are computed.
    block : int
        Rows at a time; results do not depend on it beyond rounding.
    temperature : float
        Divides the logits first (temperature scaling). `max_logit` and `top5_logit` stay undivided.
    see : callable, optional
        Sees all probabilities of each block, for what needs them all: `classwise.ClasswiseSums.seer`.

    Returns
    -------
    LogitSummary

    Raises
    ------
    ValueError
        Wrong shapes, labels outside the classes, NaN or infinity (with row numbers).

    Notes
    -----
    Temperature scaling: Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 4.2.

    Examples
    --------
    Logits log 3 and log 1 are probabilities 3/4 and 1/4.

    >>> summary = summarize(np.log([[3.0, 1.0]]), labels=[1])
    >>> round(float(summary.confidence[0]), 12), int(summary.prediction[0])
    (0.75, 0)
    >>> round(float(summary.brier[0]), 12)  # (3/4)^2 + (1 - 1/4)^2
    1.125
    """
    matrix = logit_matrix(logits)
    n, c = matrix.shape
    truth = None if labels is None else label_vector(labels, n, c)
    top = min(TOP, c)
    column = {name: np.empty(n) for name in NUMBERS}
    loss = {} if truth is None else {name: np.empty(n) for name in ("nll", "brier")}
    top5_index = np.empty((n, top), np.int32)
    top5_logit = np.empty((n, top))
    dtype = np.float64 if matrix.dtype.itemsize >= 8 else np.float32
    for part in softmax_blocks(matrix, dtype=dtype, block=block, top=top, temperature=temperature):
        rows = part.rows
        top5_index[rows], top5_logit[rows] = part.top_index, part.top_logit
        column["confidence"][rows] = part.confidence()
        column["log_sum_exp"][rows] = part.log_sum_exp()
        column["max_logit"][rows] = part.top_logit[:, 0]
        column["entropy"][rows] = part.entropy()
        column["gen"][rows] = -part.generalized_entropy(GEN_GAMMA, GEN_TOP)
        column["sum_squares"][rows] = part.sum_of_squares()
        if truth is not None:
            loss["nll"][rows] = part.negative_log_likelihood(truth[rows])
            loss["brier"][rows] = part.brier(truth[rows])
        if see is not None:
            # Last, since it turns the block's exponentials into probabilities.
            see(rows, part.probabilities())
    return LogitSummary(
        prediction=top5_index[:, 0].copy(),
        top5_index=top5_index,
        top5_logit=top5_logit,
        nll=loss.get("nll"),
        brier=loss.get("brier"),
        **column,
    )
