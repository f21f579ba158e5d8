"""The report as one HTML file that needs nothing else: no network, no second file, no trust in a name.

Everything shown is finished when it comes here. This module knows HTML, hashes and escaping; it must not know the
store, a metric or a figure.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

import altair as alt
import jinja2
import vl_convert
from markupsafe import Markup, escape

from analyze.figures.theme import GROUPS, colours_as_css, css_variables, known_group, screen_config

from .answers import Answer, answered, counted
from .figure import Figure
from .tables import HtmlTable

ID: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
RESERVED_IDS: Final = frozenset(
    {"missing", "commands", "main", "coverage", "filter", "status", "theme", "prepare", "found", "matches", "clear"}
)
SCRIPTS: Final = ("page.js", "figures.js", "filter.js", "cards.js")
"""Parts of the page's own script, in this order."""


@dataclass(frozen=True, slots=True)
class Section:
    """One question: title, finding in a sentence, figure, caption, and how it was made.

    Attributes
    ----------
    id
        Address on the page (`#id`), a letter followed by letters, digits, ``-`` and ``_``.
    title, finding
        Heading, and one sentence that can be read without looking at the figure.
    figure, table
        With a figure the table stands folded below it; without one it stands open.
    caption
        What the marks and axes are.
    method, command
        How the numbers were made, and the command that makes them again.
    answers
        Findings, one row each.
    cards
        What `cards.js` makes a table of, for one model or two.
    missing
        What this section should show and cannot, and how to get it.
    """

    id: str
    title: str
    finding: str
    figure: Figure | None = None
    table: HtmlTable | None = None
    caption: str = ""
    method: str = ""
    command: str = ""
    answers: tuple[Answer, ...] = ()
    cards: Mapping[str, Any] | None = None
    missing: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not ID.fullmatch(self.id) or self.id in RESERVED_IDS:
            raise ValueError(
                f"a section id is a letter followed by letters, digits, - and _, and none of "
                f"{', '.join(sorted(RESERVED_IDS))}; got {self.id!r}"
            )


@dataclass(frozen=True, slots=True)
class Report:
    """A page: what was run, what is here and what is missing, sections, commands.

    Text between backticks in sentences is set as code.

    Attributes
    ----------
    facts
        (label, value).
    missing
        What is missing and how to get it, in few enough sentences to be read.
    lead
        What the page is about, below its title.
    coverage
        What is here of what was asked for.
    missing_table
        Everything that is missing, folded.
    models
        (id, group) of every model, to be searched.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    missing: tuple[str, ...]
    sections: tuple[Section, ...]
    commands: tuple[str, ...] = ()
    lead: str = ""
    coverage: HtmlTable | None = None
    missing_table: HtmlTable | None = None
    models: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        ids = [section.id for section in self.sections]
        twice = sorted({name for name in ids if ids.count(name) > 1})
        if twice:
            raise ValueError(f"two sections share an id: {', '.join(twice)}")


def render(report: Report) -> str:
    """Write a report as one self-contained HTML file.

    The page allows exactly three scripts, by their sha256, and no request to anywhere. Equal reports give equal text.

    Returns
    -------
    HTML, about 0.9 MB of it the drawing library, which is left out when no section has a figure.

    Raises
    ------
    ValueError
        If a figure's data hold NaN or infinities.
    """
    drawn = any(section.figure is not None for section in report.sections)
    own = "\n".join(_resource(name) for name in SCRIPTS)
    scripts = [_resource("theme.js"), *([vega_bundle()] if drawn else []), own]
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_resource),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["json"] = embedded_json
    environment.filters["code"] = _code
    environment.filters["legend"] = _legend
    environment.filters["counted"] = counted
    environment.filters["answered"] = answered
    environment.filters["slug"] = _slug
    template = environment.get_template("page.html.j2")
    filtered = [at for at, section in enumerate(report.sections) if section.figure and section.figure.filtered]
    return template.render(
        report=report,
        drawn=drawn,
        policy=_policy(scripts),
        theme_script=Markup(scripts[0]),
        scripts=[Markup(script) for script in scripts[1:]],
        style=Markup(_style()),
        config=colours_as_css(screen_config()),
        filters=_filters(report.models),
        first_filtered=filtered[0] if filtered else None,
    )


@functools.cache
def vega_bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, of the version that Altair writes for; built once a process.

    Raises
    ------
    RuntimeError
        If the script could not stand inside an HTML page.
    """
    # By keyword through a dictionary: the stub asks for a snippet, which the function itself does not need.
    settings: dict[str, Any] = {"vl_version": vega_lite_version()}
    bundle: str = vl_convert.javascript_bundle(**settings)
    if "</script" in bundle.lower() or "<!--" in bundle or "\r" in bundle:
        raise RuntimeError("the Vega bundle holds text that ends a script element; another vl-convert is needed")
    return bundle


def vega_lite_version() -> str:
    """The Vega-Lite version of Altair's charts, as vl-convert spells it: ``6.4``."""
    return ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])


def embedded_json(value: Any) -> Markup:
    r"""JSON that can stand inside a script element: nothing in it closes the element or breaks a line.

    Raises
    ------
    ValueError
        For NaN and infinities, which JSON does not have.

    Examples
    --------
    >>> print(embedded_json({"model": "</script>"}))
    {"model":"\u003c/script\u003e"}
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _policy(scripts: list[str]) -> str:
    hashes = " ".join(f"'sha256-{_sha256(script)}'" for script in scripts)
    # Styles stay 'unsafe-inline': Vega sets style attributes. Nothing may be fetched, from anywhere.
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _sha256(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")


def _style() -> str:
    light, dark = css_variables("light"), css_variables("dark")
    # Dark rules count on screens only, so that paper is white whatever the reader chose.
    return (
        f":root {{\n  color-scheme: light;\n{light}\n}}\n"
        f"@media screen and (prefers-color-scheme: dark) {{\n"
        f":root:not([data-theme=light]) {{\n  color-scheme: dark;\n{dark}\n}}\n}}\n"
        f"@media screen {{\n:root[data-theme=dark] {{\n  color-scheme: dark;\n{dark}\n}}\n}}\n" + _resource("page.css")
    )


@functools.cache
def _resource(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8").replace("\r\n", "\n").strip()


def _code(text: str) -> Markup:
    """Escape a sentence, and set what stands between backticks as code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # an odd backtick is a backtick
        return escape(text)
    return Markup("").join(_command(part) if index % 2 else escape(part) for index, part in enumerate(parts))


def _command(text: str) -> Markup:
    # Each word in a span, so that lines break at spaces and not inside `--model`.
    words = Markup(" ").join(Markup("<span>{}</span>").format(word) for word in text.split(" "))
    return Markup("<code>{}</code>").format(words)


def _slug(words: str) -> str:
    return words.replace(" ", "-")


def _filters(models: tuple[tuple[str, str], ...]) -> list[tuple[str, str, int]]:
    """Groups that a reader can switch off: (key, words, models), in the palette's order."""
    groups = [known_group(group) for _, group in models]
    return [(key, group.label, groups.count(key)) for key, group in GROUPS.items() if key in groups]


def _legend(data: Mapping[str, list[Any]]) -> Iterator[tuple[str, str]]:
    """The groups of a figure as (words, CSS variable), in the palette's order; nothing to say for one group alone."""
    present = set(data.get("group", ()))
    for key, group in GROUPS.items():
        if key in present:
            yield group.label, f"--group-{key}"
