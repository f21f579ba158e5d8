"""What every command shares: options, exit codes, where output goes.

Data go to stdout; progress and logs to stderr. An expected failure is one paragraph and its exit code; a bug is a
traceback and 1.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import tomllib
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter
from cyclopts.config import Dict

from manifests.errors import AssayError, UsageError

log = logging.getLogger("assay")

INTERRUPTED = 130

COMMANDS = frozenset(
    {
        *("list", "index", "plan", "run", "status", "doctor", "verify", "convert", "match"),
        *("ls", "check", "repair", "gc", "drift", "retire", "pull", "push", "bundle", "unbundle", "ingest"),
        *("score", "trend", "figure", "table", "report", "claims", "export", "attest", "prompts", "questions"),
    }
)
"""Commands of all three programs, so that they can share one configuration file."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of every command."""

    store: Annotated[Path | None, Parameter(help="The store; else $ASSAY_STORE, else ./store.")] = None
    manifests: Annotated[Path | None, Parameter(help="A folder of your own manifests; also $ASSAY_MANIFESTS.")] = None
    config: Annotated[Path | None, Parameter(help="TOML with a table a command; the command line wins.")] = None
    json: Annotated[bool, Parameter(negative="", help="Print JSON on stdout.")] = False
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="", help="Errors only.")] = False
    verbose: Annotated[bool, Parameter(name=["--verbose", "-v"], negative="", help="More on stderr.")] = False
    debug: Annotated[bool, Parameter(negative="", help="Tracebacks instead of short errors.")] = False

    def start_logging(self) -> None:
        """Send log lines to stderr at the level that was asked for."""
        level = logging.ERROR if self.quiet else logging.DEBUG if self.verbose else logging.INFO
        logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr, force=True)
        log.setLevel(level)


def print_data(value: str) -> None:
    """Write data to stdout."""
    sys.stdout.write(value if value.endswith("\n") else value + "\n")


def print_json(value: object) -> None:
    """Write a JSON value to stdout."""
    print_data(json.dumps(value, indent=1, ensure_ascii=False, default=str))


def print_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], as_json: bool) -> None:
    """Write rows as JSON objects, or as a table of chosen columns."""
    if as_json:
        print_json([dict(row) for row in rows])
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_shown(row.get(column)) for column in columns))
    terminal = Console(file=sys.stdout)
    # Not a terminal: nobody wraps, so that `| grep` sees whole rows.
    console = Console(file=sys.stdout, width=terminal.width if terminal.is_terminal else 400)
    # Through `print_data`, since Rich would leave the process with 1 when `| head` closes the pipe.
    with console.capture() as captured:
        console.print(table)
    print_data(captured.get())


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def make_app(name: str, summary: str) -> App:
    """Return an application with the options' conventions."""
    return App(
        name=name,
        help=summary,
        version_flags=["--version"],
        version=_version,
        help_format="plaintext",
        # Ours to catch: Cyclopts would leave with 130 too, but without a word.
        suppress_keyboard_interrupt=False,
    )


def _version() -> str:
    import importlib.metadata

    return importlib.metadata.version("clip-assay")


def run_app(app: App, arguments: Iterable[str] | None = None) -> int:
    """Run a command line and return its exit code.

    A command returns None or an exit code, or raises.
    """
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in tokens
    try:
        tokens, config = _take_config(tokens)
        app.config = () if config is None else (_read_config(config, app),)
        result = app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
        # Here and not at the interpreter's end, where a closed pipe could no longer be met with calm.
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; finished units are kept, the same command continues\n")
        return INTERRUPTED
    except CycloptsError as error:
        return _fail(UsageError(f"{error}\nSee `{app.name[0]} --help`."), debug)
    except AssayError as error:
        return _fail(error, debug)
    except BrokenPipeError:
        # `| head` closed the pipe; that is not an error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ModuleNotFoundError as error:
        return _fail(missing_extra(error), debug)
    except OSError as error:
        # A full disk or a vanished mount is no bug of ours; what was committed before it stays.
        where = f" ({error.filename})" if error.filename else ""
        return _fail(AssayError(f"the file system says: {error.strerror or error}{where}"), debug)
    return result if isinstance(result, int) else 0


_EXTRA_OF = {
    **dict.fromkeys(("torch", "torchvision", "timm", "open_clip", "PIL", "safetensors", "huggingface_hub"), "extract"),
    "transformers": "vlm",
    **dict.fromkeys(("altair", "vl_convert", "scipy", "statsmodels", "jinja2"), "analyze"),
}


def missing_extra(error: ModuleNotFoundError) -> AssayError:
    """Say which extra holds a library that is not installed."""
    module = (error.name or "").split(".")[0]
    if module not in _EXTRA_OF:
        raise error
    extra = _EXTRA_OF[module]
    return UsageError(f"this command needs {module}, which is not installed: `pip install 'clip-assay[{extra}]'`.")


def _take_config(tokens: list[str]) -> tuple[list[str], Path | None]:
    # Cyclopts reads the file; only its name has to be known before the command line is parsed.
    for at, token in enumerate(tokens):
        name, equals, value = token.partition("=")
        if name != "--config":
            continue
        if not equals:
            if at + 1 == len(tokens):
                raise UsageError("--config expects the name of a TOML file.")
            value = tokens[at + 1]
        path = Path(value)
        if not path.is_file():
            raise UsageError(f"--config: there is no file {path}.")
        return tokens[:at] + tokens[at + (1 if equals else 2) :], path
    return tokens, None


def _read_config(path: Path, app: App) -> Dict:
    """Read a configuration: options of every command first, then a table for each command, as in `[run]`.

    Raises
    ------
    UsageError
        For a file that is not TOML, and for keys and tables that mean nothing; unknown options are found later.
    """
    try:
        settings = tomllib.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise UsageError(f"--config {path}: expected a TOML file ({error}).") from error
    tables = {key: value for key, value in settings.items() if isinstance(value, dict)}
    shared = {key: value for key, value in settings.items() if key not in tables}
    known = [field.name for field in fields(Options)]
    for key in shared:
        if key not in known:
            raise UsageError(
                f"--config {path}: {key!r} stands before the first table, where only options of every command may "
                f"({', '.join(known)}); write it under the command that it belongs to, such as [run]."
            )
    for key in tables:
        if key not in COMMANDS:
            raise UsageError(f"--config {path}: [{key}] is no command; tables are named {', '.join(sorted(COMMANDS))}.")
    data = {name: _settings_of(app[name], shared, tables.get(name, {})) for name in _commands(app)}
    return Dict(data=data, source=str(path))


def _commands(app: App) -> list[str]:
    return [name for name in app if not name.startswith("-")]


def _settings_of(command: App, shared: dict[str, Any], table: dict[str, Any]) -> dict[str, Any]:
    """Return what a configuration says of a command; one that has commands of its own, such as `convert`, hands it on.

    In its table stand the options of all of them, and a table for each: `[convert.tip-adapter]`.
    """
    inner = _commands(command)
    if not inner:
        return {**shared, **table}
    common = {key: value for key, value in table.items() if not (key in inner and isinstance(value, dict))}
    return {name: {**shared, **common, **(table[name] if isinstance(table.get(name), dict) else {})} for name in inner}


def _fail(error: AssayError, debug: bool) -> int:
    if debug:
        traceback.print_exception(error, file=sys.stderr)
    sys.stderr.write(f"error: {error}\n")
    return error.exit_code


def exit_with(main: Callable[[], int]) -> None:
    """Leave the process with a command's exit code; SIGTERM counts as an interrupt."""
    if hasattr(signal, "SIGTERM"):
        signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(main())


def _interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt
