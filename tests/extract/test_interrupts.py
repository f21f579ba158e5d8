"""Ctrl-C and SIGTERM: the unit in hand is finished or dropped at once, and the same command goes on."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from cache.runs import read_runs
from cache.store import Store
from tests.extract.command_line import cache, extract, finish, start
from tests.extract.pictures import draw

MODEL = ("--model", "timm:test_resnet", "--weights", "random:0")
UNITS = 24


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_with_130_and_loses_no_unit(sent: signal.Signals, tmp_path: Path) -> None:
    draw(tmp_path / "photos", 16 * UNITS)
    store, log = tmp_path / "store", tmp_path / "log"
    assert extract(store, "index", "photos", "--root", tmp_path / "photos", "--pack-size", 16).code == 0
    command = ("run", *MODEL, "--dataset", "photos", "--batch-size", 4)
    with log.open("w") as err:
        process = start("extract", *command, "-v", "--store", store, stderr=err)
    while log.read_text().count(" begins") < 3:
        assert process.poll() is None, log.read_text()
        time.sleep(0.01)
    # Stopped, it cannot go on while this process reads how far it is: no clock has to say what "at once" means.
    process.send_signal(signal.SIGSTOP)
    assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
    begun = log.read_text().count(" begins")
    assert begun < UNITS - 2
    process.send_signal(sent)
    process.send_signal(signal.SIGCONT)
    assert finish(process).code == 130
    assert log.read_text().count(" begins") <= begun + 1
    assert "interrupted; finished units are kept, the same command continues" in log.read_text()
    # Nothing is left lying about, and what was said to be committed is.
    assert cache(store, "check", "--read-data", "--json").json == []
    done = log.read_text().count(" is committed: ")
    assert 2 <= done < UNITS
    assert [run.ended for run in read_runs(Store(store).disk, Store(store).layout)] == [True]
    again = extract(store, *command, "--json")
    assert again.code == 0, again.err
    assert again.json["units"] in (UNITS - done, UNITS - done - 1)  # one may have been committed and not yet said
