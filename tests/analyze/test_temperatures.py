"""Several temperatures at once from logits that come in parts: equal to the exact solver on the whole array."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from analyze.calibrated import Labelled, Recorder, Scale, Sink
from analyze.metrics.calibration import classwise_ece_of_logits
from analyze.metrics.proper import brier_per_image, negative_log_likelihood_per_image
from analyze.metrics.softmax import summarize
from analyze.metrics.split import calibration_half, calibration_ranks
from analyze.metrics.temperature import TemperatureSearch, fit_temperature
from analyze.protocols import restrict, set_losses
from analyze.temperatures import ALL_COLUMNS, Held, Problem, fit_temperatures

RNG = np.random.default_rng(0)
N, C = 600, 8
LABELS = RNG.integers(0, C, N)
LOGITS = RNG.standard_normal((N, C)) * 2
LOGITS[np.arange(N), LABELS] += 3
IDS = [f"image {n}" for n in range(N)]
HALF, RANKS = calibration_half(IDS), calibration_ranks(IDS)
MEMBERS = [[0, 1], [5], [2]]
OF_CLASS = np.array([0, 0, 2, -1, -1, 1, -1, -1])
PROBLEMS = {ALL_COLUMNS: Problem(None, LABELS), ("three", "subset"): Problem(MEMBERS, OF_CLASS[LABELS])}


class Again:
    """Hands out the rows in uneven parts, each time in another order."""

    def __init__(self) -> None:
        self.passes = 0

    def __call__(self, sinks: Sequence[Sink]) -> None:
        self.passes += 1
        order = np.random.default_rng(self.passes).permutation(N)
        for part in np.split(order, [1, 100, 350]):
            for sink in sinks:
                sink.put(part, LOGITS[part])


@pytest.mark.parametrize(("most", "passes"), [(10_000, 0), (100, 3), (5, 5), (0, 12)])
def test_equal_the_solver_on_the_whole(most: int, passes: int) -> None:
    held, again = Held(HALF, RANKS, most), Again()
    held.put(np.arange(N), LOGITS)
    found = fit_temperatures(again, held, PROBLEMS, HALF)
    whole = fit_temperature(LOGITS[HALF], LABELS[HALF])
    assert found[ALL_COLUMNS].temperature.temperature == pytest.approx(whole.temperature, rel=1e-9)
    assert found[ALL_COLUMNS].temperature.nll == pytest.approx(whole.nll, abs=1e-12)
    assert found[ALL_COLUMNS].temperature.log_error == pytest.approx(whole.log_error, rel=1e-3)
    assert found[ALL_COLUMNS].n == N // 2
    some = HALF & (OF_CLASS[LABELS] >= 0)
    part = fit_temperature(restrict(LOGITS[some], MEMBERS, "logsumexp"), OF_CLASS[LABELS[some]])
    restricted = found["three", "subset"]
    assert restricted.temperature.temperature == pytest.approx(part.temperature, rel=1e-9)
    assert restricted.n == some.sum()
    assert again.passes <= passes


def test_what_has_no_images_has_no_temperature() -> None:
    held = Held(HALF, RANKS)
    held.put(np.arange(N), LOGITS)
    nobody = {("none", "x"): Problem(None, np.full(N, -1))}
    assert fit_temperatures(Again(), held, nobody, HALF) == {}


def test_something_else_may_look_on_once() -> None:
    seen: list[int] = []

    class Look:
        def put(self, index: np.ndarray, logits: np.ndarray) -> None:
            seen.extend(index.tolist())

    held, again = Held(HALF, RANKS), Again()
    held.put(np.arange(N), LOGITS)
    fit_temperatures(again, held, PROBLEMS, HALF, [Look()])
    assert sorted(seen) == list(range(N))
    assert again.passes == 1


def test_a_search_wants_rows() -> None:
    search = TemperatureSearch()
    with pytest.raises(ValueError, match="at least 1 row"):
        search.end_pass()
    with pytest.raises(ValueError, match="not ended"):
        _ = search.found


@pytest.mark.parametrize("scale", [0.02, 1.0, 50.0])
def test_recovers_a_planted_temperature_in_both_directions_and_stops_at_the_bound(scale: float) -> None:
    shares = np.array([[7, 2, 1], [1, 8, 1], [3, 3, 4]])
    logits = np.repeat(np.log(shares / 10), 10, axis=0) * scale
    labels = np.concatenate([np.repeat([0, 1, 2], row) for row in shares])
    search = TemperatureSearch()
    while not search.done:
        for part in (slice(0, 7), slice(7, 30)):
            search.add(logits[part], labels[part])
        search.end_pass()
    assert search.found.temperature == pytest.approx(scale, rel=1e-6)
    lo, hi = search.found.interval()
    assert lo < search.found.temperature < hi
    assert lo * hi == pytest.approx(search.found.temperature**2)
    beyond = fit_temperature(logits * 1e5, labels)
    assert (beyond.at_bound, beyond.temperature, beyond.interval()) == (True, 1e3, (0.0, np.inf))


def test_the_standard_error_is_the_spread_over_samples() -> None:
    rng = np.random.default_rng(5)
    fits = []
    for _ in range(120):
        z = rng.standard_normal((400, 5)) * 3
        p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        labels = (rng.random((400, 1)) > p.cumsum(axis=1)).sum(axis=1).clip(max=4)
        fits.append(fit_temperature(z * 1.7, labels))
    spread = np.std([np.log(fit.temperature) for fit in fits])
    assert np.mean([fit.log_error for fit in fits]) == pytest.approx(spread, rel=0.2)
    inside = [fit.interval()[0] <= 1.7 <= fit.interval()[1] for fit in fits]
    assert np.mean(inside) > 0.88


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_recorder_is_the_metrics_at_the_temperature(temperature: float) -> None:
    only = np.arange(N) % 3 > 0
    labelled = Labelled(np.where(np.arange(N) % 7 == 0, -1, LABELS), C, (Scale("ts", temperature, "test-half", only),))
    for part in np.split(np.random.default_rng(1).permutation(N), [5, 300]):
        labelled.put(part, LOGITS[part])
    (found,) = labelled.forecasts()
    used = only & (np.arange(N) % 7 > 0)
    assert (found.used == used).all()
    assert (found.calibration, found.slice) == ("ts", "test-half")
    scaled = LOGITS[used] / temperature
    assert found.confidence[used] == pytest.approx(summarize(scaled).confidence, rel=1e-12)
    assert found.nll is not None
    assert found.brier is not None
    assert found.classwise is not None
    assert found.nll[used] == pytest.approx(negative_log_likelihood_per_image(scaled, LABELS[used]), abs=1e-12)
    assert found.brier[used] == pytest.approx(brier_per_image(scaled, LABELS[used]), abs=1e-12)
    assert (found.correct[used] == (LOGITS[used].argmax(axis=1) == LABELS[used])).all()
    assert found.classwise.mean() == pytest.approx(classwise_ece_of_logits(scaled, LABELS[used]), abs=1e-9)
    assert np.isnan(found.nll[~used]).all()


def test_several_right_classes_count_as_one_at_a_temperature() -> None:
    right = np.zeros((N, C), bool)
    right[np.arange(N), LABELS] = right[np.arange(N), (LABELS + 1) % C] = True
    recorder = Recorder(N, C, Scale("ts", 2.0))
    recorder.put_sets(np.arange(N), LOGITS, right)
    found = recorder.forecast()
    nll, brier = set_losses(LOGITS / 2, right)
    assert found.nll == pytest.approx(nll)
    assert found.brier == pytest.approx(brier)
    assert found.classwise is None


def test_classwise_sums_do_not_depend_on_the_order_and_their_interval_is_honest() -> None:
    sums = []
    for seed in (0, 1):
        recorder = Recorder(N, C)
        for part in np.split(np.random.default_rng(seed).permutation(N), [11, 400]):
            recorder.put(part, LOGITS[part], LABELS[part])
        sums.append(recorder.forecast().classwise)
    first, second = sums
    assert first is not None
    assert second is not None
    assert first.mean() == second.mean()
    assert first.interval() == second.interval()
    lo, hi = first.interval()
    assert 0 <= lo < first.mean() < hi <= 1
    rng = np.random.default_rng(3)
    rows = [rng.integers(0, N, N) for _ in range(200)]
    spread = np.std([classwise_ece_of_logits(LOGITS[one], LABELS[one]) for one in rows])
    assert (hi - lo) / (2 * 2.262) == pytest.approx(spread, rel=0.7)
