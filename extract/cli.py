"""`assay-extract`: everything that touches images and models. A command is a module of `commands/` and a line here."""

from __future__ import annotations

from cache import console
from cache.console import make_app, run_app

from .commands.convert import convert
from .commands.doctor import doctor
from .commands.index import index
from .commands.list_known import list_known
from .commands.match import match
from .commands.run import plan, run
from .commands.status import status
from .commands.verify import verify

app = make_app("assay-extract", "Index images, run models over them once, and store what they say.")

app.command(list_known, name="list")
app.command(index)
app.command(plan)
app.command(run)
app.command(status)
app.command(doctor)
app.command(verify)
app.command(convert)
app.command(match)


def main() -> None:
    """Run the command line."""
    console.exit_with(lambda: run_app(app))
