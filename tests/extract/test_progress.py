"""Progress: a bar where somebody looks, seldom lines where a log is kept, and a true count in both."""

from __future__ import annotations

import io
import logging

import pytest

from extract import progress
from extract.progress import meter


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def test_lines_come_every_ten_seconds(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "assay"), meter("extracting", 100) as shown:
        for _ in range(30):
            clock.now += 1.0
            shown.advance(2)
    assert [record.getMessage() for record in caplog.records] == [
        "extracting: 20/100 images, 2.0 a second, 40 s left",
        "extracting: 40/100 images, 2.0 a second, 30 s left",
        "extracting: 60/100 images, 2.0 a second, 20 s left",
    ]


def test_quiet_means_quiet(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "assay"), meter("extracting", 100) as shown:
        clock.now += 60
        shown.advance(50)
    assert not caplog.records


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with caplog.at_level(logging.INFO, "assay"), meter("extracting", 10) as shown:
        shown.advance(4)
        shown.advance(6)
    text = terminal.getvalue()
    assert "extracting" in text
    assert "10/10" in text
    assert "images/s" in text
    assert not caplog.records
