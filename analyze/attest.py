"""Results as canonical JSON with one digest, so that two laboratories can compare a line of text.

What was read (`inputs`) is compared exactly, numbers at six significant digits: far more than any finding needs, and
fewer than differ between processors and libraries. Knows the results table; no store and no metric.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import polars as pl
from polars.exceptions import PolarsError

from manifests.canonical import digest
from manifests.errors import UsageError

from .table import KEY, SCHEMA

FORMAT: Final = "clip-assay-attestation-1"
DIGITS: Final = 6
NUMBERS: Final = ("value", "lo", "hi")
COUNTS: Final = ("n", "n_total", "n_failed")


def rounded(value: float | None, digits: int = DIGITS) -> str:
    """Write a number at so many significant digits, always in the same way.

    Examples
    --------
    >>> rounded(2 / 3), rounded(1234567.0), rounded(-0.0), rounded(None), rounded(float("inf"))
    ('0.666667', '1.23457e+06', '0', '', 'inf')
    """
    if value is None or math.isnan(value):
        return ""
    return f"{value + 0.0 if value else 0.0:.{digits}g}"


def attest(table: pl.DataFrame) -> dict[str, Any]:
    """Return the attestation of a results table: `format`, `digits`, `rows` sorted by key, and their `digest`.

    Parameters
    ----------
    table
        Results; columns beyond the contract's are left out.

    Raises
    ------
    UsageError
        When a column is missing, or two rows share a key.
    """
    lacking = [name for name in (*KEY, *NUMBERS, *COUNTS, "inputs") if name not in table.columns]
    if lacking:
        raise UsageError(f"expected a results table, as `assay-analyze score --out` writes it; missing: {lacking}")
    rows = [_row(row) for row in table.with_columns(pl.col(KEY).fill_null("")).sort(KEY).iter_rows(named=True)]
    keys = {_key(row) for row in rows}
    if len(keys) < len(rows):
        raise UsageError(f"expected one row a key; {len(rows) - len(keys)} of {len(rows)} share theirs with another")
    body = {"format": FORMAT, "digits": DIGITS, "rows": rows}
    return {**body, "digest": digest("attestation", body)}


def read_results(path: Path) -> pl.DataFrame:
    """Read a results file of `score`.

    Raises
    ------
    UsageError
        When it cannot be read, or lacks a column.
    """
    readers = {".csv": lambda file: pl.read_csv(file, schema_overrides=SCHEMA), ".parquet": pl.read_parquet}
    if path.suffix not in readers:
        raise UsageError(f"--table {path}: expected a name that ends in .csv or .parquet.")
    try:
        return readers[path.suffix](path).cast(pl.Schema(SCHEMA), strict=True)
    except (OSError, PolarsError) as error:
        raise UsageError(
            f"--table {path}: expected a results file of `assay-analyze score --out` ({error})."
        ) from error


def _row(row: Mapping[str, Any]) -> dict[str, str | int]:
    counts = {name: int(row[name]) for name in COUNTS if row[name] is not None}
    numbers = {name: rounded(row[name]) for name in NUMBERS}
    return {**{name: str(row[name]) for name in KEY}, **numbers, **counts, "inputs": str(row["inputs"] or "")}


def _key(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in KEY)


def read_attestation(path: Path) -> dict[str, Any]:
    """Read an attestation and check its digest.

    Raises
    ------
    UsageError
        When it cannot be read, or is none.
    IntegrityError
        When it does not have the digest that it states.
    """
    from cache.errors import IntegrityError

    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UsageError(f"--compare {path}: expected a file of `assay-analyze attest` ({error}).") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT or not isinstance(found.get("rows"), list):
        raise UsageError(f"--compare {path}: expected an attestation with format {FORMAT!r}.")
    body = {name: value for name, value in found.items() if name != "digest"}
    if digest("attestation", body) != found.get("digest"):
        raise IntegrityError(f"{path} does not have the digest that it states: it was changed after it was written.")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How two attestations differ.

    Attributes
    ----------
    rows
        Rows that both have.
    inputs
        Keys whose inputs differ: other images, other weights, other preprocessing.
    values
        (key, what, ours, theirs) of numbers and counts that differ although their inputs are the same.
    roundings
        How many numbers differ by one in the last digit only; they count as equal.
    ours_only, theirs_only
        Keys that one side alone has.
    """

    rows: int
    inputs: tuple[str, ...]
    values: tuple[tuple[str, str, str, str], ...]
    roundings: int
    ours_only: tuple[str, ...]
    theirs_only: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether both say the same."""
        return not (self.inputs or self.values or self.ours_only or self.theirs_only)

    @property
    def exit_code(self) -> int:
        """0 when equal, 4 where a row of both differs, 3 where one side lacks rows and nothing else differs."""
        if self.inputs or self.values:
            return 4
        return 3 if self.ours_only or self.theirs_only else 0

    def lines(self, most: int = 20) -> list[str]:
        """Say what differs, a line each, the gravest first."""
        said = [f"{self.rows} rows are on both sides."]
        if self.roundings:
            said.append(f"{self.roundings} numbers differ by one in the last of {DIGITS} digits; they count as equal.")
        said += _some("inputs differ", self.inputs, most)
        said += _some("differs", [f"{key}: {what} is {a} here, {b} there" for key, what, a, b in self.values], most)
        said += _some("only there", self.theirs_only, most)
        said += _some("only here", self.ours_only, most)
        return said


def _some(what: str, found: Sequence[str], most: int) -> list[str]:
    more = [f"{what}: and {len(found) - most} more"] if len(found) > most else []
    return [*(f"{what}: {one}" for one in found[:most]), *more]


def compare(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Comparison:
    """Compare two attestations.

    A number whose rounding happens to tip over is one in the last digit off; it counts as equal, and is counted.
    """
    here = {_key(row): row for row in ours["rows"]}
    there = {_key(row): row for row in theirs["rows"]}
    both = [key for key in here if key in there]
    inputs: list[str] = []
    values: list[tuple[str, str, str, str]] = []
    roundings = 0
    for key in both:
        a, b = here[key], there[key]
        if a["inputs"] != b["inputs"]:
            inputs.append(_said(key))
        for name in (*NUMBERS, *COUNTS):
            x, y = str(a.get(name, "")), str(b.get(name, ""))
            if x == y:
                continue
            if name in NUMBERS and _neighbours(x, y):
                roundings += 1
            elif a["inputs"] == b["inputs"]:
                values.append((_said(key), name, x or "nothing", y or "nothing"))
    return Comparison(
        rows=len(both),
        inputs=tuple(inputs),
        values=tuple(values),
        roundings=roundings,
        ours_only=tuple(_said(key) for key in here if key not in there),
        theirs_only=tuple(_said(key) for key in there if key not in here),
    )


def _neighbours(a: str, b: str) -> bool:
    """Whether two numbers are at most one unit of the last digit apart.

    Examples
    --------
    >>> _neighbours("0.666667", "0.666666"), _neighbours("0.666667", "0.666665"), _neighbours("", "1")
    (True, False, False)
    """
    if not a or not b or "inf" in a + b:
        return False
    x, y = Decimal(a), Decimal(b)
    largest = max(abs(x), abs(y))
    return abs(x - y) <= Decimal(10) ** (largest.adjusted() - DIGITS + 1)


def _said(key: Sequence[str]) -> str:
    return " · ".join(part for part in key if part)
