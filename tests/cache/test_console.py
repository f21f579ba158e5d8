"""What every command shares: exit codes, clean stdout, configuration, and how it ends when it is stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cache.console import Options, log, make_app, missing_extra, print_data, print_rows, run_app
from cache.errors import FailedItemsError, FormatVersionError, IncompleteError, IntegrityError, UsageError

REPOSITORY = Path(__file__).resolve().parents[2]


def app_that(action: Any) -> Any:
    """Return a program with one command, `check`, that does one thing."""
    app = make_app("assay-test", "A program for tests.")

    @app.command
    def check(*, number: int = 1, options: Options = Options()) -> Any:  # noqa: B008
        """Do the one thing."""
        options.start_logging()
        return action(number, options)

    return app


def raising(error: BaseException) -> Any:
    def action(number: int, options: Options) -> None:
        raise error

    return action


# --- exit codes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("a mistake"), 2),
        (IncompleteError("not here"), 3),
        (IntegrityError("damaged"), 4),
        (FailedItemsError("some items"), 5),
        (FormatVersionError("version 2"), 6),
    ],
)
def test_expected_errors_are_one_line_and_their_code(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_app(app_that(raising(error)), ["check"]) == code
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"error: {error}\n")


def test_a_bug_is_raised_for_the_interpreter_to_show() -> None:
    with pytest.raises(ZeroDivisionError):
        run_app(app_that(raising(ZeroDivisionError("a bug"))), ["check"])


def test_a_command_returns_its_code_or_nothing() -> None:
    assert run_app(app_that(lambda number, options: None), ["check"]) == 0
    assert run_app(app_that(lambda number, options: number), ["check", "--number", "5"]) == 5


@pytest.mark.parametrize(
    "words", [["nonsense"], ["check", "--nonsense"], ["check", "--number", "many"], ["check", "x"]]
)
def test_what_cannot_be_parsed_is_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(app_that(lambda number, options: 0), words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "See `assay-test --help`." in captured.err


def test_an_interrupt_is_130_with_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(app_that(raising(KeyboardInterrupt())), ["check"]) == 130
    assert "the same command continues" in capsys.readouterr().err


def test_debug_adds_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(app_that(raising(UsageError("a mistake"))), ["check", "--debug"]) == 2
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert err.endswith("error: a mistake\n")


@pytest.mark.parametrize(("module", "extra"), [("torch", "extract"), ("timm.models", "extract"), ("altair", "analyze")])
def test_a_missing_library_is_named_with_its_extra(module: str, extra: str, capsys: pytest.CaptureFixture[str]) -> None:
    error = ModuleNotFoundError(f"No module named {module!r}", name=module)
    assert run_app(app_that(raising(error)), ["check"]) == 2
    assert f"pip install 'clip-assay[{extra}]'" in capsys.readouterr().err


def test_a_module_of_our_own_that_is_missing_is_a_bug() -> None:
    with pytest.raises(ModuleNotFoundError):
        missing_extra(ModuleNotFoundError("No module named 'cache.nothing'", name="cache.nothing"))


# --- stdout and stderr -------------------------------------------------------------------------------------------


def test_rows_are_a_table_or_json(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"name": "a" * 300, "count": None, "more": "unseen"}, {"name": "b", "count": 2}]
    print_rows(rows, ("name", "count"), as_json=False)
    header, first, second = capsys.readouterr().out.splitlines()
    # Not a terminal: a row is a line, however long, so that `| grep` shows whole rows.
    assert header.split() == ["name", "count"]
    assert first.split() == ["a" * 300]
    assert second.split() == ["b", "2"]
    print_rows(rows, ("name", "count"), as_json=True)
    assert json.loads(capsys.readouterr().out) == rows


@pytest.mark.parametrize(
    ("words", "heard"), [(["-q"], {"error"}), ([], {"info", "error"}), (["-v"], {"debug", "info", "error"})]
)
def test_how_much_is_said(words: list[str], heard: set[str], capsys: pytest.CaptureFixture[str]) -> None:
    def speak(number: int, options: Options) -> None:
        log.debug("debug")
        log.info("info")
        log.error("error")
        print_data("data")

    assert run_app(app_that(speak), ["check", *words]) == 0
    captured = capsys.readouterr()
    assert set(captured.err.split()) == heard
    assert captured.out == "data\n"


# --- configuration -----------------------------------------------------------------------------------------------


def configured(text: str, folder: Path, *words: str) -> tuple[int, list[Any]]:
    (folder / "c.toml").write_text(text)
    seen: list[Any] = []
    code = run_app(
        app_that(lambda number, options: seen.append((number, options))),
        ["check", "--config", str(folder / "c.toml"), *words],
    )
    return code, seen


def test_shared_options_stand_first_and_commands_have_tables(tmp_path: Path) -> None:
    code, ((number, options),) = configured(
        'store = "here"\nquiet = true\n[check]\nnumber = 7\n[score]\nx = 1\n', tmp_path
    )
    assert (code, number, options.store, options.quiet) == (0, 7, Path("here"), True)


def test_a_table_wins_over_the_shared_and_the_command_line_over_both(tmp_path: Path) -> None:
    text = 'store = "shared"\n[check]\nstore = "own"\nnumber = 7\n'
    assert configured(text, tmp_path)[1][0][1].store == Path("own")
    _, ((number, options),) = configured(text, tmp_path, "--store", "line", "--number", "8")
    assert (number, options.store) == (8, Path("line"))


def test_a_configuration_does_not_outlive_its_command(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[check]\nnumber = 7\n")
    app = app_that(lambda number, options: number)
    assert run_app(app, ["check", "--config", str(tmp_path / "c.toml")]) == 7
    assert run_app(app, ["check", f"--config={tmp_path / 'c.toml'}"]) == 7
    assert run_app(app, ["check"]) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("number = 7\n", "'number' stands before the first table"),
        ("[chek]\nnumber = 7\n", "[chek] is no command"),
        ("[check]\nnumer = 7\n", "numer"),
        ("[check]\nnumber = 'x'\n", "number"),
        ("not toml", "expected a TOML file"),
    ],
)
def test_a_bad_configuration_is_2(text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, seen = configured(text, tmp_path)
    assert (code, seen) == (2, [])
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--config"], ["--config", "absent.toml"], ["--config=absent.toml"]])
def test_a_configuration_has_to_be_there(words: list[str]) -> None:
    assert run_app(app_that(lambda number, options: 0), ["check", *words]) == 2


# --- the ends of a process ---------------------------------------------------------------------------------------

PROGRAM = """
import sys, time
from cache.console import exit_with, make_app, print_data, print_rows, run_app
app = make_app("assay-test", "A program for tests.")

@app.command
def lines():
    for n in range(100_000):
        print_data(f"line {n}")

@app.command
def few():
    print_data("a line")

@app.command
def table():
    print_rows([{"a": "x" * 300}] * 2000, ("a",), False)

@app.command
def wait():
    print("ready", file=sys.stderr, flush=True)
    time.sleep(60)

exit_with(lambda: run_app(app))
"""


def start(*words: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("command", ["lines", "few", "table"])
def test_a_reader_that_hangs_up_is_no_error(command: str) -> None:
    with start(command) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=60) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals between processes")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_with_130(sent: signal.Signals) -> None:
    with start("wait") as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "ready\n"
        process.send_signal(sent)
        clock = time.monotonic()
        assert process.wait(timeout=60) == 130
        assert time.monotonic() - clock < 5
        assert process.stderr.read() == "interrupted; finished units are kept, the same command continues\n"
