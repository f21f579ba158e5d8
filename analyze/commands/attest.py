"""`assay-analyze attest`: results and their inputs as one hash that two laboratories can compare."""

from __future__ import annotations

from pathlib import Path

from cache.console import Options, log, print_data, print_json
from manifests.errors import UsageError

from .selection import DEFAULT_OPTIONS, DEFAULT_SELECTION, Flag, Policy, Selection, exit_code, score_selection


def attest(
    *,
    selection: Selection = DEFAULT_SELECTION,
    table: Path | None = None,
    on_failure: Policy = "error",
    allow_missing: Flag = False,
    compare: Path | None = None,
    out: Path | None = None,
    options: Options = DEFAULT_OPTIONS,
) -> int:
    """Hash results: inputs exactly, values at 6 significant digits.

    With --compare the exit code is 0 when both sides say the same, 4 when a row that both have differs, 3 when one side
    lacks rows that the other has.

    Parameters
    ----------
    table
        A results file of `score`; else the store is scored.
    on_failure
        What to do with images that could not be read.
    allow_missing
        Exit 0 although cells are missing; they are still listed.
    compare
        The attestation of somebody else; what differs goes to stdout.
    out
        A .json file for the attestation; else its digest alone goes to stdout, and with --json all of it.
    """
    import json

    from analyze.attest import attest as do_attest
    from analyze.attest import compare as do_compare
    from analyze.attest import read_attestation, read_results

    options.start_logging()
    theirs = read_attestation(compare) if compare is not None else None
    code = 0
    if table is not None:
        rows = read_results(table)
    else:
        scored = score_selection(options, selection, on_failure)
        rows, code = scored.table, exit_code(scored, allow_missing)
    ours = do_attest(rows)
    if out is not None:
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(json.dumps(ours, indent=1, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")
        except OSError as error:
            raise UsageError(f"--out {out} cannot be written ({error.strerror or error}).") from error
        log.info("wrote %d rows to %s", len(ours["rows"]), out)
    if theirs is None:
        if options.json:
            print_json(ours)
        else:
            print_data(f"{ours['digest']}  {len(ours['rows'])} rows")
        return code
    found = do_compare(ours, theirs)
    verdict = "equal" if found.equal else "different"
    if options.json:
        print_json({"equal": found.equal, "ours": ours["digest"], "theirs": theirs["digest"], "lines": found.lines()})
    else:
        print_data("\n".join([f"{verdict}: {ours['digest']} here, {theirs['digest']} there", *found.lines()]))
    return found.exit_code or code
