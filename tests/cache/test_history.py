"""Random histories of a store against a model of it in memory.

The model knows which numbers were committed first for each unit and what is asked for. After every step the store
answers exactly that, or says why it cannot; after damage it may only say so, until it is mended.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from numpy.typing import NDArray

from cache import retire
from cache.bindings import bindings, check_explained
from cache.check import check, exit_code
from cache.commits import Outcome, Unit, write_commit
from cache.errors import AssayError
from cache.gc import gc
from cache.layout import Layout
from cache.reader import Reader
from cache.repair import open_for_repair, repair
from cache.runs import named_requests
from cache.store import Store
from tests.cache.damage import files_of
from tests.cache.faults import Fault, FaultyDisk, Killed
from tests.cache.synthetic import (
    CLASSIFIER,
    DATASET,
    HEAD,
    ZERO_SHOT,
    Job,
    Size,
    index,
    read_kind,
    request_of,
    run,
    units_of,
)

SIZE = Size(first=5, second=6, pack=3, broken=4)
JOBS = (
    Job("net-a", CLASSIFIER, ("logits", "embeddings"), SIZE.first),
    Job("clip-b", ZERO_SHOT, ("embeddings",), SIZE.first, zero_shot=True),
)
UNITS = [(job, unit) for job in JOBS for unit, _, _ in units_of(SIZE, job)]
# Text and heads do not depend on the seed, so that two writers of them always agree.
RIVALS = [(job, unit) for job, unit in UNITS if unit.kind in job.kinds]

# A history is explained by its steps; shrinking one takes minutes and is asked for by hand.
PHASES = (Phase.explicit, Phase.generate)

Numbers = dict[tuple[str, str], NDArray[np.floating]]


def _same(first: NDArray[np.floating], second: NDArray[np.floating]) -> bool:
    return first.shape == second.shape and bool(np.array_equal(first, second, equal_nan=True))


def _rows(unit: Unit, seed: int) -> NDArray[np.floating]:
    """Return the numbers that a writer with this seed commits."""
    job = next(job for job, other in UNITS if other == unit)
    for other, segments, _ in units_of(SIZE, replace(job, seed=seed)):
        if other == unit:
            parts = [
                np.frombuffer(s.files[name][:-4], s.dtype).reshape(s.shape)
                for s in segments
                for name in s.files
                if name != "zarr.json"
            ]
            return np.concatenate(parts)
    raise AssertionError(unit)


class History(RuleBasedStateMachine):
    """One store and what is known of it."""

    seen: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="history-"))
        self.path = self.folder / "store"
        self.seeds: dict[Unit, int] = {}
        self.asked: set[Job] = set()
        self.retired: set[Job] = set()
        self.pending: set[Job] = set()
        self.damaged = False

    def teardown(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _store(self) -> Store:
        return Store(self.path, FaultyDisk())

    @initialize()
    def begin(self) -> None:
        index(Store.create(self.path, FaultyDisk())[0], SIZE, SIZE.first)

    # --- writing -----------------------------------------------------------------------------------------------------

    @rule(job=st.sampled_from(JOBS))
    def run_a_job(self, job: Job) -> None:
        try:
            outcomes = run(self._store(), SIZE, job)
        except AssayError:
            assert self.damaged
            # How far it came shows when the damage is mended.
            self.pending.add(job)
            return
        self._learn(outcomes, 0)
        self.asked.add(job)
        self.retired.discard(job)
        self.pending.discard(job)

    @rule(at=st.sampled_from(RIVALS), seed=st.sampled_from([0, 1]))
    def write_one_unit(self, at: tuple[Job, Unit], seed: int) -> None:
        job, unit = at
        if job not in self.asked or job in self.pending:
            return
        segments, failures = next((s, f) for u, s, f in units_of(SIZE, replace(job, seed=seed)) if u == unit)
        try:
            with self._store().stage() as staged:
                outcome = write_commit(staged, unit, segments, failures, "second writer")
        except AssayError:
            assert self.damaged
            return
        self._learn({unit: outcome}, seed)

    def _learn(self, outcomes: dict[Unit, Outcome], seed: int) -> None:
        for unit, outcome in outcomes.items():
            seed_of = seed if unit.kind in ("logits", "embeddings") else 0
            self.seen[f"unit {outcome.value}"] += 1
            if outcome is Outcome.WRITTEN:
                assert self.damaged or unit not in self.seeds
                self.seeds[unit] = seed_of
            elif not self.damaged:
                assert (outcome is Outcome.SAME) == (self.seeds[unit] == seed_of)

    @rule(job=st.sampled_from(JOBS), what=st.sampled_from(["kill", "power", "ENOSPC", "EIO"]), at=st.integers(1, 150),
          share=st.sampled_from([0.5, 1.0]))  # fmt: skip
    def fail_midway(self, job: Job, what: str, at: int, share: float) -> None:
        before = self._records()
        disk = FaultyDisk(Fault(what, at), seed=at)
        try:
            run(Store(self.path, disk), SIZE, job)
        except (Killed, OSError, AssayError):
            self.seen[f"failed: {what}"] += 1
            if what == "power" and disk.dead:
                disk.lose_power(share)
            self.pending.add(job)
        else:
            self.pending.discard(job)
        # What was there is still there, and what came is whole.
        assert before <= self._records()
        for unit in self._records() - before:
            self.seeds[unit] = 0
        try:
            requests = self._store().requests()
        except AssayError:
            assert self.damaged
            return
        if any(request.model == job.model for request in requests.live):
            self.asked.add(job)
            self.retired.discard(job)
        if any(request.model == job.model for request in requests.undecided):
            # Asked again, and killed before the retired copy went.
            self.asked.add(job)
            self.pending.add(job)

    def _records(self) -> set[Unit]:
        layout = Layout(self.path)
        return {unit for _, unit in UNITS if layout.record(unit.kind, unit.label, unit.pack).exists()}

    # --- mending and sweeping ----------------------------------------------------------------------------------------

    @precondition(lambda self: not self.damaged)
    @rule(pick=st.integers(0, 10**6), action=st.sampled_from(["delete", "truncate", "flip", "zero"]))
    def damage_a_file(self, pick: int, action: str) -> None:
        rng = random.Random(pick)
        path = self.path / rng.choice(files_of(self.path))
        data = bytearray(path.read_bytes())
        if action == "delete":
            path.unlink()
        elif action == "truncate":
            os.truncate(path, rng.randrange(len(data)))
        else:
            at = rng.randrange(len(data))
            data[at : at + 16] = (
                bytes(len(data[at : at + 16])) if action == "zero" else bytes([data[at] ^ 1]) + data[at + 1 : at + 16]
            )
            path.write_bytes(data)
        self.damaged = True
        self.seen[f"damage: {action}"] += 1

    @rule()
    def mend(self) -> None:
        store, _ = open_for_repair(self.path, FaultyDisk())
        repair(store)
        index(store, SIZE, SIZE.first)
        # What an attempt asked for while the store was damaged comes to light only now.
        found = store.requests()
        asked = {request.model for request in (*found.live, *found.undecided)}
        self.asked |= {job for job in JOBS if job.model in asked}
        self.retired -= {job for job in JOBS if job.model in asked}
        if any(finding.sort == "inconsistent" for finding in check(store)):
            # A space or pack that only a retired model uses comes back when that model is run again.
            self.retired.clear()
        for job in sorted(self.asked - self.retired, key=lambda job: job.model):
            run(store, SIZE, job)
        for digest in named_requests(store.disk, store.layout) - store.requests().digests - store.requests().forgotten:
            assert retire.forget(store, digest)
        repair(store)
        live = {request.model for request in store.requests().live}
        if self.damaged:
            # A retired request that could not be read is gone, and with it what nobody else asked for.
            self.asked = {
                job
                for job in self.asked
                if job.model in live or request_of(store, SIZE, job).digest in store.requests().digests
            }
            self.retired &= self.asked
        self.pending &= {job for job in self.pending if job.model not in live}
        self.seen["mended" if self.damaged else "nothing to mend"] += 1
        self.damaged = False
        findings = check(self._store(), read_data=True)
        assert exit_code(findings) in (0, 3), findings
        self._look_again()

    def _look_again(self) -> None:
        """Learn which units were redone: those have the numbers of seed 0, the others what they had."""
        records, reader = self._records(), Reader(self._store())
        for unit in set(self.seeds) - records:
            del self.seeds[unit]
        for unit in records:
            rows = np.concatenate([values for _, values in reader.segments(unit)])
            if not _same(rows, _rows(unit, self.seeds.get(unit, 0))):
                assert _same(rows, _rows(unit, 0)), unit
                self.seeds[unit] = 0
            self.seeds.setdefault(unit, 0)

    @rule()
    def sweep(self) -> None:
        try:
            gc(self._store(), 0)
        except AssayError:
            assert self.damaged

    @precondition(lambda self: not self.damaged)
    @rule(job=st.sampled_from(JOBS))
    def retire_a_model(self, job: Job) -> None:
        if job in self.asked and job not in self.retired and job not in self.pending:
            store = self._store()
            retire.retire(store, retire.by_name(store, [job.model], []))
            self.retired.add(job)

    # --- reading -----------------------------------------------------------------------------------------------------

    @invariant()
    def the_store_answers_as_the_model_does(self) -> None:
        if not self.path.exists() or not list(self.path.iterdir()):
            return
        got = self._read()
        if isinstance(got, AssayError):
            # Damage and interrupted starts may be said; else only what is absent is.
            allowed = (3, 4, 6) if self.damaged or self.pending else (3,) if self._absent() else ()
            assert got.exit_code in allowed, got
            self.seen[f"exit {got.exit_code}{' after damage' if self.damaged else ''}"] += 1
            return
        self.seen["same answer in spite of damage" if self.damaged else f"answer of {len(got)} arrays"] += 1
        expected = self._expected()
        assert set(got) == set(expected) or self.pending
        for key, rows in got.items():
            assert _same(rows, expected[key]), key

    def _absent(self) -> bool:
        return any(unit not in self.seeds for job, unit in UNITS if job in self.asked - self.retired)

    def _read(self) -> Numbers | AssayError:
        try:
            return self._read_all(self._store())
        except AssayError as error:
            return error

    def _read_all(self, store: Store) -> Numbers:
        check_explained(store)
        reader = Reader(store)
        found: Numbers = {}
        for binding in bindings(store):
            for kind in binding.kinds:
                space = store.space(binding.label)
                if kind in ("logits", "embeddings"):
                    found[binding.model, kind], failures = read_kind(reader, kind, space, DATASET)
                    assert failures == [SIZE.broken]
                elif kind == "heads":
                    found[binding.model, kind] = reader.head(space, HEAD).weights[None]
        return found

    def _expected(self) -> Numbers:
        found: Numbers = {}
        for job in self.asked - self.retired | self.pending:
            for kind in (*job.kinds, *(("heads",) if job.zero_shot else ())):
                units = [unit for other, unit in UNITS if other == job and unit.kind == kind]
                if all(unit in self.seeds for unit in units):
                    found[job.model, kind] = np.concatenate([_rows(unit, self.seeds[unit]) for unit in units])
        return found


def _play(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        History,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, database=None, derandomize=examples < 100,
            suppress_health_check=list(HealthCheck), phases=PHASES,
        ),
    )  # fmt: skip


def test_short_histories() -> None:
    _play(examples=8, steps=15)
    assert History.seen["unit written"]
    assert any(name.startswith("failed") for name in History.seen)
    assert any(name.startswith("answer") for name in History.seen)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_long_histories(capsys: pytest.CaptureFixture[str]) -> None:
    History.seen.clear()
    _play(examples=200, steps=25)
    with capsys.disabled():
        print("\n" + ", ".join(f"{what} {count}" for what, count in sorted(History.seen.items())))  # noqa: T201
    for what in ("answer of 4 arrays", "mended", "unit different", "failed: power", "exit 4 after damage"):
        assert History.seen[what], what
